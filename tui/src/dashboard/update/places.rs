//! Moving between places.

use crate::dashboard::keys::Command;
use crate::dashboard::place::Place;
use crate::dashboard::state::{Overlay, State};

/// Goes to a place and keeps the current one in the history.
pub(super) fn go(state: &mut State, place: Place) {
    if place != state.place() {
        state.remember();
        state.forward.clear();
    }
    enter(state, place);
}

/// Goes where a screen's key leads from here.
pub(super) fn open_screen(state: &mut State, command: Command) {
    let Some(screen) = state.screen_of(command) else { return };
    match screen.key_leads_to(state) {
        Ok(place) => go(state, place),
        Err(why) => state.say(why, false),
    }
}

pub(super) fn older(state: &mut State) -> bool {
    let Some(place) = state.back.pop_back() else { return false };
    state.forward.push(state.place());
    enter(state, place);
    true
}

pub(super) fn newer(state: &mut State) {
    if let Some(place) = state.forward.pop() {
        state.remember();
        enter(state, place);
    }
}

/// Shows a place without changing the history.
pub(super) fn enter(state: &mut State, place: Place) {
    state.overlay = Overlay::None;
    state.turn_to(&place);
    settle(state);
    reread(state);
}

/// Reads again what the screen shows beyond the stream.
pub(super) fn reread(state: &mut State) {
    let (screen, model) = state.screen_mut();
    screen.reread(model);
}

/// Keeps each screen's cursor on its entry after lists have changed.
pub(super) fn settle(state: &mut State) {
    let model = &state.model;
    state.screens.iter_mut().for_each(|screen| screen.settle(model));
}
