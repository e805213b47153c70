//! When a job-worker writes completions, our workers never write what belongs to it: here a job store refuses that.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use object_store::{ObjectStoreExt, PutPayload};
use stereospot_domain::{Job, JobId, JobStatus, QueueRole, SegmentCompletion, Timestamp, Topology, keys, message};
use stereospot_ports::job_store::{Transition, Transitioned};
use stereospot_ports::memory::{self, ManualClock};
use stereospot_ports::work_queue::Outgoing;
use stereospot_ports::wrapped::WrappedJobStore;
use stereospot_ports::{Backend, Error, ErrorCode, JobStore, Result, objects};
use stereospot_runtime::stage::{Context, step};

use crate::crash_points::{Workers, submit};
use crate::fixture::{model, source};

/// Refuses and records writes that belong to the job-worker.
#[derive(Debug)]
struct Books {
    inner: Arc<dyn JobStore>,
    tried: Mutex<Vec<String>>,
}

impl Books {
    fn refuse<T>(&self, what: String) -> Result<T> {
        self.tried.lock().unwrap().push(what);
        Err(Error::new(ErrorCode::Denied, "the job-worker's"))
    }
}

#[async_trait]
impl WrappedJobStore for Books {
    fn inner(&self) -> &dyn JobStore {
        &*self.inner
    }

    async fn create(&self, _: &Job) -> Result<()> {
        self.refuse("a job".into())
    }

    async fn transition(&self, job_id: JobId, transition: &Transition) -> Result<Transitioned> {
        match transition.to {
            JobStatus::ChunkingInProgress | JobStatus::ChunkingComplete => {
                self.inner.transition(job_id, transition).await
            }
            status => self.refuse(format!("the status {status}")),
        }
    }

    async fn set_uploaded(&self, _: JobId, _: Timestamp, _: u64) -> Result<()> {
        self.refuse("the upload".into())
    }

    async fn put_completion(&self, _: &SegmentCompletion) -> Result<()> {
        self.refuse("a completion".into())
    }

    async fn delete_completions(&self, _: JobId) -> Result<u32> {
        self.refuse("the removal of completions".into())
    }

    async fn delete_completion(&self, _: JobId, _: u32) -> Result<()> {
        self.refuse("the removal of a completion".into())
    }

    async fn create_lock(&self, _: JobId, _: Timestamp) -> Result<bool> {
        self.refuse("a lock".into())
    }

    async fn retrigger_lock(&self, _: JobId, _: Timestamp, _: Timestamp) -> Result<bool> {
        self.refuse("a lock's trigger".into())
    }

    async fn reset_lock(&self, _: JobId, _: Timestamp) -> Result<bool> {
        self.refuse("a lock's reset".into())
    }

    async fn delete_lock(&self, _: JobId) -> Result<bool> {
        self.refuse("a lock's removal".into())
    }
}

/// Does what the job-worker does after it was notified of every output.
async fn keep_the_books(backend: &Backend, job_id: JobId, total: u32) {
    let now = backend.clock.now();
    for segment_index in 0..total {
        let output_uri = backend.output.uri(&keys::output_segment(job_id, segment_index));
        let completion = SegmentCompletion { job_id, segment_index, output_uri, completed_at: now };
        backend.jobs.put_completion(&completion).await.unwrap();
    }
    assert!(backend.jobs.create_lock(job_id, now).await.unwrap());
    backend.jobs.transition(job_id, &Transition::to(JobStatus::Reassembling)).await.unwrap();
    let queue = backend.queue(QueueRole::Reassembly).unwrap();
    queue.send(&[Outgoing::now(message::reassemble(job_id))]).await.unwrap();
}

#[tokio::test]
async fn ours_write_objects_and_leave_the_books_alone() {
    let folder = tempfile::tempdir().unwrap();
    let content = std::fs::read(source(folder.path())).unwrap();
    let workers = Workers::new(folder.path(), model());
    let clock = ManualClock::default();
    let backend = memory::backend(&clock);
    let job_id = submit(&backend, &content).await;
    let books = Arc::new(Books { inner: Arc::clone(&backend.jobs), tried: Mutex::default() });
    let watched = Backend { jobs: books.clone(), ..backend.clone() };
    let context = Context { topology: Topology::JobWorker, ..workers.context(watched) };
    workers.work(&context, || false).await;
    let job = backend.jobs.get(job_id).await.unwrap().unwrap();
    assert_eq!((job.status, job.total_segments), (JobStatus::ChunkingComplete, Some(2)));

    keep_the_books(&backend, job_id, 2).await;
    workers.work(&context, || false).await;
    for key in [keys::result(job_id), keys::done_mark(job_id)] {
        assert!(objects::exists(&*backend.output.store, &key).await.unwrap(), "{key}");
    }

    // A segment that can't be converted: the dead letter carries the reason.
    let damaged = submit(&backend, &content).await;
    let chunking = &workers.handlers()[0];
    assert!(step(&context, &**chunking).await.unwrap());
    for key in objects::keys_below(&*backend.input.store, &format!("segments/{damaged}")).await.unwrap() {
        if key.ends_with(".mp4") {
            let path = objects::path(&key).unwrap();
            backend.input.store.put(&path, PutPayload::from_static(b"not a video")).await.unwrap();
        }
    }
    for _ in 0..2 * memory::MAX_RECEIVES {
        workers.work(&context, || false).await;
        clock.advance(Duration::from_secs(70));
    }
    let dead = stereospot_domain::QueueName::dead_letter(QueueRole::Inference);
    assert!(backend.queue_named(dead).unwrap().stats().await.unwrap().ready > 0);
    assert_eq!(backend.jobs.get(damaged).await.unwrap().unwrap().status, JobStatus::ChunkingComplete);
    assert_eq!(*books.tried.lock().unwrap(), Vec::<String>::new());
}
