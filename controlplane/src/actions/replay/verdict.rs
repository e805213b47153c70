//! What is right for a dead-lettered message, by what the backend says now.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stereospot_core::progress::JobProgress;
use stereospot_core::views;
use stereospot_domain::keys::OutputKey;
use stereospot_domain::message::{self, Request};
use stereospot_domain::{Job, JobId, JobStatus, QueueRole, Timestamp, keys};
use stereospot_ports::{Backend, Error, ErrorCode, Result, objects};
use tokio::sync::OnceCell;

use crate::actions::repair_steps::{self, Lost};
use crate::app::App;
use crate::truth;

/// What is right for one message.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// Send it, after these steps.
    Send(Vec<Step>),
    /// Its segment is gone or damaged: have the job's source split again, which asks for the segment again, then remove it.
    SplitAgain(Box<Job>, Lost),
    /// Leave it, for this reason.
    Skip(String),
    /// Leave it: what it asks for is done or wanted no more, for this reason.
    Needless(String),
}

/// Something without which a replayed message would do nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Remove the completions of these keys, which belong to no segment of the job.
    RemoveSurplus(JobId, Vec<String>),
    /// Take the job back from `failed` to this status.
    TakeBack(JobId, JobStatus),
    /// Make the reassembly lock.
    CreateLock(JobId),
    /// Take a dead holder's mark off the lock, observed so.
    ResetLock(JobId, Timestamp),
}

impl Step {
    pub(super) fn words(&self) -> String {
        match self {
            Step::RemoveSurplus(_, keys) => format!(
                "the completions of none of its segments are removed ({}): a media-worker would refuse the job",
                keys.join(", ")
            ),
            Step::TakeBack(_, status) => format!("the job is taken back from failed to {status}"),
            Step::CreateLock(_) => "the missing reassembly lock is made".into(),
            Step::ResetLock(..) => "the dead holder's mark is taken off the reassembly lock".into(),
        }
    }
}

/// Judges messages of one queue. What it reads of a job's completions it keeps: make a new one to look again.
#[derive(Debug)]
pub(in crate::actions) struct Judge<'a> {
    app: &'a App,
    role: QueueRole,
    /// True when an operator chose this one message by its id: then it is sent even if it can't be parsed.
    is_chosen: bool,
    completed: OfJobs,
    damaged: OfJobs,
}

/// Segments by job, read once however many messages of the job are judged at the same time.
type OfJobs = Mutex<HashMap<JobId, Arc<OnceCell<BTreeSet<u32>>>>>;

fn of_job(jobs: &OfJobs, job_id: JobId) -> Arc<OnceCell<BTreeSet<u32>>> {
    Arc::clone(jobs.lock().unwrap_or_else(PoisonError::into_inner).entry(job_id).or_default())
}

impl<'a> Judge<'a> {
    pub(in crate::actions) fn new(app: &'a App, role: QueueRole, is_chosen: bool) -> Self {
        Self { app, role, is_chosen, completed: Mutex::default(), damaged: Mutex::default() }
    }

    /// Why a message with this body need not be put on a queue of the role again; none where it may be needed.
    pub(in crate::actions) async fn needless(&self, body: &str, is_dead_letter: bool) -> Result<Option<String>> {
        Ok(match self.judge(body).await? {
            Verdict::Needless(why) => Some(why),
            // Only a replay takes it back, and for that the message has to be dead-lettered.
            Verdict::Send(steps) if !is_dead_letter && steps.iter().any(|step| matches!(step, Step::TakeBack(..))) => {
                Some("job failed: a worker would drop it".into())
            }
            Verdict::Send(_) | Verdict::SplitAgain(..) | Verdict::Skip(_) => None,
        })
    }

