//! The single steps that repair a job, for operators and the reconciler. Each may be repeated without harm.

use std::fmt;
use std::time::Duration;

use stereospot_domain::diagnosis::Repair;
use stereospot_domain::event::RepairedItem;
use stereospot_domain::text::plural;
use stereospot_domain::trigger::Queued;
use stereospot_domain::{Job, JobId, JobStatus, QueueRole, SegmentCompletion, keys, message};
use stereospot_ports::job_store::{Transition, Transitioned};
use stereospot_ports::work_queue::{Outgoing, Receipt};
use stereospot_ports::{Backend, Error, ErrorCode, Result, WorkQueue, deletion, objects, reassembly};

use super::assemble;
use crate::app::App;
use crate::truth;
use stereospot_core::views::{self, Waits};

/// What an operator's trigger of the job waits for.
///
/// # Errors
/// If the reassembly queue can't be read.
pub(crate) async fn waits(app: &App, job_id: JobId) -> Result<Waits> {
    Ok(waits_with(app, job_id, reassembly::queued(&app.backend, job_id).await?))
}

/// The same for a job that is shown: where calls cost money, by the queue as it was last read.
pub(crate) async fn waits_as_read(app: &App, job_id: JobId) -> Waits {
    let queued = match app.polls.is_metered() {
        false => reassembly::queued(&app.backend, job_id).await.unwrap_or(Queued::No),
        true => match app.live.at_revision(|world, _| world.depth(QueueRole::Reassembly)) {
            Some(depth) if depth.value > 0 => Queued::Perhaps(depth.value),
            _ => Queued::No,
        },
    };
    waits_with(app, job_id, queued)
}

fn waits_with(app: &App, job_id: JobId, queued: Queued) -> Waits {
    let now = app.now();
    let (holder_presumed, is_unserved) =
        app.live.at_revision(|world, _| (world.holder_presumed(), world.is_unserved(QueueRole::Reassembly, now)));
    let resend_after = app.resend_after(job_id);
    // A purged message is not among those that the queue holds.
    let queued = if resend_after.is_zero() && queued != Queued::Yes { Queued::No } else { queued };
    let resend_anyway_after = app.resend_limits().when_busy;
    Waits { resend_after, resend_anyway_after, queued, is_unserved, holder_presumed }
}

/// Triggers reassembly for an operator: takes the job back from `failed`, takes a dead holder's mark off the lock, asks for
/// reassembly. Returns what it did, in words.
pub(crate) async fn trigger(app: &App, job_id: JobId) -> Result<String> {
    let backend = &app.backend;
    let Some((facts, completed)) = truth::trigger_facts(backend, job_id).await? else {
        return Err(Error::new(ErrorCode::NotFound, format!("there is no job {job_id}")));
    };
    let now = app.now();
    let waits = waits(app, job_id).await?;
    let (may, why) = views::trigger_verdict(&facts, &completed, waits, now);
    if !may {
        return Err(Error::new(ErrorCode::Conflict, why));
    }
    let removed;
    let mut did = Vec::new();
    if facts.result_exists {
        let transition = Transition { from: not_ended_well(), ..Transition::completed(now) };
        return changed(backend, job_id, &transition).await.map(|()| "the job is completed".into());
    }
    if !facts.surplus.is_empty() && backend.refuses_surplus() {
        // Before the lock and the status are changed: if it fails, nothing is half done.
        backend.jobs.delete_surplus(job_id, &facts.surplus).await?;
        removed = format!("the completions of none of its segments removed ({})", facts.surplus.join(", "));
        did.push(removed.as_str());
    }
    if facts.job.status == JobStatus::Failed {
        take_back(backend, job_id, JobStatus::ChunkingComplete).await?;
        did.push("taken back from failed");
    }
    let dead_since = facts.lock.as_ref().and_then(|lock| {
        let started = lock.reassembly_started_at?;
        let until = lock.lease_until.unwrap_or(started.plus(waits.holder_presumed));
        (until < now).then_some(started)
    });
    if let Some(observed) = dead_since
        && backend.jobs.reset_lock(job_id, observed).await?
    {
        did.push("the dead holder's mark taken off the lock");
    }
    let checked = reassembly::check_with(backend, job_id, reassembly::ResendAfter::NONE).await?;
    if checked.is_some_and(|checked| checked.has_acted) {
        app.note_purged([job_id], false);
        did.push("reassembly asked for");
    }
    Ok(if did.is_empty() { "somebody else was faster".into() } else { did.join(", ") })
}

