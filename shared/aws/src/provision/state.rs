//! What a look at a resource found.

use serde::Serialize;

/// What has to be done to a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "changes", rename_all = "snake_case")]
pub enum State {
    /// Nothing: it is there and as wanted.
    Fits,
    /// It must be made.
    Missing,
    /// It must be changed, with one sentence per change.
    Differs(Vec<String>),
}

impl State {
    pub(super) fn of(changes: Vec<String>) -> Self {
        if changes.is_empty() { State::Fits } else { State::Differs(changes) }
    }
}
