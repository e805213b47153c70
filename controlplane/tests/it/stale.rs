//! Numbers that could not be read for a while: shown as such, and no write rests on them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use stereospot_api::view::Snapshot;
use stereospot_api::wire::Health;
use stereospot_controlplane::Platform;
use stereospot_domain::attention::{Step, Subject};
use stereospot_domain::diagnosis::{self, Severity};
use stereospot_domain::plan::Action;
use stereospot_domain::{Collector, Job, JobStatus, Mode, QueueName, QueueRole, keys};
use stereospot_ports::fleet::memory::MemoryFleet;
use stereospot_ports::fleet::{Scaling, Service};
use stereospot_ports::job_store::Page;
use stereospot_ports::memory::{self, ManualClock};
use stereospot_ports::work_queue::{Outgoing, Peeked, Stats};
use stereospot_ports::wrapped::{WrappedJobStore, WrappedQueue};
use stereospot_ports::{Error, ErrorCode, JobStore, Result, WorkQueue};

use crate::harness::{Plane, Side};

/// A queue that can't be counted while `is_down`.
#[derive(Debug)]
struct Uncounted {
    inner: Arc<dyn WorkQueue>,
    is_down: Arc<AtomicBool>,
    /// What it fails with; without, it never answers.
    code: Option<ErrorCode>,
}

#[async_trait]
impl WrappedQueue for Uncounted {
    fn inner(&self) -> &dyn WorkQueue {
        &*self.inner
    }

    async fn stats(&self) -> Result<Stats> {
        match (self.is_down.load(Ordering::SeqCst), self.code) {
            (true, None) => std::future::pending().await,
            (true, Some(code)) => Err(Error::new(code, "no answer from the queue")),
            (false, _) => self.inner.stats().await,
        }
    }

    async fn peek(&self, max: usize) -> Result<Vec<Peeked>> {
        match self.code.filter(|_| self.is_down.load(Ordering::SeqCst)) {
            Some(code) => Err(Error::new(code, "no answer from the queue")),
            None => self.inner.peek(max).await,
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
            true => Err(Error::new(ErrorCode::Denied, "the credentials have expired")),
            false => self.inner.list(status, after, limit).await,
        }
    }
}

/// A control plane some of whose queues can't be counted while the flag is set.
async fn plane(code: Option<ErrorCode>, is_uncounted: impl Fn(QueueName) -> bool) -> (Plane, Arc<AtomicBool>) {
    let clock = ManualClock::default();
    let mut backend = memory::backend(&clock);
    let is_down = Arc::new(AtomicBool::new(false));
    for (_, queue) in backend.queues.iter_mut().filter(|(name, _)| is_uncounted(**name)) {
        *queue = Arc::new(Uncounted { inner: queue.clone(), is_down: is_down.clone(), code });
    }
    (Plane::over(backend, clock, |_| {}).await, is_down)
}

#[tokio::test]
async fn what_is_not_read_is_said_and_no_plan_rests_on_it() {
    let (plane, is_down) = plane(Some(ErrorCode::Unavailable), |_| true).await;
    let inference = QueueName::main(QueueRole::Inference);
    plane.backend.queues[&inference].send(&[Outgoing::now("body")]).await.unwrap();
    plane.depth_is_read(inference, 1).await;
    let purge = Action::Purge { queue: inference, message_ids: None };
    assert_eq!(plane.client.plan(purge.clone(), None).await.unwrap().refused, None);

    is_down.store(true, Ordering::SeqCst);
    plane.snapshot("the failure", |snapshot| snapshot.collectors.iter().any(|one| one.error.is_some())).await;
    plane.clock.advance(Duration::from_secs(10));
    let snapshot =
        plane.snapshot("a line about it", |snapshot| snapshot.attention.iter().any(|line| line.about == QUEUES)).await;
    let line = snapshot.attention.iter().find(|line| line.about == QUEUES).unwrap();
    assert_eq!(line.evidence, "no answer from the queue");
    assert!(
        !snapshot.attention.iter().any(|line| matches!(line.about, Subject::Queue { .. })),
        "one line for all of them"
    );
    let refused = plane.client.plan(purge.clone(), None).await.unwrap_err();
    assert!(refused.to_string().contains("no answer from the queue"), "{refused}");

    is_down.store(false, Ordering::SeqCst);
    plane.snapshot("all is read again", |snapshot| snapshot.attention.is_empty()).await;
    assert_eq!(plane.client.plan(purge, None).await.unwrap().refused, None);
}

const QUEUES: Subject = Subject::Collector { name: Collector::Queues };
const JOBS: Subject = Subject::Collector { name: Collector::Jobs };

