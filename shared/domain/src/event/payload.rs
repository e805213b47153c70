//! One payload for each kind of event.
//!
//! A new kind is a line in `payloads!`; a new field is a line in `fields!`. No match on kinds has a catch-all arm, so the compiler
//! lists every place that must handle a new kind.

use std::fmt;
use std::str::FromStr;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::field;
use super::item::RepairedItem;
use crate::diagnosis::FindingCode;
use crate::error_code::ErrorCode;
use crate::options::UnknownName;
use crate::queue::QueueName;
use crate::trigger::Decision;
use crate::warning::Warning;

mod schema;

/// Declares the fields of payloads. All are optional: an event of an older version, or one inferred from a log line, may lack any.
macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Default, ToSchema)]
        pub struct $name { $($(#[$field_doc])* pub $field: Option<$type>),+ }

        impl $name {
            fn read(raw: &mut Map<String, Value>) -> Self {
                Self { $($field: field::read(raw, stringify!($field))),+ }
            }

            fn write<M: SerializeMap>(&self, map: &mut M, raw: &Map<String, Value>) -> Result<(), M::Error> {
                $(field::write(map, stringify!($field), self.$field.as_ref(), raw)?;)+
                Ok(())
            }

            fn is_empty(&self) -> bool {
                $(self.$field.is_none())&&+
            }
        }
    )+};
}

fields! {
    /// Fields of `job.submitted`.
    JobSubmitted { title: String, bytes: u64 }

    /// Fields of `job.completed` and `reassembly.triggered`, set if the trigger check caused the event.
    Triggered {
        /// The worker or service that ran the check.
        by: String,
        decision: Decision,
    }

    /// Fields of `job.failed`.
    JobFailed {
        error: String,
        code: ErrorCode,
        /// Who gave the job up; absent if a worker did.
        by: String,
        is_final: bool,
        /// True when the upload of the source could not be stored: the source may be sent again.
        is_upload: bool,
    }

    /// Fields of `job.repaired`.
    JobRepaired {
        by: String,
        code: FindingCode,
        item: RepairedItem,
        /// What was done, as a sentence.
        done: String,
    }

    /// Fields of `chunking.completed`.
    ChunkingCompleted {
        segments: u32,
        frames: u64,
        duration_secs: f64,
        /// True if cutting the source meant encoding it again, for lack of keyframes or of a container for its packets.
        reencoded: bool,
        /// What is changed or left out of the video, as far as it is known before the conversion.
        warnings: Vec<Warning>,
        wall_secs: f64,
    }

    /// Fields of `chunking.failed`, `segment.failed` and `reassembly.failed`: one attempt failed.
    StepFailed {
        error: String,
        code: ErrorCode,
        /// True if no further attempt follows.
        is_final: bool,
        /// True if the stored segment is damaged and must be cut again.
        is_damaged: bool,
        /// How often a managed endpoint has failed on this segment.
        failures: u32,
    }

    /// Fields of `segment.started`.
    SegmentStarted {
        frames: u64,
        /// The execution provider or managed service.
        provider: String,
    }

    /// Fields of `segment.progress`.
    SegmentProgress { frames_done: u64, frames: u64 }

    /// Fields of `segment.completed`. The steps run in parallel threads, so their seconds may add up to more than `wall_secs`.
    SegmentCompleted {
        frames: u64,
        bytes: u64,
        wall_secs: f64,
        decode_secs: f64,
        depth_secs: f64,
        warp_secs: f64,
        encode_secs: f64,
        /// The execution provider or managed service.
        provider: String,
        warnings: Vec<Warning>,
    }

    /// Fields of `lease.extended`.
    LeaseExtended { queue: QueueName, lease_secs: f64 }

    /// Fields of `lease.lost`.
    LeaseLost { queue: QueueName, error: String, code: ErrorCode }

    /// Fields of `reassembly.completed`.
    ReassemblyCompleted {
        frames: u64,
        duration_secs: f64,
        bytes: u64,
        /// Of the result, in hexadecimal digits.
        sha256: String,
        /// What was changed or left out of the source's other streams.
        warnings: Vec<Warning>,
        wall_secs: f64,
    }

    /// Fields of `worker.started`.
    WorkerStarted {
        version: String,
        /// The execution provider; absent if the worker runs no model.
        provider: String,
        model: String,
        pid: u32,
        /// The signal that ended the process before it, if what starts it again reports that.
        previous_signal: i32,
        /// The exit code of the process before it, likewise.
        previous_exit_code: i32,
    }

    /// Fields of `worker.heartbeat`.
    WorkerHeartbeat {
        busy: bool,
        /// Number of events in the spool that wait to be sent.
        spooled: u64,
    }

    /// Fields of `worker.stopped`.
    WorkerStopped {
        /// Why it can't start or continue; absent if it was asked to stop.
        error: String,
    }

    /// Fields of `spool.dropped`.
    SpoolDropped { dropped: u64 }
}

