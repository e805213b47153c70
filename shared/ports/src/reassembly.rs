//! The trigger check, carried out: whoever records a completion, and the reconciler, call it.
//!
//! Invariant: every step is a conditional write, and each leaves a state from which the next call of [`check`] goes on. A crash
//! between any two of them costs time, never a job and never a second result.

use std::time::Duration;

use stereospot_domain::trigger::{self, Decision, Facts, Why};
use stereospot_domain::{JobId, JobStatus, Lock, QueueRole, Timestamp, keys, message};

use crate::error::Result;
use crate::job_store::{Transition, Transitioned};
use crate::work_queue::Outgoing;
use crate::{Backend, objects};

/// A message is taken for lost when no worker acquired the lock so long after its sending and the queue is empty.
pub const RESEND_AFTER: Duration = Duration::from_secs(60);
/// As [`RESEND_AFTER`], while the queue is not empty: the job's own message may merely wait there, and each further one only makes
/// the queue longer. But a queue that is never empty must not hide a lost message for ever.
pub const RESEND_ANYWAY_AFTER: Duration = Duration::from_secs(15 * 60);

/// When a message that nobody acted on is sent again, counted from its sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// With an empty queue.
    pub when_empty: Duration,
    /// With any message in it: ready, in flight or delayed.
    pub when_busy: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { when_empty: RESEND_AFTER, when_busy: RESEND_ANYWAY_AFTER }
    }
}

impl Patience {
    /// At once, whatever the queue holds: an operator said so.
    pub const NONE: Patience = Patience { when_empty: Duration::ZERO, when_busy: Duration::ZERO };
    /// Never: it is known where the message is.
    pub const ENDLESS: Patience = Patience { when_empty: Duration::MAX, when_busy: Duration::MAX };
}

/// What a check did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// What the rule says of the job as it was found, and of the queue where a message seems lost.
    pub decision: Decision,
    /// True when this call changed something; false when another caller was faster, or there was nothing to do.
    pub has_acted: bool,
}

/// Looks at a job and does what the rule says. `None` when there is no such job.
///
/// # Errors
/// When the backend can't be asked; calling again goes on where it stopped.
pub async fn check(backend: &Backend, job_id: JobId) -> Result<Option<Checked>> {
    check_with(backend, job_id, Patience::default()).await
}

/// As [`check`], with another patience.
///
/// # Errors
/// As [`check`].
pub async fn check_with(backend: &Backend, job_id: JobId, patience: Patience) -> Result<Option<Checked>> {
    let Some(facts) = facts(backend, job_id).await? else { return Ok(None) };
    let now = backend.clock.now();
    let decision = match (trigger::decide(&facts, now, patience.when_empty), &facts.lock) {
        (Decision::SendAgain, Some(lock)) if may_wait_in_queue(backend, lock, now, patience).await? => {
            Decision::Wait(Why::MessageUnderWay)
        }
        (decision, _) => decision,
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
    Ok(Some(Checked { decision, has_acted }))
}

/// What the rule looks at; `None` when there is no such job.
///
/// # Errors
/// When the backend can't be asked.
pub async fn facts(backend: &Backend, job_id: JobId) -> Result<Option<Facts>> {
    let Some(job) = backend.jobs.get(job_id).await? else { return Ok(None) };
    if job.status.is_final() || job.total_segments.is_none() {
        // Neither count nor lock can change the answer: save the reads.
        return Ok(Some(Facts { job, completions: 0, lock: None, result_exists: false }));
    }
    let completions = backend.jobs.count_completions(job_id).await?;
    let lock = backend.jobs.lock(job_id).await?;
    let result_exists = match lock {
        Some(_) => objects::exists(&*backend.output.store, &keys::result(job_id)).await?,
        None => false,
    };
    Ok(Some(Facts { job, completions, lock, result_exists }))
}

/// Sets `completed`, guarded; true when this call did it.
///
/// # Errors
/// When the backend can't be asked.
pub async fn mark_completed(backend: &Backend, job_id: JobId) -> Result<bool> {
    let transition = Transition::completed(backend.clock.now());
    Ok(matches!(backend.jobs.transition(job_id, &transition).await?, Transitioned::Changed(_)))
}

/// True while the message that was sent may be one of those in the queue.
async fn may_wait_in_queue(backend: &Backend, lock: &Lock, now: Timestamp, patience: Patience) -> Result<bool> {
    if now.since(lock.triggered_at) >= patience.when_busy {
        return Ok(false);
    }
    let stats = backend.queue(QueueRole::Reassembly)?.stats().await?;
    Ok(stats.ready + stats.in_flight + stats.delayed > 0)
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
