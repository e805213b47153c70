//! The palette: goes to a place by its locator.

use crate::dashboard::canvas::Canvas;
use crate::dashboard::keys::Command;
use crate::dashboard::palette;
use crate::dashboard::state::State;

pub(super) fn draw(state: &State, typed: &str, error: Option<&str>, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let width = canvas.width().min(72);
    let offers = palette::completions(state, typed);
    let height = (offers.len().min(10) as u16 + 4).min(canvas.height());
    let x = (canvas.width() - width) / 2;
    let mut part = canvas.part(x, 1.min(canvas.height().saturating_sub(height)), width, height);
    part.clear(theme.dialog);
    let mut inside = part.frame("GO TO", theme.title, theme.accent);
    let x = inside.text(1, 0, ":", theme.accent);
    let x = inside.text(x, 0, typed, theme.text);
    inside.text(x, 0, "█", theme.accent);
    match error {
        Some(error) => inside.text(1, 1, error, theme.warn),
        None => inside.text(1, 1, "tab completes, enter goes; job/ID takes the first digits of an id", theme.dim),
    };
    for (line, offer) in offers.iter().take(10).enumerate() {
        let y = line as u16 + 2;
        let style = if line == 0 { theme.accent } else { theme.dim };
        inside.text(2, y, offer, style);
        if let Some(command) = Command::ALL.iter().find(|command| command.name() == offer) {
            inside.text(22, y, command.about(), theme.faint);
        }
    }
}
