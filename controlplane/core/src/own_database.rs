//! Whether what workers tell can be kept, and what follows for the workers' silence when it can't.
//!
//! Invariant: who can't be heard is not called silent. While events are not kept, each worker stands as it was when that began.

use std::time::Duration;

use stereospot_domain::Timestamp;

use super::World;
use super::worker::SILENT_AFTER;
use stereospot_domain::Collector;

/// Longest time between two looks whether it can be written.
pub const PULSE: Duration = Duration::from_secs(10);

/// Workers try again within this time to tell what was not kept: as long as the last failure is no older, it stands, though a small
/// write may find room between two of them.
const STANDS: Duration = Duration::from_secs(15);
/// As above where a write as large went well: of writes as large, some may find room and others not.
const STANDS_AGAINST_LARGE: Duration = Duration::from_secs(5);

/// A time in which nobody could be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deafness {
    since: Timestamp,
    last_failure: Timestamp,
    /// The largest batch that was not kept.
    events: usize,
}

impl World {
    /// Takes in that a write of so many events to the own database failed; 0 for a look whether it can be written.
    pub fn own_database_failed(&mut self, events: usize, error: String, now: Timestamp) {
        let before = self.deafness.filter(|_| self.is_deaf(now));
        self.deafness = Some(Deafness {
            since: before.map_or(now, |before| before.since),
            last_failure: now,
            events: before.map_or(events, |before| before.events.max(events)),
        });
        self.collector_ran(Collector::OwnDatabase, PULSE, Some(error), now);
    }

    /// Takes in that a write of so many events went well. That ends what was told of a failure once nothing has failed for a while,
    /// the sooner when it is as large as the one that failed.
    pub fn own_database_took(&mut self, events: usize, now: Timestamp) {
        // Without a failure nothing was ever told of it.
        let Some(view) = self.collectors.get(&Collector::OwnDatabase) else { return };
        let is_news = view.error.is_some() || now.since(view.last_success_at.unwrap_or_default()) >= PULSE / 2;
        let still_stands = |deaf: Deafness| {
            let stands = match (events, deaf.events) {
                // Looks go on at their own pace, and tell of themselves.
                (0, 0) => Duration::ZERO,
                (taken, refused) if taken >= refused => STANDS_AGAINST_LARGE,
                _ => STANDS,
            };
            now.since(deaf.last_failure) < stands
        };
        let stands = view.error.is_some() && self.deafness.is_some_and(still_stands);
        if is_news && !stands {
            self.collector_ran(Collector::OwnDatabase, PULSE, None, now);
        }
    }

    /// True while events are not kept, and for a moment after, until every worker had the time to tell again.
    pub fn is_deaf(&self, now: Timestamp) -> bool {
        self.deafness.is_some_and(|deaf| now.since(deaf.last_failure) < SILENT_AFTER)
    }

    /// The time up to which workers could be heard: by that their silence is judged.
    pub(super) fn heard_until(&self, now: Timestamp) -> Timestamp {
        self.deafness.filter(|_| self.is_deaf(now)).map_or(now, |deaf| deaf.since)
    }
}

#[cfg(test)]
mod tests;
