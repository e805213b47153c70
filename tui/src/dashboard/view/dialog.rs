//! The plan of a write: what it will do, item by item, before anything is sent; then what came of it.

use ratatui::style::Style;
use stereospot_domain::plan::{Action, ItemResult, Outcome, Plan, PlanItem};

use crate::dashboard::canvas::Canvas;
use crate::dashboard::dialog::{Dialog, Face, Step};
use crate::dashboard::state::State;
use crate::dashboard::text;

type Line = Vec<(String, Style)>;

/// Draws the dialog over the body.
pub(super) fn draw(state: &State, dialog: &Dialog, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let width = canvas.width().saturating_sub(if canvas.width() > 60 { 8 } else { 0 }).min(110);
    let inner = usize::from(width.saturating_sub(4)).max(1);
    let (head, list, foot) = lines(state, dialog, inner);
    let wanted = (head.len() + list.len() + foot.len() + 2) as u16;
    let height = wanted.max(6).min(canvas.height());
    let x = (canvas.width() - width) / 2;
    let y = (canvas.height() - height) / 3;
    let mut part = canvas.part(x, y, width, height);
    part.clear(theme.dialog);
    let style = match &dialog.step {
        Step::Shown(plan) if plan.refused.is_some() => theme.bad,
        Step::Failed(_) => theme.bad,
        Step::Done(_, results) if results.iter().any(|result| result.outcome == Outcome::Failed) => theme.bad,
        Step::Done(..) => theme.good,
        _ => theme.accent,
    };
    let mut inside = part.frame(&title(state, dialog), style, style);
    // The foot says how to go on: it stays in sight whatever the size; the list gives way first.
    let rows = usize::from(inside.height());
    let foot = if rows < 10 { foot.into_iter().filter(|line| !line.is_empty()).collect() } else { foot };
    let foot_rows = foot.len().min(rows);
    let head_rows = head.len().min(rows - foot_rows);
    let list_rows = rows - foot_rows - head_rows;
    let scroll = dialog.scroll.min(list.len().saturating_sub(list_rows));
    put(&mut inside, 0, head.iter().take(head_rows));
    put(&mut inside, head_rows, list.iter().skip(scroll).take(list_rows));
    let hidden = list.len().saturating_sub(scroll + list_rows);
    if hidden > 0 && list_rows > 0 {
        let y = (head_rows + list_rows - 1) as u16;
        inside.text_right(inside.width(), y, &format!(" {hidden} more ↓"), theme.warn);
    }
    put(&mut inside, rows - foot_rows, foot.iter());
}

fn put<'a>(canvas: &mut Canvas<'_>, from: usize, lines: impl Iterator<Item = &'a Line>) {
    for (line, spans) in lines.enumerate() {
        let mut x = 1;
        for (words, style) in spans {
            x = canvas.text(x, (from + line) as u16, words, *style);
        }
    }
}

fn title(state: &State, dialog: &Dialog) -> String {
    let name = dialog.action.name();
    // The last digits: the first ones are the time, and alike for plans of one morning.
    let short = |plan: &Plan| {
        let id = plan.id.to_string();
        id[id.len() - 4..].to_owned()
    };
    match &dialog.step {
        Step::Asking => format!("PLAN {name} ─ asking the control plane"),
        Step::Shown(plan) => {
            let left = plan.valid_until.since(state.server_now()).as_secs();
            let valid = if left == 0 { "has run out".to_owned() } else { format!("valid {left} s") };
            format!("PLAN {name} #{} ─ {valid} ─ nothing has been sent", short(plan))
        }
        Step::Applying(plan) => format!("PLAN {name} #{} ─ being applied", short(plan)),
        Step::Done(plan, _) => format!("RESULT {name} #{}", short(plan)),
        Step::Failed(_) => format!("PLAN {name} ─ not done"),
    }
}

