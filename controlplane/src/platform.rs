//! What a platform offers beyond the ports.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use stereospot_core::watch::spending::Counts;
use stereospot_domain::{QueueName, Timestamp, Topology};
use stereospot_ports::{Backend, Fleet, LogSource, Result};

/// What a control plane works on: the backend, and what its platform offers beyond the ports. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Platform {
    /// Queues, jobs and objects.
    pub backend: Backend,
    /// The workers' log lines; absent where they can't be searched.
    pub logs: Option<Arc<dyn LogSource>>,
    /// The services that run the workers; absent where there are none.
    pub fleet: Option<Arc<dyn Fleet>>,
    /// Counts of calls to the platform; absent where calls are free.
    pub calls: Option<Arc<dyn CallCounts>>,
    /// Dead-letter queues that the platform can redrive. Messages on their queues can't be found by id: they can only be received one
    /// after the other.
    pub redrives: BTreeMap<QueueName, Arc<dyn Redrives>>,
    /// The platform's own alarm for stuck jobs; absent where there is none.
    pub alarm: Option<Arc<dyn StuckJobsAlarm>>,
    /// What was found at the start.
    pub facts: PlatformFacts,
}

impl From<Backend> for Platform {
    fn from(backend: Backend) -> Self {
        let (redrives, facts) = (BTreeMap::new(), PlatformFacts::default());
        Self { backend, logs: None, fleet: None, calls: None, redrives, alarm: None, facts }
    }
}

/// What was found of a platform at the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlatformFacts {
    /// Absent where the platform has no regions.
    pub region: Option<String>,
    /// The first part of every name in the deployment.
    pub prefix: Option<String>,
    /// Which service writes completions; absent where only ours can.
    pub topology: Option<Topology>,
    /// Whether `provision` made the deployment; absent where that is not known.
    pub is_provisioned: Option<bool>,
    /// Names of the queues on the platform, where they differ from ours.
    pub queues: BTreeMap<QueueName, String>,
    /// What is missing, one sentence each.
    pub missing: Vec<String>,
}

/// Counts every call to the platform.
pub trait CallCounts: fmt::Debug + Send + Sync + 'static {
    /// The counts since this process started, by API (`sqs.ReceiveMessage`).
    fn snapshot(&self) -> Vec<(String, Counts)>;

    /// Seconds by which this machine's clock is ahead of the platform's; negative behind.
    fn clock_ahead_secs(&self) -> i64 {
        0
    }

    /// A sentence on how wrong this machine's clock is, by the platform's answers; none while it is right.
    fn wrong_clock(&self) -> Option<String> {
        None
    }

    /// What hinders the calls that are being tried again, as a sentence.
    fn hindrance(&self) -> Option<String> {
        None
    }

    /// How often the credentials were renewed. What failed is read again at once after it.
    fn renewals(&self) -> u64 {
        0
    }
}

/// Redrives a dead-letter queue: the platform moves everything on it back to the main queue, without looking at the messages. They get
/// new ids and new send times.
#[async_trait]
pub trait Redrives: fmt::Debug + Send + Sync + 'static {
    /// Starts a redrive. Only one runs at a time.
    ///
    /// # Errors
    /// When the platform refuses, or doesn't answer.
    async fn start(&self) -> Result<()>;

    /// The newest redrive; none when there was none lately.
    ///
    /// # Errors
    /// When the platform doesn't answer.
    async fn newest(&self) -> Result<Option<Redrive>>;

    /// Stops the running redrive; false when none runs. What was moved stays moved.
    ///
    /// # Errors
    /// When the platform doesn't answer.
    async fn stop(&self) -> Result<bool>;
}

/// How far a redrive is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    pub is_running: bool,
    /// Messages moved so far, approximately.
    pub moved: u64,
    /// Messages to move in all, approximately.
    pub total: Option<u64>,
    pub started_at: Timestamp,
    /// Why it ended early, in a sentence.
    pub failure: Option<String>,
}

impl Redrive {
    /// `700 of about 3000 moved`.
    pub(crate) fn progress(&self) -> String {
        match self.total {
            Some(total) => format!("{} of about {total} moved", self.moved),
            None => format!("about {} moved", self.moved),
        }
    }
}

/// Reports to the platform how many jobs are stuck, so that its own alarm fires even when this process can't alert anyone.
#[async_trait]
pub trait StuckJobsAlarm: fmt::Debug + Send + Sync + 'static {
    /// Reports the number as of `now`.
    ///
    /// # Errors
    /// When the platform refuses, or doesn't answer.
    async fn report(&self, count: u32, now: Timestamp) -> Result<()>;
}
