//! What the control plane shows of the platform: services, log lines, queues and the cost of polling.

use serde::{Deserialize, Serialize};
use stereospot_domain::{BackendKind, QueueName, Timestamp, Topology};
use utoipa::ToSchema;

/// A service of the platform: on AWS an ECS service, which runs workers as tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceView {
    pub name: String,
    /// The number of tasks that the platform aims for.
    pub desired: u32,
    /// Tasks that run. 0 of 0 is normal while queues are empty.
    pub running: u32,
    /// Tasks that are starting.
    pub pending: u32,
    /// Fewest tasks by automatic scaling; absent without scaling.
    pub min: Option<u32>,
    /// Most tasks by automatic scaling; absent without scaling.
    pub max: Option<u32>,
    /// True while scaling is suspended, so that a number set by hand stays.
    pub is_scaling_suspended: bool,
    /// Why fewer tasks run than desired, in the platform's words; absent in a steady state.
    pub note: Option<String>,
    /// When it was read from the platform.
    pub observed_at: Timestamp,
}

/// A job's log lines: `GET /v1/jobs/{id}/logs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogPage {
    /// Oldest first.
    pub lines: Vec<LogLine>,
    /// False if more lines match than the limit. `lines` then holds the oldest.
    pub is_whole: bool,
    /// Log groups or files that were searched.
    pub searched: Vec<String>,
    /// Log groups or files that could not be searched, each with the reason.
    pub missing: Vec<String>,
    /// Bytes that the search read. CloudWatch charges for these.
    pub bytes_scanned: u64,
}

/// A log line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// By the writer's clock.
    pub time: Timestamp,
    /// The log group or file.
    pub source: String,
    /// The stream within the log group; empty for files.
    pub stream: String,
    pub text: String,
}

/// The deployment that the control plane works on, and the cost of polling it: `GET /v1/deployment`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeploymentView {
    pub backend: BackendKind,
    /// Absent if the platform has no regions.
    pub region: Option<String>,
    /// First part of every name in the deployment.
    pub prefix: Option<String>,
    pub topology: Option<Topology>,
    pub queues: Vec<FoundQueue>,
    /// What was missing when the control plane started, each with what to do.
    pub missing: Vec<String>,
    /// When the control plane started.
    pub started_at: Timestamp,
    /// Calls to the platform by API; empty if calls cost nothing.
    pub calls: Vec<ApiCalls>,
    /// Most calls per minute for polling; absent without a limit.
    pub budget_per_minute: Option<u32>,
    /// Average over the last minutes.
    pub calls_per_minute: f32,
    /// Cost of that rate in a month, in US dollars at list price.
    pub usd_per_month: f64,
}

/// A queue of the deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FoundQueue {
    /// The name in stereospot.
    pub name: QueueName,
    /// The name on the platform.
    pub physical: String,
    /// False if the queue does not exist.
    pub exists: bool,
    /// Why it can't be read, or what is happening to it.
    pub note: Option<String>,
    /// When its counts were last read; absent before.
    #[serde(default)]
    pub read_at: Option<Timestamp>,
}

/// Calls of an API since the control plane started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApiCalls {
    /// Service and operation, such as `sqs.ReceiveMessage`.
    pub api: String,
    /// All attempts, also failed ones: the platform charges for each.
    pub attempts: u64,
    /// Attempts that the platform throttled.
    pub throttled: u64,
    /// Attempts that failed otherwise.
    pub failed: u64,
    /// Average over the last minutes.
    pub per_minute: f32,
    /// Cost of that rate in a month, in US dollars at list price.
    pub usd_per_month: f64,
}
