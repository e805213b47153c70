//! Bodies of requests and their direct answers.

use serde::{Deserialize, Serialize};
use stereospot_domain::plan::{Action, ItemResult};
use stereospot_domain::{Event, JobOptions, Timestamp};
use utoipa::ToSchema;
use uuid::Uuid;

/// Most events in one batch.
pub const MAX_EVENTS: usize = 1000;

/// `POST /v1/events`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventBatch {
    /// At most [`MAX_EVENTS`], in the order in which they happened.
    pub events: Vec<Event>,
}

/// The answer: everything in the batch is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventsAccepted {
    /// New ones.
    pub accepted: u64,
    /// Ones that were there already.
    pub duplicates: u64,
}

/// `POST /v1/jobs`: makes the row; the source follows by `PUT /v1/jobs/{id}/source`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewJob {
    /// What people call it.
    #[serde(default)]
    pub title: Option<String>,
    /// The submitter's choices.
    #[serde(default)]
    pub options: JobOptions,
}

/// `POST /v1/plans`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NewPlan {
    /// What is wanted.
    #[serde(flatten)]
    pub action: Action,
    /// Who wants it, for the action log.
    #[serde(default)]
    pub who: Option<String>,
}

/// `POST /v1/plans/{id}/apply`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Apply {
    /// What was typed, where the plan's `confirm` asks for it.
    #[serde(default)]
    pub confirm: Option<String>,
    /// Who applies it.
    #[serde(default)]
    pub who: Option<String>,
}

/// The answer to an apply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Applied {
    /// The plan.
    pub plan_id: Uuid,
    /// What became of each item.
    pub results: Vec<ItemResult>,
}

/// `GET /healthz` and `GET /readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`, or what is not.
    pub status: String,
    /// The server's version.
    pub version: String,
    /// The server's time.
    pub time: Timestamp,
}
