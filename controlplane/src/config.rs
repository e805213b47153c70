//! How a control plane runs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use stereospot_domain::diagnosis::Patience;
use stereospot_ports::reassembly;

use crate::store::Retention;

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
