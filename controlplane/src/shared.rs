//! What every task and every request handler shares.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use stereospot_api::view::Environment;
use stereospot_domain::diagnosis::Patience;
use stereospot_domain::{JobId, QueueName, Timestamp};
use stereospot_ports::{Backend, Fleet, LogSource, Result, reassembly};
use stereospot_telemetry::Recorder;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::collect::{Nudge, Polls};
use crate::ingest::Ingest;
use crate::live::Live;
use crate::store::{Retention, Store};

/// A job that was read so shortly ago is not read again because somebody asks.
const ASKED_FRESH: Duration = Duration::from_secs(5);

/// How a control plane runs.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where `controlplane.db` and `run/` lie.
    pub data_dir: PathBuf,
    /// Where to listen; port 0 takes a free one. Only loopback addresses are taken.
    pub listen: SocketAddr,
    /// The environment's name, shown on every screen.
    pub environment: String,
    /// True where a mistake hurts.
    pub is_production: bool,
    /// True: no write is taken, and the reconciler rests.
    pub is_read_only: bool,
    /// False: lost jobs are shown, and repaired only by an operator's plan.
    pub repairs_by_itself: bool,
    /// Time between two readings of what moves.
    pub poll: Duration,
    /// Time between two runs of the reconciler.
    pub reconcile: Duration,
    /// How long a silence must last before it counts.
    pub patience: Patience,
    /// When a reassembly message is taken for lost, the queue being empty.
    pub resend_after: Duration,
    /// A job whose source has not come so long after its making, with no upload running, is failed.
    pub source_within: Duration,
    /// Time between two numbers for the platform's own alarm.
    pub alarm: Duration,
    /// How long events are kept.
    pub retention: Retention,
    /// Time between two keep-alives on a quiet stream.
    pub keep_alive: Duration,
    /// Calls a minute that watching may make; absent: what is usual for the platform.
    pub poll_budget_per_minute: Option<u32>,
    /// Time between two looks at the workers' log lines, to derive events from; zero: they are not looked at.
    pub watch_logs: Duration,
}

impl Config {
    /// The usual settings for a data directory.
    #[must_use]
    pub fn new(data_dir: PathBuf, listen: SocketAddr) -> Self {
        Self {
            data_dir,
            listen,
            environment: "local".into(),
            is_production: false,
            is_read_only: false,
            repairs_by_itself: true,
            poll: Duration::from_secs(1),
            reconcile: Duration::from_secs(2),
            patience: Patience::default(),
            resend_after: reassembly::RESEND_AFTER,
            source_within: Duration::from_secs(3600),
            // CloudWatch's alarm looks at five minutes together: two numbers in each leave none without, when one is late. At list
            // price that is 0.17 USD a month, beside 0.30 for the metric.
            alarm: Duration::from_secs(150),
            retention: Retention::default(),
            keep_alive: Duration::from_secs(10),
            poll_budget_per_minute: None,
            watch_logs: Duration::ZERO,
        }
    }

    /// True when lost jobs are repaired without being asked.
    pub(crate) fn reconciles(&self) -> bool {
        self.repairs_by_itself && !self.is_read_only
    }
}

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
        let facts = PlatformFacts { kind: backend.name, ..PlatformFacts::default() };
        let moves = BTreeMap::new();
        Self { backend, logs: None, fleet: None, calls: None, moves, alarm: None, facts }
    }
}

/// What was found of a platform at the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlatformFacts {
    /// What operators call it: `local`, `aws`, `memory`.
    pub kind: &'static str,
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

/// Which services an existing deployment is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// A job-worker writes completions, sets statuses and triggers reassembly.
    A,
    /// The video worker does; ours too.
    B,
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Topology::A => "A",
            Topology::B => "B",
        })
    }
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

/// Counts of one API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Attempts, the failed ones too: that is what is paid for.
    pub attempts: u64,
    /// Of these: asked to slow down.
    pub throttled: u64,
    /// Of these: failed otherwise.
    pub failed: u64,
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

