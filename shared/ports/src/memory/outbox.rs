//! The outbox in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use stereospot_domain::QueueName;

use crate::notifying::{Notice, Outbox};
use crate::work_queue::Outgoing;
use crate::{Result, WorkQueue};

#[derive(Debug)]
pub(super) struct MemoryOutbox {
    queues: BTreeMap<QueueName, Arc<dyn WorkQueue>>,
    notices: Mutex<(u64, BTreeSet<u64>)>,
}

impl MemoryOutbox {
    pub(super) fn new(queues: BTreeMap<QueueName, Arc<dyn WorkQueue>>) -> Self {
        Self { queues, notices: Mutex::default() }
    }

    fn notices(&self) -> MutexGuard<'_, (u64, BTreeSet<u64>)> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Outbox for MemoryOutbox {
    async fn intend(&self, _: &Notice) -> Result<u64> {
        let (last, open) = &mut *self.notices();
        *last += 1;
        open.insert(*last);
        Ok(*last)
    }

    async fn send(&self, id: u64, notice: Notice) -> Result<()> {
        if let Some(queue) = self.queues.get(&QueueName::main(notice.role)) {
            queue.send(&[Outgoing::now(notice.body)]).await?;
        }
        self.notices().1.remove(&id);
        Ok(())
    }

    async fn withdraw(&self, id: u64) -> Result<()> {
        self.notices().1.remove(&id);
        Ok(())
    }
}
