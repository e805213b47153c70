//! Job rows, segment completions and reassembly locks.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use stereospot_domain::{Job, JobId, JobStatus, Lock, SegmentCompletion, Timestamp};

use crate::error::Result;

/// A page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// The cursor of the next page; absent on the last.
    pub next: Option<String>,
}

/// A change of a job's row, which only happens if the current status is one of `from`. Absent fields keep their value.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    pub to: JobStatus,
    /// The condition of the write.
    pub from: Vec<JobStatus>,
    pub total_segments: Option<u32>,
    pub completed_at: Option<Timestamp>,
    pub uploaded_at: Option<Timestamp>,
    pub source_file_size_bytes: Option<u64>,
    /// A transition to any status but `failed` clears the row's error.
    pub error: Option<String>,
}

impl Transition {
    /// To a status, from the statuses in [`JobStatus::may_follow`].
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

    /// To `completed`, with the time.
    #[must_use]
    pub fn completed(at: Timestamp) -> Self {
        Self { completed_at: Some(at), ..Self::to(JobStatus::Completed) }
    }
}

/// The result of a transition.
#[expect(clippy::large_enum_variant, reason = "made once a call; a box would show in every match")]
#[derive(Debug, Clone, PartialEq)]
pub enum Transitioned {
    /// The row after the change.
    Changed(Job),
    /// The row has this status, which is not in `from`; nothing was changed.
    Refused(JobStatus),
    /// The row does not exist.
    Missing,
}

/// The result of an attempt to acquire the reassembly lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acquired {
    /// The caller holds it until its lease ends.
    Yes,
    /// Another owner holds it until this time; `None` if it holds the lock without a lease, which never runs out.
    Held(Option<Timestamp>),
    /// The lock does not exist.
    Missing,
}

