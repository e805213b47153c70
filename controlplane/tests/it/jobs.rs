//! Submit, upload, download, list.

use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use serde_json::json;
use stereospot_api::client::Error;
use stereospot_api::view::JobDetail;
use stereospot_api::wire::NewJob;
use stereospot_domain::{EventKind, Format, JobOptions, JobStatus, QueueName, QueueRole, Stage, keys, message};
use stereospot_ports::job_store::Transition;
use stereospot_ports::objects;

use crate::harness::{Plane, Side, Worker};

fn new_job() -> NewJob {
    NewJob { title: Some("clip.mp4".into()), options: JobOptions::of(Format::HalfSbs) }
}

fn body(parts: &[&'static [u8]]) -> impl futures::Stream<Item = Result<Bytes, std::io::Error>> + Send + use<> {
    let parts: Vec<_> = parts.iter().map(|part| Ok(Bytes::from_static(part))).collect();
    futures::stream::iter(parts)
}

fn refused(error: Error) -> (u16, String) {
    match error {
        Error::Refused(problem) => (problem.status, problem.detail),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_video_goes_in_and_its_result_comes_out() {
    let plane = Plane::start().await;
    let job = plane.client.create_job(&new_job()).await.unwrap();
    assert_eq!((job.status, job.options.format), (JobStatus::Created, Format::HalfSbs));
    let uploaded = plane.client.upload_source(job.job_id, 10, body(&[b"01234", b"56789"])).await.unwrap();
    assert_eq!(uploaded.source_file_size_bytes, Some(10));
    let peeked = plane.client.peek(QueueName::main(QueueRole::Chunking), 10).await.unwrap();
    assert_eq!(peeked.len(), 1);
    assert_eq!(peeked[0].body, message::object_created("input", &keys::source(job.job_id)));
    assert_eq!(peeked[0].job_id, Some(job.job_id));
    let events = plane.client.job_events(job.job_id, 10).await.unwrap();
    assert_eq!(events.iter().map(|event| event.kind()).collect::<Vec<_>>(), [EventKind::JobSubmitted]);

    let another = plane.client.upload_source(job.job_id, 1, body(&[b"x"])).await.unwrap_err();
    assert_eq!(refused(another).0, 409);
    let early = plane.client.download_result(job.job_id).await.err().unwrap();
    assert_eq!(refused(early), (409, "the job is created: there is no result yet".into()));

    let done = plane.job(JobStatus::Completed, Some(1)).await;
    let missing = plane.client.download_result(done).await.err().unwrap();
    assert_eq!(refused(missing).0, 404);
    plane.put_silently(Side::Output, &keys::result(done)).await;
    let parts: Vec<Bytes> = plane.client.download_result(done).await.unwrap().try_collect().await.unwrap();
    assert_eq!(parts.concat(), b"data");

    let failed = plane.job(JobStatus::Failed, None).await;
    let error = plane.client.download_result(failed).await.err().unwrap();
    assert_eq!(refused(error), (409, "the job failed: it broke".into()));
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing_and_can_be_sent_again() {
    let plane = Plane::start().await;
    let job = plane.client.create_job(&new_job()).await.unwrap();
    let source =
        futures::stream::iter([Ok(Bytes::from_static(b"01234")), Err(std::io::Error::other("the file vanished"))]);
    plane.client.upload_source(job.job_id, 10, source).await.unwrap_err();
    // The server notices the broken connection in its own time: until then the first upload still holds the job.
    plane
        .eventually("a second upload is taken", async |plane| {
            plane.client.upload_source(job.job_id, 3, body(&[b"abc"])).await.ok()
        })
        .await;
    let path = objects::path(&keys::source(job.job_id)).unwrap();
    let got = object_store::ObjectStoreExt::get(&*plane.backend.input.store, &path).await.unwrap();
    assert_eq!(got.bytes().await.unwrap(), Bytes::from_static(b"abc"));
    assert_eq!(plane.stats(QueueName::main(QueueRole::Chunking)).await.ready, 1);
}

#[tokio::test]
async fn an_empty_source_fails_the_job_with_its_reason() {
    let plane = Plane::start().await;
    let job = plane.client.create_job(&new_job()).await.unwrap();
    let error = plane.client.upload_source(job.job_id, 0, body(&[])).await.unwrap_err();
    assert_eq!(refused(error), (422, "the source is empty: submit a video file".into()));
    let failed = plane.status(job.job_id, JobStatus::Failed).await;
    assert_eq!(failed.error.as_deref(), Some("the source is empty: submit a video file"));
    assert_eq!(plane.stats(QueueName::main(QueueRole::Chunking)).await.ready, 0);
    assert!(!objects::exists(&*plane.backend.input.store, &keys::source(job.job_id)).await.unwrap());
}

#[tokio::test]
async fn a_source_above_the_limit_fails_the_job_with_a_reason_that_names_it() {
    let plane = Plane::with(|config| config.max_upload = stereospot_domain::amount::Bytes(1000)).await;
    let why = "the source is larger than 1k, the limit (--max-upload): send a smaller one, or raise the limit";
    let announced = plane.client.create_job(&new_job()).await.unwrap();
    let error = plane.client.upload_source(announced.job_id, 1001, body(&[&[7; 1001]])).await.unwrap_err();
    assert_eq!(refused(error), (413, why.into()));
    // A body in chunks has no length in advance.
    let counted = plane.client.create_job(&new_job()).await.unwrap();
    let url = format!("{}/v1/jobs/{}/source", plane.client.server(), counted.job_id);
    let chunks =
        futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from(vec![7; 1000])), Ok(Bytes::from(vec![7; 25]))]);
    let answer = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .put(url)
        .body(reqwest::Body::wrap_stream(chunks))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 413);
    for job in [announced, counted] {
        assert_eq!(plane.status(job.job_id, JobStatus::Failed).await.error.as_deref(), Some(why));
        assert!(!objects::exists(&*plane.backend.input.store, &keys::source(job.job_id)).await.unwrap());
    }
    let fits = plane.client.create_job(&new_job()).await.unwrap();
    plane.client.upload_source(fits.job_id, 1000, body(&[&[7; 1000]])).await.unwrap();
}

