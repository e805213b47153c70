//! Carries out the trigger check. Workers call it after recording a completion; the reconciler calls it for unfinished jobs.
//!
//! Invariant: every change is a conditional write that leaves a state from which the next [`check`] continues. A crash between any
//! two steps costs time, but never loses a job or makes a second result.

use std::time::Duration;

use stereospot_domain::trigger::{self, Decision, Facts, Queued, Why};
use stereospot_domain::{JobId, JobStatus, Lock, QueueRole, Timestamp, keys, message};

use crate::error::{ErrorCode, Result};
use crate::job_store::{Transition, Transitioned};
use crate::work_queue::Outgoing;
use crate::{Backend, objects};

/// While the queue is empty, a message counts as lost if no worker acquires the lock within this time.
pub const RESEND_AFTER: Duration = Duration::from_secs(60);
/// The same while the queue is not empty. The job's message may be waiting there, and sending another makes the queue longer. But a
/// queue that never becomes empty must not hide a lost message forever.
pub const RESEND_ANYWAY_AFTER: Duration = Duration::from_secs(15 * 60);

/// Messages of a longer queue are not looked at one by one.
const MOST_LOOKED_AT: usize = 1000;

/// How long after sending the message it is sent again, if no worker has acted on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResendAfter {
    /// While the queue is empty.
    pub when_empty: Duration,
    /// While any message is in it: ready, in flight or delayed.
    pub when_busy: Duration,
}

impl Default for ResendAfter {
    fn default() -> Self {
        Self { when_empty: RESEND_AFTER, when_busy: RESEND_ANYWAY_AFTER }
    }
}

impl ResendAfter {
    /// Send again at once: an operator asked for it.
    pub const NONE: ResendAfter = ResendAfter { when_empty: Duration::ZERO, when_busy: Duration::ZERO };
    /// Never send again: the message is known to exist.
    pub const ENDLESS: ResendAfter = ResendAfter { when_empty: Duration::MAX, when_busy: Duration::MAX };
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The decision of [`trigger::decide`], but a wait instead of [`Decision::SendAgain`] while the message may be in the queue.
    pub decision: Decision,
    /// True if this call changed something; false if another caller was faster or nothing was to be done.
    pub has_acted: bool,
    /// Keys of completions that it removed, because they belong to no segment.
    pub removed: Vec<String>,
}

/// Checks a job and carries out the decision. `None` if the job does not exist.
///
/// # Errors
/// If the backend can't be reached. Calling again continues where it stopped.
pub async fn check(backend: &Backend, job_id: JobId) -> Result<Option<Checked>> {
    check_with(backend, job_id, ResendAfter::default()).await
}

/// Like [`check`], with a given resend_after.
///
/// # Errors
/// Like [`check`].
pub async fn check_with(backend: &Backend, job_id: JobId, resend_after: ResendAfter) -> Result<Option<Checked>> {
    let Some(facts) = facts(backend, job_id).await? else { return Ok(None) };
    let now = backend.clock.now();
    let decision = match (trigger::decide(&facts, now, resend_after.when_empty), &facts.lock) {
        (Decision::SendAgain, Some(lock)) if waits_in_queue(backend, lock, now, resend_after).await? => {
            Decision::Wait(Why::MessageUnderWay)
        }
        (decision, _) => decision,
    };
    let is_sending = matches!(decision, Decision::CreateLockAndSend | Decision::SendAgain);
    let mut removed = Vec::new();
    let decision = match is_sending && !facts.surplus.is_empty() && backend.refuses_surplus() {
        true => remove_surplus(backend, &facts, decision, &mut removed).await?,
        false => decision,
    };
    let has_acted = match decision {
        Decision::CreateLockAndSend => {
            let is_first = backend.jobs.create_lock(job_id, now).await?;
            if is_first {
                send(backend, job_id).await?;
            }
            is_first
        }
        Decision::SendAgain => match &facts.lock {
            Some(lock) if backend.jobs.retrigger_lock(job_id, lock.triggered_at, now).await? => {
                send(backend, job_id).await?;
                true
            }
            _ => false,
        },
        Decision::MarkReassembling => mark_reassembling(backend, job_id).await?,
        Decision::MarkCompleted => mark_completed(backend, job_id).await?,
        Decision::Wait(_) => false,
    };
    Ok(Some(Checked { decision, has_acted, removed }))
}

