//! The facts that the diagnosis works on.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error_code::ErrorCode;
use crate::job::{Job, Lock};
use crate::queue::QueueName;
use crate::stage::Stage;
use crate::time::Timestamp;

/// A value with the time of its observation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Fact<T> {
    pub value: T,
    pub observed_at: Timestamp,
    /// False if the backend only approximates it.
    pub is_exact: bool,
}

impl<T> Fact<T> {
    /// An exact fact.
    pub fn exact(value: T, observed_at: Timestamp) -> Self {
        Self { value, observed_at, is_exact: true }
    }
}

/// A dead-lettered message that belongs to the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter {
    pub queue: QueueName,
    pub message_id: String,
    /// On the inference queue, the segment it asks for.
    pub segment_index: Option<u32>,
    /// When a poll first saw it.
    pub since: Timestamp,
    /// The last error reported for it.
    pub error: Option<String>,
    pub code: Option<ErrorCode>,
    /// True if the last attempt found the stored segment damaged.
    pub is_damaged: bool,
}

/// A segment that a worker reported to be working on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunningSegment {
    pub segment_index: u32,
    pub worker: String,
    /// The last report about it.
    pub last_seen_at: Timestamp,
}

/// A step whose last attempt failed and that has neither succeeded nor been given up since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailingStep {
    pub stage: Stage,
    /// Only for inference.
    pub segment_index: Option<u32>,
    /// Failed attempts in a row.
    pub attempts: u32,
    pub since: Timestamp,
    pub last_failed_at: Timestamp,
    pub error: String,
    /// True if the worker keeps the message and waits for disk space.
    pub is_out_of_space: bool,
}

/// Why a dead-letter queue may hold messages that no poll has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unseen {
    /// It holds more than was read, or was not read since. The next poll may show them.
    NotRead,
    /// It can't be read, for this reason, so no poll will show them.
    Unreadable(String),
}

/// Why it is unknown whether a message waits on a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unknown {
    /// The deployment has no such queue.
    NotDeployed,
    /// It can't be read, for this reason.
    Unreadable(String),
}

/// Everything known about one job. `None` means unknown, never absent.
#[derive(Debug, Clone, PartialEq)]
pub struct JobFacts {
    pub job: Fact<Job>,
    /// Segments that have a completion, sorted.
    pub completed: Option<Fact<Vec<u32>>>,
    pub lock: Option<Fact<Option<Lock>>>,
    /// Sorted segments whose dead letters refer to an object that no longer exists.
    pub gone: Option<Fact<Vec<u32>>>,
    pub source_exists: Option<Fact<bool>>,
    /// Whether `final.mp4` exists.
    pub result_exists: Option<Fact<bool>>,
    /// Why the result is not what was written; absent if nothing shows that.
    pub result_damage: Option<Fact<String>>,
    /// Since when the job's row is known to be gone.
    pub row_gone_since: Option<Timestamp>,
    /// When the row of a deleted job was first seen with another status.
    pub deleted_before: Option<Timestamp>,
    /// Segments that have an output object, sorted.
    pub outputs: Option<Fact<Vec<u32>>>,
    pub dead_letters: Vec<DeadLetter>,
    /// Why the job may have an unseen message on the chunking, inference or ingest dead-letter queue; `None` if it can't.
    pub unseen_sources: Option<Unseen>,
    pub unseen_segments: Option<Unseen>,
    pub unseen_ingests: Option<Unseen>,
    pub running: Vec<RunningSegment>,
    pub failing: Vec<FailingStep>,
    /// The last error reported for joining the segments.
    pub join_error: Option<(String, Option<ErrorCode>)>,
    /// Messages (ready, in flight and delayed) on the queue of each stage, and on the ingest queue.
    pub chunking_depth: Option<Fact<u64>>,
    pub inference_depth: Option<Fact<u64>>,
    pub reassembly_depth: Option<Fact<u64>>,
    pub ingest_depth: Option<Fact<u64>>,
    /// Why the depth of the ingest queue is unknown; `None` while it is read.
    pub ingest_unknown: Option<Unknown>,
    /// How long a message can be tried before it is done or dead. Known only where depths are approximate, because a busy queue is
    /// then hardly ever known to be empty, and only while no message waits for its first receive.
    pub chunking_tries: Option<Duration>,
    pub inference_tries: Option<Duration>,
    pub reassembly_tries: Option<Duration>,
    pub ingest_tries: Option<Duration>,
    /// How long fetching a source may take without a report.
    pub fetch_presumed: Duration,
    /// How long fetching can be tried, assumed where the ingest queue can't be read.
    pub fetch_tries: Duration,
    /// How long a lock holder without a lease counts as working.
    pub holder_presumed: Duration,
    /// The last report or observed change.
    pub last_activity_at: Timestamp,
}

/// How long a silence must last before it is a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For a step that normally takes milliseconds.
    pub step: Duration,
    /// For a segment that a worker works on.
    pub segment: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { step: Duration::from_secs(60), segment: Duration::from_secs(180) }
    }
}
