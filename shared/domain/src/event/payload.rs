//! What happened: one payload for each kind of event.
//!
//! A new kind is a line in `payloads!`; a new field is a line in `fields!`. The compiler leads to every place that has to decide
//! about a new kind, since none of them has a catch-all arm.

use std::fmt;
use std::str::FromStr;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use utoipa::openapi::schema::{AnyOf, Object, Type};
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

/// The fields of a payload. Every one is optional: an event of an older version, or one derived from a log line, may lack any.
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
    /// Of `job.submitted`.
    JobSubmitted { title: String, bytes: u64 }

    /// Of `job.completed` and `reassembly.triggered`, where the trigger check led to it.
    Triggered {
        /// The worker or service that ran the check.
        by: String,
        decision: Decision,
    }

    /// Of `job.failed`.
    JobFailed {
        error: String,
        code: ErrorCode,
        /// Who gave the job up, where it was not a worker.
        by: String,
        is_final: bool,
        /// True when the upload of the source could not be stored: the source may be sent again.
        is_upload: bool,
    }

    /// Of `job.repaired`.
    JobRepaired {
        by: String,
        code: FindingCode,
        item: RepairedItem,
        /// What was done, as a sentence.
        done: String,
    }

    /// Of `chunking.completed`.
    ChunkingCompleted {
        segments: u32,
        frames: u64,
        duration_secs: f64,
        /// True when the source was cut by encoding it again, for lack of keyframes or of a container for its packets.
        reencoded: bool,
        /// What is changed or left out of the video, as far as it is known before the conversion.
        warnings: Vec<Warning>,
        wall_secs: f64,
    }

    /// Of `chunking.failed`, `segment.failed` and `reassembly.failed`: one attempt failed.
    StepFailed {
        error: String,
        code: ErrorCode,
        /// True when no further attempt follows.
        is_final: bool,
        /// True when the stored segment is at fault: it has to be cut again.
        is_damaged: bool,
        /// How often a managed endpoint has failed at the segment.
        failures: u32,
    }

    /// Of `segment.started`.
    SegmentStarted {
        frames: u64,
        /// The execution provider or managed service.
        provider: String,
    }

    /// Of `segment.progress`.
    SegmentProgress { frames_done: u64, frames: u64 }

    /// Of `segment.completed`. The seconds of the parts overlap: each part has its own thread.
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

    /// Of `lease.extended`.
    LeaseExtended { queue: QueueName, lease_secs: f64 }

    /// Of `lease.lost`.
    LeaseLost { queue: QueueName, error: String, code: ErrorCode }

    /// Of `reassembly.completed`.
    ReassemblyCompleted {
        frames: u64,
        duration_secs: f64,
        bytes: u64,
        /// What was changed or left out of the source's other streams.
        warnings: Vec<Warning>,
        wall_secs: f64,
    }

    /// Of `worker.started`.
    WorkerStarted {
        version: String,
        /// The execution provider; absent where no model runs.
        provider: String,
        model: String,
        pid: u32,
    }

    /// Of `worker.heartbeat`.
    WorkerHeartbeat {
        busy: bool,
        /// Events that wait to be sent.
        spooled: u64,
    }

    /// Of `worker.stopped`.
    WorkerStopped {
        /// Why it can't start or go on; absent when it was asked to stop.
        error: String,
    }

    /// Of `spool.dropped`.
    SpoolDropped { dropped: u64 }
}

/// How much an event of a kind matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    State,
    /// Superfluous once a later one of the same kind comes.
    Progress,
    /// A state event about something that went wrong.
    Error,
}

