//! What a reading returns, beside the state that it changed.

use stereospot_core::watch::schedule::ReadOutcome;

/// Whether a reading found anything new, and how many calls it made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) outcome: ReadOutcome,
    pub(super) calls: u32,
}

impl Summary {
    /// A reading that has come to its end.
    pub(super) fn new(is_changed: bool, calls: u32) -> Self {
        Self { outcome: if is_changed { ReadOutcome::Changed } else { ReadOutcome::Same }, calls }
    }
}
