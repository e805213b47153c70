//! Every write of an operator: planned, shown, applied, kept.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::job::JobId;
use crate::queue::QueueName;
use crate::time::Timestamp;

/// What the operator wants done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Send dead-lettered messages to their main queue, then take them off the dead-letter queue.
    Replay {
        /// A dead-letter queue.
        #[schema(value_type = String)]
        queue: QueueName,
        /// Only these messages; absent means all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message_ids: Option<Vec<String>>,
    },
    /// Take messages off a queue, keeping copies that can be restored.
    Purge {
        /// Any queue.
        #[schema(value_type = String)]
        queue: QueueName,
        /// Only these messages; absent means all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message_ids: Option<Vec<String>>,
    },
    /// Have a job's segments joined now.
    Trigger {
        /// The job.
        job_id: JobId,
    },
    /// Carry out what a finding proposes.
    Repair {
        /// The job.
        job_id: JobId,
        /// The finding's code.
        code: String,
    },
    /// Put back what an earlier purge took away.
    Restore {
        /// The purge's plan id.
        plan_id: Uuid,
    },
    /// Set how many tasks a service should have.
    Scale {
        /// The service's name.
        service: String,
        /// How many.
        desired: u32,
    },
    /// Give a job up: set it to failed, so that nothing waits for it any more.
    Fail {
        /// The job.
        job_id: JobId,
        /// Why, for whoever reads it later.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Stop the platform's own move of a long dead-letter queue, which a replay started. What was moved stays moved.
    StopMove {
        /// The dead-letter queue.
        #[schema(value_type = String)]
        queue: QueueName,
    },
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
        }
    }
}

/// What an action will do, before it does it. Nothing has been changed by making one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// Its id.
    pub id: Uuid,
    /// What was asked for.
    pub action: Action,
    /// Who asked.
    pub who: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it may be applied.
    pub valid_until: Timestamp,
    /// What it is about, in words.
    pub scope: String,
    /// What it will touch, one by one.
    pub items: Vec<PlanItem>,
    /// What it leaves alone, and why.
    pub skips: Vec<PlanItem>,
    /// What will be different afterwards, in words.
    pub effect: String,
    /// What must still hold when it is applied, in words; checked again by the server.
    pub assumptions: Vec<String>,
    /// What must be typed to apply it, where it can't be undone or touches much; otherwise absent.
    pub confirm: Option<String>,
    /// Why it can't be applied; absent when it can.
    pub refused: Option<String>,
    /// The command that does the same.
    pub command: String,
}

impl Plan {
    /// True for a purge whose messages can be put back. Where they can't be looked at they can't be copied either: there the
    /// plan's only item is the queue itself.
    #[must_use]
    pub fn keeps_copies(&self) -> bool {
        let Action::Purge { queue, message_ids } = &self.action else { return false };
        message_ids.is_some() || !matches!(&self.items[..], [item] if item.id == queue.to_string())
    }
}

/// One thing that a plan touches or leaves alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanItem {
    /// What it is: a message id, a job id.
    pub id: String,
    /// In words, what is done to it, or why it is left alone.
    pub what: String,
    /// The job it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    /// The segment it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment_index: Option<u32>,
}

/// How one item of an applied plan ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Done as planned.
    Done,
    /// No longer as planned; left alone.
    Skipped,
    /// Tried and failed; it is as it was.
    Failed,
}

/// One item's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ItemResult {
    /// The plan item's id.
    pub id: String,
    /// How it ended.
    pub outcome: Outcome,
    /// In words, where there is more to say.
    pub note: String,
}

/// A plan that was applied: an entry of the action log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AppliedPlan {
    /// The plan as it was shown.
    pub plan: Plan,
    /// Who applied it.
    pub applied_by: String,
    /// When applying began.
    pub applied_at: Timestamp,
    /// When it ended; absent while it runs, or when the server died in the middle.
    pub finished_at: Option<Timestamp>,
    /// What became of each item.
    pub results: Vec<ItemResult>,
    /// Until when the effect can be undone (a purge's messages restored); absent when it can't.
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
mod tests {
    use super::*;

    #[test]
    fn a_purge_that_names_no_messages_is_of_the_whole_queue() {
        let queue = QueueName::dead_letter(crate::QueueRole::Inference);
        let whole = Action::Purge { queue, message_ids: None };
        let text = r#"{"action":"purge","queue":"inference-dlq"}"#;
        assert_eq!(serde_json::from_str::<Action>(text).unwrap(), whole, "as it was before there was a choice");
        assert_eq!(serde_json::to_string(&whole).unwrap(), text);
        let chosen = r#"{"action":"purge","queue":"inference-dlq","message_ids":["m-1"]}"#;
        let message_ids = Some(vec!["m-1".to_owned()]);
        assert_eq!(serde_json::from_str::<Action>(chosen).unwrap(), Action::Purge { queue, message_ids });
    }
}
