//! The job store in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use stereospot_domain::{Job, JobId, JobStatus, Lock, SegmentCompletion, Timestamp};

use crate::job_store::{Acquired, Page, Transition, Transitioned};
use crate::{Error, ErrorCode, JobStore, Result};

#[derive(Debug, Default)]
pub(super) struct MemoryJobs {
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    jobs: BTreeMap<JobId, Job>,
    completions: BTreeMap<(JobId, u32), SegmentCompletion>,
    locks: BTreeMap<JobId, Lock>,
}

impl MemoryJobs {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the lock if it exists and `fits`; false otherwise.
    fn change_lock(&self, job_id: JobId, fits: impl Fn(&Lock) -> bool, change: impl FnOnce(&mut Lock)) -> bool {
        match self.tables().locks.get_mut(&job_id) {
            Some(lock) if fits(lock) => {
                change(lock);
                true
            }
            _ => false,
        }
    }
}

#[async_trait]
impl JobStore for MemoryJobs {
    async fn create(&self, job: &Job) -> Result<()> {
        let jobs = &mut self.tables().jobs;
        if jobs.contains_key(&job.job_id) {
            return Err(Error::new(ErrorCode::Conflict, format!("the job {} exists already", job.job_id)));
        }
        jobs.insert(job.job_id, job.clone());
        Ok(())
    }

    async fn get(&self, job_id: JobId) -> Result<Option<Job>> {
        Ok(self.tables().jobs.get(&job_id).cloned())
    }

    async fn list(&self, status: JobStatus, cursor: Option<&str>, limit: usize) -> Result<Page<Job>> {
        let below = cursor.map(|cursor| job_cursor(cursor).ok_or_else(|| no_cursor(cursor))).transpose()?;
        let mut jobs: Vec<Job> = self.tables().jobs.values().filter(|job| job.status == status).cloned().collect();
        jobs.retain(|job| below.is_none_or(|below| (job.created_at, job.job_id) < below));
        jobs.sort_by_key(|job| std::cmp::Reverse((job.created_at, job.job_id)));
        Ok(page(jobs, limit, |job| format!("{}.{}", job.created_at.as_millis(), job.job_id)))
    }

    async fn transition(&self, job_id: JobId, transition: &Transition) -> Result<Transitioned> {
        let jobs = &mut self.tables().jobs;
        let Some(job) = jobs.get_mut(&job_id) else { return Ok(Transitioned::Missing) };
        if !transition.from.contains(&job.status) {
            return Ok(Transitioned::Refused(job.status));
        }
        job.status = transition.to;
        job.total_segments = transition.total_segments.or(job.total_segments);
        job.completed_at = transition.completed_at.or(job.completed_at);
        job.uploaded_at = transition.uploaded_at.or(job.uploaded_at);
        job.source_file_size_bytes = transition.source_file_size_bytes.or(job.source_file_size_bytes);
        job.error = match transition.to {
            JobStatus::Failed => transition.error.clone().or(job.error.take()),
            _ => None,
        };
        Ok(Transitioned::Changed(job.clone()))
    }

    async fn delete_row(&self, job_id: JobId) -> Result<bool> {
        let jobs = &mut self.tables().jobs;
        let is_deleted = jobs.get(&job_id).is_some_and(|job| job.status == JobStatus::Deleted);
        Ok(is_deleted && jobs.remove(&job_id).is_some())
    }

    async fn set_uploaded(&self, job_id: JobId, at: Timestamp, bytes: u64) -> Result<()> {
        let jobs = &mut self.tables().jobs;
        let job = jobs
            .get_mut(&job_id)
            .ok_or_else(|| Error::new(ErrorCode::NotFound, format!("there is no job {job_id}")))?;
        job.uploaded_at = Some(at);
        job.source_file_size_bytes = Some(bytes);
        Ok(())
    }

    async fn put_completion(&self, completion: &SegmentCompletion) -> Result<()> {
        let key = (completion.job_id, completion.segment_index);
        self.tables().completions.insert(key, completion.clone());
        Ok(())
    }