#[tokio::test]
async fn options_out_of_range_are_refused_with_the_range() {
    let plane = Plane::start().await;
    let mut new = new_job();
    new.options.divergence = Some(99.0);
    let (status, detail) = refused(plane.client.create_job(&new).await.unwrap_err());
    assert_eq!((status, detail.as_str()), (422, "divergence is 99, but must be from 0 to 10 (per cent)"));
}

#[tokio::test]
async fn jobs_are_paged_newest_first_also_those_made_elsewhere() {
    let plane = Plane::passive().await;
    let mut made = Vec::new();
    for index in 0..25 {
        plane.clock.advance(Duration::from_secs(1));
        made.push(plane.job(if index % 5 == 0 { JobStatus::Failed } else { JobStatus::Created }, None).await);
    }
    made.reverse();
    plane.snapshot("all jobs", |snapshot| snapshot.jobs_total == 25).await;
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = plane.client.jobs(None, 10, cursor.as_deref()).await.unwrap();
        assert!(page.jobs.len() <= 10);
        seen.extend(page.jobs.iter().map(|view| view.job.job_id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, made);
    let failed = plane.client.jobs(Some(JobStatus::Failed), 10, None).await.unwrap();
    assert_eq!(failed.jobs.len(), 5);
    assert_eq!(failed.next, None);
}

#[tokio::test]
async fn a_jobs_progress_follows_its_events() {
    let plane = Plane::passive().await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(2)).await;
    let mut chunker = Worker::new("chunking-1", Stage::Chunking);
    let mut worker = Worker::new("inference-1", Stage::Inference);
    let chunked = chunker.event(
        EventKind::ChunkingCompleted,
        plane.now(),
        Some((job_id, None)),
        json!({"segments": 2, "frames": 100}),
    );
    let about = Some((job_id, Some(0)));
    let started = worker.event(EventKind::SegmentStarted, plane.now(), about, json!({"frames": 50}));
    let mut events = vec![chunked, started];
    for (secs, frames_done) in [(1, 5), (4, 25)] {
        plane.clock.advance(Duration::from_secs(secs));
        let data = json!({"frames_done": frames_done, "frames": 50});
        events.push(worker.event(EventKind::SegmentProgress, plane.now(), about, data));
    }
    plane.client.send_events(events).await.unwrap();
    let snapshot =
        plane.snapshot("a quarter done", |snapshot| snapshot.jobs.iter().any(|view| view.progress == Some(0.25))).await;
    let view = &snapshot.jobs[0];
    assert_eq!((view.segments_running, view.frames_per_second), (1, Some(5.0)));
    assert_eq!(view.eta, Some(plane.now().plus(Duration::from_secs(15))));
    let detail = plane.client.job(job_id).await.unwrap();
    assert_eq!(detail.timeline.len(), 2);
    assert!(!detail.can_trigger);
    assert_eq!(detail.trigger_note, "2 of 2 segments missing: 0, 1");
    assert_eq!(detail.segments[0].worker.as_deref(), Some("inference-1"));
}

