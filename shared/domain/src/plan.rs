//! Every write of an operator: planned, shown, applied, kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::amount::{Age, Bytes};
use crate::diagnosis::FindingCode;
use crate::job::JobId;
use crate::queue::QueueName;
use crate::retention::Keep;
use crate::time::Timestamp;

mod item;
mod refusal;

pub use item::{ItemResult, Outcome, PlanItem, Target};
pub use refusal::{Refusal, RefusalCode};

/// What the operator wants done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Send dead letters to their main queue, then take them off the dead-letter queue.
    Replay {
        queue: QueueName,
        /// Only these messages; absent means all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message_ids: Option<Vec<String>>,
    },
    /// Take messages off a queue and keep copies that can be restored.
    Purge {
        queue: QueueName,
        /// Only these messages; absent means all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message_ids: Option<Vec<String>>,
    },
    /// Join a job's segments now.
    Trigger { job_id: JobId },
    /// Carry out what a finding proposes.
    Repair { job_id: JobId, code: FindingCode },
    /// Put back what an earlier purge took away.
    Restore {
        /// The purge's plan.
        plan_id: Uuid,
    },
    /// Set how many tasks a service should have.
    Scale {
        service: String,
        #[schema(maximum = 2_147_483_647)]
        desired: u32,
    },
    /// Set a job to failed, so that nothing waits for it any more.
    Fail {
        job_id: JobId,
        /// Kept with the job.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Take the job's dead letters off their queues, too, keeping copies.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        discard: bool,
    },
    /// Delete what an ended job has: objects, completions, lock, dead letters. Its row stays.
    Delete { job_id: JobId },
    /// Delete what the oldest ended jobs have. At least one of the two is needed.
    Prune {
        /// Those that ended at least so long ago.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(maximum = 3_153_600_000_u64)]
        older_than_secs: Option<u64>,
        /// The oldest, until all objects together take no more than this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(maximum = 9_007_199_254_740_991_u64)]
        keep_bytes: Option<u64>,
    },
    /// Stop the redrive of a long dead-letter queue, which a replay started. What was moved stays moved.
    StopMove { queue: QueueName },
}

impl Action {
    /// The action's name, as in the action log and the metric label.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Action::Replay { .. } => "replay",
            Action::Purge { .. } => "purge",
            Action::Trigger { .. } => "trigger",
            Action::Repair { .. } => "repair",
            Action::Restore { .. } => "restore",
            Action::Scale { .. } => "scale",
            Action::StopMove { .. } => "stop_move",
            Action::Fail { .. } => "fail",
            Action::Delete { .. } => "delete",
            Action::Prune { .. } => "prune",
        }
    }

    /// What a prune keeps; none for any other action.
    #[must_use]
    pub fn keep(&self) -> Option<Keep> {
        let Action::Prune { older_than_secs, keep_bytes } = self else { return None };
        Some(Keep { age: older_than_secs.map(Duration::from_secs), bytes: *keep_bytes })
    }

    /// The command that does the same.
    #[must_use]
    pub fn command(&self) -> String {
        let named =
            |ids: &Option<Vec<String>>| -> String { ids.iter().flatten().map(|id| format!(" --id {id}")).collect() };
        let command = match self {
            Action::Replay { queue, message_ids } => format!("queues replay {queue}{}", named(message_ids)),
            Action::Purge { queue, message_ids } => format!("queues purge {queue}{}", named(message_ids)),
            Action::Trigger { job_id } => format!("jobs trigger {job_id}"),
            Action::Repair { job_id, code } => format!("jobs repair {job_id} {code}"),
            Action::Restore { plan_id } => format!("queues restore {plan_id}"),
            Action::Scale { service, desired } => format!("services scale {service} {desired}"),
            Action::StopMove { queue } => format!("queues stop-move {queue}"),
            Action::Delete { job_id } => format!("jobs delete {job_id}"),
            Action::Prune { .. } => {
                let Keep { age, bytes } = self.keep().unwrap_or_default();
                let age = age.map_or(String::new(), |age| format!(" --older-than {}", Age(age)));
                format!(
                    "jobs prune{age}{}",
                    bytes.map_or(String::new(), |bytes| format!(" --keep-size {}", Bytes(bytes)))
                )
            }
            Action::Fail { job_id, reason, discard } => {
                let quoted = |reason: &String| format!(" --reason '{}'", reason.replace('\'', r"'\''"));
                let reason = reason.as_ref().map_or(String::new(), quoted);
                format!("jobs fail {job_id}{reason}{}", if *discard { " --discard" } else { "" })
            }
        };
        format!("stereospot {command}")
    }
}

/// What an action will do, before it does it. Making one changes nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    pub id: Uuid,
    pub action: Action,
    /// Who asked.
    pub who: String,
    pub created_at: Timestamp,
    /// It may be applied until then.
    pub valid_until: Timestamp,
    /// What it is about, in words.
    pub scope: String,
    pub items: Vec<PlanItem>,
    /// What it leaves alone, and why.
    pub skips: Vec<PlanItem>,
    /// What will be different afterwards, in words.
    pub effect: String,
    /// What must still hold when it is applied, in words. The server checks it from data: the items' targets, the backend.
    pub assumptions: Vec<String>,
    /// What must be typed to apply it, where it can't be undone or touches much.
    pub confirm: Option<String>,
    /// Why it can't be applied; absent when it can.
    pub refused: Option<Refusal>,
    /// The command that does the same.
    pub command: String,
}

impl Plan {
    /// True for a purge that copies its messages first, so that they can be put back. Messages that can't be read one by one
    /// can't be copied: such a purge has the queue itself as its item.
    #[must_use]
    pub fn keeps_copies(&self) -> bool {
        let is_whole_queue = |item: &PlanItem| matches!(item.target, Target::Queue { .. });
        matches!(self.action, Action::Purge { .. }) && !self.items.iter().any(is_whole_queue)
    }
}

/// A plan that was applied: an entry of the action log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AppliedPlan {
    /// As it was shown.
    pub plan: Plan,
    pub applied_by: String,
    /// When applying began.
    pub applied_at: Timestamp,
    /// Absent while it runs, or when the server died in the middle.
    pub finished_at: Option<Timestamp>,
    pub results: Vec<ItemResult>,
    /// The effect can be undone until then (a purge's messages restored); absent when it can't.
    pub undo_until: Option<Timestamp>,
}

impl AppliedPlan {
    /// How many items ended so.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        self.results.iter().filter(|result| result.outcome == outcome).count()
    }
}

#[cfg(test)]
mod tests;