/// Head, list and foot of the dialog.
fn lines(state: &State, dialog: &Dialog, columns: usize) -> (Vec<Line>, Vec<Line>, Vec<Line>) {
    let theme = &state.theme;
    let plain = |words: String, style: Style| {
        text::wrap(&words, columns).into_iter().map(|line| vec![(line, style)]).collect::<Vec<Line>>()
    };
    let mut foot: Vec<Line> = Vec::new();
    if let Some(note) = &dialog.note {
        foot.extend(plain(note.clone(), theme.warn));
    }
    match &dialog.step {
        Step::Asking => {
            foot.push(vec![("esc cancel".into(), theme.dim)]);
            (plain(about(&dialog.action), theme.text), Vec::new(), foot)
        }
        Step::Failed(why) => {
            foot.push(vec![("esc close".into(), theme.dim)]);
            (plain(why.clone(), theme.bad), Vec::new(), foot)
        }
        Step::Shown(plan) => {
            foot.push(Vec::new());
            foot.extend(confirm_lines(state, dialog, plan, columns));
            let list = match dialog.face {
                Face::Items => items(state, plan, columns),
                Face::Json => {
                    let json = serde_json::to_string_pretty(plan).unwrap_or_default();
                    json.lines()
                        .flat_map(|line| text::wrap_kept(line, columns))
                        .map(|line| vec![(line, theme.dim)])
                        .collect()
                }
            };
            (head(state, plan, columns), list, foot)
        }
        Step::Applying(plan) => {
            foot.push(vec![("being applied …".into(), theme.accent)]);
            (head(state, plan, columns), items(state, plan, columns), foot)
        }
        Step::Done(plan, results) => {
            let count = |outcome| results.iter().filter(|result| result.outcome == outcome).count();
            let (done, skipped, failed) = (count(Outcome::Done), count(Outcome::Skipped), count(Outcome::Failed));
            let summary = vec![
                (format!("✓ {done} done"), theme.good),
                (format!("   – {skipped} skipped"), theme.dim),
                (format!("   ✗ {failed} failed"), if failed > 0 { theme.bad } else { theme.dim }),
            ];
            let mut head = plain(format!("scope  {}", plan.scope), theme.text);
            head.push(summary);
            head.push(Vec::new());
            if matches!(plan.action, Action::Purge { .. }) {
                let key = state.keymap.hint(crate::dashboard::keys::Command::Undo).unwrap_or_default();
                foot.push(vec![(format!("a copy is kept: {key} puts it back"), theme.accent)]);
            }
            foot.push(vec![("esc close   ↑↓ scroll".into(), theme.dim)]);
            (head, result_lines(state, plan, results, columns), foot)
        }
    }
}

fn about(action: &Action) -> String {
    match action {
        Action::Replay { queue, message_ids: Some(ids) } => {
            format!("replay {} from {queue}", text::plural(ids.len(), "message"))
        }
        Action::Replay { queue, message_ids: None } => format!("replay everything in {queue}"),
        Action::Purge { queue } => format!("purge {queue}"),
        Action::Trigger { job_id } => format!("trigger reassembly of job {job_id}"),
        Action::Repair { job_id, code } => format!("repair {code} of job {job_id}"),
        Action::Restore { plan_id } => format!("put back what purge {plan_id} took away"),
    }
}

