//! What the control plane shows. Each polled value has its time and says whether it is exact.

use serde::{Deserialize, Serialize};
use stereospot_domain::check::CheckSummary;
use stereospot_domain::diagnosis::Finding;
use stereospot_domain::plan::AppliedPlan;
use stereospot_domain::queue::Envelope;
use stereospot_domain::{
    BackendKind, Collector, Event, Fingerprint, Job, JobId, Lock, QueueName, Stage, Timestamp, Topology, Warning,
};
use utoipa::ToSchema;
use uuid::Uuid;

mod attention;
mod platform;

pub use attention::Attention;
pub use platform::{ApiCalls, DeploymentView, FoundQueue, LogLine, LogPage, ServiceView};

/// A polled value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Observed<T> {
    pub value: T,
    /// When it was read from the backend.
    pub at: Timestamp,
    /// False if the backend only approximates; shown with `≈`.
    pub is_exact: bool,
}

/// Everything that the dashboard shows: `GET /v1/snapshot`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Snapshot {
    /// The position in the stream: `GET /v1/stream?after=` continues here.
    pub revision: u64,
    /// New at each start of the server. Revisions of different boots can't be compared.
    pub boot: Uuid,
    /// By the server's clock.
    pub now: Timestamp,
    pub environment: Environment,
    /// Newest first; at most the query's `jobs` (default 1,000).
    pub jobs: Vec<JobView>,
    /// The number of all jobs.
    pub jobs_total: u64,
    /// Each main queue followed by its dead-letter queue.
    pub queues: Vec<QueueView>,
    /// Workers that sent events in the last hour.
    pub workers: Vec<WorkerView>,
    /// The platform's services, by name; empty if the backend has none.
    #[serde(default)]
    pub services: Vec<ServiceView>,
    /// Most severe first.
    pub attention: Vec<Attention>,
    pub collectors: Vec<CollectorView>,
}

/// The environment of the control plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Environment {
    /// Shown on every screen.
    pub name: String,
    pub backend: BackendKind,
    /// True for production: dashboard and commands show a warning.
    pub is_production: bool,
    /// True if the server refuses all writes.
    pub is_read_only: bool,
    /// True if the server repairs jobs automatically.
    #[serde(default)]
    pub repairs_by_itself: bool,
    /// The server's version.
    pub version: String,
    /// Absent if the platform has no regions.
    #[serde(default)]
    pub region: Option<String>,
    /// Which service writes completions in an existing deployment; absent if only our workers can.
    #[serde(default)]
    pub topology: Option<Topology>,
    /// First part of every name in the deployment.
    #[serde(default)]
    pub prefix: Option<String>,
}

/// A change of the snapshot, sent as a server-sent event whose id is the revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// A new or changed job.
    Job(Box<JobView>),
    /// A queue was polled.
    Queue(QueueView),
    /// A new or changed worker.
    Worker(WorkerView),
    /// All services of the platform were polled.
    Services {
        /// By name.
        services: Vec<ServiceView>,
    },
    /// The complete list of attention items.
    Attention {
        /// Most severe first.
        attention: Vec<Attention>,
    },
    /// A collector polled.
    Collector(CollectorView),
    /// An event arrived.
    Event(Box<Event>),
    /// An action was applied.
    Action(Box<AppliedPlan>),
    /// The client fell behind, or the server restarted: fetch a new snapshot.
    Reset,
}

/// A job in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobView {
    /// The row, as last read from the job store or derived from events.
    pub job: Job,
    /// When the row was last read from the job store.
    pub observed_at: Timestamp,
    /// Segments with a completion.
    pub segments_done: u32,
    /// Segments that workers are converting.
    pub segments_running: u32,
    /// Segments whose messages are dead-lettered; absent if none was found and a dead-letter queue can't be read.
    pub segments_dead: Option<u32>,
    /// Share of the job's work that is done, 0 to 1; absent until its size is known.
    pub progress: Option<f32>,
    /// Over the last half minute, all workers together.
    pub frames_per_second: Option<f32>,
    /// When the job will be done at that rate.
    pub eta: Option<Timestamp>,
    /// When an event or a change of the job was last observed.
    pub last_activity_at: Timestamp,
    /// The last event's type and segment.
    pub last_event: Option<String>,
    /// Highest number of attempts at any step so far.
    pub attempts: u32,
    /// Most severe first.
    pub findings: Vec<Finding>,
}

/// A job with its segments and timeline: `GET /v1/jobs/{id}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobDetail {
    pub view: JobView,
    /// By index; empty until their number is known.
    pub segments: Vec<SegmentView>,
    /// The attempts at each stage, in order of time.
    pub timeline: Vec<TimelineEntry>,
    /// The reassembly lock.
    pub lock: Option<Lock>,
    /// Whether reassembly can be triggered now.
    pub can_trigger: bool,
    /// Why it can't, or what triggering would do.
    pub trigger_note: String,
    /// Size of the result; absent without one.
    pub result_bytes: Option<u64>,
    /// The SHA-256 of the result, as its worker reported it.
    #[serde(default)]
    pub result_sha256: Option<String>,
    /// How the last check of its objects ended; absent if they were not checked since the job was completed.
    #[serde(default)]
    pub check: Option<CheckSummary>,
    /// What was changed or left out of the video, each matter once.
    #[serde(default)]
    pub warnings: Vec<JobWarning>,
}

