//! A stored segment that is damaged, from a source that is well: nothing is lost by it.

use std::time::Duration;

use object_store::{ObjectStoreExt, PutPayload};
use stereospot_domain::{JobId, JobStatus, Mode, QueueName, QueueRole, keys, message};
use stereospot_ports::job_store::Transition;
use stereospot_ports::memory::{self, MAX_RECEIVES, ManualClock};
use stereospot_ports::work_queue::Outgoing;
use stereospot_ports::{Backend, objects};
use stereospot_runtime::stage::{Context, step};

use crate::crash_points::{Workers, submit};
use crate::fixture::{model, source};

/// Splits a source, spoils the second segment, and lets the workers try what they can.
async fn with_damage(
    workers: &Workers,
    context: &Context,
    clock: &ManualClock,
    content: &[u8],
    has_source: bool,
) -> JobId {
    let backend = &context.backend;
    let job_id = submit(backend, content).await;
    assert!(step(context, &*workers.handlers()[0]).await.unwrap());
    let total = backend.jobs.get(job_id).await.unwrap().unwrap().total_segments.unwrap();
    let key = keys::segment(keys::SegmentKey { job_id, index: 1, total, mode: Mode::Sbs });
    let cut = objects::path(&key).unwrap();
    let whole = backend.input.store.get(&cut).await.unwrap().bytes().await.unwrap();
    backend.input.store.put(&cut, PutPayload::from(whole.slice(..whole.len() / 2))).await.unwrap();
    if !has_source {
        backend.input.store.delete(&objects::path(&keys::source(job_id)).unwrap()).await.unwrap();
    }
    for _ in 0..=2 * MAX_RECEIVES {
        workers.work(context, || false).await;
        clock.advance(Duration::from_secs(70));
    }
    job_id
}

async fn ended(backend: &Backend, job_id: JobId) -> (JobStatus, String) {
    let job = backend.jobs.get(job_id).await.unwrap().unwrap();
    (job.status, job.error.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_segment_is_dead_lettered_and_cut_again_from_its_source() {
    let folder = tempfile::tempdir().unwrap();
    let content = std::fs::read(source(folder.path())).unwrap();
    let workers = Workers::new(folder.path(), model());
    let clock = ManualClock::default();
    let backend = memory::backend(&clock);
    let context = workers.context(backend.clone());
    let job_id = with_damage(&workers, &context, &clock, &content, true).await;
    let (status, error) = ended(&backend, job_id).await;
    assert_eq!(status, JobStatus::Failed);
    assert!(error.starts_with("segment 1 failed 5 times: segment 1 is damaged: "), "{error}");
    assert!(error.ends_with(": replay its message, which has the source split again"), "{error}");
    let dead = backend.queue_named(QueueName::dead_letter(QueueRole::Inference)).unwrap();
    assert!(dead.stats().await.unwrap().ready > 0);

    // What such a replay does.
    let created = Transition { from: vec![JobStatus::Failed], ..Transition::to(JobStatus::Created) };
    backend.jobs.transition(job_id, &created).await.unwrap();
    let body = message::object_created(&backend.input.name, &keys::source(job_id));
    backend.queue(QueueRole::Chunking).unwrap().send(&[Outgoing::now(body)]).await.unwrap();
    workers.work(&context, || false).await;
    assert_eq!(ended(&backend, job_id).await, (JobStatus::Completed, String::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_segment_whose_source_is_gone_ends_the_job_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let content = std::fs::read(source(folder.path())).unwrap();
    let workers = Workers::new(folder.path(), model());
    let clock = ManualClock::default();
    let backend = memory::backend(&clock);
    let context = workers.context(backend.clone());
    let job_id = with_damage(&workers, &context, &clock, &content, false).await;
    let (status, error) = ended(&backend, job_id).await;
    assert_eq!(status, JobStatus::Failed);
    assert!(error.starts_with("segment 1 is damaged: "), "{error}");
    assert!(error.ends_with(", and it can't be cut again: submit the video again"), "{error}");
    let dead = backend.queue_named(QueueName::dead_letter(QueueRole::Inference)).unwrap();
    assert_eq!(dead.stats().await.unwrap().ready, 0);
}