/// Reads what the decision depends on; `None` if the job does not exist. Leaves out what can't change the decision.
///
/// # Errors
/// If the backend can't be reached.
pub async fn facts(backend: &Backend, job_id: JobId) -> Result<Option<Facts>> {
    let Some(job) = backend.jobs.get(job_id).await? else { return Ok(None) };
    if job.status.is_final() || job.total_segments.is_none() {
        // Neither count nor lock can change the decision: save the reads.
        return Ok(Some(Facts { job, completions: 0, surplus: Vec::new(), lock: None, result_exists: false }));
    }
    let mut completions = backend.jobs.count_completions(job_id).await?;
    let surplus = match job.total_segments {
        // With fewer rows than segments nothing is sent yet.
        Some(total) if completions >= total => backend.jobs.surplus_completions(job_id, total).await?,
        _ => Vec::new(),
    };
    completions -= u32::try_from(surplus.len()).unwrap_or(u32::MAX).min(completions);
    let lock = backend.jobs.lock(job_id).await?;
    let result_exists = match lock {
        Some(_) => objects::exists(&*backend.output.store, &keys::result(job_id)).await?,
        None => false,
    };
    Ok(Some(Facts { job, completions, surplus, lock, result_exists }))
}

/// Sets the status `completed`, if the current one allows it; true if this call did.
///
/// # Errors
/// If the backend can't be reached.
pub async fn mark_completed(backend: &Backend, job_id: JobId) -> Result<bool> {
    let transition = Transition::completed(backend.clock.now());
    Ok(matches!(backend.jobs.transition(job_id, &transition).await?, Transitioned::Changed(_)))
}

/// Removes completions of no segment, which would make an existing media-worker refuse the job and leave it locked. Where that is not
/// allowed, sends nothing: an operator's plan says so.
async fn remove_surplus(
    backend: &Backend,
    facts: &Facts,
    decision: Decision,
    removed: &mut Vec<String>,
) -> Result<Decision> {
    let (job_id, surplus) = (facts.job.job_id, &facts.surplus);
    let (keys, total) = (surplus.join(", "), facts.job.total_segments.unwrap_or(0));
    match backend.jobs.delete_surplus(job_id, surplus).await {
        Ok(()) => {
            tracing::warn!("job_id={job_id} has {total} segments: removed the completions of no segment: {keys}");
            removed.clone_from(surplus);
            Ok(decision)
        }
        Err(error) if error.code() == ErrorCode::Denied => {
            tracing::warn!("job_id={job_id} has {total} segments, and completions of no segment: {keys}: {error}");
            Ok(Decision::Wait(Why::Surplus(u32::try_from(surplus.len()).unwrap_or(u32::MAX))))
        }
        Err(error) => Err(error),
    }
}

/// True while the sent message is in the queue, or may be.
async fn waits_in_queue(backend: &Backend, lock: &Lock, now: Timestamp, resend_after: ResendAfter) -> Result<bool> {
    if resend_after == ResendAfter::NONE {
        return Ok(false);
    }
    let (queued, messages) = look(backend, lock.job_id).await?;
    let is_early = now.since(lock.triggered_at) < resend_after.when_busy;
    Ok(queued == Queued::Yes || messages > 0 && is_early)
}

/// Looks for a job's message in the reassembly queue. Where counts are exact, a look at a queue takes nothing from it.
///
/// # Errors
/// If the queue can't be read.
pub async fn queued(backend: &Backend, job_id: JobId) -> Result<Queued> {
    Ok(look(backend, job_id).await?.0)
}

/// The same, with the number of all messages.
async fn look(backend: &Backend, job_id: JobId) -> Result<(Queued, u64)> {
    let queue = backend.queue(QueueRole::Reassembly)?;
    let stats = queue.stats().await?;
    let messages = stats.ready + stats.in_flight + stats.delayed;
    if messages == 0 {
        return Ok((Queued::No, 0));
    }
    if !stats.is_exact || messages > MOST_LOOKED_AT as u64 {
        return Ok((Queued::Perhaps(messages), messages));
    }
    let names_it = |body: &str| message::job_of(QueueRole::Reassembly, body).is_some_and(|(id, _)| id == job_id);
    let found = queue.peek(MOST_LOOKED_AT).await?.iter().any(|peeked| names_it(&peeked.body));
    Ok((if found { Queued::Yes } else { Queued::No }, messages))
}

async fn send(backend: &Backend, job_id: JobId) -> Result<()> {
    backend.queue(QueueRole::Reassembly)?.send(&[Outgoing::now(message::reassemble(job_id))]).await?;
    mark_reassembling(backend, job_id).await?;
    Ok(())
}

async fn mark_reassembling(backend: &Backend, job_id: JobId) -> Result<bool> {
    let transition = Transition::to(JobStatus::Reassembling);
    Ok(matches!(backend.jobs.transition(job_id, &transition).await?, Transitioned::Changed(_)))
}
