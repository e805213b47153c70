//! Whether the control-plane database takes events, and how to judge the silence of workers while it does not.
//!
//! Invariant: a worker whose events can't be kept is not called silent. While writes fail, each worker stays in the state that it had
//! when the failures began.

use std::time::Duration;

use stereospot_domain::Timestamp;

use super::World;
use super::known::WriteOutage;
use super::worker::SILENT_AFTER;
use stereospot_domain::Collector;

/// Longest time between two test writes.
pub const PULSE: Duration = Duration::from_secs(10);

/// A failure counts for this long, even if a small write finds room in the meantime: within this time workers send again what could
/// not be written.
const STANDS: Duration = Duration::from_secs(15);
/// The same after a write as large as the failed one has succeeded: of such writes, some may find room and others not.
const STANDS_AGAINST_LARGE: Duration = Duration::from_secs(5);

impl World {
    /// Takes in a failed write of so many events; 0 for a test write.
    pub fn database_failed(&mut self, events: usize, error: String, now: Timestamp) {
        let before = self.write_outage.filter(|_| self.misses_events(now));
        self.write_outage = Some(WriteOutage {
            since: before.map_or(now, |before| before.since),
            last_failure: now,
            events: before.map_or(events, |before| before.events.max(events)),
        });
        self.collector_ran(Collector::OwnDatabase, PULSE, Some(error), now);
    }

    /// Takes in a successful write of so many events; 0 for a test write. A failure ends once nothing has failed for a while,
    /// sooner when a write as large as the failed one succeeds.
    pub fn database_took(&mut self, events: usize, now: Timestamp) {
        // Before the first failure the database is not among the collectors.
        let Some(view) = self.collectors.get(&Collector::OwnDatabase) else { return };
        let is_news = view.error.is_some() || now.since(view.last_success_at.unwrap_or_default()) >= PULSE / 2;
        let still_stands = |outage: WriteOutage| {
            let stands = match (events, outage.events) {
                // Only a test write failed: the next one that succeeds ends it.
                (0, 0) => Duration::ZERO,
                (taken, refused) if taken >= refused => STANDS_AGAINST_LARGE,
                _ => STANDS,
            };
            now.since(outage.last_failure) < stands
        };
        let stands = view.error.is_some() && self.write_outage.is_some_and(still_stands);
        if is_news && !stands {
            self.collector_ran(Collector::OwnDatabase, PULSE, None, now);
        }
    }

    /// True while events can't be written, and for a moment after, until every worker has had time to send again.
    pub fn misses_events(&self, now: Timestamp) -> bool {
        self.write_outage.is_some_and(|outage| now.since(outage.last_failure) < SILENT_AFTER)
    }

    /// The time up to which events were kept: the silence of workers counts to this time.
    pub(super) fn heard_until(&self, now: Timestamp) -> Timestamp {
        self.write_outage.filter(|_| self.misses_events(now)).map_or(now, |outage| outage.since)
    }
}

#[cfg(test)]
mod tests;
