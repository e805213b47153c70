//! What the control plane knows, as it shows it: each value with its age and its exactness.

use serde::{Deserialize, Serialize};
use stereospot_domain::diagnosis::Finding;
use stereospot_domain::plan::AppliedPlan;
use stereospot_domain::{
    BackendKind, Collector, Event, Fingerprint, Job, JobId, Lock, QueueName, Stage, Timestamp, Topology,
};
use utoipa::ToSchema;
use uuid::Uuid;

mod attention;
mod platform;

pub use attention::Attention;
pub use platform::{ApiCalls, DeploymentView, FoundQueue, LogLine, LogPage, ServiceView};

/// A polled value: what, when, how exact.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Observed<T> {
    /// The value.
    pub value: T,
    /// When it was read from the backend.
    pub at: Timestamp,
    /// False: shown with `≈`.
    pub is_exact: bool,
}

/// Everything the dashboard starts from: `GET /v1/snapshot`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Snapshot {
    /// The stream's position; `GET /v1/stream?after=` goes on from here.
    pub revision: u64,
    /// New at each start of the server: revisions of another boot can't be compared.
    pub boot: Uuid,
    /// The server's clock when this was made.
    pub now: Timestamp,
    /// The environment.
    pub environment: Environment,
    /// Jobs, newest first; bounded by the query's `jobs` (default 1,000).
    pub jobs: Vec<JobView>,
    /// How many jobs there are in all.
    pub jobs_total: u64,
    /// Queues, each main queue followed by its dead-letter queue.
    pub queues: Vec<QueueView>,
    /// Workers heard of in the last hour.
    pub workers: Vec<WorkerView>,
    /// The platform's services, by name; empty where there are none.
    #[serde(default)]
    pub services: Vec<ServiceView>,
    /// What is wrong, gravest first.
    pub attention: Vec<Attention>,
    /// Collectors.
    pub collectors: Vec<CollectorView>,
}

/// Where this control plane looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Environment {
    /// Its name, shown on every screen.
    pub name: String,
    pub backend: BackendKind,
    /// True where a mistake hurts.
    pub is_production: bool,
    /// True when the server takes no write.
    pub is_read_only: bool,
    /// True when the server repairs lost jobs without being asked.
    #[serde(default)]
    pub repairs_by_itself: bool,
    /// The server's version.
    pub version: String,
    /// The region, where the platform has regions.
    #[serde(default)]
    pub region: Option<String>,
    /// Who writes completions in an existing deployment; absent where nobody but ours can.
    #[serde(default)]
    pub topology: Option<Topology>,
    /// First part of every name in the deployment.
    #[serde(default)]
    pub prefix: Option<String>,
}

/// A change of what a snapshot holds: one server-sent event, whose id is the revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// A job is new or changed.
    Job(Box<JobView>),
    /// A queue's numbers changed, or were read again.
    Queue(QueueView),
    /// A worker is new or changed.
    Worker(WorkerView),
    /// All services of the platform, read again.
    Services {
        /// By name.
        services: Vec<ServiceView>,
    },
    /// The whole list of what is wrong.
    Attention {
        /// Gravest first.
        attention: Vec<Attention>,
    },
    /// A collector ran.
    Collector(CollectorView),
    /// An event came in.
    Event(Box<Event>),
    /// An action was applied.
    Action(Box<AppliedPlan>),
    /// The client fell behind, or the server restarted: fetch a new snapshot.
    Reset,
}

/// One job in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobView {
    /// The row, as last read or derived from events.
    pub job: Job,
    /// When the row was last confirmed from the job store.
    pub observed_at: Timestamp,
    /// Segments with a completion.
    pub segments_done: u32,
    /// Segments that workers work on now.
    pub segments_running: u32,
    /// Segments whose messages are dead-lettered; absent where none is seen and a dead-letter queue can't be read.
    pub segments_dead: Option<u32>,
    /// Share of the job's work that is done, 0 to 1; absent before its size is known.
    pub progress: Option<f32>,
    /// Frames a second over the last half minute, all workers together.
    pub frames_per_second: Option<f32>,
    /// When it should be done, at that rate.
    pub eta: Option<Timestamp>,
    /// When anything was last heard or seen of it.
    pub last_activity_at: Timestamp,
    /// The last event's type, and its segment.
    pub last_event: Option<String>,
    /// Most attempts at any step so far.
    pub attempts: u32,
    /// What is wrong with it, gravest first.
    pub findings: Vec<Finding>,
}

/// One job in full: `GET /v1/jobs/{id}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobDetail {
    /// As in lists.
    pub view: JobView,
    /// Each segment, by index; empty before their number is known.
    pub segments: Vec<SegmentView>,
    /// The stages and their attempts, in time.
    pub timeline: Vec<TimelineEntry>,
    /// The reassembly lock.
    pub lock: Option<Lock>,
    /// Whether reassembly can be triggered now.
    pub can_trigger: bool,
    /// Why it can't, or what triggering would do.
    pub trigger_note: String,
    /// Size of the result in bytes, where it exists.
    pub result_bytes: Option<u64>,
}

