//! Every key, from the live bindings, with the reason where one is blocked.

use crate::dashboard::canvas::Canvas;
use crate::dashboard::keys::Command;
use crate::dashboard::state::State;
use crate::dashboard::write;
use crate::text;

pub(super) fn draw(state: &State, scroll: usize, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let width = canvas.width().min(if canvas.width() >= 150 { 150 } else { 100 });
    let columns = if width >= 130 { 2 } else { 1 };
    let per_column = Command::ALL.len().div_ceil(columns);
    let height = (per_column as u16 + 4).min(canvas.height());
    let x = (canvas.width() - width) / 2;
    let mut part = canvas.part(x, 0, width, height);
    part.clear(theme.dialog);
    let mut inside = part.frame("KEYS", theme.title, theme.accent);
    let rows = usize::from(inside.height().saturating_sub(1));
    state.overlay_end.set(per_column.saturating_sub(rows));
    let scroll = scroll.min(state.overlay_end.get());
    let column_width = inside.width() / columns as u16;
    for column in 0..columns {
        let commands = Command::ALL.iter().copied().skip(column * per_column).take(per_column);
        for (line, command) in commands.skip(scroll).take(rows).enumerate() {
            let (x, y) = (column as u16 * column_width, line as u16);
            let blocked = write::WRITES.contains(&command).then(|| write::action(state, command).err()).flatten();
            let style = if blocked.is_some() { theme.faint } else { theme.accent };
            inside.text_within(x + 1, y, 12, &state.keymap.chords(command), style);
            inside.text_within(x + 14, y, 15, command.name(), theme.dim);
            let words = match blocked {
                Some(why) => format!("blocked here: {why}"),
                None => command.about().to_owned(),
            };
            let style = if style == theme.faint { theme.faint } else { theme.text };
            inside.text_within(x + 30, y, column_width.saturating_sub(31), &words, style);
        }
    }
    let y = inside.height().saturating_sub(1);
    let hidden = per_column.saturating_sub(scroll + rows);
    let words =
        if hidden > 0 { format!("{} more ↓   esc closes", text::count(hidden as u64)) } else { "esc closes".into() };
    inside.text(1, y, &words, theme.dim);
}
