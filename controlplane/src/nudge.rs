//! Jobs to read soon, because an event or a request concerned them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use stereospot_domain::JobId;
use tokio::sync::Notify;

/// Collects jobs to read soon. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Nudge {
    waiting: Arc<Mutex<BTreeSet<JobId>>>,
    wake: Arc<Notify>,
}

impl Nudge {
    /// Adds jobs.
    pub(crate) fn jobs(&self, jobs: impl Iterator<Item = JobId>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let before = waiting.len();
        // Jobs beyond the limit wait for their turn.
        waiting.extend(jobs.take(1000_usize.saturating_sub(before)));
        if waiting.len() > before {
            self.wake.notify_one();
        }
    }

    /// Waits for jobs and takes them.
    pub(crate) async fn take(&self) -> BTreeSet<JobId> {
        self.wake.notified().await;
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
