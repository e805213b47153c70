//! Request bodies and the answers to them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stereospot_domain::plan::{Action, ItemResult};
use stereospot_domain::{Event, JobOptions, Timestamp};
use utoipa::openapi::schema::{Object, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

/// The header of a request to create a job that may be repeated: a UUID, which becomes the job's id.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Most events in a batch.
pub const MAX_EVENTS: usize = 1000;

/// `POST /v1/events`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventBatch {
    /// At most 1000, in the order in which they happened.
    #[schema(max_items = 1000)]
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
    #[schema(max_length = 200)]
    pub title: Option<String>,
    #[serde(default)]
    pub options: JobOptions,
}

/// `POST /v1/plans`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct NewPlan {
    #[serde(flatten)]
    pub action: Action,
    /// Who asks for the plan, for the action log.
    pub who: Option<String>,
}

impl TryFrom<Value> for NewPlan {
    type Error = serde_json::Error;

    fn try_from(mut value: Value) -> Result<Self, Self::Error> {
        // serde takes the number of a variant for its name.
        if value.get("action").is_some_and(|action| !action.is_string()) {
            return Err(serde::de::Error::custom("`action` must be a name"));
        }
        let who = value.as_object_mut().and_then(|fields| fields.remove("who"));
        Ok(Self { action: Action::deserialize(value)?, who: Option::deserialize(who.unwrap_or_default())? })
    }
}

impl PartialSchema for NewPlan {
    /// The action with `who` in each variant: a union of plain objects, which generators of clients understand.
    fn schema() -> RefOr<Schema> {
        let who = Object::builder()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .description(Some("Who asks for the plan, for the action log."));
        let who: RefOr<Schema> = who.into();
        let mut schema = Action::schema();
        if let RefOr::T(Schema::OneOf(actions)) = &mut schema {
            for action in &mut actions.items {
                if let RefOr::T(Schema::Object(action)) = action {
                    action.properties.insert("who".into(), who.clone());
                }
            }
        }
        schema
    }
}

impl ToSchema for NewPlan {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Action::schemas(schemas);
    }
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
