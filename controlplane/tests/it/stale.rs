//! Numbers that could not be read for a while: shown as such, and no write rests on them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use stereospot_api::view::Snapshot;
use stereospot_domain::plan::Action;
use stereospot_domain::{Job, JobStatus, QueueName, QueueRole};
use stereospot_ports::job_store::Page;
use stereospot_ports::memory::{self, ManualClock};
use stereospot_ports::work_queue::{Outgoing, Peeked, Stats};
use stereospot_ports::wrapped::{WrappedJobStore, WrappedQueue};
use stereospot_ports::{Code, Error, JobStore, Result, WorkQueue};

use crate::harness::Plane;

/// A queue that can't be counted while `is_down`: it fails, or never answers.
#[derive(Debug)]
struct Uncounted {
    inner: Arc<dyn WorkQueue>,
    is_down: Arc<AtomicBool>,
    hangs: bool,
}

#[async_trait]
impl WrappedQueue for Uncounted {
    fn inner(&self) -> &dyn WorkQueue {
        &*self.inner
    }

    async fn stats(&self) -> Result<Stats> {
        match self.is_down.load(Ordering::SeqCst) {
            true if self.hangs => std::future::pending().await,
            true => Err(Error::new(Code::Unavailable, "no answer from the queue")),
            false => self.inner.stats().await,
        }
    }

    async fn peek(&self, max: usize) -> Result<Vec<Peeked>> {
        match self.is_down.load(Ordering::SeqCst) && !self.hangs {
            true => Err(Error::new(Code::Unavailable, "no answer from the queue")),
            false => self.inner.peek(max).await,
        }
    }
}

/// Rows that can't be listed while `is_down`.
#[derive(Debug)]
struct Unlisted {
    inner: Arc<dyn JobStore>,
    is_down: Arc<AtomicBool>,
}

#[async_trait]
impl WrappedJobStore for Unlisted {
    fn inner(&self) -> &dyn JobStore {
        &*self.inner
    }

    async fn list(&self, status: JobStatus, after: Option<&str>, limit: usize) -> Result<Page<Job>> {
        match self.is_down.load(Ordering::SeqCst) {
            true => Err(Error::new(Code::Denied, "the credentials have expired")),
            false => self.inner.list(status, after, limit).await,
        }
    }
}

/// A control plane some of whose queues can't be counted while the flag is set.
async fn plane(hangs: bool, is_uncounted: impl Fn(QueueName) -> bool) -> (Plane, Arc<AtomicBool>) {
    let clock = ManualClock::default();
    let mut backend = memory::backend(&clock);
    let is_down = Arc::new(AtomicBool::new(false));
    for (_, queue) in backend.queues.iter_mut().filter(|(name, _)| is_uncounted(**name)) {
        *queue = Arc::new(Uncounted { inner: queue.clone(), is_down: is_down.clone(), hangs });
    }
    (Plane::over(backend, clock, |_| {}).await, is_down)
}

#[tokio::test]
async fn what_is_not_read_is_said_and_no_plan_rests_on_it() {
    let (plane, is_down) = plane(false, |_| true).await;
    let inference = QueueName::main(QueueRole::Inference);
    plane.backend.queues[&inference].send(&[Outgoing::now("body")]).await.unwrap();
    plane.depth_is_read(inference, 1).await;
    let purge = Action::Purge { queue: inference };
    assert_eq!(plane.client.plan(purge.clone(), None).await.unwrap().refused, None);

    is_down.store(true, Ordering::SeqCst);
    plane.snapshot("the failure", |snapshot| snapshot.collectors.iter().any(|one| one.error.is_some())).await;
    plane.clock.advance(Duration::from_secs(10));
    let snapshot = plane
        .snapshot("a line about it", |snapshot| snapshot.attention.iter().any(|line| line.id == "collector/queues"))
        .await;
    let line = snapshot.attention.iter().find(|line| line.id == "collector/queues").unwrap();
    assert_eq!(line.evidence, "no answer from the queue");
    assert!(!snapshot.attention.iter().any(|line| line.id.starts_with("queue/")), "one line for all of them");
    let refused = plane.client.plan(purge.clone(), None).await.unwrap_err();
    assert!(refused.to_string().contains("no answer from the queue"), "{refused}");

    is_down.store(false, Ordering::SeqCst);
    plane.snapshot("all is read again", |snapshot| snapshot.attention.is_empty()).await;
    assert_eq!(plane.client.plan(purge, None).await.unwrap().refused, None);
}