    /// What is right for a message with this body.
    pub(super) async fn judge(&self, body: &str) -> Result<Verdict> {
        let backend = &self.app.backend;
        let needless = |why: &str| Ok(Verdict::Needless(why.to_owned()));
        let requests = match message::parse(self.role, body) {
            Ok(requests) => requests,
            // Of which job only its row knows: who receives it looks there.
            Err(message::Error::Key(key)) if self.hears_of_outputs() && keys::is_invocation_end(&key) => {
                return Ok(Verdict::Send(Vec::new()));
            }
            Err(_) if self.is_chosen => return Ok(Verdict::Send(Vec::new())),
            Err(error) => {
                return Ok(Verdict::Skip(format!(
                    "no worker can read it: {error}; named alone by --id it is sent all the same"
                )));
            }
        };
        let [request] = requests[..] else {
            // Several records in one notification: each worker checks them for itself.
            return Ok(Verdict::Send(Vec::new()));
        };
        let job_id = match request {
            Request::Chunk(job_id)
            | Request::Reassemble(job_id)
            | Request::Delete(job_id)
            | Request::Ingest(job_id) => job_id,
            Request::Convert(segment) => segment.job_id,
            Request::Output(OutputKey::Segment(job_id, _) | OutputKey::Final(job_id) | OutputKey::Done(job_id)) => {
                job_id
            }
            Request::Test => return needless("S3's test notice: nothing to do, discard it"),
            // It only notifies the web page.
            Request::Changed(..) => return Ok(Verdict::Send(Vec::new())),
        };
        let Some(job) = backend.jobs.get(job_id).await? else { return needless("its job does not exist") };
        if let Request::Delete(_) = request {
            return delete(backend, &job).await;
        }
        match job.status {
            JobStatus::Deleted => return needless("job deleted"),
            JobStatus::Completed => return needless("job completed already"),
            _ => {}
        }
        match request {
            Request::Chunk(_) => chunk(backend, &job).await,
            Request::Convert(segment) => self.convert(&job, segment).await,
            Request::Reassemble(_) => self.reassemble(&job).await,
            Request::Ingest(_) => ingest(backend, &job).await,
            Request::Output(OutputKey::Segment(_, index)) if self.is_completed(job_id, index).await? => {
                needless("its completion is recorded already")
            }
            Request::Output(_) | Request::Delete(_) | Request::Changed(..) | Request::Test => {
                Ok(Verdict::Send(Vec::new()))
            }
        }
    }

    fn hears_of_outputs(&self) -> bool {
        matches!(self.role, QueueRole::OutputEvents | QueueRole::JobStatusEvents)
    }

