//! May this job be reassembled now? The one rule, for workers, reconciler and operator alike.
//!
//! The check is level-triggered: it looks at what is, not at what just happened. Anyone may run it at any time and as often as
//! they like; whoever runs it after a crash finishes what the crashed one began.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::job::{Job, JobStatus, Lock};
use crate::time::Timestamp;

/// What must be known of a job to decide.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Its row.
    pub job: Job,
    /// Number of completions, strongly consistent.
    pub completions: u32,
    /// Its lock, if there is one.
    pub lock: Option<Lock>,
    /// Whether the result object exists.
    pub result_exists: bool,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Create the lock; if that succeeds send the message; then set `reassembling`.
    CreateLockAndSend,
    /// A message may be lost: renew the lock's trigger time by compare-and-set; if that succeeds send; then set `reassembling`.
    SendAgain,
    /// The lock exists and its message is under way: only the status is behind.
    MarkReassembling,
    /// The result exists: only the status is behind.
    MarkCompleted,
    /// Nothing to do.
    Wait(Why),
}

/// Why there is nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It is completed, failed or deleted.
    Ended,
    /// The number of segments isn't known yet.
    NotChunked,
    /// So many segments have no completion yet.
    Missing(u32),
    /// A message was sent a short while ago.
    MessageUnderWay,
    /// A worker holds the lock with a live lease.
    Running,
    /// A worker of an existing deployment took the lock, which has no lease: only an operator can say that it died.
    HeldWithoutLease,
}

/// Decides. A message is taken for lost `resend_after` its sending, if no worker has acquired the lock by then, or when the
/// holder's lease has run out.
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
        // Between the lock's creation and the sending lies a crash point: only time tells, so wait for `resend_after`.
        (None, _) => Decision::Wait(Why::MessageUnderWay),
        (Some(_), Some(lease_until)) if lease_until < now && sent_long_ago => Decision::SendAgain,
        (Some(_), _) if is_behind => Decision::MarkReassembling,
        (Some(_), Some(lease_until)) if lease_until >= now => Decision::Wait(Why::Running),
        (Some(_), Some(_)) => Decision::Wait(Why::MessageUnderWay),
        (Some(_), None) => Decision::Wait(Why::HeldWithoutLease),
    }
}

#[cfg(test)]
mod tests;
