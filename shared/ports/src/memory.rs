//! The reference backend: everything in memory, with a clock that the test sets.
//!
//! It is as simple as possible, so that it can be compared with the traits' docs: one lock, no indexes. The conformance suite runs
//! on it first; a case that the reference fails is a flaw of the case.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use stereospot_domain::{BackendKind, QueueName, QueueRole, Timestamp};
use tokio::sync::watch;

use crate::conformance::Passing;
use crate::notifying::{NotifyingStore, Side};
use crate::{Backend, Bucket, Clock, WorkQueue};

mod job_store;
mod outbox;
mod queue;

/// A message received this many times is dead-lettered by the next receive.
pub const MAX_RECEIVES: u32 = 5;

/// A clock that only [`ManualClock::advance`] moves. Clones show the same time.
#[derive(Debug, Clone)]
pub struct ManualClock {
    now: Arc<AtomicI64>,
    turned: watch::Sender<()>,
}

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self { now: Arc::new(AtomicI64::new(now.as_millis())), turned: watch::Sender::new(()) }
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.now.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
        self.turned.send_replace(());
    }

    /// Notifies whenever the clock moves.
    #[must_use]
    pub fn turned(&self) -> watch::Receiver<()> {
        self.turned.subscribe()
    }
}

impl Default for ManualClock {
    /// A day in 2026.
    fn default() -> Self {
        Self::at(Timestamp::from_secs(1_780_000_000))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }
}

#[async_trait]
impl Passing for ManualClock {
    async fn pass(&self, time: Duration) -> Result<(), String> {
        self.advance(time);
        Ok(())
    }
}

/// A new, empty backend: the pipeline's queues with their dead-letter queues, the job store and two buckets, `input` and `output`.
#[must_use]
pub fn backend(clock: &ManualClock) -> Backend {
    backend_with(clock, QueueRole::PIPELINE)
}

/// Like [`backend`], with the queues of these roles.
#[must_use]
pub fn backend_with(clock: &ManualClock, roles: &[QueueRole]) -> Backend {
    let state = queue::State::new(clock.clone(), MAX_RECEIVES);
    let queues: BTreeMap<QueueName, Arc<dyn WorkQueue>> = QueueName::all()
        .filter(|name| roles.contains(&name.role))
        .map(|name| (name, Arc::new(queue::MemoryQueue::new(name, Arc::clone(&state))) as Arc<dyn WorkQueue>))
        .collect();
    let outbox = Arc::new(outbox::MemoryOutbox::new(queues.clone()));
    let bucket = |side: Side| {
        let inner = Arc::new(object_store::memory::InMemory::new());
        Bucket {
            name: side.as_str().into(),
            scheme: "local",
            store: Arc::new(NotifyingStore::new(inner, side, outbox.clone())),
        }
    };
    Backend {
        kind: BackendKind::Memory,
        queues,
        jobs: Arc::new(job_store::MemoryJobs::default()),
        input: bucket(Side::Input),
        output: bucket(Side::Output),
        clock: Arc::new(clock.clone()),
    }
}
