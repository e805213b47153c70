//! Request bodies and the answers to them.

use serde::{Deserialize, Serialize};
use stereospot_domain::plan::{Action, ItemResult};
use stereospot_domain::{Event, JobOptions, Timestamp};
use utoipa::ToSchema;
use uuid::Uuid;

/// Most events in a batch.
pub const MAX_EVENTS: usize = 1000;

/// `POST /v1/events`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventBatch {
    /// At most 1000, in the order in which they happened.
    pub events: Vec<Event>,
}

/// All events of the batch are durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventsAccepted {
    /// New events.
    pub accepted: u64,
    /// Events that were already stored.
    pub duplicates: u64,
}

/// `POST /v1/jobs`: creates the job. Then upload its source with `PUT /v1/jobs/{id}/source`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewJob {
    /// Usually the name of the source file.
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub options: JobOptions,
}

/// `POST /v1/plans`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NewPlan {
    #[serde(flatten)]
    pub action: Action,
    /// Who asks for the plan, for the action log.
    #[serde(default)]
    pub who: Option<String>,
}

/// `POST /v1/plans/{id}/apply`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Apply {
    /// The text that the operator typed, if the plan's `confirm` asks for one.
    #[serde(default)]
    pub confirm: Option<String>,
    /// Who applies the plan, for the action log.
    #[serde(default)]
    pub who: Option<String>,
}

/// The answer to an apply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Applied {
    pub plan_id: Uuid,
    pub results: Vec<ItemResult>,
}

/// `GET /healthz` and `GET /readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`, or what is wrong.
    pub status: String,
    /// The server's version.
    pub version: String,
    /// By the server's clock.
    pub time: Timestamp,
}
