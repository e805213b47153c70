//! Events, which workers report to the control plane: an envelope and one of a closed set of payloads.
//!
//! Invariant: reading an event and writing it again changes nothing. Unknown kinds, unknown fields and fields of a wrong type are
//! kept unchanged and passed on, because workers and control plane may run different versions.

use std::fmt;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa::openapi::{AllOf, RefOr, Schema};
use uuid::Uuid;

use crate::job::JobId;
use crate::stage::Stage;
use crate::time::Timestamp;

mod field;
mod item;
mod payload;

pub use item::RepairedItem;
pub use payload::{
    ChunkingCompleted, EventKind, JobFailed, JobRepaired, JobSubmitted, LeaseExtended, LeaseLost, Payload,
    ReassemblyCompleted, SegmentCompleted, SegmentProgress, SegmentStarted, SpoolDropped, StepFailed, Triggered,
    WorkerHeartbeat, WorkerStarted, WorkerStopped,
};

/// The version that [`Event::v`] carries.
pub const VERSION: u8 = 1;

/// One event. `(source, id)` is its identity; `(source, boot, seq)` counts up by one, so that a gap shows a lost event.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "Wire")]
pub struct Event {
    pub v: u8,
    /// A UUIDv7 made when the event happened.
    pub id: Uuid,
    /// The worker's readable name, such as `inference-1@host`. It survives restarts.
    pub source: String,
    /// A new id at each start of the source.
    pub boot: Uuid,
    /// Counts up by one from 1 within a boot.
    pub seq: u64,
    /// By the source's clock.
    pub time: Timestamp,
    pub job_id: Option<JobId>,
    pub segment_index: Option<u32>,
    pub stage: Option<Stage>,
    /// The message's receive count.
    pub attempt: Option<u32>,
    /// W3C trace context, if the source has one.
    pub traceparent: Option<String>,
    pub payload: Payload,
    pub unread: Unread,
}

/// Fields that this version does not know or can't read, unchanged.
///
/// A field that can be read but would be written differently (`5` for `5.0`) is in the payload and here; writing uses this copy.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Unread {
    pub envelope: Map<String, Value>,
    /// Fields of `data`; for an unknown kind, all of them.
    pub data: Map<String, Value>,
}

impl Event {
    /// The kind of event, without its fields.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        self.payload.kind()
    }

    /// The payload's fields by name, as written to JSON. For display only: code that needs a field matches on the payload.
    #[must_use]
    pub fn data(&self) -> Map<String, Value> {
        match serde_json::to_value(self.payload.data(&self.unread.data)) {
            Ok(Value::Object(data)) => data,
            Ok(_) | Err(_) => unreachable!("the fields of a payload are an object"),
        }
    }

    /// The event as a log line. Log queries search for its `job_id=` and `segment_index=`.
    #[must_use]
    pub fn log_line(&self) -> String {
        let mut line = self.payload.name().to_owned();
        let mut add = |name: &str, value: &dyn fmt::Display| line.push_str(&format!(" {name}={value}"));
        if let Some(job_id) = &self.job_id {
            add("job_id", job_id);
        }
        if let Some(index) = &self.segment_index {
            add("segment_index", index);
        }
        if let Some(attempt) = &self.attempt {
            add("attempt", attempt);
        }
        for (name, value) in &self.data() {
            add(name, value);
        }
        line
    }
}

/// One event. `(source, id)` is its identity; `(source, boot, seq)` counts up by one, so that a gap shows a lost event. `type` and
/// `data` are open sets: readers ignore kinds and fields that they do not know.
#[derive(Deserialize, ToSchema)]
struct Wire {
    /// Version of this shape: 1.
    #[schema(minimum = 1, maximum = 1)]
    v: u8,
    /// A UUIDv7 made when the event happened.
    id: Uuid,
    /// The worker's readable name, such as `inference-1@host`. It survives restarts.
    #[schema(min_length = 1, max_length = 128)]
    source: String,
    /// A new id at each start of the source.
    boot: Uuid,
    /// Counts up by one from 1 within a boot.
    #[schema(minimum = 1, maximum = 1_099_511_627_776_u64)]
    seq: u64,
    /// What happened.
    #[serde(rename = "type")]
    kind: String,
    /// By the source's clock.
    time: Timestamp,
    job_id: Option<JobId>,
    segment_index: Option<u32>,
    stage: Option<Stage>,
    /// The message's receive count.
    attempt: Option<u32>,
    /// W3C trace context, if the source has one.
    traceparent: Option<String>,
    #[serde(default)]
    #[schema(value_type = Object)]
    data: Map<String, Value>,
    #[serde(flatten)]
    #[schema(ignore)]
    rest: Map<String, Value>,
}

impl From<Wire> for Event {
    fn from(wire: Wire) -> Self {
        let Wire { v, id, source, boot, seq, kind, time, job_id, segment_index, stage, attempt, traceparent, .. } =
            wire;
        let (payload, data) = Payload::read(&kind, wire.data);
        let unread = Unread { envelope: wire.rest, data };
        Self { v, id, source, boot, seq, time, job_id, segment_index, stage, attempt, traceparent, payload, unread }
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("v", &self.v)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("source", &self.source)?;
        map.serialize_entry("boot", &self.boot)?;
        map.serialize_entry("seq", &self.seq)?;
        map.serialize_entry("type", self.payload.name())?;
        map.serialize_entry("time", &self.time)?;
        let envelope = &self.unread.envelope;
        field::write(&mut map, "job_id", self.job_id.as_ref(), envelope)?;
        field::write(&mut map, "segment_index", self.segment_index.as_ref(), envelope)?;
        field::write(&mut map, "stage", self.stage.as_ref(), envelope)?;
        field::write(&mut map, "attempt", self.attempt.as_ref(), envelope)?;
        field::write(&mut map, "traceparent", self.traceparent.as_ref(), envelope)?;
        let data = self.payload.data(&self.unread.data);
        if !data.is_empty() {
            map.serialize_entry("data", &data)?;
        }
        for (name, value) in envelope {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl utoipa::PartialSchema for Event {
    fn schema() -> RefOr<Schema> {
        AllOf::builder().item(Wire::schema()).item(Payload::schema()).into()
    }
}

impl ToSchema for Event {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Wire::schemas(schemas);
        Payload::schemas(schemas);
    }
}

#[cfg(test)]
mod tests;