/// What a segment is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SegmentState {
    /// Its completion is recorded.
    Done,
    /// A worker has it.
    Running,
    /// It waits, as far as can be known.
    Queued,
    /// It is neither done, running nor queued.
    Missing,
    /// Its message is dead-lettered.
    DeadLettered,
}

/// One segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SegmentView {
    /// From 0.
    pub index: u32,
    /// What it is doing.
    pub state: SegmentState,
    /// The worker that has it, or had it last.
    pub worker: Option<String>,
    /// Attempts so far.
    pub attempts: u32,
    /// Frames converted and to convert, where a worker said so.
    pub frames_done: Option<u32>,
    /// As above.
    pub frames: Option<u32>,
    /// When the last attempt began.
    pub started_at: Option<Timestamp>,
    /// When it was done.
    pub completed_at: Option<Timestamp>,
    /// The last sign of life.
    pub last_seen_at: Option<Timestamp>,
    /// The last error.
    pub error: Option<String>,
}

/// One attempt at one stage (segments of a stage are told together).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TimelineEntry {
    /// Which stage.
    pub stage: Stage,
    /// Which attempt.
    pub attempt: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Who did it.
    pub worker: Option<String>,
    /// Why it failed, where it did.
    pub error: Option<String>,
}

/// One queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QueueView {
    /// Its name.
    #[schema(value_type = String)]
    pub name: QueueName,
    /// Can be received now.
    pub ready: Option<Observed<u64>>,
    /// Under lease.
    pub in_flight: Option<Observed<u64>>,
    /// Delayed.
    pub delayed: Option<Observed<u64>>,
    /// When the oldest ready message was first sent.
    pub oldest_enqueued_at: Option<Timestamp>,
    /// Messages that came in a minute, by the last minutes' counts.
    pub in_per_minute: Option<f32>,
    /// Messages that were done a minute.
    pub out_per_minute: Option<f32>,
    /// Ready messages over the last half hour, oldest first, one a minute at most.
    pub history: Vec<u64>,
    /// Seconds until empty at this rate; absent when it doesn't drain.
    pub drains_in_secs: Option<f32>,
    /// Workers of this stage that were heard of in the last 30 seconds. Absent where none would be heard of: others than ours send
    /// no events, and nobody consumes a dead-letter queue.
    pub consumers: Option<u32>,
    /// Seconds a received message stays hidden.
    pub visibility_secs: Option<f32>,
    /// Receivings until a message is dead-lettered.
    pub max_receives: Option<u32>,
    /// When it was last purged here.
    pub purged_at: Option<Timestamp>,
}

/// One message on a queue: `GET /v1/queues/{name}/messages`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MessageView {
    /// Its id.
    pub id: String,
    /// The body, as sent.
    pub body: String,
    /// The job it is about.
    pub job_id: Option<JobId>,
    /// The segment it is about.
    pub segment_index: Option<u32>,
    /// How often it was received.
    pub receive_count: u32,
    /// When it was first sent.
    pub enqueued_at: Timestamp,
    /// When it was dead-lettered.
    pub dead_lettered_at: Option<Timestamp>,
    /// When the queue will forget it.
    pub expires_at: Option<Timestamp>,
    /// The last error that a worker reported for it.
    pub error: Option<String>,
    /// Of the error: messages with the same one have the same cause.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub fingerprint: Option<Fingerprint>,
}

/// What a worker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// Waiting for work.
    Idle,
    /// At work.
    Busy,
    /// Finishing what it has.
    Draining,
    /// Ended in order.
    Stopped,
    /// Not heard of for 30 seconds.
    Silent,
}

/// One worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WorkerView {
    /// Its name: the events' source.
    pub name: String,
    /// Its stage; absent where it does all of them.
    pub stage: Option<Stage>,
    /// What it is doing.
    pub state: WorkerState,
    /// Its job.
    pub job_id: Option<JobId>,
    /// Its segment.
    pub segment_index: Option<u32>,
    /// Frames a second in its current or last segment.
    pub frames_per_second: Option<f32>,
    /// When it was last heard of.
    pub last_seen_at: Timestamp,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// Steps done and failed since then.
    pub done: u64,
    /// As above.
    pub failed: u64,
    /// Events lost on the way, by gaps in their numbers.
    pub events_lost: u64,
    /// Events that wait in its spool.
    pub spooled: u64,
    /// Its version.
    pub version: Option<String>,
    /// The execution provider that runs its depth model.
    pub provider: Option<String>,
    /// Why it stopped by itself, or could not start.
    #[serde(default)]
    pub error: Option<String>,
}

/// One collector: how fresh its numbers are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CollectorView {
    pub name: Collector,
    /// Every value that counts was read then or later.
    pub last_success_at: Option<Timestamp>,
    /// Why nothing of it can be read; absent while anything can.
    pub error: Option<String>,
    /// What of it can't be read, and why, while the rest can.
    #[serde(default)]
    pub lacks: Option<String>,
    /// Longest time, in seconds, between two readings of one value, as things stand.
    pub interval_secs: f32,
}

/// `GET /v1/jobs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobPage {
    /// Newest first.
    pub jobs: Vec<JobView>,
    /// Where to go on.
    pub next: Option<String>,
}
