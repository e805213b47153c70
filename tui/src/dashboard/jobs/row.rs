//! One job in a list.

use stereospot_api::view::JobView;
use stereospot_domain::diagnosis::{Finding, Remedy, Severity};
use stereospot_domain::{Format, JobId, JobStatus, Timestamp};

use crate::text::{contains, passes};

/// One job, reduced to what the lists show.
#[derive(Debug, Clone)]
pub(crate) struct JobRow {
    pub id: JobId,
    pub title: Option<Box<str>>,
    pub format: Format,
    pub status: JobStatus,
    pub total: Option<u32>,
    pub done: u32,
    pub running: u32,
    pub dead: u32,
    pub progress: Option<f32>,
    pub frames_per_second: Option<f32>,
    pub eta: Option<Timestamp>,
    pub created_at: Timestamp,
    pub last_activity_at: Timestamp,
    pub last_event: Option<Box<str>>,
    pub attempts: u32,
    pub error: Option<Box<str>>,
    pub findings: Box<[Finding]>,
}

impl From<JobView> for JobRow {
    fn from(view: JobView) -> Self {
        Self {
            id: view.job.job_id,
            title: view.job.title.map(String::into_boxed_str),
            format: view.job.options.format,
            status: view.job.status,
            total: view.job.total_segments,
            done: view.segments_done,
            running: view.segments_running,
            dead: view.segments_dead.unwrap_or(0),
            progress: view.progress,
            frames_per_second: view.frames_per_second,
            eta: view.eta,
            created_at: view.job.created_at,
            last_activity_at: view.last_activity_at,
            last_event: view.last_event.map(String::into_boxed_str),
            attempts: view.attempts,
            error: view.job.error.map(String::into_boxed_str),
            findings: view.findings.into_boxed_slice(),
        }
    }
}

impl JobRow {
    /// The severity of its most severe finding.
    pub(crate) fn severity(&self) -> Option<Severity> {
        self.findings.first().map(|finding| finding.severity)
    }

    /// True until it has ended.
    pub(crate) fn is_active(&self) -> bool {
        !self.status.is_final()
    }

    /// True when it needs an operator to go on. A job that has ended is failed or completed instead, whatever is found.
    pub(crate) fn is_stuck(&self) -> bool {
        self.is_active() && self.severity() == Some(Severity::Critical)
    }

    /// Why reassembly can't be triggered, as far as the list knows; the server decides.
    pub(crate) fn why_no_trigger(&self) -> Option<String> {
        match (self.status, self.total) {
            (JobStatus::Completed, _) => Some("the result exists".into()),
            (JobStatus::Deleted, _) => Some("the job is deleted".into()),
            (_, None) => Some("its segments are not known yet".into()),
            (_, Some(total)) if self.done < total => Some(format!("{} of {total} segments missing", total - self.done)),
            (JobStatus::Reassembling, _) if self.findings.iter().all(|finding| finding.remedy() != Remedy::Trigger) => {
                Some("reassembly is asked for; nothing shows that this was lost".into())
            }
            _ => None,
        }
    }

    /// Whether it passes a filter; see [`passes`].
    pub(super) fn passes(&self, filter: &str) -> bool {
        passes(filter, |needle| self.contains(needle))
    }

    fn contains(&self, needle: &str) -> bool {
        let is_id = || {
            let mut buffer = [0; 36];
            let could_be = needle.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
            could_be && contains(self.id.0.as_hyphenated().encode_lower(&mut buffer), needle)
        };
        self.title.as_deref().is_some_and(|title| contains(title, needle))
            || contains(status_word(self.status), needle)
            || contains(self.status.as_str(), needle)
            || contains(self.format.as_str(), needle)
            || is_id()
            || self.findings.iter().any(|finding| contains(finding.code.as_str(), needle))
            || (self.is_stuck() && contains("stuck", needle))
    }
}

/// A status in one short word.
pub(crate) fn status_word(status: JobStatus) -> &'static str {
    match status {
        JobStatus::Created => "created",
        JobStatus::Ingesting => "ingesting",
        JobStatus::ChunkingInProgress => "chunking",
        JobStatus::ChunkingComplete => "converting",
        JobStatus::Reassembling => "reassembling",
        JobStatus::Completed => "completed",
        JobStatus::Failed => "failed",
        JobStatus::Deleted => "deleted",
    }
}
