//! What every task and every request handler shares.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stereospot_api::view::Environment;
use stereospot_domain::diagnosis::Patience;
use stereospot_domain::{JobId, Timestamp};
use stereospot_ports::{Backend, reassembly};
use stereospot_telemetry::Recorder;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::collect::Nudge;
use crate::ingest::Ingest;
use crate::live::Live;
use crate::store::{Retention, Store};

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
    /// How long events are kept.
    pub retention: Retention,
    /// Time between two keep-alives on a quiet stream.
    pub keep_alive: Duration,
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
            poll: Duration::from_secs(1),
            reconcile: Duration::from_secs(2),
            patience: Patience::default(),
            resend_after: reassembly::RESEND_AFTER,
            source_within: Duration::from_secs(3600),
            retention: Retention::default(),
            keep_alive: Duration::from_secs(10),
        }
    }
}

/// Everything that tasks and handlers work with.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) backend: Backend,
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
    /// Runs of the seldom collector.
    pub(crate) settled_runs: AtomicU64,
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
            version: crate::VERSION.into(),
        }
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