/// Everything that tasks and handlers work with.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) backend: Backend,
    /// What stands beside the backend.
    pub(crate) platform: Platform,
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) live: Arc<Live>,
    pub(crate) ingest: Ingest,
    pub(crate) nudge: Nudge,
    pub(crate) recorder: Option<Recorder>,
    /// Jobs whose source is arriving.
    pub(crate) uploads: Mutex<HashSet<JobId>>,
    /// Held while a restore is applied; in it, messages that were put back though that could not be recorded.
    pub(crate) put_back: tokio::sync::Mutex<HashSet<(Uuid, String)>>,
    /// Jobs whose reassembly message was purged here, and when: it is not under way.
    pub(crate) purged: Mutex<HashMap<JobId, Timestamp>>,
    /// What is read when, and what that costs.
    pub(crate) polls: Polls,
    /// When this process began.
    pub(crate) started_at: Timestamp,
    /// Jobs that were read whole because somebody asked, and when.
    pub(crate) asked: Mutex<HashMap<JobId, Timestamp>>,
    /// Moves of whole queues that this process follows.
    pub(crate) moving: Mutex<BTreeMap<QueueName, Move>>,
    /// Cancelled when the server is to stop.
    pub(crate) stop: CancellationToken,
}

/// A job's claim to be the only upload of its source; dropped, it ends.
#[derive(Debug)]
pub(crate) struct Upload<'a> {
    shared: &'a Shared,
    job_id: JobId,
}

impl Shared {
    /// How long the trigger check waits before it sends a reassembly message again.
    pub(crate) fn trigger_patience(&self) -> reassembly::Patience {
        reassembly::Patience { when_empty: self.config.resend_after, ..reassembly::Patience::default() }
    }

    /// How long after its sending an operator may not send a job's reassembly message again: not at all when it was purged.
    pub(crate) fn resend_after(&self, job_id: JobId) -> Duration {
        let usual = self.config.resend_after;
        let purged_at = self.purged.lock().unwrap_or_else(PoisonError::into_inner).get(&job_id).copied();
        if purged_at.is_some_and(|at| self.now().since(at) < usual) { Duration::ZERO } else { usual }
    }

    /// Notes that jobs' reassembly messages were purged, or that they were sent anew.
    pub(crate) fn note_purged(&self, jobs: impl IntoIterator<Item = JobId>, is_purged: bool) {
        let (now, usual) = (self.now(), self.config.resend_after);
        let mut purged = self.purged.lock().unwrap_or_else(PoisonError::into_inner);
        purged.retain(|_, at| now.since(*at) < usual);
        for job_id in jobs {
            match is_purged {
                true => purged.insert(job_id, now),
                false => purged.remove(&job_id),
            };
        }
    }

    /// Now, by the backend's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.backend.clock.now()
    }

    /// Where this control plane looks.
    pub(crate) fn environment(&self) -> Environment {
        Environment {
            name: self.config.environment.clone(),
            backend: self.backend.name.into(),
            is_production: self.config.is_production,
            is_read_only: self.config.is_read_only,
            repairs_by_itself: self.config.reconciles(),
            version: crate::VERSION.into(),
            region: self.platform.facts.region.clone(),
            topology: self.platform.facts.topology.map(|topology| topology.to_string()),
            prefix: self.platform.facts.prefix.clone(),
        }
    }

    /// Whether somebody who asks for a job has it read whole. Where calls are paid for it is not read again within a few seconds,
    /// however many ask: what is known is told with its age.
    pub(crate) fn is_due(&self, job_id: JobId) -> bool {
        if !self.polls.is_metered() {
            return true;
        }
        let now = self.now();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|_, at| now.since(*at) < ASKED_FRESH);
        match asked.entry(job_id) {
            Entry::Occupied(_) => false,
            Entry::Vacant(vacant) => {
                vacant.insert(now);
                true
            }
        }
    }

    /// False for queues whose messages come as they like: they can only be gone through.
    pub(crate) fn finds_by_id(&self, name: QueueName) -> bool {
        !self.platform.moves.contains_key(&name)
    }

    /// Notes where the platform's move of a queue stands; none when it is over.
    pub(crate) fn set_move(&self, name: QueueName, stands: Option<Move>) {
        let mut moving = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        match stands {
            Some(stands) => moving.insert(name, stands),
            None => moving.remove(&name),
        };
    }

    /// Where the platform's move of a queue stands, if one was started here.
    pub(crate) fn running_move(&self, name: QueueName) -> Option<Move> {
        self.moving.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned()
    }

    /// Claims a job's upload; none while another runs.
    pub(crate) fn claim_upload(&self, job_id: JobId) -> Option<Upload<'_>> {
        let is_first = self.uploads.lock().unwrap_or_else(PoisonError::into_inner).insert(job_id);
        is_first.then_some(Upload { shared: self, job_id })
    }
}

impl Shared {
    /// True while a job's source is arriving.
    pub(crate) fn is_uploading(&self, job_id: JobId) -> bool {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner).contains(&job_id)
    }
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        self.shared.uploads.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.job_id);
    }
}
