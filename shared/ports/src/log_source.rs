//! Log lines of a job, wherever its workers write them.
//!
//! Also what can be read out of such a line without asking anybody: its time, its job, its segment ([`mod@line`]), and the event
//! that it tells of ([`mod@derive`]). That is how a deployment whose workers send no events is watched.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use stereospot_domain::{Job, JobId, Timestamp};
use tokio::sync::watch;

use crate::error::{Error, ErrorCode, Result};

pub mod derive;
pub mod line;
#[cfg(any(test, feature = "conformance"))]
pub mod memory;

/// Most lines that one search returns.
pub const MAX_LINES: usize = 10_000;
/// So many are asked for where nobody says otherwise.
pub const USUAL_LINES: usize = 1_000;
/// A job's window is wider by this on both sides.
const MARGIN: Duration = Duration::from_secs(600);

/// What to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Search {
    /// Lines whose text holds `job_id=` and this id. Absent: every line that names a job, to derive events from.
    pub job_id: Option<JobId>,
    /// From this time on.
    pub from: Timestamp,
    /// Up to this time, itself included.
    pub until: Timestamp,
    /// At most so many lines, 1 to [`MAX_LINES`].
    pub limit: usize,
}

impl Search {
    /// A job's lines, from just before it was made until just after it ended, or `now` while it goes on. The margin makes up
    /// for clocks that differ, and for lines written after the end.
    #[must_use]
    pub fn of(job: &Job, now: Timestamp) -> Self {
        let ended = job.completed_at.filter(|_| job.status.is_final());
        Self {
            job_id: Some(job.job_id),
            from: job.created_at.minus(MARGIN),
            until: ended.map_or(now, |ended| ended.plus(MARGIN)).max(job.created_at),
            limit: USUAL_LINES,
        }
    }

    /// True when the line is one of those looked for, its time aside.
    #[must_use]
    pub fn wants(&self, text: &str) -> bool {
        match (self.job_id, line::parse(text).job_id) {
            (Some(wanted), found) => found == Some(wanted),
            (None, found) => found.is_some(),
        }
    }

    /// Refuses a search that no source can do; sources call it first.
    ///
    /// # Errors
    /// [`ErrorCode::Invalid`] for a limit out of range or a window that ends before it begins.
    pub fn check(&self) -> Result<()> {
        if !(1..=MAX_LINES).contains(&self.limit) {
            return Err(Error::new(
                ErrorCode::Invalid,
                format!("can't return {} log lines: 1 to {MAX_LINES}", self.limit),
            ));
        }
        if self.until < self.from {
            return Err(Error::new(ErrorCode::Invalid, "the time window ends before it begins"));
        }
        Ok(())
    }
}

/// One log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When it was written, by its writer's clock.
    pub time: Timestamp,
    /// The log group or file it stands in.
    pub source: String,
    /// The stream within the group, usually one per task; empty where there are none.
    pub stream: String,
    /// The whole line.
    pub text: String,
}

/// Where a search stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Log groups or files that are searched.
    pub searched: Vec<String>,
    /// Lines found so far; more may come.
    pub lines_found: u64,
    /// Bytes read so far. On CloudWatch this is what is paid for.
    pub bytes_scanned: u64,
    /// True once nothing more will come.
    pub is_done: bool,
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The lines, oldest first.
    pub lines: Vec<Line>,
    /// False when there are more lines than the limit: those returned are then the oldest.
    pub is_whole: bool,
    /// Log groups or files that were searched.
    pub searched: Vec<String>,
    /// Those that should be there and are not, each with the reason in words.
    pub missing: Vec<String>,
    /// Bytes read in all.
    pub bytes_scanned: u64,
}

/// Finds log lines. It only reads.
#[async_trait]
pub trait LogSource: fmt::Debug + Send + Sync + 'static {
    /// The lines of a job, or of all jobs, within a time window, oldest first.
    ///
    /// `progress` is told whenever more is known. Dropping the future cancels the search, also at the backend where it would
    /// go on and cost: nothing needs to be called. A source that is missing is named in [`Found::missing`]; the others are
    /// searched all the same. A line may be missing for some minutes after it was written, where the backend takes so long.
    ///
    /// # Errors
    /// [`ErrorCode::Invalid`] as [`Search::check`]; [`ErrorCode::NotFound`] when not a single group or file is there; otherwise when the
    /// backend can't be asked.
    async fn lines(&self, search: &Search, progress: &watch::Sender<Progress>) -> Result<Found>;
}

#[cfg(test)]
mod tests;