/// The job store. Reads are strongly consistent: they return what was last written. Every method fails if the backend can't be
/// reached.
#[async_trait]
pub trait JobStore: fmt::Debug + Send + Sync + 'static {
    /// Creates a job's row.
    ///
    /// # Errors
    /// [`crate::ErrorCode::Conflict`] if it exists.
    async fn create(&self, job: &Job) -> Result<()>;

    /// A job's row.
    ///
    /// # Errors
    /// If the backend can't be reached.
    async fn get(&self, job_id: JobId) -> Result<Option<Job>>;

    /// Jobs of a status, newest first, at most `limit`.
    ///
    /// # Errors
    /// [`crate::ErrorCode::Invalid`] if the cursor is not from this list.
    async fn list(&self, status: JobStatus, cursor: Option<&str>, limit: usize) -> Result<Page<Job>>;

    /// Changes a row in one conditional write. A refused transition is not an error.
    ///
    /// # Errors
    /// If the backend can't be reached.
    async fn transition(&self, job_id: JobId, transition: &Transition) -> Result<Transitioned>;

    /// Removes the row of a job whose status is `deleted`, in one conditional write; false if there is no such row.
    ///
    /// # Errors
    /// If the backend can't be reached.
    async fn delete_row(&self, job_id: JobId) -> Result<bool>;

    /// Records that the source is uploaded. Works in every status.
    ///
    /// # Errors
    /// [`crate::ErrorCode::NotFound`] if the job does not exist.
    async fn set_uploaded(&self, job_id: JobId, at: Timestamp, bytes: u64) -> Result<()>;

    /// Records a completion, replacing an earlier one of the same segment.
    ///
    /// # Errors
    /// If the backend can't be reached.
    async fn put_completion(&self, completion: &SegmentCompletion) -> Result<()>;

    /// The number of the job's segments that have a completion.
    ///
    /// # Errors
    /// If the backend can't be reached.
    async fn count_completions(&self, job_id: JobId) -> Result<u32>;

    /// Completions of a job in order of segment index, at most `limit`.
    ///
    /// # Errors
    /// [`crate::ErrorCode::Invalid`] if the cursor is not from this list.
    async fn list_completions(
        &self,
        job_id: JobId,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<SegmentCompletion>>;

    /// Removes every completion that the job has at the time of the call, in batches, and returns how many. A completion recorded
    /// meanwhile may stay. After a failure some may be gone; calling it again removes the rest.
    ///
    /// # Errors
    /// If the backend can't be reached or did not finish in time.
    async fn delete_completions(&self, job_id: JobId) -> Result<u32>;

    /// Removes the completion of one segment, if it exists: for a segment whose output object is gone.
    ///
    /// # Errors
    /// If the backend can't be reached.
    async fn delete_completion(&self, job_id: JobId, segment_index: u32) -> Result<()>;

    /// The keys of completions that belong to none of the segments `0..total`, as the backend has them: `7`, and where another
    /// program may write any number, `-1` or `0.5`.
    ///
    /// # Errors
    /// If the backend can't be reached.
    async fn surplus_completions(&self, job_id: JobId, total: u32) -> Result<Vec<String>> {
        let all = all_completions(self, job_id).await?;
        let indexes = all.iter().map(|completion| completion.segment_index);
        Ok(indexes.filter(|index| *index >= total).map(|index| index.to_string()).collect())
    }

    /// Removes completions by the keys of [`JobStore::surplus_completions`].
    ///
    /// # Errors
    /// If the backend can't be reached.
    async fn delete_surplus(&self, job_id: JobId, keys: &[String]) -> Result<()> {
        for index in keys.iter().filter_map(|key| key.parse().ok()) {
            self.delete_completion(job_id, index).await?;
        }
        Ok(())
    }

    /// The job's lock.
    ///
    /// # Errors
    /// If the backend can't be reached.
    async fn lock(&self, job_id: JobId) -> Result<Option<Lock>>;

    /// Creates the lock; false if it exists. Of several concurrent callers exactly one gets true.
    ///
    /// # Errors
    /// If the backend can't be reached.
    async fn create_lock(&self, job_id: JobId, now: Timestamp) -> Result<bool>;

    /// Compare-and-set: changes `triggered_at` from `observed` to `now`; false if it is no longer `observed`. If `now` is not later
    /// than `observed`, it sets the next millisecond after `observed`, so that the value always changes. Of several callers with
    /// the same `observed` exactly one gets true and may send the message again.
    ///
    /// # Errors
    /// If the backend can't be reached.
    async fn retrigger_lock(&self, job_id: JobId, observed: Timestamp, now: Timestamp) -> Result<bool>;

    /// Acquires the lock until `now + lease`, if it is free, its lease has run out, or `owner` holds it already.
    ///
    /// # Errors
    /// If the backend can't be reached.
    async fn acquire_lock(&self, job_id: JobId, owner: &str, now: Timestamp, lease: Duration) -> Result<Acquired>;

    /// Extends the lease to `now + lease`; false if `owner` does not hold the lock.
    ///
    /// # Errors
    /// If the backend can't be reached.
    async fn renew_lock(&self, job_id: JobId, owner: &str, now: Timestamp, lease: Duration) -> Result<bool>;

    /// Releases the lock, so that the next message can acquire it; false if `owner` does not hold it.
    ///
    /// # Errors
    /// If the backend can't be reached.
    async fn release_lock(&self, job_id: JobId, owner: &str) -> Result<bool>;

    /// Frees the lock of a dead holder; false if `reassembly_started_at` is not `observed`.
    ///
    /// # Errors
    /// If the backend can't be reached.
    async fn reset_lock(&self, job_id: JobId, observed: Timestamp) -> Result<bool>;

    /// Removes the lock; false if it did not exist.
    ///
    /// # Errors
    /// If the backend can't be reached.
    async fn delete_lock(&self, job_id: JobId) -> Result<bool>;
}

/// Reads all completions of a job, page by page.
///
/// # Errors
/// Like [`JobStore::list_completions`].
pub async fn all_completions<S: JobStore + ?Sized>(jobs: &S, job_id: JobId) -> Result<Vec<SegmentCompletion>> {
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