    async fn count_completions(&self, job_id: JobId) -> Result<u32> {
        let count = self.tables().completions.range((job_id, 0)..=(job_id, u32::MAX)).count();
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    async fn list_completions(
        &self,
        job_id: JobId,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<SegmentCompletion>> {
        let after = cursor.map(|cursor| cursor.parse::<u32>().map_err(|_| no_cursor(cursor))).transpose()?;
        let tables = self.tables();
        let all = tables.completions.range((job_id, 0)..=(job_id, u32::MAX)).map(|(_, completion)| completion.clone());
        let rest = all.filter(|completion| after.is_none_or(|after| completion.segment_index > after)).collect();
        Ok(page(rest, limit, |completion: &SegmentCompletion| completion.segment_index.to_string()))
    }

    async fn delete_completions(&self, job_id: JobId) -> Result<u32> {
        let completions = &mut self.tables().completions;
        let before = completions.len();
        completions.retain(|(of, _), _| *of != job_id);
        Ok(u32::try_from(before - completions.len()).unwrap_or(u32::MAX))
    }

    async fn delete_completion(&self, job_id: JobId, segment_index: u32) -> Result<()> {
        self.tables().completions.remove(&(job_id, segment_index));
        Ok(())
    }

    async fn lock(&self, job_id: JobId) -> Result<Option<Lock>> {
        Ok(self.tables().locks.get(&job_id).cloned())
    }

    async fn create_lock(&self, job_id: JobId, now: Timestamp) -> Result<bool> {
        let locks = &mut self.tables().locks;
        if locks.contains_key(&job_id) {
            return Ok(false);
        }
        let lock = Lock { job_id, triggered_at: now, reassembly_started_at: None, lease_until: None, owner: None };
        locks.insert(job_id, lock);
        Ok(true)
    }

    async fn retrigger_lock(&self, job_id: JobId, observed: Timestamp, now: Timestamp) -> Result<bool> {
        // The value must change: otherwise two callers within one millisecond would both succeed.
        let triggered_at = now.max(Timestamp(observed.as_millis().saturating_add(1)));
        Ok(self.change_lock(job_id, |lock| lock.triggered_at == observed, |lock| lock.triggered_at = triggered_at))
    }

    async fn acquire_lock(&self, job_id: JobId, owner: &str, now: Timestamp, lease: Duration) -> Result<Acquired> {
        let locks = &mut self.tables().locks;
        let Some(lock) = locks.get_mut(&job_id) else { return Ok(Acquired::Missing) };
        let is_free = lock.reassembly_started_at.is_none()
            || lock.lease_until.is_some_and(|until| until < now)
            || lock.owner.as_deref() == Some(owner);
        if !is_free {
            return Ok(Acquired::Held(lock.lease_until));
        }
        lock.reassembly_started_at = Some(now);
        lock.lease_until = Some(now.plus(lease));
        lock.owner = Some(owner.into());
        Ok(Acquired::Yes)
    }

    async fn renew_lock(&self, job_id: JobId, owner: &str, now: Timestamp, lease: Duration) -> Result<bool> {
        let is_holder = |lock: &Lock| lock.owner.as_deref() == Some(owner);
        Ok(self.change_lock(job_id, is_holder, |lock| lock.lease_until = Some(now.plus(lease))))
    }

    async fn release_lock(&self, job_id: JobId, owner: &str) -> Result<bool> {
        Ok(self.change_lock(job_id, |lock| lock.owner.as_deref() == Some(owner), let_go))
    }

    async fn reset_lock(&self, job_id: JobId, observed: Timestamp) -> Result<bool> {
        Ok(self.change_lock(job_id, |lock| lock.reassembly_started_at == Some(observed), let_go))
    }

    async fn delete_lock(&self, job_id: JobId) -> Result<bool> {
        Ok(self.tables().locks.remove(&job_id).is_some())
    }
}

fn let_go(lock: &mut Lock) {
    lock.reassembly_started_at = None;
    lock.lease_until = None;
    lock.owner = None;
}

/// Cuts the remaining items to a page.
fn page<T>(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Page<T> {
    let has_more = items.len() > limit;
    items.truncate(limit);
    let next = has_more.then(|| items.last().map(cursor)).flatten();
    Page { items, next }
}

fn job_cursor(cursor: &str) -> Option<(Timestamp, JobId)> {
    let (at, id) = cursor.split_once('.')?;
    Some((Timestamp(at.parse().ok()?), id.parse().ok()?))
}

fn no_cursor(cursor: &str) -> Error {
    Error::new(ErrorCode::Invalid, format!("`{cursor}` is no cursor of this list"))
}