#[tokio::test]
async fn a_queue_that_is_not_read_is_its_own_fault() {
    let lost = QueueName::main(QueueRole::Chunking);
    let (plane, is_down) = plane(Some(ErrorCode::Unavailable), |name| name == lost).await;
    let inference = QueueName::main(QueueRole::Inference);
    plane.depth_is_read(lost, 0).await;
    is_down.store(true, Ordering::SeqCst);
    let has_line = |snapshot: &stereospot_api::view::Snapshot| {
        snapshot
            .attention
            .iter()
            .any(|line| line.about == Subject::Queue { queue: lost } && line.evidence == "no answer from the queue")
    };
    plane.snapshot("a line about it", has_line).await;
    plane.backend.queues[&inference].send(&[Outgoing::now("body")]).await.unwrap();
    plane.depth_is_read(inference, 1).await;
    let purge = Action::Purge { queue: inference, message_ids: None };
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
    let (plane, is_down) = plane(None, |name| name == hanging).await;
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
        *queue = Arc::new(Uncounted {
            inner: queue.clone(),
            is_down: no_queues.clone(),
            code: Some(ErrorCode::Unavailable),
        });
    }
    backend.jobs = Arc::new(Unlisted { inner: backend.jobs.clone(), is_down: no_rows.clone() });
    let letters = QueueName::dead_letter(QueueRole::Inference);
    let plane = Plane::over(backend, clock, |_| {}).await;
    let inner = &plane.backend.queues[&letters];
    inner.send(&[Outgoing::now("nobody can read this")]).await.unwrap();
    let abouts =
        |snapshot: &Snapshot| -> Vec<Subject> { snapshot.attention.iter().map(|line| line.about.clone()).collect() };
    let dead = Subject::DeadLetterQueue { queue: letters };
    plane
        .snapshot("all is read", |snapshot| abouts(snapshot) == [dead.clone()] && snapshot.collectors.len() >= 5)
        .await;
    let since = plane.client.snapshot().await.unwrap().attention[0].since;
    let ages = |snapshot: &Snapshot| {
        let of = |name| snapshot.collectors.iter().find(|one| one.name == name).unwrap().clone();
        (of(Collector::Queues), of(Collector::Jobs))
    };

    no_rows.store(true, Ordering::SeqCst);
    plane.snapshot("the rows' failure", |snapshot| ages(snapshot).1.error.is_some()).await;
    plane.clock.advance(Duration::from_secs(60));
    let rows_only = |snapshot: &Snapshot| abouts(snapshot) == [JOBS, dead.clone()];
    let snapshot = plane.snapshot("a line of the rows, for queues are read", rows_only).await;
    let (queues, jobs) = ages(&snapshot);
    assert!(snapshot.now.since(jobs.last_success_at.unwrap()) >= Duration::from_secs(60));
    assert!(queues.error.is_none() && queues.last_success_at > jobs.last_success_at);

    no_queues.store(true, Ordering::SeqCst);
    plane.snapshot("the queues' failure", |snapshot| ages(snapshot).0.error.is_some()).await;
    let one_line = |snapshot: &Snapshot| abouts(snapshot) == [Subject::Backend, dead.clone()];
    let look = async |plane: &Plane| {
        plane.clock.advance(Duration::from_secs(1));
        Some(plane.client.snapshot().await.unwrap()).filter(one_line)
    };
    let snapshot = plane.eventually("one line of all", look).await;
    // That queues are not read counts against being ready after a while only.
    plane.clock.advance(Duration::from_secs(15));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ready = async |plane: &Plane| {
        let answer = http.get(format!("{}/readyz", plane.client.server())).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Health>().await.unwrap().status)
    };
    let (code, status) = ready(&plane).await;
    assert_eq!(code, 200, "it serves what it has, and takes events");
    for not_read in ["queues not read: no answer from the queue", "jobs not read: the credentials have expired"] {
        assert!(status.contains(not_read), "{status}");
    }
    let evidence = snapshot.attention[0].evidence.as_str();
    assert!(["the credentials have expired", "no answer from the queue"].contains(&evidence), "{evidence}");
    plane.clock.advance(Duration::from_secs(70));
    plane.snapshot("also when old numbers are no longer shown", one_line).await;
    no_queues.store(false, Ordering::SeqCst);
    no_rows.store(false, Ordering::SeqCst);
    let snapshot = plane.snapshot("all is read again", |snapshot| abouts(snapshot) == [dead.clone()]).await;
    assert_eq!(snapshot.attention[0].since, since, "it was there all the time");
    // A part that is read again later is named here at once, and among the lines only after a while.
    plane.eventually("ready", async |plane| (ready(plane).await == (200, "ok".to_owned())).then_some(())).await;
}

