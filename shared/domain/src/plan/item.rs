//! What a plan touches, one by one, and how each ended.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::event::RepairedItem;
use crate::job::JobId;
use crate::queue::{Envelope, QueueName};

/// What an item is about. A result has the target of its item.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Target {
    /// One message of a queue.
    Message { queue: QueueName, id: String },
    /// A queue as a whole: its messages are not read one by one.
    Queue { queue: QueueName },
    /// A job.
    Job { job_id: JobId },
    /// A job's source object.
    Source { job_id: JobId },
    /// One segment of a job.
    Segment { job_id: JobId, index: u32 },
    /// A completion that belongs to none of the job's segments. Its key is as the job store has it.
    Completion { job_id: JobId, key: String },
    /// The number of tasks of a service. It is set only while the service still has `desired_before`.
    Service { name: String, desired_before: u32, desired_after: u32 },
    /// The first task of a service that has none.
    StartWorker { service: String },
    /// An item that version 0.1 kept, which had a name only.
    Named { name: String },
}

impl Target {
    /// What a repair of a job worked on.
    #[must_use]
    pub fn of_repair(job_id: JobId, item: RepairedItem) -> Self {
        match item {
            RepairedItem::Source => Target::Source { job_id },
            RepairedItem::Segment(index) => Target::Segment { job_id, index },
            RepairedItem::Job(job_id) => Target::Job { job_id },
        }
    }

    /// The job that it names.
    #[must_use]
    pub fn job_id(&self) -> Option<JobId> {
        match self {
            Target::Job { job_id }
            | Target::Source { job_id }
            | Target::Segment { job_id, .. }
            | Target::Completion { job_id, .. } => Some(*job_id),
            _ => None,
        }
    }

    /// The segment that it names.
    #[must_use]
    pub fn segment_index(&self) -> Option<u32> {
        match self {
            Target::Segment { index, .. } => Some(*index),
            _ => None,
        }
    }

    /// The message's id. What 0.1 named in a purge was a message.
    #[must_use]
    pub fn message_id(&self) -> Option<&str> {
        match self {
            Target::Message { id, .. } | Target::Named { name: id } => Some(id),
            _ => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Message { id, .. } => f.pad(id),
            Target::Queue { queue } => queue.fmt(f),
            Target::Job { job_id } => job_id.fmt(f),
            Target::Source { .. } => f.pad("source"),
            Target::Segment { index, .. } => f.pad(&format!("segment {index}")),
            Target::Completion { key, .. } => f.pad(&format!("completion {key}")),
            Target::Service { name, .. } | Target::Named { name } => f.pad(name),
            Target::StartWorker { service } => f.pad(&format!("service {service}")),
        }
    }
}

/// One thing that a plan touches or leaves alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(from = "KeptItem")]
pub struct PlanItem {
    pub target: Target,
    /// In words, what is done to it, or why it is left alone.
    pub what: String,
    /// The job that it belongs to: a message's, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment_index: Option<u32>,
    /// What is sent with a message beside its body.
    #[serde(flatten)]
    pub envelope: Envelope,
}

impl PlanItem {
    /// An item that belongs to the job that its target names.
    #[must_use]
    pub fn new(target: Target, what: impl Into<String>) -> Self {
        Self {
            job_id: target.job_id(),
            segment_index: target.segment_index(),
            target,
            what: what.into(),
            envelope: Envelope::default(),
        }
    }

    /// A message, with the job and segment that its body names.
    #[must_use]
    pub fn message(
        queue: QueueName,
        id: impl Into<String>,
        about: Option<(JobId, Option<u32>)>,
        what: impl Into<String>,
    ) -> Self {
        Self {
            job_id: about.map(|(job_id, _)| job_id),
            segment_index: about.and_then(|(_, index)| index),
            ..Self::new(Target::Message { queue, id: id.into() }, what)
        }
    }

    /// The same with what is sent with its message.
    #[must_use]
    pub fn with(self, envelope: Envelope) -> Self {
        Self { envelope, ..self }
    }
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
#[serde(from = "KeptResult")]
pub struct ItemResult {
    pub target: Target,
    pub outcome: Outcome,
    /// In words, where there is more to say.
    pub note: String,
}

/// An item as 0.1 kept it (`id`), or as we do (`target`).
#[derive(Deserialize)]
struct KeptItem {
    target: Option<Target>,
    #[serde(default)]
    id: String,
    what: String,
    job_id: Option<JobId>,
    segment_index: Option<u32>,
    #[serde(flatten)]
    envelope: Envelope,
}

impl From<KeptItem> for PlanItem {
    fn from(kept: KeptItem) -> Self {
        let KeptItem { target, id, what, job_id, segment_index, envelope } = kept;
        Self { target: target.unwrap_or(Target::Named { name: id }), what, job_id, segment_index, envelope }
    }
}

/// A result as 0.1 kept it (`id`), or as we do (`target`).
#[derive(Deserialize)]
struct KeptResult {
    target: Option<Target>,
    #[serde(default)]
    id: String,
    outcome: Outcome,
    note: String,
}

impl From<KeptResult> for ItemResult {
    fn from(kept: KeptResult) -> Self {
        let KeptResult { target, id, outcome, note } = kept;
        Self { target: target.unwrap_or(Target::Named { name: id }), outcome, note }
    }
}
