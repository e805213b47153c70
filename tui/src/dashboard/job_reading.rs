//! One job in full, as last read: its detail and its events.

use std::time::Duration;

use stereospot_api::view::{JobDetail, SegmentView};
use stereospot_domain::{Event, EventKind, JobId, Timestamp};

use super::effect::{Effect, JOB_EVENTS};
use super::ring::Ring;

/// Shortest pause between two reads after a change, and the pause after which an unchanged job is read again.
const FREE_REST: (Duration, Duration) = (Duration::from_millis(400), Duration::from_secs(5));

/// The same pauses where each read is billed: it queries row, completions, lock and objects.
const PAID_REST: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));

/// The job that is open, or was last.
#[derive(Debug)]
pub(crate) struct JobReading {
    pub id: JobId,
    pub data: Option<Box<JobDetail>>,
    /// By the server's clock.
    pub read_at: Option<Timestamp>,
    pub error: Option<String>,
    pub events: Ring<Event>,
    has_events: bool,
    is_reading: bool,
    is_outdated: bool,
    asked_at: Option<Duration>,
}

impl JobReading {
    pub(crate) fn new(id: JobId) -> Self {
        Self {
            id,
            data: None,
            read_at: None,
            error: None,
            events: Ring::new(JOB_EVENTS as usize),
            has_events: false,
            is_reading: false,
            is_outdated: true,
            asked_at: None,
        }
    }

    /// The job has changed since the last read.
    pub(crate) fn outdate(&mut self) {
        self.is_outdated = true;
    }

    /// The operator opened the job or changed something, so read it at once.
    pub(crate) fn renew(&mut self) {
        (self.is_outdated, self.asked_at) = (true, None);
    }

    /// After a reconnect the pending read will not be answered, and events may have been missed.
    pub(crate) fn restart(&mut self) {
        (self.is_outdated, self.has_events, self.is_reading) = (true, false, false);
    }

    /// The read that is due now, if any.
    pub(crate) fn due(&mut self, is_paid: bool, now: Duration) -> Option<Effect> {
        let (shortest, longest) = if is_paid { PAID_REST } else { FREE_REST };
        let rested = |rest| self.asked_at.is_none_or(|at| now.saturating_sub(at) >= rest);
        let is_due = !self.is_reading && ((self.is_outdated && rested(shortest)) || rested(longest));
        if !is_due {
            return None;
        }
        (self.is_reading, self.is_outdated, self.asked_at) = (true, false, Some(now));
        Some(Effect::FetchJob { job_id: self.id, with_events: !self.has_events })
    }

    /// Stores the answer.
    pub(crate) fn fill(&mut self, detail: Result<Box<JobDetail>, String>, events: Option<Vec<Event>>, at: Timestamp) {
        self.is_reading = false;
        match detail {
            Ok(data) => {
                self.data = Some(data);
                self.read_at = Some(at);
                self.error = None;
            }
            Err(error) => self.error = Some(error),
        }
        if let Some(events) = events {
            // These include the events that the stream brought in the meantime.
            self.events.clear();
            for event in events {
                self.events.push(event);
            }
            self.has_events = true;
        }
    }

    /// Adds an event from the stream.
    pub(crate) fn push(&mut self, event: &Event) {
        let is_known = self.events.iter().rev().take(50).any(|known| known.id == event.id);
        if !is_known {
            self.events.push(event.clone());
        }
        if !event.kind().is_progress() || event.kind() == EventKind::SegmentProgress {
            self.outdate();
        }
    }
    /// Its segments; none while unknown.
    pub(crate) fn segments(&self) -> &[SegmentView] {
        self.data.as_ref().map(|data| data.segments.as_slice()).unwrap_or_default()
    }
}