#[tokio::test]
async fn that_queues_and_rows_do_not_answer_is_one_line_though_others_do() {
    let clock = ManualClock::default();
    let mut backend = memory::backend(&clock);
    let is_down = Arc::new(AtomicBool::new(false));
    for queue in backend.queues.values_mut() {
        *queue =
            Arc::new(Uncounted { inner: queue.clone(), is_down: is_down.clone(), code: Some(ErrorCode::Unavailable) });
    }
    backend.jobs = Arc::new(Unlisted { inner: backend.jobs.clone(), is_down: is_down.clone() });
    let service =
        Service { name: "media-worker".into(), desired: 0, running: 0, pending: 0, scaling: Scaling::Off, note: None };
    let fleet = Arc::new(MemoryFleet::of(vec![service]));
    let plane = Plane::over(Platform { fleet: Some(fleet), ..backend.into() }, clock, |_| {}).await;
    plane.snapshot("all is read", |snapshot| snapshot.services.len() == 1 && snapshot.collectors.len() >= 6).await;
    is_down.store(true, Ordering::SeqCst);
    let lines = |snapshot: &Snapshot| -> Vec<(String, String)> {
        snapshot.attention.iter().map(|line| (line.title.clone(), line.evidence.clone())).collect()
    };
    let evidence = "queues: no answer from the queue; jobs: the credentials have expired";
    let one_line = [("queues, jobs not read".to_owned(), evidence.to_owned())];
    let look = async |plane: &Plane| {
        plane.clock.advance(Duration::from_secs(1));
        Some(plane.client.snapshot().await.unwrap()).filter(|snapshot| lines(snapshot) == one_line)
    };
    let since = plane.eventually("one line of both", look).await.attention[0].since;
    plane.clock.advance(Duration::from_secs(70));
    let read_at = plane.now();
    let is_newer = |snapshot: &Snapshot| snapshot.services[0].observed_at >= read_at;
    let snapshot = plane.snapshot("the services, read since", is_newer).await;
    assert_eq!((lines(&snapshot), snapshot.attention[0].since), (one_line.to_vec(), since), "it is the same matter");
    is_down.store(false, Ordering::SeqCst);
    plane.snapshot("all is read again", |snapshot| snapshot.attention.is_empty()).await;
}

#[tokio::test]
async fn what_may_have_lain_on_a_deleted_queue_is_not_sent_again_unasked() {
    let gone = QueueName::dead_letter(QueueRole::Inference);
    let (plane, is_down) = plane(Some(ErrorCode::NotFound), |name| name == gone).await;
    plane.depth_is_read(gone, 0).await;
    let main = QueueName::main(QueueRole::Inference);
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(2)).await;
    plane.complete(job_id, [0]).await;
    let lost = keys::SegmentKey { job_id, index: 1, total: 2, mode: Mode::Sbs };
    plane.put_silently(Side::Input, &keys::segment(lost)).await;
    plane.backend.queues[&main].send(&[Outgoing::now("another job's")]).await.unwrap();
    is_down.store(true, Ordering::SeqCst);
    let of_job = |snapshot: &Snapshot| snapshot.jobs.iter().find(|view| view.job.job_id == job_id).cloned();
    let dead = |snapshot: &Snapshot| of_job(snapshot).map(|view| view.segments_dead);
    plane.snapshot("that nobody can count them", |snapshot| dead(snapshot) == Some(None)).await;
    plane.after(job_id, Duration::from_secs(61)).await;
    plane.backend.queues[&main].purge().await.unwrap();
    let code = diagnosis::FindingCode::SegmentLost;
    let about = Subject::Job { job_id, code };
    let found = plane
        .eventually("the finding", async |plane| {
            let snapshot = plane.client.snapshot().await.unwrap();
            let line = snapshot.attention.iter().find(|line| line.about == about).cloned();
            of_job(&snapshot)?.findings.into_iter().next().zip(line)
        })
        .await;
    let (finding, line) = found;
    assert_eq!((finding.code, finding.severity), (code, Severity::Warning));
    assert_eq!(finding.evidence[2], "inference-dlq, where it may lie, can't be read: no answer from the queue");
    assert_eq!(line.next, [Step::Repair { job_id, code }], "that is for an operator to judge");
    plane.reconciled().await;
    plane.reconciled().await;
    plane.reconciled().await;
    assert_eq!(plane.stats(main).await.ready, 0);

    is_down.store(false, Ordering::SeqCst);
    plane.snapshot("that none is dead", |snapshot| dead(snapshot) == Some(Some(0))).await;
    plane.depth_is_read(main, 1).await;
}
