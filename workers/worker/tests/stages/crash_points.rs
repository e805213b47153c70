//! A job survives a crash between any two of its writes.
//!
//! A run with a budget of n writes plays a worker killed right after its n-th write: every later write fails. Then, after all
//! leases have run out, healthy workers take over. For any n, the job must be completed, once, with every frame.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use object_store::{ObjectStoreExt, PutPayload};
use stereospot_domain::{Format, Job, JobId, JobOptions, JobStatus, QueueName, QueueRole, keys};
use stereospot_media::probe::Terms;
use stereospot_media::{Cancel, probe};
use stereospot_ports::memory::{self, ManualClock};
use stereospot_ports::{Backend, objects, reassembly};
use stereospot_runtime::events::Events;
use stereospot_runtime::stage::{Context, Handler, step};
use stereospot_stereo::DepthModel;
use stereospot_worker::chunking::Chunking;
use stereospot_worker::inference::{Inference, Model};
use stereospot_worker::outputs::Outputs;
use stereospot_worker::reassembly::Reassembly;
use stereospot_worker::scratch::Scratch;
use tokio_util::sync::CancellationToken;

use crate::budget::Budget;
use crate::fixture::{FRAMES, model, sandbox, source};

pub(crate) struct Workers {
    handlers: Vec<Box<dyn Handler>>,
    folder: PathBuf,
}

impl Workers {
    pub(crate) fn new(folder: &Path, model: DepthModel) -> Self {
        let scratch = Scratch::open(&folder.join("scratch")).unwrap();
        let model = Model { model: Mutex::new(Some(model)), provider: "cpu", name: "cues".into() };
        let handlers: Vec<Box<dyn Handler>> = vec![
            Box::new(Chunking {
                scratch: scratch.clone(),
                sandbox: sandbox(),
                segment_secs: 0.4,
                with_sound: true,
                terms: Terms::default(),
            }),
            Box::new(Inference {
                scratch: scratch.clone(),
                sandbox: sandbox(),
                budget: stereospot_media::Budget { cores: 1, bytes: u64::MAX },
                resident: 0,
                model,
            }),
            Box::new(Outputs::default()),
            Box::new(Reassembly { scratch, sandbox: sandbox(), owner: "test".into() }),
        ];
        Self { handlers, folder: folder.into() }
    }

    /// In the order in which a job passes them.
    pub(crate) fn handlers(&self) -> &[Box<dyn Handler>] {
        &self.handlers
    }

    pub(crate) fn context(&self, backend: Backend) -> Context {
        let events = Events::open("test", &self.folder.join("spool"), backend.clock.clone()).unwrap();
        Context::new(backend, events, CancellationToken::new())
    }

    /// Lets every stage work until none has a message, or `is_over` says so.
    pub(crate) async fn work(&self, context: &Context, is_over: impl Fn() -> bool) {
        loop {
            let mut has_worked = false;
            for handler in &self.handlers {
                while !is_over() && step(context, &**handler).await.unwrap() {
                    has_worked = true;
                }
            }
            if !has_worked {
                return;
            }
        }
    }
}

pub(crate) async fn submit(backend: &Backend, content: &[u8]) -> JobId {
    submit_with(backend, content, JobOptions::of(Format::Sbs)).await
}

pub(crate) async fn submit_with(backend: &Backend, content: &[u8], options: JobOptions) -> JobId {
    let job_id = JobId(uuid::Uuid::new_v4());
    let options = JobOptions { resolution: Some(112), preset: Some("ultrafast".into()), ..options };
    backend.jobs.create(&Job::new(job_id, options, None, backend.clock.now())).await.unwrap();
    let path = objects::path(&keys::source(job_id)).unwrap();
    backend.input.store.put(&path, PutPayload::from(content.to_vec())).await.unwrap();
    job_id
}

/// Lets healthy workers and the reconciler work, and time pass, until the job has ended.
pub(crate) async fn recover(workers: &Workers, backend: &Backend, clock: &ManualClock, job_id: JobId) -> JobStatus {
    let context = workers.context(backend.clone());
    for _ in 0..8 {
        clock.advance(Duration::from_secs(70));
        reassembly::check(backend, job_id).await.unwrap();
        workers.work(&context, || false).await;
        let status = backend.jobs.get(job_id).await.unwrap().unwrap().status;
        if status.is_final() {
            return status;
        }
    }
    backend.jobs.get(job_id).await.unwrap().unwrap().status
}

#[tokio::test]
async fn a_job_survives_a_crash_between_any_two_writes() {
    let folder = tempfile::tempdir().unwrap();
    let content = std::fs::read(source(folder.path())).unwrap();
    let workers = Workers::new(folder.path(), model());
    let mut crash_points = 0;
    for writes in 0.. {
        let clock = ManualClock::default();
        let backend = memory::backend(&clock);
        let job_id = submit(&backend, &content).await;
        let budget = Budget::of(writes);
        let doomed = Context { stop: budget.killed.clone(), ..workers.context(budget.limit(&backend)) };
        workers.work(&doomed, || budget.is_spent()).await;
        let is_whole = !budget.is_spent();

        let status = recover(&workers, &backend, &clock, job_id).await;
        assert_eq!(status, JobStatus::Completed, "after a crash at write {writes}");
        assert_eq!(backend.jobs.count_completions(job_id).await.unwrap(), 2);
        let result = objects::path(&keys::result(job_id)).unwrap();
        let bytes = backend.output.store.get(&result).await.unwrap().bytes().await.unwrap();
        let path = folder.path().join("result.mp4");
        std::fs::write(&path, &bytes).unwrap();
        let info = probe(&path, Cancel::never()).unwrap();
        assert_eq!((info.width, info.height, info.frames), (256, 96, u64::from(FRAMES)), "crash at write {writes}");
        for role in QueueRole::PIPELINE {
            let dead = backend.queue_named(QueueName::dead_letter(*role)).unwrap().stats().await.unwrap();
            assert_eq!(dead.ready, 0, "{role:?} dead-lettered after a crash at write {writes}");
        }
        crash_points += 1;
        if is_whole {
            break;
        }
    }
    // Fewer would mean that the budget no longer sees the writes.
    assert!(crash_points > 15, "{crash_points}");
}

/// Lets the stages before reassembly finish, spoils segment 1's output, and expects the job to be completed all the same.
async fn check_spoilt_output(spoil: impl AsyncFnOnce(&Backend, &object_store::path::Path)) {
    let folder = tempfile::tempdir().unwrap();
    let content = std::fs::read(source(folder.path())).unwrap();
    let workers = Workers::new(folder.path(), model());
    let clock = ManualClock::default();
    let backend = memory::backend(&clock);
    let job_id = submit(&backend, &content).await;
    let context = workers.context(backend.clone());
    let (reassembly, before) = workers.handlers.split_last().unwrap();
    assert_eq!(reassembly.role(), QueueRole::Reassembly);
    for handler in before {
        while step(&context, &**handler).await.unwrap() {}
    }
    let output = objects::path(&keys::output_segment(job_id, 1)).unwrap();
    spoil(&backend, &output).await;
    let status = recover(&workers, &backend, &clock, job_id).await;
    assert_eq!(status, JobStatus::Completed);
}

#[tokio::test]
async fn a_damaged_output_is_converted_again() {
    check_spoilt_output(async |backend, output| {
        backend.output.store.put(output, PutPayload::from_static(b"not a video")).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_lost_output_is_converted_again() {
    check_spoilt_output(async |backend, output| backend.output.store.delete(output).await.unwrap()).await;
}
