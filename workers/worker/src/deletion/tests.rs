use std::sync::Mutex;

use async_trait::async_trait;
use object_store::ObjectStoreExt as _;
use stereospot_domain::{Job, JobId, JobOptions, JobStatus, SegmentCompletion, keys};
use stereospot_ports::job_store::Transition;
use stereospot_ports::memory::{self, ManualClock};
use stereospot_ports::work_queue::Outgoing;
use stereospot_ports::wrapped::WrappedJobStore;
use stereospot_ports::{JobStore, objects};
use stereospot_runtime::events::Events;
use tokio_util::sync::CancellationToken;

use super::*;

struct World {
    context: Context,
    clock: ManualClock,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::default();
        let backend = memory::backend_with(&clock, QueueRole::ALL);
        let folder = tempfile::tempdir().unwrap();
        let events = Events::open("test", folder.path(), backend.clock.clone()).unwrap();
        Self { context: Context::new(backend, events, CancellationToken::new()), clock, _folder: folder }
    }

    /// A job in a status, with everything that a job leaves behind.
    async fn job(&self, number: u128, status: JobStatus) -> JobId {
        let job_id = JobId(uuid::Uuid::from_u128(number));
        let backend = &self.context.backend;
        let job = Job { status, ..Job::new(job_id, JobOptions::default(), None, backend.clock.now()) };
        backend.jobs.create(&job).await.unwrap();
        backend.jobs.create_lock(job_id, backend.clock.now()).await.unwrap();
        for segment_index in 0..3 {
            let (output_uri, completed_at) = (String::new(), backend.clock.now());
            let completion = SegmentCompletion { job_id, segment_index, output_uri, completed_at };
            backend.jobs.put_completion(&completion).await.unwrap();
        }
        for key in self.keys(job_id) {
            let bucket = if key.starts_with("jobs/") { &backend.output } else { &backend.input };
            bucket.store.put(&objects::path(&key).unwrap(), "x".into()).await.unwrap();
        }
        job_id
    }

    fn keys(&self, job_id: JobId) -> Vec<String> {
        let segment = format!("segments/{job_id}/00000_00001_sbs.mp4");
        let output = keys::output_segment(job_id, 0);
        let (result, mark) = (keys::result(job_id), keys::done_mark(job_id));
        vec![keys::source(job_id), segment, keys::manifest(job_id), output, result, mark]
    }

    async fn left(&self, job_id: JobId) -> usize {
        let mut left = 0;
        for key in self.keys(job_id) {
            for bucket in [&self.context.backend.input, &self.context.backend.output] {
                left += usize::from(objects::exists(&*bucket.store, &key).await.unwrap());
            }
        }
        left
    }

    async fn completions(&self, job_id: JobId) -> u32 {
        self.context.backend.jobs.count_completions(job_id).await.unwrap()
    }

    async fn status(&self, job_id: JobId) -> JobStatus {
        self.context.backend.jobs.get(job_id).await.unwrap().unwrap().status
    }
}

#[tokio::test]
async fn an_ended_job_is_deleted_as_often_as_asked_and_its_row_stays() {
    let world = World::new();
    let other = world.job(9, JobStatus::Completed).await;
    for (number, status) in [(1, JobStatus::Completed), (2, JobStatus::Failed), (3, JobStatus::Deleted)] {
        let job_id = world.job(number, status).await;
        assert_eq!(world.left(job_id).await, 6);
        for _ in 0..2 {
            deletion::delete(&world.context.backend, job_id).await.unwrap();
            assert_eq!((world.left(job_id).await, world.status(job_id).await), (0, JobStatus::Deleted));
            assert_eq!(world.context.backend.jobs.lock(job_id).await.unwrap(), None);
            assert_eq!(world.completions(job_id).await, 0);
        }
    }
    assert_eq!((world.left(other).await, world.status(other).await), (6, JobStatus::Completed), "it was not asked for");
    assert_eq!(world.completions(other).await, 3);
}

#[tokio::test]
async fn a_running_job_is_not_deleted_and_the_request_is_kept() {
    let world = World::new();
    let job_id = world.job(1, JobStatus::Reassembling).await;
    let queue = Arc::clone(world.context.backend.queue(QueueRole::Deletion).unwrap());
    for body in [message::reassemble(job_id), "not JSON".to_owned()] {
        queue.send(&[Outgoing::now(body)]).await.unwrap();
        assert!(step(&world.context, &*queue, Duration::ZERO).await.unwrap());
    }
    assert_eq!((world.left(job_id).await, world.status(job_id).await), (6, JobStatus::Reassembling));
    assert_eq!(queue.stats().await.unwrap().in_flight, 2);
    world.context.backend.jobs.transition(job_id, &Transition::failed("no")).await.unwrap();
    world.clock.advance(VISIBILITY);
    while step(&world.context, &*queue, Duration::ZERO).await.unwrap() {}
    assert_eq!(world.left(job_id).await, 0);
    assert_eq!(queue.stats().await.unwrap().in_flight, 1, "what can't be read is left to the dead-letter queue");
}

/// Fails the first call of each removal.
#[derive(Debug)]
struct Stopping {
    inner: Arc<dyn JobStore>,
    stopped: Mutex<Vec<&'static str>>,
}

impl Stopping {
    fn stop_once(&self, at: &'static str) -> stereospot_ports::Result<()> {
        let mut stopped = self.stopped.lock().unwrap();
        if stopped.contains(&at) {
            return Ok(());
        }
        stopped.push(at);
        Err(stereospot_ports::Error::new(stereospot_ports::ErrorCode::Unavailable, format!("stopped at {at}")))
    }
}

#[async_trait]
impl WrappedJobStore for Stopping {
    fn inner(&self) -> &dyn JobStore {
        &*self.inner
    }

    async fn delete_completions(&self, job_id: JobId) -> stereospot_ports::Result<u32> {
        self.stop_once("completions")?;
        self.inner.delete_completions(job_id).await
    }

    async fn delete_lock(&self, job_id: JobId) -> stereospot_ports::Result<bool> {
        self.stop_once("lock")?;
        self.inner.delete_lock(job_id).await
    }
}

#[tokio::test]
async fn a_deletion_that_was_stopped_is_finished_by_the_next() {
    let mut world = World::new();
    let job_id = world.job(1, JobStatus::Completed).await;
    let inner = Arc::clone(&world.context.backend.jobs);
    let stopping = Arc::new(Stopping { inner, stopped: Mutex::default() });
    world.context.backend.jobs = stopping.clone();
    for (left, at) in [(3, "completions"), (0, "lock")] {
        let stopped = deletion::delete(&world.context.backend, job_id).await.unwrap_err();
        assert!(stopped.to_string().contains(&format!("stopped at {at}")), "{stopped}");
        assert_eq!((world.completions(job_id).await, world.left(job_id).await), (left, 0));
    }
    deletion::delete(&world.context.backend, job_id).await.unwrap();
    assert_eq!(world.context.backend.jobs.lock(job_id).await.unwrap(), None);
    assert_eq!(world.status(job_id).await, JobStatus::Deleted);
}
