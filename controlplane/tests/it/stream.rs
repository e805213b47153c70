//! The stream of changes: it goes on where a snapshot ends, and says so when it can't.

use std::time::Duration;

use futures::{Stream, StreamExt};
use serde_json::json;
use stereospot_api::client;
use stereospot_api::view::Change;
use stereospot_domain::{EventKind, JobStatus, Stage};

use crate::harness::{Plane, Worker};

async fn first<T>(
    stream: impl Stream<Item = client::Result<(u64, Change)>>,
    pick: impl Fn(u64, Change) -> Option<T>,
) -> T {
    let mut stream = std::pin::pin!(stream);
    let search = async {
        loop {
            let (revision, change) = stream.next().await.expect("the stream goes on").unwrap();
            if let Some(found) = pick(revision, change) {
                return found;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), search).await.expect("the change comes")
}

#[tokio::test]
async fn changes_after_a_snapshot_come_once_and_in_order() {
    let plane = Plane::passive().await;
    let snapshot = plane.snapshot("a quiet start", |snapshot| snapshot.revision > 0).await;
    let job_id = plane.job(JobStatus::Created, None).await;
    let mut worker = Worker::new("w", Stage::Inference);
    for _ in 0..3 {
        let event = worker.event(EventKind::WorkerHeartbeat, plane.now(), None, json!({}));
        plane.client.send_events(vec![event]).await.unwrap();
    }
    let stream = plane.client.changes(snapshot.revision, snapshot.boot).await.unwrap();
    let mut stream = std::pin::pin!(stream);
    let (mut revisions, mut seqs, mut has_job, mut has_worker) = (vec![], vec![], false, false);
    while seqs.len() < 3 || !has_job || !has_worker {
        let next = tokio::time::timeout(Duration::from_secs(20), stream.next()).await.unwrap();
        let (revision, change) = next.unwrap().unwrap();
        revisions.push(revision);
        match change {
            Change::Event(event) if event.source == "w" => seqs.push(event.seq),
            Change::Job(view) => has_job |= view.job.job_id == job_id,
            Change::Worker(view) => has_worker |= view.name == "w",
            _ => {}
        }
    }
    assert_eq!(seqs, [1, 2, 3]);
    let expected: Vec<u64> = (snapshot.revision + 1..).take(revisions.len()).collect();
    assert_eq!(revisions, expected);
    // Coming back at a place in the middle gives the rest, not the start.
    let middle = revisions[revisions.len() / 2];
    let resumed = plane.client.changes(middle, snapshot.boot).await.unwrap();
    assert_eq!(first(resumed, |revision, _| Some(revision)).await, middle + 1);
}

#[tokio::test]
async fn a_place_of_another_life_is_reset_and_the_stream_ends() {
    let mut plane = Plane::passive().await;
    let old = plane.snapshot("a start", |snapshot| snapshot.revision > 0).await;
    plane.restart().await;
    let new = plane.client.snapshot().await.unwrap();
    assert_ne!(old.boot, new.boot);
    for (after, boot) in [(0, old.boot), (u64::MAX - 1, new.boot)] {
        let stream = plane.client.changes(after, boot).await.unwrap();
        let mut stream = std::pin::pin!(stream);
        assert_eq!(stream.next().await.unwrap().unwrap().1, Change::Reset);
        assert!(stream.next().await.is_none());
    }
}

#[tokio::test]
async fn one_who_falls_behind_is_reset() {
    let plane = Plane::passive().await;
    let start = plane.client.snapshot().await.unwrap();
    let mut worker = Worker::new("w", Stage::Inference);
    // More than the ring holds.
    for _ in 0..20 {
        let batch = (0..1000).map(|_| worker.event(EventKind::WorkerHeartbeat, plane.now(), None, json!({}))).collect();
        plane.client.send_events(batch).await.unwrap();
    }
    let stream = plane.client.changes(start.revision, start.boot).await.unwrap();
    let change = first(stream, |_, change| Some(change)).await;
    assert_eq!(change, Change::Reset);
}

#[tokio::test]
async fn a_quiet_stream_is_kept_alive_and_ends_with_the_server() {
    let plane = Plane::with(|config| {
        (config.poll, config.keep_alive) = (Duration::from_secs(3600), Duration::from_millis(30));
    })
    .await;
    let url = format!("{}/v1/stream", plane.client.server());
    let response = reqwest::Client::builder().no_proxy().build().unwrap().get(url).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.bytes_stream();
    let mut text = String::new();
    while !text.contains(": keep-alive\n\n") {
        let part = tokio::time::timeout(Duration::from_secs(20), body.next()).await.unwrap();
        text.push_str(std::str::from_utf8(&part.unwrap().unwrap()).unwrap());
    }
    let began = std::time::Instant::now();
    plane.stop().await;
    assert!(began.elapsed() < Duration::from_secs(60), "an open stream does not hold up the end");
    let rest = tokio::time::timeout(Duration::from_secs(20), body.collect::<Vec<_>>()).await;
    assert!(rest.is_ok());
}
