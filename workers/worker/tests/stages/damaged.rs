//! A damaged stored segment of an undamaged source: nothing is lost.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use object_store::{ObjectStoreExt, PutPayload};
use stereospot_domain::{JobId, JobOptions, JobStatus, Mode, QueueName, QueueRole, keys, message};
use stereospot_ports::job_store::Transition;
use stereospot_ports::memory::{self, MAX_RECEIVES, ManualClock};
use stereospot_ports::work_queue::Outgoing;
use stereospot_ports::{Backend, objects};
use stereospot_runtime::stage::{Context, step};

use crate::crash_points::{Workers, submit, submit_with};
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
    try_all(workers, context, clock).await;
    job_id
}

/// Lets all stages work until every message has had its attempts.
pub(crate) async fn try_all(workers: &Workers, context: &Context, clock: &ManualClock) {
    for _ in 0..=2 * MAX_RECEIVES {
        workers.work(context, || false).await;
        clock.advance(Duration::from_secs(70));
    }
}

/// A clip without a scene cut and with a keyframe in the middle: its two segments are copied, and the second is warmed up on
/// the end of the first.
fn uncut(folder: &Path) -> Vec<u8> {
    let path = folder.join("uncut.mp4");
    let arguments =
        "-v error -f lavfi -i testsrc2=size=128x96:rate=25:duration=0.8 -c:v libx264 -g 10 -pix_fmt yuv420p";
    let made = Command::new("ffmpeg").args(arguments.split(' ')).arg(&path).status().unwrap();
    assert!(made.success());
    std::fs::read(path).unwrap()
}

/// Makes the last picture of an MP4 undecodable: its NAL unit (4 bytes of length, then the kind) gets an undefined kind. Sizes
/// and times stay as they were.
fn spoil_last_frame(content: &mut [u8]) {
    let data = content.windows(4).position(|bytes| bytes == b"mdat").unwrap();
    let size = u32::from_be_bytes(content[data - 4..data].try_into().unwrap()) as usize;
    let (mut at, mut last) = (data + 4, data + 4);
    while at < data - 4 + size {
        last = at;
        at += 4 + u32::from_be_bytes(content[at..at + 4].try_into().unwrap()) as usize;
    }
    content[last + 4] = 0;
}

pub(crate) async fn ended(backend: &Backend, job_id: JobId) -> (JobStatus, String) {
    let job = backend.jobs.get(job_id).await.unwrap().unwrap();
    (job.status, job.error.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_segment_is_cut_again_from_its_source() {
    let folder = tempfile::tempdir().unwrap();
    let content = std::fs::read(source(folder.path())).unwrap();
    let workers = Workers::new(folder.path(), model());
    let clock = ManualClock::default();
    let backend = memory::backend(&clock);
    let context = workers.context(backend.clone());
    let job_id = with_damage(&workers, &context, &clock, &content, true).await;
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
    assert!(error.ends_with(", and the source is gone, too: submit the video again"), "{error}");
    let dead = backend.queue_named(QueueName::dead_letter(QueueRole::Inference)).unwrap();
    assert_eq!(dead.stats().await.unwrap().ready, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_came_damaged_shows_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let mut content = uncut(folder.path());
    spoil_last_frame(&mut content);
    let workers = Workers::new(folder.path(), model());
    let clock = ManualClock::default();
    let backend = memory::backend(&clock);
    let context = workers.context(backend.clone());
    let job_id = submit(&backend, &content).await;
    workers.work(&context, || false).await;
    assert_eq!(ended(&backend, job_id).await, (JobStatus::Completed, String::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_video_that_came_damaged_ends_a_strict_job_with_the_place_of_the_damage_and_no_replay() {
    let folder = tempfile::tempdir().unwrap();
    let mut content = uncut(folder.path());
    spoil_last_frame(&mut content);
    let workers = Workers::new(folder.path(), model());
    let clock = ManualClock::default();
    let backend = memory::backend(&clock);
    let context = workers.context(backend.clone());
    let job_id = submit_with(&backend, &content, JobOptions { strict: true, ..JobOptions::default() }).await;
    workers.work(&context, || false).await;
    let (status, error) = ended(&backend, job_id).await;
    assert_eq!(status, JobStatus::Failed, "at the first attempt");
    let said = "the video is damaged between 0.4 s and 0.8 s (the frame at 0.760 s can't be decoded): get another copy of it, \
                or re-encode it, and submit that";
    assert_eq!(error, said);
    let dead = backend.queue_named(QueueName::dead_letter(QueueRole::Inference)).unwrap();
    assert_eq!(dead.stats().await.unwrap().ready, 0);

    // A plan of an earlier version has no checksums: then the source is split again, which shows where the damage came from.
    let plan = objects::path(&keys::manifest(job_id)).unwrap();
    let kept = backend.input.store.get(&plan).await.unwrap().bytes().await.unwrap();
    let mut kept: serde_json::Value = serde_json::from_slice(&kept).unwrap();
    assert!(kept.as_object_mut().unwrap().remove("written").is_some());
    backend.input.store.delete(&objects::path(&keys::manifest_copy(job_id)).unwrap()).await.unwrap();
    backend.input.store.put(&plan, serde_json::to_vec(&kept).unwrap().into()).await.unwrap();
    let complete = Transition { from: vec![JobStatus::Failed], ..Transition::to(JobStatus::ChunkingComplete) };
    backend.jobs.transition(job_id, &complete).await.unwrap();
    let key = keys::segment(keys::SegmentKey { job_id, index: 1, total: 2, mode: Mode::Sbs });
    let body = message::object_created(&backend.input.name, &key);
    backend.queue(QueueRole::Inference).unwrap().send(&[Outgoing::now(body)]).await.unwrap();
    for _ in 0..=MAX_RECEIVES {
        workers.work(&context, || false).await;
        clock.advance(Duration::from_secs(70));
    }
    assert_eq!(ended(&backend, job_id).await, (JobStatus::Failed, said.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_of_the_segment_before_is_reported_as_that() {
    let folder = tempfile::tempdir().unwrap();
    let workers = Workers::new(folder.path(), model());
    let clock = ManualClock::default();
    let backend = memory::backend(&clock);
    let context = workers.context(backend.clone());
    let job_id = submit(&backend, &uncut(folder.path())).await;
    for handler in &workers.handlers()[..2] {
        assert!(step(&context, &**handler).await.unwrap());
    }
    assert_eq!(backend.jobs.count_completions(job_id).await.unwrap(), 1);
    let key = keys::segment(keys::SegmentKey { job_id, index: 0, total: 2, mode: Mode::Sbs });
    let first = objects::path(&key).unwrap();
    backend.input.store.put(&first, PutPayload::from_static(b"no video")).await.unwrap();
    backend.input.store.delete(&objects::path(&keys::source(job_id)).unwrap()).await.unwrap();
    try_all(&workers, &context, &clock).await;
    let (status, error) = ended(&backend, job_id).await;
    assert_eq!(status, JobStatus::Failed);
    let start = "segment 0, whose end comes before this one, is damaged: ";
    assert!(error.starts_with(start) && error.ends_with("submit the video again"), "{error}");
}
