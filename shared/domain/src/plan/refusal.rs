//! Why a plan can't be applied.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a plan can't be applied: a code for programs, a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refusal {
    pub code: RefusalCode,
    /// What to do instead, too.
    pub why: String,
}

impl Refusal {
    /// A refusal with its sentence.
    #[must_use]
    pub fn new(code: RefusalCode, why: impl Into<String>) -> Self {
        Self { code, why: why.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.why)
    }
}

/// The kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalCode {
    /// The server takes no writes.
    ReadOnly,
    /// What the plan rests on was read too long ago.
    Stale,
    /// The queue is empty: it is as the operator wants it.
    Empty,
    /// There is nothing to do: all is left alone.
    Nothing,
    /// Others hold the messages for some time.
    Held,
    /// The queue is no dead-letter queue.
    NotDeadLetters,
    /// Single messages can't be taken off this queue.
    WholeQueueOnly,
    /// The queue was purged a moment ago.
    TooSoon,
    /// A redrive of the queue runs.
    MoveRuns,
    /// No redrive of the queue runs.
    NoMove,
    /// The job has no such finding now.
    NotFound,
    /// The finding can't be repaired from here.
    NoRepair,
    /// The job's state does not allow it.
    JobState,
    /// The source or what else is needed is gone.
    SourceGone,
    /// The platform has no services, or not this one.
    NoService,
    /// It is as asked for already.
    AsIs,
    /// Larger than can be meant.
    TooLarge,
    /// The copies are gone: the time to undo is over.
    TooLate,
}
