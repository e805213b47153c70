//! Numbers that could not be read for a while: shown as such, and no write rests on them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use stereospot_domain::plan::Action;
use stereospot_domain::{QueueName, QueueRole};
use stereospot_ports::memory::{self, ManualClock};
use stereospot_ports::work_queue::{Message, Outgoing, Peeked, Receipt, Receive, Settings, Stats};
use stereospot_ports::{Code, Error, Result, WorkQueue};

use crate::harness::Plane;

/// A queue that can't be counted while `is_down`.
#[derive(Debug)]
struct Uncounted {
    inner: Arc<dyn WorkQueue>,
    is_down: Arc<AtomicBool>,
}

#[async_trait]
impl WorkQueue for Uncounted {
    fn name(&self) -> QueueName {
        self.inner.name()
    }

    async fn settings(&self) -> Result<Settings> {
        self.inner.settings().await
    }

    async fn send(&self, messages: &[Outgoing]) -> Result<Vec<String>> {
        self.inner.send(messages).await
    }

    async fn receive(&self, how: Receive) -> Result<Vec<Message>> {
        self.inner.receive(how).await
    }

    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<()> {
        self.inner.extend(receipt, visibility).await
    }

    async fn release(&self, receipt: &Receipt, delay: Duration) -> Result<()> {
        self.inner.release(receipt, delay).await
    }

    async fn delete(&self, receipt: &Receipt) -> Result<()> {
        self.inner.delete(receipt).await
    }

    async fn stats(&self) -> Result<Stats> {
        match self.is_down.load(Ordering::SeqCst) {
            true => Err(Error::new(Code::Unavailable, "no answer from the queue")),
            false => self.inner.stats().await,
        }
    }

    async fn peek(&self, max: usize) -> Result<Vec<Peeked>> {
        self.inner.peek(max).await
    }

    async fn lease(&self, ids: &[String], visibility: Duration) -> Result<Vec<Message>> {
        self.inner.lease(ids, visibility).await
    }

    async fn purge(&self) -> Result<u64> {
        self.inner.purge().await
    }
}

#[tokio::test]
async fn what_is_not_read_is_said_and_no_plan_rests_on_it() {
    let clock = ManualClock::default();
    let mut backend = memory::backend(&clock);
    let is_down = Arc::new(AtomicBool::new(false));
    let name = QueueName::main(QueueRole::Chunking);
    let inner = backend.queues[&name].clone();
    backend.queues.insert(name, Arc::new(Uncounted { inner, is_down: is_down.clone() }));
    let plane = Plane::over(backend, clock, |_| {}).await;
    let inference = QueueName::main(QueueRole::Inference);
    plane.backend.queues[&inference].send(&[Outgoing::now("body")]).await.unwrap();
    plane.depth_is_read(inference, 1).await;
    let purge = Action::Purge { queue: inference };
    assert_eq!(plane.client.plan(purge.clone(), None).await.unwrap().refused, None);

    is_down.store(true, Ordering::SeqCst);
    plane.snapshot("the failure", |snapshot| snapshot.collectors.iter().any(|one| one.error.is_some())).await;
    assert_eq!(plane.client.plan(purge.clone(), None).await.unwrap().refused, None, "a single miss is no reason");
    plane.clock.advance(Duration::from_secs(10));
    let snapshot = plane
        .snapshot("a line about it", |snapshot| snapshot.attention.iter().any(|line| line.id == "collector/queues"))
        .await;
    let line = snapshot.attention.iter().find(|line| line.id == "collector/queues").unwrap();
    assert_eq!(line.evidence, "no answer from the queue");
    let refused = plane.client.plan(purge.clone(), None).await.unwrap().refused.unwrap();
    assert_eq!(refused, "what is known of queues is 10s old (no answer from the queue): try again once it is read");

    is_down.store(false, Ordering::SeqCst);
    plane.snapshot("all is read again", |snapshot| snapshot.attention.is_empty()).await;
    assert_eq!(plane.client.plan(purge, None).await.unwrap().refused, None);
}
