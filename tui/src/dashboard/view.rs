//! The state as a picture. Pure: draws what is, decides nothing.
//!
//! Every size works: what doesn't fit is left out by priority or cut, down to one cell.

mod actions;
mod bars;
mod dead_letters;
mod debug;
mod deployment;
mod dialog;
mod events;
mod help;
mod job;
mod jobs;
mod logs;
mod palette;
mod pulse;
mod queues;
mod scale;
mod table;
mod value;
mod workers;

use ratatui::Frame;

use super::canvas::Canvas;
use super::place::Place;
use super::state::{Overlay, State};

/// Draws the state.
pub(crate) fn view(state: &State, frame: &mut Frame<'_>) {
    let area = frame.area();
    let mut canvas = Canvas::new(frame.buffer_mut(), area);
    draw(state, &mut canvas);
}

/// As [`view`], on a canvas.
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
    match &state.place {
        Place::Pulse => pulse::draw(state, &mut body),
        Place::Queues => queues::draw(state, &mut body),
        Place::DeadLetters(queue) => dead_letters::draw(state, *queue, &mut body),
        Place::Jobs { .. } => jobs::draw(state, &mut body),
        Place::Job(id) => job::draw(state, *id, &mut body),
        Place::Logs(id) => logs::draw(state, *id, &mut body),
        Place::Workers => workers::draw(state, &mut body),
        Place::Events { .. } => events::draw(state, &mut body),
        Place::Deployment => deployment::draw(state, &mut body),
    }
    match &state.overlay {
        Overlay::None | Overlay::Filter { .. } => {}
        Overlay::Help { scroll } => help::draw(state, *scroll, &mut body),
        Overlay::Log { scroll } => actions::draw(state, *scroll, &mut body),
        Overlay::Debug => debug::draw(state, &mut body),
        Overlay::Palette { typed, error } => palette::draw(state, typed, error.as_deref(), &mut body),
        Overlay::Scale { service, typed, error } => scale::draw(state, service, typed, error.as_deref(), &mut body),
        Overlay::Plan(plan) => dialog::draw(state, plan, &mut body),
    }
    if foot > 0 {
        bars::footer(state, &mut canvas.part(0, height - 1, width, 1));
    }
}

#[cfg(test)]
mod tests;
