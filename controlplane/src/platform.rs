//! What a platform offers beside the ports.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use stereospot_core::watch::spending::Counts;
use stereospot_domain::{QueueName, Timestamp, Topology};
use stereospot_ports::{Backend, Fleet, LogSource, Result};

/// What a control plane works on: the backend, and what its platform offers beside the ports. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Platform {
    /// Queues, jobs and objects.
    pub backend: Backend,
    /// Where the workers' log lines are; absent where they can't be searched.
    pub logs: Option<Arc<dyn LogSource>>,
    /// The services whose tasks do the work; absent where there are none.
    pub fleet: Option<Arc<dyn Fleet>>,
    /// Counts of what is asked of the platform; absent where that costs nothing.
    pub calls: Option<Arc<dyn CallCounts>>,
    /// Dead-letter queues that the platform can move back as a whole. Of these it also holds that messages can't be found by
    /// their id: they come as they like.
    pub moves: BTreeMap<QueueName, Arc<dyn Moves>>,
    /// The platform's own alarm for stuck jobs; absent where none looks at our number.
    pub alarm: Option<Arc<dyn StuckJobsAlarm>>,
    /// What was found at the start.
    pub facts: PlatformFacts,
}

impl From<Backend> for Platform {
    fn from(backend: Backend) -> Self {
        let (moves, facts) = (BTreeMap::new(), PlatformFacts::default());
        Self { backend, logs: None, fleet: None, calls: None, moves, alarm: None, facts }
    }
}

/// What was found of a platform at the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlatformFacts {
    /// The region, where the platform has regions.
    pub region: Option<String>,
    /// First part of every name in the deployment.
    pub prefix: Option<String>,
    /// Who writes completions; absent where nobody but ours can.
    pub topology: Option<Topology>,
    /// Names of the queues on the platform, where they differ from ours.
    pub queues: BTreeMap<QueueName, String>,
    /// What should be there and is not, each in a sentence.
    pub missing: Vec<String>,
}

/// Counts every call to the platform.
pub trait CallCounts: fmt::Debug + Send + Sync + 'static {
    /// The counts since the process began, by API (`sqs.ReceiveMessage`).
    fn snapshot(&self) -> Vec<(String, Counts)>;

    /// Seconds by which this machine's clock is ahead of the platform's; negative behind.
    fn clock_ahead_secs(&self) -> i64 {
        0
    }

    /// What the answers show to be wrong with this machine's clock, in a sentence; none while it is right.
    fn wrong_clock(&self) -> Option<String> {
        None
    }
}

/// A platform's own move of everything on a dead-letter queue back to its main queue: nothing is looked at or left out, and
/// messages get new ids and new times of sending.
#[async_trait]
pub trait Moves: fmt::Debug + Send + Sync + 'static {
    /// Starts a move. One runs at a time.
    ///
    /// # Errors
    /// When the platform refuses, or can't be asked.
    async fn start(&self) -> Result<()>;

    /// The newest move; none when there was none lately.
    ///
    /// # Errors
    /// When the platform can't be asked.
    async fn newest(&self) -> Result<Option<Move>>;

    /// Stops the move that runs. What was moved stays moved. Returns false when none runs.
    ///
    /// # Errors
    /// When the platform can't be asked.
    async fn stop(&self) -> Result<bool>;
}

/// Where a move stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// True until nothing more is moved.
    pub is_running: bool,
    /// Moved so far, about.
    pub moved: u64,
    /// To be moved in all, about.
    pub total: Option<u64>,
    /// When it began.
    pub started_at: Timestamp,
    /// Why it ended before its time, in a sentence.
    pub failure: Option<String>,
}

/// Tells the platform how many jobs are stuck, so that an alarm of its own rings when this process can't.
#[async_trait]
pub trait StuckJobsAlarm: fmt::Debug + Send + Sync + 'static {
    /// Tells the number as of `now`.
    ///
    /// # Errors
    /// What the platform says.
    async fn tell(&self, count: u32, now: Timestamp) -> Result<()>;
}
