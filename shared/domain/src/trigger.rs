//! May this job be reassembled now? Workers, reconciler and operators all use this one rule.
//!
//! The check is level-triggered: it looks at the stored state, not at what just happened. It may run at any time and any number of
//! times, and the next run after a crash finishes what the crashed one began.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::job::{Job, JobStatus, Lock};
use crate::time::Timestamp;

/// The state of a job that the decision depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    pub job: Job,
    /// Number of the job's segments with a completion, read with strong consistency.
    pub completions: u32,
    /// Keys of the completions that belong to none of the job's segments. An existing media-worker refuses to join a job with any,
    /// and leaves it locked, so they are removed before its message is sent.
    pub surplus: Vec<String>,
    pub lock: Option<Lock>,
    pub result_exists: bool,
}

/// What to do with the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Create the lock; if that succeeds, send the message and set `reassembling`.
    CreateLockAndSend,
    /// The message may be lost: change the lock's `triggered_at` by compare-and-set; if that succeeds, send the message again and
    /// set `reassembling`.
    SendAgain,
    /// A worker has acquired the lock: only the status is behind.
    MarkReassembling,
    /// The result exists: only the status is behind.
    MarkCompleted,
    /// Nothing to do.
    Wait(Why),
}

/// Why nothing is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The job is completed, failed or deleted.
    Ended,
    /// The number of segments is not known yet.
    NotChunked,
    /// This many segments have no completion yet.
    Missing(u32),
    /// The message was sent recently and no worker has taken it, or it may still wait in the queue.
    MessageUnderWay,
    /// A worker holds the lock, and its lease has not run out.
    Running,
    /// A worker of an existing deployment holds the lock, without a lease: only an operator can know whether it died.
    HeldWithoutLease,
    /// This many completions belong to none of the job's segments, and may not be removed.
    Surplus(u32),
}

/// Whether a job's message is on a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queued {
    /// It is not there.
    No,
    /// So many messages are there, and which jobs they are for can't be read.
    Perhaps(u64),
    Yes,
}

/// Decides what to do. From `resend_after` after its sending, the message counts as lost if no worker has acquired the lock, or if
/// the holder's lease has run out.
#[must_use]
pub fn decide(facts: &Facts, now: Timestamp, resend_after: Duration) -> Decision {
    let job = &facts.job;
    if job.status.is_final() {
        return Decision::Wait(Why::Ended);
    }
    if facts.result_exists && JobStatus::Completed.may_follow().contains(&job.status) {
        return Decision::MarkCompleted;
    }
    let (JobStatus::ChunkingComplete | JobStatus::Reassembling, Some(total)) = (job.status, job.total_segments) else {
        return Decision::Wait(Why::NotChunked);
    };
    if facts.completions < total {
        return Decision::Wait(Why::Missing(total - facts.completions));
    }
    let Some(lock) = &facts.lock else { return Decision::CreateLockAndSend };
    let sent_long_ago = now.since(lock.triggered_at) >= resend_after;
    let is_behind = job.status == JobStatus::ChunkingComplete;
    match (lock.reassembly_started_at, lock.lease_until) {
        (None, _) if sent_long_ago => Decision::SendAgain,
        // A sender that crashed between creating the lock and sending looks the same as one that has just sent, so wait.
        (None, _) => Decision::Wait(Why::MessageUnderWay),
        (Some(_), Some(lease_until)) if lease_until < now && sent_long_ago => Decision::SendAgain,
        (Some(_), _) if is_behind => Decision::MarkReassembling,
        (Some(_), Some(lease_until)) if lease_until >= now => Decision::Wait(Why::Running),
        (Some(_), Some(_)) => Decision::Wait(Why::MessageUnderWay),
        (Some(_), None) => Decision::Wait(Why::HeldWithoutLease),
    }
}

/// How many of a job's `total` segments have a completion, and the completions beyond them.
#[must_use]
pub fn within(total: Option<u32>, completed: &[u32]) -> (u32, Vec<u32>) {
    let is_beyond = |index: &u32| total.is_some_and(|total| *index >= total);
    let surplus: Vec<u32> = completed.iter().copied().filter(is_beyond).collect();
    (u32::try_from(completed.len() - surplus.len()).unwrap_or(u32::MAX), surplus)
}

#[cfg(test)]
mod tests;