/// How important a kind of event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    State,
    /// Superseded by the next event of the same kind.
    Progress,
    Error,
}

macro_rules! payloads {
    ($($(#[$doc:meta])* $kind:ident $(($fields:ident))? $name:literal $weight:ident),+ $(,)?) => {
        /// The kind of an event, without its fields: for metrics, filters and maps.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventKind {
            $($(#[$doc])* $kind,)+
            /// A kind that this version does not know.
            Unknown,
        }

        impl EventKind {
            /// Every known kind.
            pub const ALL: &'static [EventKind] = &[$(EventKind::$kind),+];

            /// The name on the wire and in logs; `unknown` for every unknown kind.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(EventKind::$kind => $name,)+
                    EventKind::Unknown => "unknown",
                }
            }

            fn weight(self) -> Weight {
                match self {
                    $(EventKind::$kind => Weight::$weight,)+
                    EventKind::Unknown => Weight::State,
                }
            }
        }

        /// The kind of an event with its fields.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Payload {
            $($(#[$doc])* $kind $(($fields))?,)+
            /// The name of a kind that this version does not know; its fields are in [`super::Unread`].
            Unknown(String),
        }

        impl Payload {
            /// The kind, without the fields.
            #[must_use]
            pub fn kind(&self) -> EventKind {
                match self {
                    $(Payload::$kind { .. } => EventKind::$kind,)+
                    Payload::Unknown(_) => EventKind::Unknown,
                }
            }

            /// Reads the payload of the kind called `name`. Returns it with the fields that it does not know or can't read.
            #[must_use]
            pub fn read(name: &str, mut data: Map<String, Value>) -> (Self, Map<String, Value>) {
                let payload = match name {
                    $($name => Payload::$kind $(($fields::read(&mut data)))?,)+
                    unknown => Payload::Unknown(unknown.to_owned()),
                };
                (payload, data)
            }

            fn write<M: SerializeMap>(&self, map: &mut M, raw: &Map<String, Value>) -> Result<(), M::Error> {
                match self {
                    $(Payload::$kind $((fields @ $fields { .. }))? => {
                        $($fields::write(fields, map, raw)?;)?
                    })+
                    Payload::Unknown(_) => {}
                }
                Ok(())
            }

            fn is_empty(&self) -> bool {
                match self {
                    $(Payload::$kind $((fields @ $fields { .. }))? => true $(&& $fields::is_empty(fields))?,)+
                    Payload::Unknown(_) => true,
                }
            }

            /// Each kind's name and the schema of its fields, for OpenAPI.
            fn variants() -> Vec<(&'static str, Option<Ref>)> {
                vec![$(($name, None $(.or(Some(Ref::from_schema_name($fields::name()))))?)),+]
            }

            fn fields_schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
                $($(
                    schemas.push(($fields::name().into_owned(), $fields::schema()));
                    $fields::schemas(schemas);
                )?)+
            }
        }
    };
}

payloads! {
    /// The source was uploaded.
    JobSubmitted(JobSubmitted) "job.submitted" State,
    /// The result exists and the row is `completed`.
    JobCompleted(Triggered) "job.completed" State,
    /// The job ended without a result.
    JobFailed(JobFailed) "job.failed" Error,
    /// The reconciler repaired something that was lost.
    JobRepaired(JobRepaired) "job.repaired" State,
    /// A chunking worker began with the job.
    ChunkingStarted "chunking.started" State,
    /// All segments are written.
    ChunkingCompleted(ChunkingCompleted) "chunking.completed" State,
    /// One attempt failed.
    ChunkingFailed(StepFailed) "chunking.failed" Error,
    /// An inference worker began with the segment.
    SegmentStarted(SegmentStarted) "segment.started" State,
    SegmentProgress(SegmentProgress) "segment.progress" Progress,
    /// The output is written.
    SegmentCompleted(SegmentCompleted) "segment.completed" State,
    /// One attempt failed.
    SegmentFailed(StepFailed) "segment.failed" Error,
    LeaseExtended(LeaseExtended) "lease.extended" Progress,
    /// The lease could not be extended; another worker may have the message.
    LeaseLost(LeaseLost) "lease.lost" Error,
    /// The lock was created and the message sent.
    ReassemblyTriggered(Triggered) "reassembly.triggered" State,
    /// A reassembly worker holds the lock.
    ReassemblyStarted "reassembly.started" State,
    /// The result is written.
    ReassemblyCompleted(ReassemblyCompleted) "reassembly.completed" State,
    /// One attempt failed.
    ReassemblyFailed(StepFailed) "reassembly.failed" Error,
    WorkerStarted(WorkerStarted) "worker.started" State,
    /// The worker is alive.
    WorkerHeartbeat(WorkerHeartbeat) "worker.heartbeat" Progress,
    /// The worker takes no more work, and finishes or gives back what it has.
    WorkerDraining "worker.draining" State,
    /// The worker process stopped; `error` is set unless it was asked to.
    WorkerStopped(WorkerStopped) "worker.stopped" State,
    /// The spool was full, so events were dropped.
    SpoolDropped(SpoolDropped) "spool.dropped" Error,
}

impl Payload {
    /// The name on the wire and in logs.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Payload::Unknown(name) => name,
            known => known.kind().as_str(),
        }
    }

    /// What was changed or left out of the video.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        use Payload::*;
        match self {
            ChunkingCompleted(fields) => fields.warnings.as_deref().unwrap_or_default(),
            SegmentCompleted(fields) => fields.warnings.as_deref().unwrap_or_default(),
            ReassemblyCompleted(fields) => fields.warnings.as_deref().unwrap_or_default(),
            JobSubmitted(_)
            | JobCompleted(_)
            | JobFailed(_)
            | JobRepaired(_)
            | ChunkingStarted
            | ChunkingFailed(_)
            | SegmentStarted(_)
            | SegmentProgress(_)
            | SegmentFailed(_)
            | LeaseExtended(_)
            | LeaseLost(_)
            | ReassemblyTriggered(_)
            | ReassemblyStarted
            | ReassemblyFailed(_)
            | WorkerStarted(_)
            | WorkerHeartbeat(_)
            | WorkerDraining
            | WorkerStopped(_)
            | SpoolDropped(_)
            | Unknown(_) => &[],
        }
    }

    /// The fields as written to JSON, with those of `raw`.
    pub(super) fn data<'p>(&'p self, raw: &'p Map<String, Value>) -> Data<'p> {
        Data { payload: self, raw }
    }
}

impl EventKind {
    /// True if a later event of the same kind supersedes this one. A full spool drops only these.
    #[must_use]
    pub fn is_progress(self) -> bool {
        self.weight() == Weight::Progress
    }

    /// True if it reports that something went wrong.
    #[must_use]
    pub fn is_error(self) -> bool {
        self.weight() == Weight::Error
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for EventKind {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        EventKind::ALL.iter().copied().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownName {
            what: "event type",
            given: text.into(),
            known: EventKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", "),
        })
    }
}

/// Serializes the fields of an event.
pub(super) struct Data<'p> {
    payload: &'p Payload,
    raw: &'p Map<String, Value>,
}

impl Data<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.payload.is_empty() && self.raw.is_empty()
    }
}

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.payload.write(&mut map, self.raw)?;
        for (name, value) in self.raw {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