#[tokio::test]
async fn a_queue_that_is_not_read_is_its_own_fault() {
    let lost = QueueName::main(QueueRole::Chunking);
    let (plane, is_down) = plane(false, |name| name == lost).await;
    let inference = QueueName::main(QueueRole::Inference);
    plane.depth_is_read(lost, 0).await;
    is_down.store(true, Ordering::SeqCst);
    let has_line = |snapshot: &stereospot_api::view::Snapshot| {
        snapshot.attention.iter().any(|line| line.id == "queue/chunking" && line.evidence == "no answer from the queue")
    };
    plane.snapshot("a line about it", has_line).await;
    plane.backend.queues[&inference].send(&[Outgoing::now("body")]).await.unwrap();
    plane.depth_is_read(inference, 1).await;
    let purge = Action::Purge { queue: inference };
    assert_eq!(plane.client.plan(purge, None).await.unwrap().refused, None, "the others go on");
    let ready = |snapshot: &stereospot_api::view::Snapshot| {
        snapshot.queues.iter().find(|queue| queue.name == lost).unwrap().ready.is_some()
    };
    assert!(ready(&plane.client.snapshot().await.unwrap()), "its last numbers, with their age");
    plane.clock.advance(Duration::from_secs(61));
    plane.snapshot("numbers that old are not shown", |snapshot| !ready(snapshot) && has_line(snapshot)).await;
    is_down.store(false, Ordering::SeqCst);
    plane.snapshot("it is read again", |snapshot| ready(snapshot) && !has_line(snapshot)).await;
}

#[tokio::test]
async fn a_call_that_hangs_holds_up_nothing_else() {
    let hanging = QueueName::main(QueueRole::Chunking);
    let (plane, is_down) = plane(true, |name| name == hanging).await;
    plane.depth_is_read(hanging, 0).await;
    is_down.store(true, Ordering::SeqCst);
    let inference = QueueName::main(QueueRole::Inference);
    for depth in 1..=3 {
        plane.backend.queues[&inference].send(&[Outgoing::now("body")]).await.unwrap();
        plane.depth_is_read(inference, depth).await;
    }
    let job_id = plane.job(stereospot_domain::JobStatus::Created, None).await;
    plane.snapshot("jobs are read too", |snapshot| snapshot.jobs.iter().any(|view| view.job.job_id == job_id)).await;
    plane.stop().await;
}

#[tokio::test]
async fn that_nobody_answers_stands_first_until_somebody_does() {
    let clock = ManualClock::default();
    let mut backend = memory::backend(&clock);
    let (no_queues, no_rows) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    for queue in backend.queues.values_mut() {
        *queue = Arc::new(Uncounted { inner: queue.clone(), is_down: no_queues.clone(), hangs: false });
    }
    backend.jobs = Arc::new(Unlisted { inner: backend.jobs.clone(), is_down: no_rows.clone() });
    let letters = QueueName::dead_letter(QueueRole::Inference);
    let plane = Plane::over(backend, clock, |_| {}).await;
    let inner = &plane.backend.queues[&letters];
    inner.send(&[Outgoing::now("nobody can read this")]).await.unwrap();
    let ids = |snapshot: &Snapshot| -> Vec<String> { snapshot.attention.iter().map(|line| line.id.clone()).collect() };
    plane
        .snapshot("all is read", |snapshot| ids(snapshot) == ["dlq/inference"] && snapshot.collectors.len() >= 5)
        .await;
    let since = plane.client.snapshot().await.unwrap().attention[0].since;
    let ages = |snapshot: &Snapshot| {
        let of = |name: &str| snapshot.collectors.iter().find(|one| one.name == name).unwrap().clone();
        (of("queues"), of("jobs"))
    };

    no_rows.store(true, Ordering::SeqCst);
    plane.snapshot("the rows' failure", |snapshot| ages(snapshot).1.error.is_some()).await;
    plane.clock.advance(Duration::from_secs(60));
    let rows_only = |snapshot: &Snapshot| ids(snapshot) == ["collector/jobs", "dlq/inference"];
    let snapshot = plane.snapshot("a line of the rows, for queues are read", rows_only).await;
    let (queues, jobs) = ages(&snapshot);
    assert!(snapshot.now.since(jobs.last_success_at.unwrap()) >= Duration::from_secs(60));
    assert!(queues.error.is_none() && queues.last_success_at > jobs.last_success_at);

    no_queues.store(true, Ordering::SeqCst);
    plane.snapshot("the queues' failure", |snapshot| ages(snapshot).0.error.is_some()).await;
    let one_line = |snapshot: &Snapshot| ids(snapshot) == ["backend/silent", "dlq/inference"];
    let look = async |plane: &Plane| {
        plane.clock.advance(Duration::from_secs(1));
        Some(plane.client.snapshot().await.unwrap()).filter(one_line)
    };
    let snapshot = plane.eventually("one line of all", look).await;
    let evidence = snapshot.attention[0].evidence.as_str();
    assert!(["the credentials have expired", "no answer from the queue"].contains(&evidence), "{evidence}");
    plane.clock.advance(Duration::from_secs(70));
    plane.snapshot("also when old numbers are no longer shown", one_line).await;
    no_queues.store(false, Ordering::SeqCst);
    no_rows.store(false, Ordering::SeqCst);
    let snapshot = plane.snapshot("all is read again", |snapshot| ids(snapshot) == ["dlq/inference"]).await;
    assert_eq!(snapshot.attention[0].since, since, "it was there all the time");
}
