//! What every task and every request handler shares.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stereospot_api::view::Environment;
use stereospot_domain::{JobId, QueueName, Timestamp};
use stereospot_ports::{Backend, reassembly};
use stereospot_telemetry::Recorder;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::collect::objects::Sweep;
use crate::config::Config;
use crate::ingest::Ingest;
use crate::live::Live;
use crate::nudge::Nudge;
use crate::platform::{Platform, Redrive};
use crate::polls::Polls;
use crate::store::Store;

/// A job that was read this recently is not read again for another request.
const ASKED_FRESH: Duration = Duration::from_secs(5);

/// Everything that tasks and handlers work with.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) backend: Backend,
    pub(crate) platform: Platform,
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) live: Arc<Live>,
    pub(crate) ingest: Ingest,
    pub(crate) nudge: Nudge,
    pub(crate) recorder: Option<Recorder>,
    /// Jobs whose source is being uploaded.
    pub(crate) uploads: Mutex<HashSet<JobId>>,
    /// Locked while a restore is applied. Holds messages that were put back although that could not be recorded.
    pub(crate) put_back: tokio::sync::Mutex<HashSet<(Uuid, String)>>,
    /// Jobs whose reassembly message we purged, and when: it is no longer on its way.
    pub(crate) purged: Mutex<HashMap<JobId, Timestamp>>,
    pub(crate) polls: Polls,
    pub(crate) sweep: Sweep,
    /// When this process started.
    pub(crate) started_at: Timestamp,
    /// Jobs that were read because of a request, and when.
    pub(crate) asked: Mutex<HashMap<JobId, Timestamp>>,
    /// Redrives that this process follows.
    pub(crate) redriving: Mutex<BTreeMap<QueueName, Redrive>>,
    /// Places on the stream: half of the connections, so that requests have the other half.
    pub(crate) streams: Arc<Semaphore>,
    /// KiB of events that may be read and parsed at once.
    pub(crate) arriving: Arc<Semaphore>,
    /// Cancelled when the server is to stop.
    pub(crate) stop: CancellationToken,
}

/// The claim to be the only upload of a job's source. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Upload<'a> {
    app: &'a App,
    job_id: JobId,
}

impl App {
    /// How long the trigger check waits before it sends a reassembly message again.
    pub(crate) fn resend_limits(&self) -> reassembly::ResendAfter {
        reassembly::ResendAfter { when_empty: self.config.resend_after, ..reassembly::ResendAfter::default() }
    }

    /// How long after sending a job's reassembly message an operator has to wait before sending it again; zero when it was purged.
    pub(crate) fn resend_after(&self, job_id: JobId) -> Duration {
        let usual = self.config.resend_after;
        let purged_at = self.purged.lock().unwrap_or_else(PoisonError::into_inner).get(&job_id).copied();
        if purged_at.is_some_and(|at| self.now().since(at) < usual) { Duration::ZERO } else { usual }
    }

    /// Notes that jobs' reassembly messages were purged, or sent again.
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

    /// The time by the backend's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.backend.clock.now()
    }

    /// The environment as shown on every screen.
    pub(crate) fn environment(&self) -> Environment {
        Environment {
            name: self.config.environment.clone(),
            backend: self.backend.kind,
            is_production: self.config.is_production,
            is_read_only: self.config.is_read_only,
            repairs_by_itself: self.config.reconciles(),
            version: crate::VERSION.into(),
            region: self.platform.facts.region.clone(),
            topology: self.platform.facts.topology,
            prefix: self.platform.facts.prefix.clone(),
        }
    }

    /// Whether a request for a job has it read again. Where calls cost money that happens at most once in a few seconds; in between,
    /// requests get the last known state with its age.
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

    /// False for queues whose messages can only be received one after the other.
    pub(crate) fn finds_by_id(&self, name: QueueName) -> bool {
        !self.platform.redrives.contains_key(&name)
    }

    /// Notes how far a redrive is; `None` when it has ended.
    pub(crate) fn set_redrive(&self, name: QueueName, redrive: Option<Redrive>) {
        let mut redriving = self.redriving.lock().unwrap_or_else(PoisonError::into_inner);
        match redrive {
            Some(redrive) => redriving.insert(name, redrive),
            None => redriving.remove(&name),
        };
    }

    /// How far the redrive of a queue is, if this process started one.
    pub(crate) fn running_redrive(&self, name: QueueName) -> Option<Redrive> {
        self.redriving.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned()
    }

    /// Claims a job's upload; none while another runs.
    pub(crate) fn claim_upload(&self, job_id: JobId) -> Option<Upload<'_>> {
        let is_first = self.uploads.lock().unwrap_or_else(PoisonError::into_inner).insert(job_id);
        // Built only where the claim is ours: dropping it frees the job.
        is_first.then(|| Upload { app: self, job_id })
    }

    /// True while a job's source is being uploaded.
    pub(crate) fn is_uploading(&self, job_id: JobId) -> bool {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner).contains(&job_id)
    }
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        self.app.uploads.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.job_id);
    }
}
