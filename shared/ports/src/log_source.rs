//! Searches the log lines of a job.
//!
//! Also parses a line: its time, job and segment ([`mod@line`]), and the event that it reports ([`mod@derive`]). That is how a
//! deployment is watched whose workers send no events.

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
/// Default number of lines.
pub const USUAL_LINES: usize = 1_000;
/// A job's time window is extended by this on both sides.
const MARGIN: Duration = Duration::from_secs(600);

/// What to search for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Search {
    /// Lines with `job_id=` and this id. Absent: every line that names a job, to infer events from.
    pub job_id: Option<JobId>,
    /// Inclusive.
    pub from: Timestamp,
    /// Inclusive.
    pub until: Timestamp,
    /// Most lines to return, 1 to [`MAX_LINES`].
    pub limit: usize,
}

impl Search {
    /// The lines of a job, from shortly before its creation until shortly after its end, or until `now` if it has not ended. The
    /// margin allows for clocks that differ and for lines written after the end.
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

    /// True if the line matches, apart from its time.
    #[must_use]
    pub fn wants(&self, text: &str) -> bool {
        match (self.job_id, line::parse(text).job_id) {
            (Some(wanted), found) => found == Some(wanted),
            (None, found) => found.is_some(),
        }
    }

    /// Refuses an invalid search. Sources call it first.
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

/// A log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// By the writer's clock.
    pub time: Timestamp,
    /// The log group or file.
    pub source: String,
    /// The stream within the log group, usually one per task; empty for files.
    pub stream: String,
    pub text: String,
}

/// The progress of a search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Log groups or files that are searched.
    pub searched: Vec<String>,
    /// Lines found so far.
    pub lines_found: u64,
    /// Bytes read so far. CloudWatch charges for these.
    pub bytes_scanned: u64,
    pub is_done: bool,
}

/// The result of a search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Oldest first.
    pub lines: Vec<Line>,
    /// False if more lines match than the limit. `lines` then holds the oldest.
    pub is_whole: bool,
    /// Log groups or files that were searched.
    pub searched: Vec<String>,
    /// Log groups or files that could not be searched, each with the reason as a sentence.
    pub missing: Vec<String>,
    /// Bytes read in total.
    pub bytes_scanned: u64,
}

/// Searches log lines. It only reads.
#[async_trait]
pub trait LogSource: fmt::Debug + Send + Sync + 'static {
    /// The lines of a job, or of all jobs, within a time window, oldest first.
    ///
    /// Updates `progress` during the search. Dropping the future cancels the search, also at the backend, where it would go on and
    /// cost money. [`Found::missing`] names missing sources; the others are still searched. The backend may take some minutes until
    /// a search finds a new line.
    ///
    /// # Errors
    /// [`ErrorCode::Invalid`] like [`Search::check`]; [`ErrorCode::NotFound`] if no log group or file exists. Also fails if the
    /// backend can't be reached.
    async fn lines(&self, search: &Search, progress: &watch::Sender<Progress>) -> Result<Found>;
}

#[cfg(test)]
mod tests;
