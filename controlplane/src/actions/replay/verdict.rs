//! What is right for a dead-lettered message, by what the backend says now.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use stereospot_domain::keys::OutputKey;
use stereospot_domain::message::{self, Request};
use stereospot_domain::{Job, JobId, JobStatus, QueueRole, Timestamp, keys};
use stereospot_ports::{Backend, Result, job_store, objects};
use tokio::sync::OnceCell;

use crate::actions::mend;
use crate::shared::Shared;

/// What is right for one message.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// Send it, after these steps.
    Send(Vec<Step>),
    /// Its segment is gone: have the job's source split again, which asks for the segment anew, then remove it.
    SplitAgain(Box<Job>),
    /// Leave it, for this reason.
    Skip(String),
}

/// Something without which a replayed message would do nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Take the job back from `failed` to this status.
    TakeBack(JobId, JobStatus),
    /// Make the reassembly lock.
    CreateLock(JobId),
    /// Take a dead holder's mark off the lock, observed so.
    ResetLock(JobId, Timestamp),
}

impl Step {
    pub(super) fn words(self) -> String {
        match self {
            Step::TakeBack(_, status) => format!("the job is taken back from failed to {status}"),
            Step::CreateLock(_) => "the missing reassembly lock is made".into(),
            Step::ResetLock(..) => "the dead holder's mark is taken off the reassembly lock".into(),
        }
    }
}

/// Judges messages of one queue. What it reads of a job's completions it keeps: make a new one to look again.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    shared: &'a Shared,
    role: QueueRole,
    /// An operator chose the message: then it is sent also when nobody can read it.
    is_chosen: bool,
    completed: Mutex<HashMap<JobId, Arc<OnceCell<BTreeSet<u32>>>>>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(shared: &'a Shared, role: QueueRole, is_chosen: bool) -> Self {
        Self { shared, role, is_chosen, completed: Mutex::default() }
    }

    /// What is right for a message with this body.
    pub(super) async fn judge(&self, body: &str) -> Result<Verdict> {
        let backend = &self.shared.backend;
        let skip = |why: &str| Ok(Verdict::Skip(why.to_owned()));
        let requests = match message::parse(self.role, body) {
            Ok(requests) => requests,
            Err(_) if self.is_chosen => return Ok(Verdict::Send(Vec::new())),
            Err(error) => return Ok(Verdict::Skip(format!("no worker can read it: {error}"))),
        };
        let [request] = requests[..] else {
            // Several records in one notification: each worker checks them for itself.
            return Ok(Verdict::Send(Vec::new()));
        };
        let job_id = match request {
            Request::Chunk(job_id) | Request::Reassemble(job_id) => job_id,
            Request::Convert(segment) => segment.job_id,
            Request::Output(OutputKey::Segment(job_id, _) | OutputKey::Final(job_id) | OutputKey::Done(job_id)) => {
                job_id
            }
            Request::Test => return skip("S3's test notice: nothing to do"),
        };
        let Some(job) = backend.jobs.get(job_id).await? else { return skip("its job does not exist") };
        match job.status {
            JobStatus::Deleted => return skip("job deleted"),
            JobStatus::Completed => return skip("job completed already"),
            _ => {}
        }
        match request {
            Request::Chunk(_) => chunk(backend, &job).await,
            Request::Convert(segment) => self.convert(&job, segment).await,
            Request::Reassemble(_) => self.reassemble(&job).await,
            Request::Output(OutputKey::Segment(_, index)) if self.is_completed(job_id, index).await? => {
                skip("its completion is recorded already")
            }
            Request::Output(_) | Request::Test => Ok(Verdict::Send(Vec::new())),
        }
    }

    async fn convert(&self, job: &Job, segment: keys::SegmentKey) -> Result<Verdict> {
        if self.is_completed(job.job_id, segment.index).await? {
            return Ok(Verdict::Skip("segment already complete".into()));
        }
        if !objects::exists(&*self.shared.backend.input.store, &keys::segment(segment)).await? {
            return Ok(match mend::why_not_split_again(&self.shared.backend, job).await? {
                None => Verdict::SplitAgain(Box::new(job.clone())),
                Some(why) => Verdict::Skip(why),
            });
        }
        let back_to = match job.total_segments {
            Some(_) => JobStatus::ChunkingComplete,
            None => JobStatus::ChunkingInProgress,
        };
        let is_failed = job.status == JobStatus::Failed;
        Ok(Verdict::Send(if is_failed { vec![Step::TakeBack(job.job_id, back_to)] } else { Vec::new() }))
    }

    async fn reassemble(&self, job: &Job) -> Result<Verdict> {
        let (backend, job_id) = (&self.shared.backend, job.job_id);
        let skip = |why: String| Ok(Verdict::Skip(why));
        let Some(total) = job.total_segments else { return skip("its source is not split".into()) };
        let done = backend.jobs.count_completions(job_id).await?;
        if done < total {
            return skip(format!("{} of {total} segments missing", total - done));
        }
        if objects::exists(&*backend.output.store, &keys::result(job_id)).await? {
            return skip("its result exists: trigger the job to set it to completed".into());
        }
        let mut steps = Vec::new();
        if job.status == JobStatus::Failed {
            steps.push(Step::TakeBack(job_id, JobStatus::ChunkingComplete));
        }
        match backend.jobs.lock(job_id).await? {
            None => steps.push(Step::CreateLock(job_id)),
            Some(lock) => match (lock.reassembly_started_at, lock.lease_until) {
                (Some(_), Some(until)) if until >= self.shared.now() => {
                    return skip("a worker is joining the segments now".into());
                }
                (Some(observed), _) => steps.push(Step::ResetLock(job_id, observed)),
                (None, _) => {}
            },
        }
        Ok(Verdict::Send(steps))
    }

    async fn is_completed(&self, job_id: JobId, index: u32) -> Result<bool> {
        let of_job = {
            let mut completed = self.completed.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(completed.entry(job_id).or_default())
        };
        // Read once, however many messages of the job are judged at the same time.
        let read = async || -> Result<BTreeSet<u32>> {
            let completions = job_store::all_completions(&*self.shared.backend.jobs, job_id).await?;
            Ok(completions.iter().map(|completion| completion.segment_index).collect())
        };
        Ok(of_job.get_or_try_init(read).await?.contains(&index))
    }
}

async fn chunk(backend: &Backend, job: &Job) -> Result<Verdict> {
    if !objects::exists(&*backend.input.store, &keys::source(job.job_id)).await? {
        return Ok(Verdict::Skip("its source is gone: submit the video again".into()));
    }
    Ok(match job.status {
        JobStatus::Created | JobStatus::Ingesting | JobStatus::ChunkingInProgress => Verdict::Send(Vec::new()),
        JobStatus::Failed if job.total_segments.is_none() => {
            Verdict::Send(vec![Step::TakeBack(job.job_id, JobStatus::Created)])
        }
        _ => Verdict::Skip("its source is split already".into()),
    })
}
