//! What the control plane shows of the platform below it: services, log lines, what it found and what asking costs.

use serde::{Deserialize, Serialize};
use stereospot_domain::{BackendKind, QueueName, Timestamp, Topology};
use utoipa::ToSchema;

/// One service of the platform: on AWS an ECS service, whose tasks do the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceView {
    /// Its name.
    pub name: String,
    /// How many tasks it should have.
    pub desired: u32,
    /// How many run. 0 of 0 is normal while queues are empty.
    pub running: u32,
    /// How many are being started.
    pub pending: u32,
    /// Scaling gives it no fewer; absent where nothing scales it.
    pub min: Option<u32>,
    /// Scaling gives it no more.
    pub max: Option<u32>,
    /// True while its scaling is suspended: a number set by hand then stays.
    pub is_scaling_suspended: bool,
    /// Why fewer run than should, in the platform's words; absent when all is steady.
    pub note: Option<String>,
    /// When it was read.
    pub observed_at: Timestamp,
}

/// A job's log lines: `GET /v1/jobs/{id}/logs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogPage {
    /// Oldest first.
    pub lines: Vec<LogLine>,
    /// False when there are more than were asked for: these are the oldest.
    pub is_whole: bool,
    /// Log groups or files that were searched.
    pub searched: Vec<String>,
    /// Those that should be there and are not, each with the reason.
    pub missing: Vec<String>,
    /// Bytes that the search read. On CloudWatch this is what is paid for.
    pub bytes_scanned: u64,
}

/// One log line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// When it was written, by its writer's clock.
    pub time: Timestamp,
    /// The log group or file.
    pub source: String,
    /// The stream within it; empty where there are none.
    pub stream: String,
    /// The whole line.
    pub text: String,
}

/// What the control plane works on, and what asking it costs: `GET /v1/deployment`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeploymentView {
    pub backend: BackendKind,
    /// The region, where the platform has regions.
    pub region: Option<String>,
    /// First part of every name.
    pub prefix: Option<String>,
    pub topology: Option<Topology>,
    /// Its queues.
    pub queues: Vec<FoundQueue>,
    /// What was missing at the start, each with what to do.
    pub missing: Vec<String>,
    /// When that was.
    pub started_at: Timestamp,
    /// Calls to the platform by API; empty where calls cost nothing.
    pub calls: Vec<ApiCalls>,
    /// Most calls a minute that watching may make; absent where there is no such limit.
    pub budget_per_minute: Option<u32>,
    /// Calls in the last minutes, a minute.
    pub calls_per_minute: f32,
    /// What that costs in a month, in US dollars at list price.
    pub usd_per_month: f64,
}

/// One queue and what stands behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FoundQueue {
    /// Its name here.
    #[schema(value_type = String)]
    pub name: QueueName,
    /// Its name on the platform.
    pub physical: String,
    /// False when it isn't there or can't be asked.
    pub exists: bool,
    /// Why it can't be asked, or what is going on with it.
    pub note: Option<String>,
    /// When its numbers were read; absent while they are not known.
    #[serde(default)]
    pub read_at: Option<Timestamp>,
}

/// Calls of one API since this control plane started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApiCalls {
    /// Service and operation: `sqs.ReceiveMessage`.
    pub api: String,
    /// Attempts, the failed ones too: that is what is paid for.
    pub attempts: u64,
    /// Of these: asked to slow down.
    pub throttled: u64,
    /// Of these: failed otherwise.
    pub failed: u64,
    /// In the last minutes, a minute.
    pub per_minute: f32,
    /// What that costs in a month, in US dollars at list price.
    pub usd_per_month: f64,
}
