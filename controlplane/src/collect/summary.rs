//! What a reading returns, beside the state that it changed.

use stereospot_core::watch::schedule::Outcome;

/// Whether a reading found anything new, and how many calls it made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) outcome: Outcome,
    pub(super) calls: u32,
}

impl Summary {
    /// A reading that has come to its end.
    pub(super) fn new(is_changed: bool, calls: u32) -> Self {
        Self { outcome: if is_changed { Outcome::Changed } else { Outcome::Same }, calls }
    }
}
