//! What workers report to the control plane: an envelope, and one of a closed set of payloads.
//!
//! Invariant: reading an event and writing it again changes nothing. Kinds and fields that this version does not know, and fields
//! that it can't read, are kept as they came and passed on: a spool may be sent by a newer worker than the control plane, or read
//! by a newer control plane than the one that wrote it.

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
    /// The worker's name for people: `inference-1@host`. Stable over restarts.
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
    /// W3C trace context, where the source has one.
    pub traceparent: Option<String>,
    pub payload: Payload,
    pub unread: Unread,
}

/// Fields that this version does not know or can't read, as they came.
///
/// A field of the right meaning in an unusual form (`5` for `5.0`) is in the payload and here too, and written from here.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Unread {
    /// Fields of the event itself.
    pub envelope: Map<String, Value>,
    /// Fields of its `data`; of an unknown kind all of them.
    pub data: Map<String, Value>,
}

impl Event {
    /// What happened, without the fields.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        self.payload.kind()
    }

    /// The payload's fields by name, as they are written. For display only: code that needs a field matches on the payload.
    #[must_use]
    pub fn data(&self) -> Map<String, Value> {
        match serde_json::to_value(self.payload.data(&self.unread.data)) {
            Ok(Value::Object(data)) => data,
            Ok(_) | Err(_) => unreachable!("the fields of a payload are an object"),
        }
    }

    /// The event as a log line, with the `job_id=` and `segment_index=` that log queries look for.
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
/// `data` may be others than those listed: a reader passes over what it does not know.
#[derive(Deserialize, ToSchema)]
struct Wire {
    /// Version of this shape: 1.
    v: u8,
    /// A UUIDv7 made when the event happened.
    id: Uuid,
    /// The worker's name for people: `inference-1@host`. Stable over restarts.
    source: String,
    /// A new id at each start of the source.
    boot: Uuid,
    /// Counts up by one from 1 within a boot.
    seq: u64,
    /// What happened.
    #[serde(rename = "type")]
    kind: String,
    /// When, by the source's clock.
    time: Timestamp,
    job_id: Option<JobId>,
    segment_index: Option<u32>,
    stage: Option<Stage>,
    /// The message's receive count.
    attempt: Option<u32>,
    /// W3C trace context, where the source has one.
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