/// A warning, with its sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobWarning {
    pub text: String,
    pub about: Warning,
}

impl From<Warning> for JobWarning {
    fn from(about: Warning) -> Self {
        Self { text: about.to_string(), about }
    }
}

/// The state of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SegmentState {
    /// Its completion is recorded.
    Done,
    /// A worker is converting it.
    Running,
    /// Its message waits, as far as is known.
    Queued,
    /// It is neither done, running nor queued.
    Missing,
    /// Its message is dead-lettered.
    DeadLettered,
}

/// A segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SegmentView {
    /// From 0.
    pub index: u32,
    pub state: SegmentState,
    /// The worker of the current or last attempt.
    pub worker: Option<String>,
    /// Attempts so far.
    pub attempts: u32,
    /// Frames converted so far, if a worker reported it.
    pub frames_done: Option<u32>,
    /// All frames of the segment, if a worker reported it.
    pub frames: Option<u32>,
    /// When the last attempt began.
    pub started_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
    /// When a worker last reported anything about it.
    pub last_seen_at: Option<Timestamp>,
    /// The last error.
    pub error: Option<String>,
}

/// An attempt at a stage. The segments of a job share one entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TimelineEntry {
    pub stage: Stage,
    /// From 1.
    pub attempt: u32,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub worker: Option<String>,
    /// Why the attempt failed; absent if it did not.
    pub error: Option<String>,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QueueView {
    pub name: QueueName,
    /// Messages that can be received now.
    pub ready: Option<Observed<u64>>,
    /// Messages under lease.
    pub in_flight: Option<Observed<u64>>,
    /// Messages that can't be received yet.
    pub delayed: Option<Observed<u64>>,
    /// When the oldest ready message was first sent.
    pub oldest_enqueued_at: Option<Timestamp>,
    /// Messages that arrived, per minute over the last minutes.
    pub in_per_minute: Option<f32>,
    /// Messages that left, per minute over the last minutes.
    pub out_per_minute: Option<f32>,
    /// Ready messages in the last half hour, oldest first, at most one value per minute.
    pub history: Vec<u64>,
    /// Seconds until the queue is empty at the current rate; absent if it does not drain.
    pub drains_in_secs: Option<f32>,
    /// Workers of this stage that sent an event in the last 30 seconds. Absent for queues whose consumers send no events, and for
    /// dead-letter queues, which have no consumers.
    pub consumers: Option<u32>,
    /// How long a received message stays hidden.
    pub visibility_secs: Option<f32>,
    /// A message received this many times is dead-lettered by the next receive; absent on dead-letter queues.
    pub max_receives: Option<u32>,
    /// When this control plane last purged it.
    pub purged_at: Option<Timestamp>,
}

/// A message on a queue: `GET /v1/queues/{name}/messages`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MessageView {
    pub id: String,
    pub body: String,
    #[serde(flatten)]
    pub envelope: Envelope,
    /// The job that the body names.
    pub job_id: Option<JobId>,
    /// The segment that the body names.
    pub segment_index: Option<u32>,
    /// How often it was received.
    pub receive_count: u32,
    /// When it was first sent.
    pub enqueued_at: Timestamp,
    pub dead_lettered_at: Option<Timestamp>,
    /// When the queue will remove it; absent if never.
    pub expires_at: Option<Timestamp>,
    /// The last error that a worker reported for it.
    pub error: Option<String>,
    /// Of `error`: messages with the same fingerprint have the same cause.
    #[serde(default)]
    pub fingerprint: Option<Fingerprint>,
}

/// The state of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// Waiting for work.
    Idle,
    /// At work.
    Busy,
    /// Finishing its work before it stops.
    Draining,
    /// Reported that it stopped.
    Stopped,
    /// Has sent no event for 30 seconds.
    Silent,
}

/// A worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WorkerView {
    /// The source of its events.
    pub name: String,
    /// Absent if it serves every stage.
    pub stage: Option<Stage>,
    pub state: WorkerState,
    /// The job that it works on.
    pub job_id: Option<JobId>,
    /// The segment that it works on.
    pub segment_index: Option<u32>,
    /// In its current or last segment.
    pub frames_per_second: Option<f32>,
    /// When its last event arrived.
    pub last_seen_at: Timestamp,
    pub started_at: Option<Timestamp>,
    /// Steps completed since its start.
    pub done: u64,
    /// Steps failed since its start.
    pub failed: u64,
    /// Events that never arrived, counted by gaps in their sequence numbers.
    pub events_lost: u64,
    /// Events that wait in its spool.
    pub spooled: u64,
    pub version: Option<String>,
    /// The execution provider that runs its depth model.
    pub provider: Option<String>,
    /// Why it could not start or go on.
    #[serde(default)]
    pub error: Option<String>,
}

/// A collector: a group of polls, and how fresh their values are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CollectorView {
    pub name: Collector,
    /// When the oldest of its values was read; absent without any.
    pub last_success_at: Option<Timestamp>,
    /// Why all its polls fail; absent if any succeeds.
    pub error: Option<String>,
    /// Which polls fail, and why, while others succeed.
    #[serde(default)]
    pub lacks: Option<String>,
    /// Longest current time between two polls of the same value.
    pub interval_secs: f32,
}

/// `GET /v1/jobs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobPage {
    /// Newest first.
    pub jobs: Vec<JobView>,
    /// The cursor of the next page; absent on the last.
    pub next: Option<String>,
}