macro_rules! payloads {
    ($($(#[$doc:meta])* $kind:ident $(($fields:ident))? $name:literal $weight:ident),+ $(,)?) => {
        /// What happened, without its fields: for metrics, filters and maps.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventKind {
            $($(#[$doc])* $kind,)+
            /// A kind that this version does not know.
            Unknown,
        }

        impl EventKind {
            /// Every known kind.
            pub const ALL: &'static [EventKind] = &[$(EventKind::$kind),+];

            /// The name on the wire and in logs; `unknown` for all unknown ones.
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

        /// What happened.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Payload {
            $($(#[$doc])* $kind $(($fields))?,)+
            /// A kind that this version does not know, by its name; its fields are in [`super::Unread`].
            Unknown(String),
        }

        impl Payload {
            /// What happened, without the fields.
            #[must_use]
            pub fn kind(&self) -> EventKind {
                match self {
                    $(Payload::$kind { .. } => EventKind::$kind,)+
                    Payload::Unknown(_) => EventKind::Unknown,
                }
            }

            /// Reads the payload of a kind by its name. Returns it with the fields that it does not know or can't read.
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

            /// For each kind, which fields it has.
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
    /// A source was taken in.
    JobSubmitted(JobSubmitted) "job.submitted" State,
    /// The result exists and the row says so.
    JobCompleted(Triggered) "job.completed" State,
    /// The job ended without a result.
    JobFailed(JobFailed) "job.failed" Error,
    /// The reconciler repaired something that was lost.
    JobRepaired(JobRepaired) "job.repaired" State,
    /// A chunking worker took the job.
    ChunkingStarted "chunking.started" State,
    /// All segments are written.
    ChunkingCompleted(ChunkingCompleted) "chunking.completed" State,
    /// This attempt failed.
    ChunkingFailed(StepFailed) "chunking.failed" Error,
    /// An inference worker took the segment.
    SegmentStarted(SegmentStarted) "segment.started" State,
    SegmentProgress(SegmentProgress) "segment.progress" Progress,
    /// The output is written.
    SegmentCompleted(SegmentCompleted) "segment.completed" State,
    /// This attempt failed.
    SegmentFailed(StepFailed) "segment.failed" Error,
    /// The message's lease was extended.
    LeaseExtended(LeaseExtended) "lease.extended" Progress,
    /// The lease could not be extended; another worker may have the message.
    LeaseLost(LeaseLost) "lease.lost" Error,
    /// The lock was made and the message sent.
    ReassemblyTriggered(Triggered) "reassembly.triggered" State,
    /// A reassembly worker has the lock.
    ReassemblyStarted "reassembly.started" State,
    /// The result is written.
    ReassemblyCompleted(ReassemblyCompleted) "reassembly.completed" State,
    /// This attempt failed.
    ReassemblyFailed(StepFailed) "reassembly.failed" Error,
    /// A worker process began.
    WorkerStarted(WorkerStarted) "worker.started" State,
    /// The worker is alive.
    WorkerHeartbeat(WorkerHeartbeat) "worker.heartbeat" Progress,
    /// The worker takes no more work, and finishes or gives back what it has.
    WorkerDraining "worker.draining" State,
    /// The worker process ended in order.
    WorkerStopped(WorkerStopped) "worker.stopped" State,
    /// Events were dropped from a full spool.
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

    /// The fields as they are written, `raw` among them.
    pub(super) fn data<'p>(&'p self, raw: &'p Map<String, Value>) -> Data<'p> {
        Data { payload: self, raw }
    }
}

impl EventKind {
    /// True when a later event of the same kind makes this one superfluous. A full spool drops these first; the others never.
    #[must_use]
    pub fn is_progress(self) -> bool {
        self.weight() == Weight::Progress
    }

    /// True when it reports that something went wrong.
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

/// The fields of an event in their written form.
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

impl PartialSchema for Payload {
    /// `type` and `data` of each kind, and any other type with any data.
    fn schema() -> RefOr<Schema> {
        let kind = |kind: Object| Object::builder().schema_type(Type::Object).property("type", kind).required("type");
        let string = || Object::builder().schema_type(Type::String);
        let known = Payload::variants().into_iter().fold(AnyOf::builder(), |known, (name, fields)| {
            let variant = kind(string().enum_values(Some([name])).build());
            known.item(match fields {
                Some(fields) => variant.property("data", fields),
                None => variant,
            })
        });
        known.item(kind(string().build())).into()
    }
}

impl ToSchema for Payload {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Payload::fields_schemas(schemas);
    }
}
