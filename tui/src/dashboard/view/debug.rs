//! The dashboard's own costs.

use crate::dashboard::canvas::Canvas;
use crate::dashboard::state::State;
use crate::text;

pub(super) fn draw(state: &State, canvas: &mut Canvas<'_>) {
    let theme = &state.theme;
    let meter = &state.meter;
    let millis = |duration: std::time::Duration| format!("{:.2} ms", duration.as_secs_f64() * 1000.0);
    let lines = [
        ("server", state.server.clone()),
        ("up for", text::age(state.now)),
        ("frames drawn", text::count(meter.frames)),
        ("last draw", millis(meter.last_draw)),
        ("longest draw", millis(meter.longest_draw)),
        ("bytes written", text::size(meter.bytes)),
        ("changes taken in", text::count(state.model.changes)),
        ("inputs waiting", meter.waiting.to_string()),
        ("jobs held", format!("{}, {} dropped", state.model.jobs.len(), state.model.jobs.dropped())),
        ("events held", format!("{}, {} dropped", state.model.log.len(), state.model.log.dropped())),
    ];
    let width = canvas.width().min(60);
    let height = (lines.len() as u16 + 2).min(canvas.height());
    let x = canvas.width() - width;
    let mut part = canvas.part(x, 0, width, height);
    part.clear(theme.dialog);
    let mut inside = part.frame("DASHBOARD", theme.title, theme.accent);
    for (y, (label, words)) in lines.iter().enumerate() {
        inside.text(1, y as u16, label, theme.dim);
        inside.text(20, y as u16, words, theme.text);
    }
}
