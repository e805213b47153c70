//! The control plane's settings.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use stereospot_domain::amount::Bytes;
use stereospot_domain::diagnosis::Patience;
use stereospot_domain::retention::Keep;
use stereospot_ports::reassembly;

use crate::store::Retention;

/// The control plane's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where `controlplane.db` and `run/` are.
    pub data_dir: PathBuf,
    /// Where to listen: a loopback address. Port 0 picks a free one.
    pub listen: SocketAddr,
    /// The environment's name, shown on every screen.
    pub environment: String,
    /// True where mistakes have consequences; shown on every screen.
    pub is_production: bool,
    /// Refuse all writes, and don't run the reconciler.
    pub is_read_only: bool,
    /// Repair lost jobs automatically. If false, only an operator's plan repairs them.
    pub repairs_by_itself: bool,
    /// Time between two readings of what changes often.
    pub poll: Duration,
    /// Time between two runs of the reconciler.
    pub reconcile: Duration,
    /// How long a silence must last before it is a finding.
    pub patience: Patience,
    /// With an empty queue, a reassembly message counts as lost after this.
    pub resend_after: Duration,
    /// A job without a source fails this long after its creation, unless an upload runs.
    pub source_within: Duration,
    /// Time between two reports to the platform's own alarm.
    pub alarm: Duration,
    /// What is deleted automatically, and when.
    pub retention: Policy,
    /// Time between two keep-alives on a quiet stream.
    pub keep_alive: Duration,
    /// Calls a minute that polling may make; absent: the platform's default.
    pub poll_budget_per_minute: Option<u32>,
    /// Time between the beginnings of two passes that look for lost results; absent: an hour, or a day where calls cost money.
    pub sweep: Option<Duration>,
    /// Bytes a second at which the contents of results are compared with their checksums, where objects are files of this machine;
    /// 0: never.
    pub verify_bytes_per_sec: u64,
    /// Time between two searches of the workers' log lines, to infer events from them; zero: no searches.
    pub watch_logs: Duration,
    /// Largest source that may be uploaded.
    pub max_upload: Bytes,
}

impl Config {
    /// The default settings.
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
            // CloudWatch's alarm evaluates periods of five minutes. Two numbers in each leave none empty when one is late. At list
            // price the calls cost 0.17 USD a month, and the metric 0.30 USD.
            alarm: Duration::from_secs(150),
            retention: Policy::default(),
            keep_alive: Duration::from_secs(10),
            poll_budget_per_minute: None,
            sweep: None,
            verify_bytes_per_sec: 4 * 1024 * 1024,
            watch_logs: Duration::ZERO,
            max_upload: Bytes(100_000_000_000),
        }
    }

    /// True when lost jobs are repaired automatically.
    pub(crate) fn reconciles(&self) -> bool {
        self.repairs_by_itself && !self.is_read_only
    }
}

/// How long each kind of thing is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Objects, completions and locks of ended jobs.
    pub jobs: Keep,
    /// Rows of deleted jobs, since the job was last active.
    pub rows: Duration,
    /// Entries of the action log.
    pub actions: Duration,
    pub events: Retention,
}

impl Default for Policy {
    fn default() -> Self {
        let days = |days: u64| Duration::from_secs(days * 24 * 3600);
        Self { jobs: Keep::default(), rows: days(90), actions: days(365), events: Retention::default() }
    }
}