    async fn convert(&self, job: &Job, segment: keys::SegmentKey) -> Result<Verdict> {
        if self.is_completed(job.job_id, segment.index).await? {
            return Ok(Verdict::Needless("segment already complete".into()));
        }
        if let Some(lost) = self.lost(job.job_id, segment).await? {
            return Ok(match repair_steps::why_not_split_again(&self.app.backend, job, lost).await? {
                None => Verdict::SplitAgain(Box::new(job.clone()), lost),
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

    /// Why a segment can't be converted from what is stored; none where it can.
    async fn lost(&self, job_id: JobId, segment: keys::SegmentKey) -> Result<Option<Lost>> {
        if !objects::exists(&*self.app.backend.input.store, &keys::segment(segment)).await? {
            return Ok(Some(Lost::Gone));
        }
        Ok(self.is_damaged(job_id, segment.index).await?.then_some(Lost::Damaged))
    }

    async fn reassemble(&self, job: &Job) -> Result<Verdict> {
        let (backend, job_id) = (&self.app.backend, job.job_id);
        let skip = |why: String| Ok(Verdict::Skip(why));
        let Some(total) = job.total_segments else { return skip("its source is not split".into()) };
        let surplus = backend.jobs.surplus_completions(job_id, total).await?;
        let done = backend.jobs.count_completions(job_id).await?.saturating_sub(surplus.len() as u32);
        if done < total {
            return skip(format!("{} of {total} segments missing", total - done));
        }
        if objects::exists(&*backend.output.store, &keys::result(job_id)).await? {
            return skip("its result exists: trigger the job to set it to completed".into());
        }
        let mut steps = Vec::new();
        if !surplus.is_empty() && backend.refuses_surplus() {
            steps.push(Step::RemoveSurplus(job_id, surplus));
        }
        if job.status == JobStatus::Failed {
            steps.push(Step::TakeBack(job_id, JobStatus::ChunkingComplete));
        }
        match backend.jobs.lock(job_id).await? {
            None => steps.push(Step::CreateLock(job_id)),
            Some(lock) => match (lock.reassembly_started_at, lock.lease_until) {
                (Some(_), Some(until)) if until >= self.app.now() => {
                    return skip("a worker is joining the segments now".into());
                }
                (Some(started), None) if self.app.now().since(started) < self.holder_presumed() => {
                    return skip(views::held_without_lease(started, self.holder_presumed(), self.app.now()));
                }
                (Some(observed), _) => steps.push(Step::ResetLock(job_id, observed)),
                (None, _) => {}
            },
        }
        Ok(Verdict::Send(steps))
    }

    fn holder_presumed(&self) -> Duration {
        self.app.live.at_revision(|world, _| world.holder_presumed())
    }

    async fn is_completed(&self, job_id: JobId, index: u32) -> Result<bool> {
        let read = async || -> Result<BTreeSet<u32>> {
            let completions = truth::completions(&self.app.backend, job_id).await?;
            Ok(completions.into_iter().map(|(index, _)| index).collect())
        };
        Ok(of_job(&self.completed, job_id).get_or_try_init(read).await?.contains(&index))
    }

    /// Reads all stored events of the job, because those in memory may not be loaded yet.
    async fn is_damaged(&self, job_id: JobId, index: u32) -> Result<bool> {
        let read = async || -> Result<BTreeSet<u32>> {
            let history = self.app.store.job_history(job_id).await;
            let unreadable = |error| Error::with(ErrorCode::Internal, "the stored events can't be read", error);
            let mut progress = JobProgress::default();
            history.map_err(unreadable)?.iter().for_each(|event| progress.apply(event));
            let damaged = progress.segments.iter().filter(|(_, segment)| segment.is_damaged());
            Ok(damaged.map(|(index, _)| *index).collect())
        };
        Ok(of_job(&self.damaged, job_id).get_or_try_init(read).await?.contains(&index))
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
        _ => Verdict::Needless("its source is split already".into()),
    })
}

/// A deletion is needless only when nothing of the job is left.
async fn delete(backend: &Backend, job: &Job) -> Result<Verdict> {
    let job_id = job.job_id;
    let is_any_left = async || -> Result<bool> {
        Ok(objects::exists(&*backend.input.store, &keys::source(job_id)).await?
            || objects::is_any_below(&*backend.input.store, &format!("segments/{job_id}")).await?
            || objects::is_any_below(&*backend.output.store, &format!("jobs/{job_id}")).await?
            || backend.jobs.count_completions(job_id).await? > 0
            || backend.jobs.lock(job_id).await?.is_some())
    };
    Ok(match job.status {
        JobStatus::Deleted if !is_any_left().await? => {
            Verdict::Needless("job deleted, and nothing of it is left".into())
        }
        _ => Verdict::Send(Vec::new()),
    })
}

async fn ingest(backend: &Backend, job: &Job) -> Result<Verdict> {
    if !matches!(job.status, JobStatus::Created | JobStatus::Ingesting) {
        return Ok(Verdict::Needless(format!("the job is {}: it waits for no source", job.status)));
    }
    Ok(match objects::exists(&*backend.input.store, &keys::source(job.job_id)).await? {
        true => Verdict::Needless("its source is there already".into()),
        false => Verdict::Send(Vec::new()),
    })
}
