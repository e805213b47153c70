//! The action log, newest first: when, who, what, with which results, and what can still be undone.

use stereospot_domain::plan::Outcome;

use crate::dashboard::canvas::Canvas;
use crate::dashboard::state::State;
use crate::text;

pub(super) fn draw(state: &State, scroll: usize, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let actions = &state.model.actions;
    let width = canvas.width().min(130);
    let height = ((actions.len() * 2) as u16 + 3).max(4).min(canvas.height());
    let x = (canvas.width() - width) / 2;
    let mut part = canvas.part(x, 0, width, height);
    part.clear(theme.dialog);
    let mut inside = part.frame(&format!("ACTION LOG ({})", actions.len()), theme.title, theme.accent);
    if actions.is_empty() {
        inside.text(1, 0, "no action was applied yet", theme.dim);
    }
    let rows = usize::from(inside.height().saturating_sub(1));
    state.overlay_end.set(actions.len().saturating_sub(rows / 2));
    let scroll = scroll.min(state.overlay_end.get());
    for (line, applied) in actions.iter().skip(scroll).take(rows.div_ceil(2)).enumerate() {
        let y = line as u16 * 2;
        let count = |outcome| applied.count(outcome);
        let failed = count(Outcome::Failed);
        let (glyph, style) = match (applied.finished_at, failed) {
            (None, _) => ("▶", theme.accent),
            (Some(_), 0) => ("✓", theme.good),
            (Some(_), _) => ("✗", theme.bad),
        };
        inside.text(1, y, glyph, style);
        // In the order of the command's columns; the scope comes last, because only it may be cut.
        let age = text::age(state.ago(applied.applied_at));
        inside.text_right(9, y, &age, theme.dim);
        let mut x = inside.text(11, y, &applied.applied_by, theme.dim);
        x = inside.text(x + 2, y, applied.plan.action.name(), theme.title);
        inside.text(x + 2, y, &applied.plan.scope, theme.text);
        if usize::from(y) + 1 >= rows {
            break;
        }
        let undo = match applied.undo_until {
            Some(until) if until > state.server_now() => {
                format!("   can be undone for {}", text::age(until.since(state.server_now())))
            }
            _ => String::new(),
        };
        let results =
            format!("{} done, {} skipped, {failed} failed{undo}", count(Outcome::Done), count(Outcome::Skipped));
        inside.text(11, y + 1, &results, theme.dim);
    }
    inside.text(1, rows as u16, "↑↓ scroll   esc closes", theme.dim);
}
