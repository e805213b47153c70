//! What workers tell the control plane: facts with a job id, in a closed set of kinds.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::job::JobId;
use crate::options::UnknownName;
use crate::queue::QueueRole;
use crate::time::Timestamp;

/// A stage of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The source is split.
    Chunking,
    /// A segment is converted.
    Inference,
    /// Segments are joined.
    Reassembly,
}

impl Stage {
    /// Every stage, in the order of a job's way.
    pub const ALL: &'static [Stage] = &[Stage::Chunking, Stage::Inference, Stage::Reassembly];

    /// The name that operators use; also the metric label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Chunking => "chunking",
            Stage::Inference => "inference",
            Stage::Reassembly => "reassembly",
        }
    }

    /// The queue that feeds it.
    #[must_use]
    pub fn queue(self) -> QueueRole {
        match self {
            Stage::Chunking => QueueRole::Chunking,
            Stage::Inference => QueueRole::Inference,
            Stage::Reassembly => QueueRole::Reassembly,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident $name:literal),+ $(,)?) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        pub enum EventKind { $($(#[$doc])* #[serde(rename = $name)] $variant),+ }

        impl EventKind {
            /// Every kind.
            pub const ALL: &'static [EventKind] = &[$(EventKind::$variant),+];

            /// The name on the wire and in logs.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(EventKind::$variant => $name),+ }
            }
        }
    };
}

kinds! {
    /// A source was taken in. Data: `title`, `bytes`.
    JobSubmitted "job.submitted",
    /// The result exists and the row says so.
    JobCompleted "job.completed",
    /// The job ended without a result. Data: `error`.
    JobFailed "job.failed",
    /// Something lost on its way was made good. Data: `by`, `code`, `item`, `done`.
    JobRepaired "job.repaired",
    /// A chunking worker took the job.
    ChunkingStarted "chunking.started",
    /// All segments are written. Data: `segments`, `frames`, `duration_secs`, `wall_secs`.
    ChunkingCompleted "chunking.completed",
    /// This attempt failed. Data: `error`, `is_final`.
    ChunkingFailed "chunking.failed",
    /// An inference worker took the segment. Data: `frames`.
    SegmentStarted "segment.started",
    /// Data: `frames_done`, `frames`.
    SegmentProgress "segment.progress",
    /// The output is written. Data: `frames`, `bytes`, `wall_secs`, `provider`.
    SegmentCompleted "segment.completed",
    /// This attempt failed. Data: `error`, `is_final`; `is_damaged` where the stored segment is at fault: it has to be cut anew.
    SegmentFailed "segment.failed",
    /// The message's lease was extended. Data: `queue`, `lease_secs`.
    LeaseExtended "lease.extended",
    /// The lease could not be extended; another worker may have the message. Data: `queue`, `error`.
    LeaseLost "lease.lost",
    /// The lock was made and the message sent. Data: `by`.
    ReassemblyTriggered "reassembly.triggered",
    /// A reassembly worker has the lock.
    ReassemblyStarted "reassembly.started",
    /// The result is written. Data: `frames`, `duration_secs`, `bytes`, `wall_secs`.
    ReassemblyCompleted "reassembly.completed",
    /// This attempt failed. Data: `error`, `is_final`.
    ReassemblyFailed "reassembly.failed",
    /// A worker process began. Data: `version`, `provider`, `model`.
    WorkerStarted "worker.started",
    /// It is alive. Data: `busy`, `spooled`.
    WorkerHeartbeat "worker.heartbeat",
    /// It takes no more work and finishes or gives back what it has.
    WorkerDraining "worker.draining",
    /// It ended in order.
    WorkerStopped "worker.stopped",
    /// Events were dropped from a full spool. Data: `dropped`.
    SpoolDropped "spool.dropped",
}

impl EventKind {
    /// True when a later event of the same kind says all that this one said. A full spool drops these first; the others never.
    #[must_use]
    pub fn is_progress(self) -> bool {
        matches!(self, EventKind::SegmentProgress | EventKind::LeaseExtended | EventKind::WorkerHeartbeat)
    }

    /// True when it tells of something going wrong.
    #[must_use]
    pub fn is_error(self) -> bool {
        use EventKind::*;
        matches!(self, JobFailed | ChunkingFailed | SegmentFailed | ReassemblyFailed | LeaseLost | SpoolDropped)
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

/// The version that [`Event::v`] carries.
pub const VERSION: u8 = 1;

/// One event. `(source, id)` is its identity; `(source, boot, seq)` counts up by one, so that a gap shows a lost event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Version of this shape: 1.
    pub v: u8,
    /// A UUIDv7 made when the event happened.
    pub id: Uuid,
    /// Which worker, for people: `inference-1@host`. Stable over restarts.
    pub source: String,
    /// A new id at each start of the source.
    pub boot: Uuid,
    /// Counts up by one from 1 within a boot.
    pub seq: u64,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// When, by the source's clock.
    pub time: Timestamp,
    /// The job it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    /// The segment it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment_index: Option<u32>,
    /// The stage it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// Which attempt: the message's receive count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// W3C trace context, where the source has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Flat facts by name; which ones stands at each kind.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub data: Map<String, Value>,
}

impl Event {
    /// A text among the data.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.data.get(name)?.as_str()
    }

    /// A number among the data.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<f64> {
        self.data.get(name)?.as_f64()
    }

    /// The same fact as one log line, with the `job_id=` and `segment_index=` that log queries look for.
    #[must_use]
    pub fn log_line(&self) -> String {
        let mut line = self.kind.as_str().to_owned();
        if let Some(job_id) = self.job_id {
            line.push_str(&format!(" job_id={job_id}"));
        }
        if let Some(index) = self.segment_index {
            line.push_str(&format!(" segment_index={index}"));
        }
        if let Some(attempt) = self.attempt {
            line.push_str(&format!(" attempt={attempt}"));
        }
        for (name, value) in &self.data {
            line.push_str(&format!(" {name}={value}"));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_round_trip_and_state_events_are_not_progress() {
        for kind in EventKind::ALL {
            assert_eq!(kind.as_str().parse::<EventKind>().unwrap(), *kind);
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert!(!(kind.is_progress() && kind.is_error()));
        }
    }

    #[test]
    fn a_log_line_can_be_found_by_job_and_segment() {
        let event: Event = serde_json::from_value(serde_json::json!({
            "v": 1, "id": "01890a5d-ac96-774b-bcce-b302099a8057", "source": "inference-1", "boot":
            "01890a5d-ac96-774b-bcce-b302099a8057", "seq": 4, "type": "segment.completed", "time": 5,
            "job_id": "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f", "segment_index": 3, "attempt": 1, "data": {"frames": 25}
        }))
        .unwrap();
        assert_eq!(
            event.log_line(),
            "segment.completed job_id=7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f segment_index=3 attempt=1 frames=25"
        );
    }
}