/// Carries out a repair, apart from a replay of dead letters, which [`super::replay`] does. Returns the result of each item.
pub(crate) async fn carry_out(app: &App, job: &Job, repair: &Repair) -> Vec<(RepairedItem, Result<String>)> {
    let (backend, job_id) = (&app.backend, job.job_id);
    match repair {
        Repair::SendReassembly | Repair::Trigger | Repair::ResetLockAndSend { .. } | Repair::MarkCompleted => {
            vec![(RepairedItem::Job(job_id), trigger(app, job_id).await)]
        }
        Repair::ResendSource => vec![(RepairedItem::Source, resend_source(backend, job).await)],
        Repair::ResendSegments { segments } => {
            let mut results = Vec::new();
            for index in segments {
                let tried = match resend_segment(backend, job, *index).await {
                    Err(error) if error.code() == ErrorCode::NotFound => split_again(backend, job, Lost::Gone).await,
                    tried => tried,
                };
                results.push((RepairedItem::Segment(*index), tried));
            }
            results
        }
        Repair::PutCompletions { segments } => {
            let mut results = Vec::new();
            for index in segments {
                results.push((RepairedItem::Segment(*index), put_completion(app, job_id, *index).await));
            }
            // This may have been the last completion: then reassembly is due. In topology A the job-worker checks that.
            if backend.queue(QueueRole::JobStatusEvents).is_err()
                && let Err(error) = reassembly::check_with(backend, job_id, app.resend_limits()).await
            {
                results.push((RepairedItem::Job(job_id), Err(error)));
            }
            results
        }
        Repair::AssembleAgain => vec![(RepairedItem::Job(job_id), assemble::carry_out(app, job).await)],
        Repair::PutRow => vec![(RepairedItem::Job(job_id), assemble::put_row(app, job).await)],
        Repair::DeleteAgain => {
            let deleted = deletion::delete(backend, job_id).await;
            let said = deleted.map(|found| format!("{} deleted", plural(found.objects, "object")));
            vec![(RepairedItem::Job(job_id), said)]
        }
        Repair::ReplayDeadLetters { .. } => Vec::new(),
    }
}

/// Takes a job back from `failed`, so that its work goes on. Refused from any other status.
pub(crate) async fn take_back(backend: &Backend, job_id: JobId, to: JobStatus) -> Result<()> {
    changed(backend, job_id, &Transition { from: vec![JobStatus::Failed], ..Transition::to(to) }).await
}

/// Gives a leased message back as it was.
pub(crate) async fn give_back(queue: &dyn WorkQueue, receipt: &Receipt) {
    if let Err(error) = queue.release(receipt, Duration::ZERO).await {
        tracing::debug!(%error, "a message was not given back; its lease ends by itself");
    }
}

pub(super) async fn changed(backend: &Backend, job_id: JobId, transition: &Transition) -> Result<()> {
    match backend.jobs.transition(job_id, transition).await? {
        Transitioned::Changed(_) => Ok(()),
        Transitioned::Refused(status) => Err(Error::new(ErrorCode::Conflict, format!("the job is {status} meanwhile"))),
        Transitioned::Missing => Err(Error::new(ErrorCode::NotFound, "the job's row is gone")),
    }
}

/// Every status that a result overrules, `failed` among them.
fn not_ended_well() -> Vec<JobStatus> {
    JobStatus::Completed.may_follow().iter().copied().chain([JobStatus::Failed]).collect()
}

/// Chunking workers drop sources that are still being fetched, so such a job goes back to `created` first. A crash in between
/// leaves a source without a message, which is a finding of its own and is repaired as such.
async fn resend_source(backend: &Backend, job: &Job) -> Result<String> {
    let key = keys::source(job.job_id);
    if !objects::exists(&*backend.input.store, &key).await? {
        return Err(Error::new(ErrorCode::NotFound, "the source is gone"));
    }
    let is_ingesting = job.status == JobStatus::Ingesting;
    if is_ingesting {
        changed(backend, job.job_id, &Transition::to(JobStatus::Created)).await?;
    }
    let body = message::object_created(&backend.input.name, &key);
    backend.queue(QueueRole::Chunking)?.send(&[Outgoing::now(body)]).await?;
    Ok(match is_ingesting {
        true => "the job is created again, and the notification of its source sent again".into(),
        false => "its notification is sent again".into(),
    })
}

