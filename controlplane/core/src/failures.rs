//! How often a step has failed since it was last settled, by a success or a final failure.
//!
//! Invariant: as everywhere in the projection, neither the order nor the repetition of events matters: it keeps the newest failures
//! since the last settlement.

use std::collections::BTreeSet;

use stereospot_domain::event::StepFailed;
use stereospot_domain::{Event, Timestamp};

use super::latest::{Moment, moment};

/// Failures kept of one step; more would not change what is shown.
const MAX_KEPT: usize = 20;

/// The failed attempts of one step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Failures {
    kept: BTreeSet<Moment>,
    /// The last success, or the last failure without a further attempt.
    settled_at: Option<Moment>,
}

impl Failures {
    /// Takes in a failed attempt.
    pub fn failed(&mut self, event: &Event, failed: &StepFailed) {
        if failed.is_final == Some(true) {
            return self.settled(event);
        }
        if self.settled_at.is_none_or(|settled| moment(event) > settled) {
            self.kept.insert(moment(event));
        }
        while self.kept.len() > MAX_KEPT {
            self.kept.pop_first();
        }
    }

    /// Takes in a success, or a failure after which the step is given up.
    pub fn settled(&mut self, event: &Event) {
        let settled = moment(event);
        self.settled_at = self.settled_at.max(Some(settled));
        self.kept.retain(|failed| *failed > settled);
    }

    /// The number of failures kept, and the times of the first and the last; none when the step does not fail.
    pub fn row(&self) -> Option<(u32, Timestamp, Timestamp)> {
        let ((first, _), (last, _)) = (self.kept.first()?, self.kept.last()?);
        Some((self.kept.len() as u32, *first, *last))
    }
}
