//! What a backend must offer: queues, a job store, objects and a clock.
//!
//! Each trait's methods say what they guarantee. Everything above (workers, control plane) is written against these traits
//! only; a binary chooses the backend. Objects have no trait of ours: they are [`object_store::ObjectStore`].
//!
//! Invariant: no type of a backend's library stands in a signature here.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use object_store::ObjectStore;
use stereospot_domain::{BackendKind, QueueName, QueueRole, Timestamp};

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
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

/// Tells the time. Tests hand in one that they turn themselves.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Now, near the wall's time.
    fn now(&self) -> Timestamp;

    /// How far the wall clock is ahead of this one, in milliseconds; negative when it was set back.
    fn wall_ahead_ms(&self) -> i64 {
        0
    }
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

/// One backend: everything that workers and control plane touch. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Backend {
    pub kind: BackendKind,
    /// Every queue that exists, the dead-letter queues among them. One that is absent is not deployed.
    pub queues: BTreeMap<QueueName, Arc<dyn WorkQueue>>,
    /// Jobs, completions and locks.
    pub jobs: Arc<dyn JobStore>,
    /// Sources and segments. Creating an object sends the notification that S3 would send.
    pub input: Bucket,
    /// Converted segments and results. As above.
    pub output: Bucket,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// One bucket of objects.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// Its name, as it stands in notifications and URIs.
    pub name: String,
    /// Scheme of its URIs: `s3` or `local`.
    pub scheme: &'static str,
    /// The objects.
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
    /// The queue of a role.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] when it is not deployed.
    pub fn queue(&self, role: QueueRole) -> Result<&Arc<dyn WorkQueue>> {
        self.queue_named(QueueName::main(role))
    }

    /// Any queue by name.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] when it is not deployed.
    pub fn queue_named(&self, name: QueueName) -> Result<&Arc<dyn WorkQueue>> {
        self.queues
            .get(&name)
            .ok_or_else(|| Error::new(ErrorCode::NotFound, format!("this deployment has no queue {name}")))
    }
}