pub(crate) async fn resend_segment(backend: &Backend, job: &Job, index: u32) -> Result<String> {
    let Some(total) = job.total_segments.filter(|total| index < *total) else {
        return Err(Error::new(ErrorCode::Invalid, "the job has no such segment"));
    };
    let key = keys::segment(keys::SegmentKey { job_id: job.job_id, index, total, mode: job.mode });
    if !objects::exists(&*backend.input.store, &key).await? {
        return Err(Error::new(ErrorCode::NotFound, format!("segment {index} is gone")));
    }
    let body = message::object_created(&backend.input.name, &key);
    backend.queue(QueueRole::Inference)?.send(&[Outgoing::now(body)]).await?;
    Ok("its notification is sent again".into())
}

/// Why a stored segment is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// There is no such object.
    Gone,
    /// The last attempt at it reported that.
    Damaged,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Lost::Gone => "its segment is gone",
            Lost::Damaged => "its segment is damaged",
        })
    }
}

/// Why the lost segments of a job can't be written again from its source; none when they can.
pub(crate) async fn why_not_split_again(backend: &Backend, job: &Job, lost: Lost) -> Result<Option<String>> {
    match job.status {
        JobStatus::Completed | JobStatus::Deleted | JobStatus::Ingesting | JobStatus::Reassembling => {
            Ok(Some(format!("{lost}, and the job is {}", job.status)))
        }
        _ => why_not_split(backend, job.job_id, lost).await,
    }
}

/// The same, whatever the job's status.
pub(super) async fn why_not_split(backend: &Backend, job_id: JobId, lost: Lost) -> Result<Option<String>> {
    let is_there = async |key: &str| objects::exists(&*backend.input.store, key).await;
    if !is_there(&keys::source(job_id)).await? {
        return Ok(Some(format!("{lost}, and the source is gone: submit the video again")));
    }
    // Without it the cut would differ, and new segments would not fit those that are converted.
    if !is_there(&keys::manifest(job_id)).await? && !is_there(&keys::manifest_copy(job_id)).await? {
        return Ok(Some(format!("{lost}, and the manifest that says how it was cut is gone: submit the video again")));
    }
    Ok(None)
}

/// Has the source split again, at the same cuts: a worker writes every segment and asks for those that are not converted. Workers
/// skip a source that is split already, so the job goes back to `created` first. A crash in between leaves a source without a
/// message, which is a finding of its own and is repaired as such.
pub(crate) async fn split_again(backend: &Backend, job: &Job, lost: Lost) -> Result<String> {
    if let Some(why) = why_not_split_again(backend, job, lost).await? {
        return Err(Error::new(ErrorCode::NotFound, why));
    }
    let from = vec![JobStatus::Failed, JobStatus::ChunkingComplete];
    let transition = Transition { from, ..Transition::to(JobStatus::Created) };
    match backend.jobs.transition(job.job_id, &transition).await? {
        Transitioned::Changed(_) => {
            resend_source(backend, job).await?;
            Ok(format!("{lost}: the source is sent to be split again"))
        }
        Transitioned::Refused(JobStatus::Created | JobStatus::ChunkingInProgress) => {
            Ok(format!("{lost}: the source is being split again"))
        }
        Transitioned::Refused(status) => Err(Error::new(ErrorCode::Conflict, format!("the job is {status} meanwhile"))),
        Transitioned::Missing => Err(Error::new(ErrorCode::NotFound, "the job's row is gone")),
    }
}

/// In topology A the job-worker writes completions: it gets the output's notification again.
pub(super) async fn put_completion(app: &App, job_id: JobId, index: u32) -> Result<String> {
    let backend = &app.backend;
    let key = keys::output_segment(job_id, index);
    if !objects::exists(&*backend.output.store, &key).await? {
        return Err(Error::new(ErrorCode::NotFound, "its output is gone"));
    }
    if let Ok(events) = backend.queue(QueueRole::JobStatusEvents) {
        events.send(&[Outgoing::now(message::object_created(&backend.output.name, &key))]).await?;
        return Ok("the job-worker gets its output event again".into());
    }
    let completion = SegmentCompletion {
        job_id,
        segment_index: index,
        output_uri: backend.output.uri(&key),
        completed_at: app.now(),
    };
    backend.jobs.put_completion(&completion).await?;
    Ok("its completion is recorded".into())
}
