//! What a diagnosis rests on.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::job::{Job, Lock};
use crate::queue::QueueName;
use crate::stage::Stage;
use crate::time::Timestamp;

/// Something known, with where it comes from and when it was true.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Fact<T> {
    /// What is known.
    pub value: T,
    /// When it was observed.
    pub observed_at: Timestamp,
    /// False where the backend only approximates.
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
    /// The dead-letter queue.
    #[schema(value_type = String)]
    pub queue: QueueName,
    /// The message.
    pub message_id: String,
    /// The segment it asks for, on the inference queue.
    pub segment_index: Option<u32>,
    /// When it was first seen there.
    pub since: Timestamp,
    /// The last error that a worker reported for it.
    pub error: Option<String>,
    /// True when its segment's last attempt found the stored segment damaged.
    pub is_damaged: bool,
}

/// A segment that some worker said it is working on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunningSegment {
    /// Which.
    pub segment_index: u32,
    /// The worker.
    pub worker: String,
    /// The last sign of life for it.
    pub last_seen_at: Timestamp,
}

/// A step of the job whose last attempt failed, and which has neither succeeded nor been given up since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailingStep {
    /// Which stage.
    pub stage: Stage,
    /// Which segment, at inference.
    pub segment_index: Option<u32>,
    /// Failed attempts in a row.
    pub attempts: u32,
    /// When the first of them failed.
    pub since: Timestamp,
    /// When the last one did.
    pub last_failed_at: Timestamp,
    /// What the last one said.
    pub error: String,
    /// True when the worker keeps the message and waits for space on a full disk.
    pub is_out_of_space: bool,
}

/// Why a dead-letter queue may hold messages that were not seen there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unseen {
    /// It holds more than was looked at, or was not read since: the next reading may tell.
    NotRead,
    /// It can't be read, for this reason: no reading will tell.
    Unreadable(String),
}

/// Why a queue tells nothing of a message that may wait there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unknown {
    /// The deployment has no such queue.
    NotDeployed,
    /// It can't be read, for this reason.
    Unreadable(String),
}

/// Everything known of one job. `None` means: not known.
#[derive(Debug, Clone, PartialEq)]
pub struct JobFacts {
    /// Its row.
    pub job: Fact<Job>,
    /// Segments with a completion, sorted.
    pub completed: Option<Fact<Vec<u32>>>,
    /// Its lock.
    pub lock: Option<Fact<Option<Lock>>>,
    /// Segments whose dead-lettered messages ask for an object that is gone, sorted.
    pub gone: Option<Fact<Vec<u32>>>,
    /// Whether the source object exists.
    pub source_exists: Option<Fact<bool>>,
    /// Whether final.mp4 exists.
    pub result_exists: Option<Fact<bool>>,
    /// Segments whose output object exists, sorted.
    pub outputs: Option<Fact<Vec<u32>>>,
    /// Dead-lettered messages of this job.
    pub dead_letters: Vec<DeadLetter>,
    /// Why a message of this job may lie on the chunking dead-letter queue though none was seen there; none when it can't.
    pub unseen_sources: Option<Unseen>,
    /// As above, on the inference dead-letter queue.
    pub unseen_segments: Option<Unseen>,
    /// As above, on the ingest dead-letter queue.
    pub unseen_ingests: Option<Unseen>,
    /// Segments that workers say they work on.
    pub running: Vec<RunningSegment>,
    /// Steps that keep failing.
    pub failing: Vec<FailingStep>,
    /// Messages (ready, in flight, delayed) in the chunking, inference and reassembly queue.
    pub chunking_depth: Option<Fact<u64>>,
    /// As above.
    pub inference_depth: Option<Fact<u64>>,
    /// As above.
    pub reassembly_depth: Option<Fact<u64>>,
    /// As above, in the ingest queue.
    pub ingest_depth: Option<Fact<u64>>,
    /// Why the ingest queue has no depth; none while it is read.
    pub ingest_unknown: Option<Unknown>,
    /// Where depths are approximate, so that a queue in use is hardly ever known to be empty: how long a message of the chunking
    /// queue can be tried, as long as none waits there to be received for the first time.
    pub chunking_tries: Option<Duration>,
    /// As above, of the inference queue.
    pub inference_tries: Option<Duration>,
    /// As above, of the reassembly queue.
    pub reassembly_tries: Option<Duration>,
    /// As above, of the ingest queue.
    pub ingest_tries: Option<Duration>,
    /// How long a source may be fetched in silence.
    pub fetch_presumed: Duration,
    /// How long its fetching can be tried, as far as is known of a queue that can't be read.
    pub fetch_tries: Duration,
    /// How long a lock's holder that gave no lease is presumed to work.
    pub holder_presumed: Duration,
    /// When anything was last heard or seen of the job.
    pub last_activity_at: Timestamp,
}

/// How long a silence must last before it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// A step that takes milliseconds when nothing is wrong.
    pub step: Duration,
    /// A segment that a worker works on, without a sign of life.
    pub segment: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { step: Duration::from_secs(60), segment: Duration::from_secs(180) }
    }
}