#[tokio::test]
async fn an_upload_whose_answer_was_lost_is_answered_when_it_comes_again() {
    let plane = Plane::passive().await;
    let job_id = plane.client.create_job(&new_job()).await.unwrap().job_id;
    let first = plane.client.upload_source(job_id, 10, body(&[b"01234", b"56789"])).await.unwrap();
    let again = plane.client.upload_source(job_id, 10, body(&[b"01234", b"56789"])).await.unwrap();
    assert_eq!(again, first);
    assert_eq!(plane.stats(QueueName::main(QueueRole::Chunking)).await.ready, 1);
    let events = plane.client.job_events(job_id, 10).await.unwrap();
    assert_eq!(events.len(), 1, "it was submitted once");
}

#[tokio::test]
async fn of_sources_sent_to_one_job_at_once_one_is_taken() {
    const LONG: u64 = 16;
    let plane = Plane::passive().await;
    let job_id = plane.client.create_job(&new_job()).await.unwrap().job_id;
    let (parts, held) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let first = tokio::spawn({
        let client = plane.client.clone();
        let held = futures::stream::unfold(held, async |mut held| Some((held.recv().await?, held)));
        async move { client.upload_source(job_id, LONG << 20, held).await }
    });
    for _ in 0..LONG - 1 {
        parts.send(Ok(Bytes::from(vec![7; 1 << 20]))).await.unwrap();
    }
    for length in [3, 3, 5] {
        let content = Bytes::from(vec![1; length as usize]);
        let other = futures::stream::iter([Ok::<_, std::io::Error>(content)]);
        let other = plane.client.upload_source(job_id, length, other).await.unwrap_err();
        assert!(other.retryable(), "the first may yet break off");
        assert_eq!(refused(other).0, 409);
    }
    parts.send(Ok(Bytes::from(vec![7; 1 << 20]))).await.unwrap();
    drop(parts);
    assert_eq!(first.await.unwrap().unwrap().source_file_size_bytes, Some(LONG << 20));

    plane.backend.jobs.transition(job_id, &Transition::to(JobStatus::ChunkingInProgress)).await.unwrap();
    let same_length = futures::stream::iter((0..LONG).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![8; 1 << 20]))));
    let late = plane.client.upload_source(job_id, LONG << 20, same_length).await.unwrap_err();
    assert!(!late.retryable());
    assert_eq!(refused(late).0, 409, "other bytes of the same length are another source");
    let path = objects::path(&keys::source(job_id)).unwrap();
    let stored = object_store::ObjectStoreExt::get(&*plane.backend.input.store, &path).await.unwrap();
    let stored = stored.bytes().await.unwrap();
    assert!(stored.len() as u64 == LONG << 20 && stored.iter().all(|byte| *byte == 7));
    assert_eq!(plane.stats(QueueName::main(QueueRole::Chunking)).await.ready, 1);
}

