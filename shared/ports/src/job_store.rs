//! Job rows, segment completions and reassembly locks.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use stereospot_domain::{Job, JobId, JobStatus, Lock, SegmentCompletion, Timestamp};

use crate::error::Result;

/// A part of a list. Pass `next` to get the part after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// Where to go on; absent at the end.
    pub next: Option<String>,
}

/// A change of a job's row, guarded by the statuses it may start from.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// The status to set.
    pub to: JobStatus,
    /// The statuses it may be set from; they stand in the write's condition.
    pub from: Vec<JobStatus>,
    /// Set too, in the same write, where present.
    pub total_segments: Option<u32>,
    /// As above.
    pub completed_at: Option<Timestamp>,
    /// As above.
    pub uploaded_at: Option<Timestamp>,
    /// As above.
    pub source_file_size_bytes: Option<u64>,
    /// As above. A transition to anything but `failed` clears it.
    pub error: Option<String>,
}

impl Transition {
    /// To a status, from those that the rules allow.
    #[must_use]
    pub fn to(to: JobStatus) -> Self {
        Self {
            to,
            from: to.may_follow().to_vec(),
            total_segments: None,
            completed_at: None,
            uploaded_at: None,
            source_file_size_bytes: None,
            error: None,
        }
    }

    /// To `failed`, with the reason.
    #[must_use]
    pub fn failed(error: impl Into<String>) -> Self {
        Self { error: Some(error.into()), ..Self::to(JobStatus::Failed) }
    }

    /// To `completed`, at a time.
    #[must_use]
    pub fn completed(at: Timestamp) -> Self {
        Self { completed_at: Some(at), ..Self::to(JobStatus::Completed) }
    }
}

/// What became of a transition.
#[expect(clippy::large_enum_variant, reason = "made once a call; a box would show in every match")]
#[derive(Debug, Clone, PartialEq)]
pub enum Transitioned {
    /// The row was changed; here it is.
    Changed(Job),
    /// The row is in none of the statuses; nothing was changed.
    Refused(JobStatus),
    /// There is no such row.
    Missing,
}

/// What became of an attempt to acquire the reassembly lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acquired {
    /// The caller holds it until its lease ends.
    Yes,
    /// Somebody else holds it: until then, or for ever where the holder gave no lease.
    Held(Option<Timestamp>),
    /// There is no lock to acquire.
    Missing,
}

/// The job store. Every read is of what was last written (strongly consistent).
#[async_trait]
pub trait JobStore: fmt::Debug + Send + Sync + 'static {
    /// Makes a job's row.
    ///
    /// # Errors
    /// [`crate::ErrorCode::Conflict`] when it exists.
    async fn create(&self, job: &Job) -> Result<()>;

    /// A job's row.
    ///
    /// # Errors
    /// When the backend can't be asked.
    async fn get(&self, job_id: JobId) -> Result<Option<Job>>;

    /// Jobs of a status, newest first, at most `limit` of them.
    ///
    /// # Errors
    /// [`crate::ErrorCode::Invalid`] for a cursor that is none.
    async fn list(&self, status: JobStatus, cursor: Option<&str>, limit: usize) -> Result<Page<Job>>;

    /// Changes a row in one conditional write.
    ///
    /// # Errors
    /// When the backend can't be asked. A refused transition is no error.
    async fn transition(&self, job_id: JobId, transition: &Transition) -> Result<Transitioned>;

    /// Records that the source arrived, whatever the status.
    ///
    /// # Errors
    /// [`crate::ErrorCode::NotFound`] when there is no such job.
    async fn set_uploaded(&self, job_id: JobId, at: Timestamp, bytes: u64) -> Result<()>;

    /// Records a completion; writing the same segment again replaces it.
    ///
    /// # Errors
    /// When the backend can't be asked.
    async fn put_completion(&self, completion: &SegmentCompletion) -> Result<()>;

    /// How many segments of the job have a completion.
    ///
    /// # Errors
    /// When the backend can't be asked.
    async fn count_completions(&self, job_id: JobId) -> Result<u32>;

    /// Completions of a job by segment index, at most `limit` of them.
    ///
    /// # Errors
    /// [`crate::ErrorCode::Invalid`] for a cursor that is none.
    async fn list_completions(
        &self,
        job_id: JobId,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<SegmentCompletion>>;

    /// Removes every completion that the job has when it is called, in as many batches as it takes; says how many. One that is
    /// recorded meanwhile may stay. Where it stops half way some are gone and some are not: calling it again removes the rest, and
    /// once nothing is left it does nothing.
    ///
    /// # Errors
    /// When the backend can't be asked, or did not take all of it in time.
    async fn delete_completions(&self, job_id: JobId) -> Result<u32>;

    /// Removes the completion of one segment, whose output is gone. Does nothing when there is none.
    ///
    /// # Errors
    /// When the backend can't be asked.
    async fn delete_completion(&self, job_id: JobId, segment_index: u32) -> Result<()>;

    /// The job's lock.
    ///
    /// # Errors
    /// When the backend can't be asked.
    async fn lock(&self, job_id: JobId) -> Result<Option<Lock>>;

    /// Creates the lock; false when it exists. Of any number of callers exactly one gets true.
    ///
    /// # Errors
    /// When the backend can't be asked.
    async fn create_lock(&self, job_id: JobId, now: Timestamp) -> Result<bool>;

    /// Sets `triggered_at` to `now` (or just after `observed`, where `now` is no later: it always changes) provided it still is
    /// `observed`; false when it isn't. Of any number of callers that
    /// observed the same value exactly one gets true: it may send the message again.
    ///
    /// # Errors
    /// When the backend can't be asked.
    async fn retrigger_lock(&self, job_id: JobId, observed: Timestamp, now: Timestamp) -> Result<bool>;

    /// Takes the lock for `lease`, when nobody holds it or the holder's lease has ended. The same owner may take it again.
    ///
    /// # Errors
    /// When the backend can't be asked.
    async fn acquire_lock(&self, job_id: JobId, owner: &str, now: Timestamp, lease: Duration) -> Result<Acquired>;

    /// Holds the lock for `lease` from `now` on; false when the caller no longer holds it.
    ///
    /// # Errors
    /// When the backend can't be asked.
    async fn renew_lock(&self, job_id: JobId, owner: &str, now: Timestamp, lease: Duration) -> Result<bool>;

    /// Lets go of the lock, so that the next message can acquire it; false when the caller no longer holds it.
    ///
    /// # Errors
    /// When the backend can't be asked.
    async fn release_lock(&self, job_id: JobId, owner: &str) -> Result<bool>;

    /// Takes a dead holder's mark off the lock, provided `reassembly_started_at` still is `observed`; false when it isn't.
    ///
    /// # Errors
    /// When the backend can't be asked.
    async fn reset_lock(&self, job_id: JobId, observed: Timestamp) -> Result<bool>;

    /// Removes the lock; false when there was none.
    ///
    /// # Errors
    /// When the backend can't be asked.
    async fn delete_lock(&self, job_id: JobId) -> Result<bool>;
}

/// All completions of a job, page by page.
///
/// # Errors
/// As [`JobStore::list_completions`].
pub async fn all_completions(jobs: &dyn JobStore, job_id: JobId) -> Result<Vec<SegmentCompletion>> {
    let mut all = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = jobs.list_completions(job_id, cursor.as_deref(), 1000).await?;
        all.extend(page.items);
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(all),
        }
    }
}
