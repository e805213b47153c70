//! How often a job is read, by what is known of it.

use std::time::Duration;

use stereospot_domain::{JobStatus, Timestamp};

use super::target::Watching;
use crate::known::Entry;

/// A job that still waits for its source after this long is read rarely.
const ABANDONED_AFTER: Duration = Duration::from_secs(3_600);

impl Entry {
    /// True when the job's source object was seen.
    pub fn has_source(&self) -> bool {
        self.truth.source.as_ref().is_some_and(|source| source.value.is_some())
    }

    /// How to watch the job from now on.
    pub fn watching(&self, now: Timestamp) -> Watching {
        match self.job.status {
            JobStatus::Failed => Watching::Failed,
            status if status.is_final() => Watching::Last,
            // Its source will hardly come any more; if it does, the row shows it. A job whose source exists waits for a message
            // instead, which may be lost.
            JobStatus::Created if !self.has_source() && now.since(self.last_activity_at()) > ABANDONED_AFTER => {
                Watching::Idle
            }
            _ => Watching::Active,
        }
    }
}

#[cfg(test)]
mod tests;
