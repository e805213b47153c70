//! A finding: what is wrong with a job, how grave it is, and what would repair it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::code::{FindingCode, Remedy};
use crate::error_code::ErrorCode;
use crate::queue::QueueName;
use crate::stage::Stage;
use crate::time::Timestamp;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Odd, but the job goes on.
    Notice,
    /// It may heal without help: a lease runs out, the reconciler acts.
    Warning,
    /// The job will not go on until someone acts.
    Critical,
}

/// What would repair it. Applying one goes through a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "repair", rename_all = "snake_case")]
pub enum Repair {
    /// Send the reassembly message again: the acquire step makes an extra one harmless.
    SendReassembly,
    /// Create the lock, send, set the status.
    Trigger,
    /// Take the dead holder's mark off the lock, if it is still the observed one; then send.
    ResetLockAndSend {
        /// The observed `reassembly_started_at`.
        observed: Timestamp,
    },
    /// Send the notification of the source again. A job that is `ingesting` goes back to `created` first.
    ResendSource,
    /// Send the notifications of these segments again.
    ResendSegments { segments: Vec<u32> },
    /// Record the completions of these segments, whose outputs exist.
    PutCompletions { segments: Vec<u32> },
    /// Set the status to `completed`.
    MarkCompleted,
    /// Have the segments joined once more; those that are lost are converted or split again.
    AssembleAgain,
    /// Write the job's row again, as it was last read.
    PutRow,
    /// Delete what the job has once more.
    DeleteAgain,
    /// Replay the job's dead letters. For reassembly, reset the lock first.
    ReplayDeadLetters { queue: QueueName, message_ids: Vec<String> },
}

/// One thing that is wrong with a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    pub code: FindingCode,
    pub severity: Severity,
    pub since: Timestamp,
    /// What shows it, in words, the strongest evidence first.
    pub evidence: Vec<String>,
    /// Absent where nothing from here repairs it.
    pub repair: Option<Repair>,
    /// For a step that was given up: whether trying it again can help. Absent where that is unknown.
    #[serde(default)]
    pub retry_helps: Option<bool>,
}

impl Finding {
    pub(super) fn new(code: FindingCode, since: Timestamp, evidence: Vec<String>, repair: Option<Repair>) -> Self {
        Self { code, severity: code.severity(), since, evidence, repair, retry_helps: None }
    }

    /// Adds whether trying the step again can help after its last error.
    pub(super) fn of_failed_step(mut self, stage: Stage, code: Option<ErrorCode>) -> Self {
        self.retry_helps = code.map(|code| code.may_pass(stage));
        self.evidence.extend(self.retry_helps.map(|helps| match helps {
            true => "trying again can help once the cause is gone".to_owned(),
            false => "trying again fails the same way, until the worker or the video is another".to_owned(),
        }));
        self
    }

    /// True when the reconciler may carry out the repair without being asked: it does no harm, and the evidence is certain.
    /// Evidence from age alone, a warning, is for an operator to judge.
    #[must_use]
    pub fn is_safe_unasked(&self) -> bool {
        self.code.is_safe_unasked() && self.severity == Severity::Critical && self.repair.is_some()
    }

    /// How an operator gets the job on.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self.repair {
            Some(_) => self.code.with_repair(),
            None => self.code.without_repair(),
        }
    }
}