#[tokio::test]
async fn a_long_upload_is_answered_again_also_when_the_work_has_begun() {
    const LONG: u64 = 32;
    let long = || futures::stream::iter((0..LONG).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![7; 1 << 20]))));
    let plane = Plane::passive().await;
    let job_id = plane.client.create_job(&new_job()).await.unwrap().job_id;
    plane.client.upload_source(job_id, LONG << 20, long()).await.unwrap();
    plane.backend.jobs.transition(job_id, &Transition::to(JobStatus::ChunkingInProgress)).await.unwrap();
    let again = plane.client.upload_source(job_id, LONG << 20, long()).await.unwrap();
    assert_eq!((again.status, again.source_file_size_bytes), (JobStatus::ChunkingInProgress, Some(LONG << 20)));
}

#[tokio::test]
async fn an_upload_that_was_never_recorded_is_recorded_when_it_comes_again() {
    let plane = Plane::passive().await;
    let job_id = plane.client.create_job(&new_job()).await.unwrap().job_id;
    plane.put_silently(Side::Input, &keys::source(job_id)).await;
    let other = plane.client.upload_source(job_id, 8, body(&[b"datadata"])).await.unwrap_err();
    assert_eq!(refused(other).0, 409, "another length is another source");
    let job = plane.client.upload_source(job_id, 4, body(&[b"data"])).await.unwrap();
    assert_eq!(job.source_file_size_bytes, Some(4));
    assert_eq!(plane.client.job_events(job_id, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_job_whose_source_never_comes_is_failed() {
    const LONG: u64 = 16;
    let plane = Plane::start().await;
    let job_id = plane.client.create_job(&new_job()).await.unwrap().job_id;
    let arriving = plane.client.create_job(&new_job()).await.unwrap().job_id;
    let (parts, held) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let upload = tokio::spawn({
        let client = plane.client.clone();
        let held = futures::stream::unfold(held, async |mut held| Some((held.recv().await?, held)));
        async move { client.upload_source(arriving, LONG << 20, held).await }
    });
    // More than the buffers between client and server hold: the server has begun to take it in.
    for _ in 0..LONG - 1 {
        parts.send(Ok(Bytes::from(vec![7; 1 << 20]))).await.unwrap();
    }
    plane.after(job_id, Duration::from_secs(3500)).await;
    plane.reconciled().await;
    assert_eq!(plane.backend.jobs.get(job_id).await.unwrap().unwrap().status, JobStatus::Created);
    plane.clock.advance(Duration::from_secs(200));
    let failed = plane.status(job_id, JobStatus::Failed).await;
    assert_eq!(failed.error.as_deref(), Some("its source never arrived: submit the video again"));
    assert_eq!(plane.backend.jobs.get(arriving).await.unwrap().unwrap().status, JobStatus::Created);
    parts.send(Ok(Bytes::from(vec![7; 1 << 20]))).await.unwrap();
    drop(parts);
    upload.await.unwrap().unwrap();
    plane
        .eventually("it is told", async |plane| {
            let events = plane.client.job_events(job_id, 10).await.unwrap();
            events.into_iter().find(|event| event.kind() == EventKind::JobFailed)
        })
        .await;
}

#[tokio::test]
async fn a_step_that_keeps_failing_is_shown_until_it_succeeds() {
    let plane = Plane::passive().await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(8)).await;
    let mut worker = Worker::new("inference-1", Stage::Inference);
    let about = Some((job_id, Some(7)));
    let mut failed =
        |at, error: &str| worker.event(EventKind::SegmentFailed, at, about, json!({"error": error, "is_final": false}));
    let first = failed(plane.now(), "out of memory");
    plane.clock.advance(Duration::from_secs(5));
    let second = failed(plane.now(), "out of memory again");
    plane.client.send_events(vec![first]).await.unwrap();
    plane.findings(job_id, &[]).await;
    plane.client.send_events(vec![second]).await.unwrap();
    plane.findings(job_id, &["step-failing"]).await;
    let detail = plane.client.job(job_id).await.unwrap();
    assert_eq!(detail.view.findings[0].evidence, ["segment 7 failed 2 times: out of memory again"]);
    let snapshot = plane
        .snapshot("it is in the list", |snapshot| snapshot.attention.iter().any(|line| line.code == "step-failing"))
        .await;
    let line = snapshot.attention.iter().find(|line| line.code == "step-failing").unwrap();
    assert!(line.title.ends_with("failing") && line.evidence.contains("out of memory again"), "{line:?}");
    plane.clock.advance(Duration::from_secs(5));
    let done = worker.event(EventKind::SegmentCompleted, plane.now(), about, json!({"frames": 1}));
    plane.client.send_events(vec![done]).await.unwrap();
    plane.findings(job_id, &[]).await;

    // One look at a full disk is enough.
    plane.clock.advance(Duration::from_secs(1));
    let full = json!({"error": "no space left for /tmp/x", "code": "full", "is_final": false});
    let full = worker.event(EventKind::SegmentFailed, plane.now(), Some((job_id, Some(3))), full);
    plane.client.send_events(vec![full]).await.unwrap();
    plane.findings(job_id, &["step-failing"]).await;
}

#[tokio::test]
async fn a_job_of_ten_thousand_segments_is_shown_soon() {
    let plane = Plane::passive().await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(10_000)).await;
    plane.complete(job_id, (0..10_000).step_by(2)).await;
    let mut worker = Worker::new("inference-1", Stage::Inference);
    let started: Vec<_> = (0..5_000)
        .map(|index| {
            let about = Some((job_id, Some(index * 2 + 1)));
            worker.event(EventKind::SegmentStarted, plane.now(), about, json!({"frames": 50}))
        })
        .collect();
    for batch in started.chunks(500) {
        plane.client.send_events(batch.to_vec()).await.unwrap();
    }
    let began = std::time::Instant::now();
    let detail = plane.client.job(job_id).await.unwrap();
    assert_eq!((detail.segments.len(), detail.view.segments_done), (10_000, 5_000));
    assert!(began.elapsed() < Duration::from_secs(60), "took {:?}", began.elapsed());
}

#[tokio::test]
async fn of_a_job_that_is_over_nothing_runs_and_a_segment_that_is_done_shows_no_error() {
    let plane = Plane::passive().await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(2)).await;
    let mut worker = Worker::new("inference-1", Stage::Inference);
    let about = |index| Some((job_id, Some(index)));
    let error = json!({"error": "out of memory"});
    plane
        .client
        .send_events(vec![
            worker.event(EventKind::SegmentStarted, plane.now(), about(0), json!({"frames": 10})),
            worker.event(EventKind::SegmentFailed, plane.now(), about(0), error.clone()),
            worker.event(EventKind::SegmentStarted, plane.now(), about(1), json!({"frames": 10})),
            worker.event(EventKind::SegmentFailed, plane.now(), about(1), error),
        ])
        .await
        .unwrap();
    plane.complete(job_id, [0]).await;
    let running = plane.client.job(job_id).await.unwrap();
    assert!(running.timeline.iter().all(|entry| entry.ended_at.is_none()), "{running:#?}");
    let errors = |detail: &JobDetail| detail.segments.iter().map(|one| one.error.is_some()).collect::<Vec<_>>();
    assert_eq!(errors(&running), [false, true], "{running:#?}");
    plane.backend.jobs.transition(job_id, &Transition::failed("segment 1 failed 5 times")).await.unwrap();
    let failed = plane.client.job(job_id).await.unwrap();
    assert_eq!(failed.timeline.len(), 1);
    assert!(failed.timeline.iter().all(|entry| entry.ended_at.is_some()), "{failed:#?}");
}
