//! The palette's suggestions.

use super::keys::Command;
use super::state::State;

/// The places and commands that start with the typed text. Optional queues are offered where they exist.
pub(crate) fn completions(state: &State, typed: &str) -> Vec<String> {
    let places = state.screens.iter().flat_map(|screen| screen.offers(&state.model));
    let commands = Command::ALL.iter().map(|command| command.name().to_owned());
    let mut found: Vec<String> = Vec::new();
    for offer in places.chain(commands).filter(|offer| offer.starts_with(typed)) {
        if !found.contains(&offer) {
            found.push(offer);
        }
    }
    found
}