fn head(state: &State, plan: &Plan, columns: usize) -> Vec<Line> {
    let theme = &state.theme;
    let mut lines: Vec<Line> = Vec::new();
    let mut labelled = |label: &str, words: &str, style: Style| {
        for (at, line) in text::wrap(words, columns.saturating_sub(9).max(8)).into_iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            lines.push(vec![(format!("{label:<9}"), theme.dim), (line, style)]);
        }
    };
    if let Some(refused) = &plan.refused {
        labelled("refused", refused, theme.bad);
    }
    labelled("scope", &plan.scope, theme.text);
    let counted = format!("{} to do, {} skipped", plan.items.len(), plan.skips.len());
    labelled("items", &counted, theme.title);
    labelled("effect", &plan.effect, theme.text);
    for assumption in &plan.assumptions {
        labelled("assumes", assumption, theme.dim);
    }
    let command = text::wrap(&plan.command, columns.saturating_sub(9).max(8));
    labelled("command", &command.iter().take(2).cloned().collect::<Vec<_>>().join(" "), theme.accent);
    if command.len() > 2 {
        lines.push(vec![(format!("{:<9}… C copies it whole", ""), theme.dim)]);
    }
    lines.push(Vec::new());
    lines
}

/// What an item is about: `7f3a2c1e/17`, `7f3a2c1e`, or the start of its id.
fn about_item(item: &PlanItem) -> String {
    match (item.job_id, item.segment_index) {
        (Some(job), Some(index)) => format!("{}/{index}  ", text::short_id(job)),
        (Some(job), None) => format!("{}  ", text::short_id(job)),
        _ => format!("{}  ", text::fit(&item.id, 12)),
    }
}

fn items(state: &State, plan: &Plan, columns: usize) -> Vec<Line> {
    let theme = &state.theme;
    let line = |glyph: &str, item: &PlanItem, style: Style| {
        let about = about_item(item);
        let room = columns.saturating_sub(text::width(&about) + 2).max(4);
        let what = text::wrap(&item.what, usize::MAX).join(" ");
        vec![(format!("{glyph} "), style), (about, theme.accent), (text::fit(&what, room).into_owned(), style)]
    };
    let mut lines: Vec<Line> = plan.items.iter().map(|item| line("→", item, theme.text)).collect();
    lines.extend(plan.skips.iter().map(|item| line("–", item, theme.dim)));
    lines
}

fn confirm_lines(state: &State, dialog: &Dialog, plan: &Plan, columns: usize) -> Vec<Line> {
    let theme = &state.theme;
    let mut lines: Vec<Line> = Vec::new();
    if plan.refused.is_some() {
        lines.push(vec![("esc close   J json   C copy command".into(), theme.dim)]);
        return lines;
    }
    let others = if columns >= 60 {
        "esc cancel   J json   C copy command   ↑↓ scroll"
    } else {
        "esc cancel  J json  C copy"
    };
    match Dialog::confirm(plan) {
        Some(wanted) => {
            let right = dialog.typed == wanted;
            lines.push(vec![
                ("type ".into(), theme.dim),
                (wanted.clone(), theme.title),
                (" then enter: ".into(), theme.dim),
                (dialog.typed.clone(), if right { theme.good } else { theme.text }),
                ("█".into(), theme.accent),
            ]);
            lines.push(vec![(others.into(), theme.dim)]);
        }
        None => {
            lines.push(vec![("a".into(), theme.accent), (" apply   ".into(), theme.text), (others.into(), theme.dim)]);
        }
    }
    lines
}

fn result_lines(state: &State, plan: &Plan, results: &[ItemResult], columns: usize) -> Vec<Line> {
    let theme = &state.theme;
    results
        .iter()
        .map(|result| {
            let (glyph, style) = match result.outcome {
                Outcome::Done => ("✓", theme.good),
                Outcome::Skipped => ("–", theme.dim),
                Outcome::Failed => ("✗", theme.bad),
            };
            let item = plan.items.iter().find(|item| item.id == result.id);
            let about = item.map_or_else(|| format!("{}  ", text::fit(&result.id, 12)), about_item);
            let what = item.map_or("", |item| item.what.as_str());
            let words = text::wrap(if result.note.is_empty() { what } else { &result.note }, usize::MAX).join(" ");
            let room = columns.saturating_sub(text::width(&about) + 2).max(4);
            vec![(format!("{glyph} "), style), (about, theme.accent), (text::fit(&words, room).into_owned(), style)]
        })
        .collect()
}
