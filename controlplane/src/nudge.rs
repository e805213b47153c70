//! Jobs that want to be read soon.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use stereospot_domain::JobId;
use tokio::sync::Notify;

/// Jobs that were just heard of: they are read soon instead of at their time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Nudge {
    waiting: Arc<Mutex<BTreeSet<JobId>>>,
    wake: Arc<Notify>,
}

impl Nudge {
    /// Has these jobs read soon.
    pub(crate) fn jobs(&self, jobs: impl Iterator<Item = JobId>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let before = waiting.len();
        // What doesn't fit is read at its time.
        waiting.extend(jobs.take(1000_usize.saturating_sub(before)));
        if waiting.len() > before {
            self.wake.notify_one();
        }
    }

    /// Waits for such jobs and takes them.
    pub(crate) async fn take(&self) -> BTreeSet<JobId> {
        self.wake.notified().await;
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
