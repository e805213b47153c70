//! Draws the state: the frame around the screen, the screen, the overlays. Pure: it decides nothing.
//!
//! Every size works, down to one cell: what doesn't fit is left out by priority or cut.

mod actions;
mod bars;
mod debug;
mod dialog;
mod help;
mod leave;
mod palette;
mod scale;
pub(crate) mod table;
pub(crate) mod value;

use ratatui::Frame;

use super::canvas::Canvas;
use super::state::{Overlay, State};

/// Draws the state on a terminal frame.
pub(crate) fn view(state: &State, frame: &mut Frame<'_>) {
    let area = frame.area();
    let mut canvas = Canvas::new(frame.buffer_mut(), area);
    draw(state, &mut canvas);
}

/// Draws the state on a canvas.
pub(crate) fn draw(state: &State, canvas: &mut Canvas<'_>) {
    state.hits.clear();
    let (width, height) = (canvas.width(), canvas.height());
    bars::header(state, &mut canvas.part(0, 0, width, 1));
    let tabs = u16::from(height >= 5);
    let foot = u16::from(height >= 4);
    if tabs > 0 {
        bars::tabs(state, &mut canvas.part(0, 1, width, 1));
    }
    let top = 1 + tabs;
    let mut body = canvas.part(0, top, width, height.saturating_sub(top + foot));
    state.screen().draw(state, &mut body);
    match &state.overlay {
        Overlay::None | Overlay::Filter { .. } => {}
        Overlay::Help { scroll } => help::draw(state, *scroll, &mut body),
        Overlay::Log { scroll } => actions::draw(state, *scroll, &mut body),
        Overlay::Debug => debug::draw(state, &mut body),
        Overlay::Palette { typed, error } => palette::draw(state, typed, error.as_deref(), &mut body),
        Overlay::Scale { service, typed, error } => scale::draw(state, service, typed, error.as_deref(), &mut body),
        Overlay::Leave { typed, .. } => leave::draw(state, typed, &mut body),
        Overlay::Plan(plan) => dialog::draw(state, plan, &mut body),
    }
    if foot > 0 {
        bars::footer(state, &mut canvas.part(0, height - 1, width, 1));
    }
}

#[cfg(test)]
mod tests;
