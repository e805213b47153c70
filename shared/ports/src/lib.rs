//! The interface of a backend: queues, a job store, objects and a clock.
//!
//! Each trait documents what its methods guarantee. Workers and control plane use only these traits; a program chooses the backend.
//! Objects need no trait of ours: they use [`object_store::ObjectStore`].
//!
//! Invariant: no signature here contains a type of a backend's library.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use object_store::ObjectStore;
use stereospot_domain::{BackendKind, QueueName, QueueRole, Timestamp};

pub mod checksum;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod deletion;
pub mod error;
pub mod fleet;
pub mod job_store;
pub mod log_source;
#[cfg(any(test, feature = "conformance"))]
pub mod memory;
pub mod notifying;
pub mod objects;
pub mod reassembly;
pub mod work_queue;
#[cfg(any(test, feature = "conformance"))]
pub mod wrapped;

pub use error::{Error, ErrorCode, Result};
pub use fleet::Fleet;
pub use job_store::JobStore;
pub use log_source::LogSource;
pub use work_queue::WorkQueue;

/// A source of time. Tests pass one that they set.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The current time, close to the wall clock's.
    fn now(&self) -> Timestamp;

    /// How far the wall clock is ahead of this one, in milliseconds; negative when it was set back.
    fn wall_ahead_ms(&self) -> i64 {
        0
    }
}

/// Time since the machine's start, sleep included; the same for all processes, and not moved by a jump of the wall clock.
#[must_use]
pub fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::try_from(time).expect("the machine started in the past")
}

/// The system's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let passed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(passed.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A backend: everything outside the process that workers and control plane use. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Backend {
    pub kind: BackendKind,
    /// Every deployed queue, with the dead-letter queues.
    pub queues: BTreeMap<QueueName, Arc<dyn WorkQueue>>,
    pub jobs: Arc<dyn JobStore>,
    /// Sources and segments. Creating an object sends the notification that S3 would send.
    pub input: Bucket,
    /// Converted segments and results. Creating an object sends a notification, too.
    pub output: Bucket,
    pub clock: Arc<dyn Clock>,
}

/// A bucket of objects.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// The name in notifications and URIs.
    pub name: String,
    /// Scheme of its URIs: `s3` or `local`.
    pub scheme: &'static str,
    pub store: Arc<dyn ObjectStore>,
}

impl Bucket {
    /// The URI of an object, as completions record it.
    #[must_use]
    pub fn uri(&self, key: &str) -> String {
        format!("{}://{}/{key}", self.scheme, self.name)
    }
}

impl Backend {
    /// True if another team's media-worker may join a job's segments. It refuses a job with more completions than segments, after it
    /// took the lock; our workers leave the surplus aside.
    #[must_use]
    pub fn refuses_surplus(&self) -> bool {
        self.kind == BackendKind::Aws
    }

    /// The main queue of a role.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] if it is not deployed.
    pub fn queue(&self, role: QueueRole) -> Result<&Arc<dyn WorkQueue>> {
        self.queue_named(QueueName::main(role))
    }

    /// The queue of a name, main or dead-letter.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] if it is not deployed.
    pub fn queue_named(&self, name: QueueName) -> Result<&Arc<dyn WorkQueue>> {
        self.queues
            .get(&name)
            .ok_or_else(|| Error::new(ErrorCode::NotFound, format!("this deployment has no queue {name}")))
    }
}
