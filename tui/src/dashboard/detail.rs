//! One job in full: what was read of it, when, and where the cursor is.

use std::time::Duration;

use stereospot_api::view::{JobDetail, SegmentView};
use stereospot_domain::{Event, JobId, Timestamp};

use super::effect::{Effect, JOB_EVENTS};
use super::ring::Ring;

/// Shortest time between two readings of the same job, and the time after which it is read again even if nothing was told of it.
const FREE_REST: (Duration, Duration) = (Duration::from_millis(400), Duration::from_secs(5));

/// The same, where each reading asks the platform for row, completions, lock and objects, and each of these is paid for.
const PAID_REST: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));

/// The panes of the job's screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Pane {
    #[default]
    Segments,
    Diagnosis,
    Timeline,
    Events,
}

impl Pane {
    pub(crate) const ALL: [Pane; 4] = [Pane::Segments, Pane::Diagnosis, Pane::Timeline, Pane::Events];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Pane::Segments => "SEGMENTS",
            Pane::Diagnosis => "DIAGNOSIS",
            Pane::Timeline => "TIMELINE",
            Pane::Events => "EVENTS",
        }
    }

    pub(crate) fn next(self) -> Self {
        let at = Self::ALL.iter().position(|pane| *pane == self).expect("ALL holds every pane");
        Self::ALL[(at + 1) % Self::ALL.len()]
    }
}

/// The job that the screen is about.
#[derive(Debug)]
pub(crate) struct Detail {
    pub id: JobId,
    pub data: Option<Box<JobDetail>>,
    /// When it was read, by the server's clock.
    pub read_at: Option<Timestamp>,
    pub error: Option<String>,
    pub events: Ring<Event>,
    pub pane: Pane,
    /// The segment under the cursor.
    pub segment: u32,
    /// Columns of the segment grid, as last drawn: what "down" means.
    pub grid_columns: std::cell::Cell<usize>,
    /// First line shown of diagnosis, timeline and events; events count from the newest.
    pub scroll: usize,
    /// The last line that can be the first shown there, as last drawn.
    pub last_scroll: std::cell::Cell<usize>,
    has_events: bool,
    is_reading: bool,
    is_outdated: bool,
    asked_at: Option<Duration>,
}

impl Detail {
    pub(crate) fn new(id: JobId) -> Self {
        Self {
            id,
            data: None,
            read_at: None,
            error: None,
            events: Ring::new(JOB_EVENTS as usize),
            pane: Pane::default(),
            segment: 0,
            grid_columns: std::cell::Cell::new(1),
            scroll: 0,
            last_scroll: std::cell::Cell::new(0),
            has_events: false,
            is_reading: false,
            is_outdated: true,
            asked_at: None,
        }
    }

    /// Something was told of the job: what was read of it is no longer the newest.
    pub(crate) fn outdate(&mut self) {
        self.is_outdated = true;
    }

    /// Somebody came to look, or changed something: the next reading is due at once.
    pub(crate) fn renew(&mut self) {
        (self.is_outdated, self.asked_at) = (true, None);
    }

    /// The connection is new: nothing under way will be answered, and events may have been missed.
    pub(crate) fn restart(&mut self) {
        (self.is_outdated, self.has_events, self.is_reading) = (true, false, false);
    }

    /// The reading that is due now, if one is.
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

    /// Takes in what was read.
    pub(crate) fn fill(&mut self, detail: Result<Box<JobDetail>, String>, events: Option<Vec<Event>>, at: Timestamp) {
        self.is_reading = false;
        match detail {
            Ok(data) => {
                self.segment = self.segment.min((data.segments.len() as u32).saturating_sub(1));
                self.data = Some(data);
                self.read_at = Some(at);
                self.error = None;
            }
            Err(error) => self.error = Some(error),
        }
        if let Some(events) = events {
            // Those that the stream told meanwhile are among them.
            self.events.clear();
            for event in events {
                self.events.push(event);
            }
            self.has_events = true;
        }
    }

    /// Takes in an event that the stream told.
    pub(crate) fn push(&mut self, event: &Event) {
        let is_known = self.events.iter().rev().take(50).any(|known| known.id == event.id);
        if !is_known {
            self.events.push(event.clone());
        }
        if !event.kind.is_progress() || event.kind == stereospot_domain::EventKind::SegmentProgress {
            self.outdate();
        }
    }

    /// The segment under the cursor.
    pub(crate) fn under_cursor(&self) -> Option<&SegmentView> {
        let data = self.data.as_ref()?;
        data.segments.get(self.segment as usize)
    }

    /// The first line to show in a pane of so many, and notes how far it can be scrolled.
    pub(crate) fn first_line(&self, pane: Pane, lines: usize) -> usize {
        if self.pane != pane {
            return 0;
        }
        self.last_scroll.set(lines.saturating_sub(1));
        self.scroll.min(lines.saturating_sub(1))
    }

    /// Moves within the pane. Right and down go on in the order of the segments.
    pub(crate) fn step(&mut self, rows: isize, columns: isize) {
        if self.pane == Pane::Segments {
            let by = rows * self.grid_columns.get() as isize + columns;
            let count = self.data.as_ref().map_or(0, |data| data.segments.len()) as i64;
            self.segment = (i64::from(self.segment) + by as i64).clamp(0, (count - 1).max(0)) as u32;
        } else {
            self.scroll = self.scroll.saturating_add_signed(rows).min(self.last_scroll.get());
        }
    }
}
