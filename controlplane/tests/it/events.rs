//! Events: durable once acknowledged, counted once, gaps seen and filled.

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use stereospot_api::view::{Change, WorkerState};
use stereospot_api::wire::EventsAccepted;
use stereospot_domain::{Event, EventKind, JobStatus, Stage};

use crate::harness::{Plane, Worker};

#[tokio::test]
async fn an_event_counts_once_however_often_it_is_sent() {
    let plane = Plane::start().await;
    let mut worker = Worker::new("inference-1", Stage::Inference);
    let first = worker.event(EventKind::WorkerStarted, plane.now(), None, json!({"version": "9"}));
    let second = worker.event(EventKind::WorkerHeartbeat, plane.now(), None, json!({"busy": false}));
    let batch = vec![first.clone(), first.clone(), second.clone()];
    let accepted = plane.client.send_events(batch).await.unwrap();
    assert_eq!(accepted, EventsAccepted { accepted: 2, duplicates: 1 });
    let again = plane.client.send_events(vec![second, first]).await.unwrap();
    assert_eq!(again, EventsAccepted { accepted: 0, duplicates: 2 });
    let workers = plane.client.workers().await.unwrap();
    assert_eq!(workers.len(), 1);
    assert_eq!((workers[0].state, workers[0].version.as_deref()), (WorkerState::Idle, Some("9")));
    assert_eq!(workers[0].events_lost, 0);
}

#[tokio::test]
async fn a_gap_is_counted_until_the_late_event_fills_it() {
    let mut plane = Plane::start().await;
    let mut worker = Worker::new("inference-1", Stage::Inference);
    let beat = |worker: &mut Worker| worker.event(EventKind::WorkerHeartbeat, plane.now(), None, json!({}));
    let events: Vec<_> = (0..5).map(|_| beat(&mut worker)).collect();
    let lost = async |plane: &Plane| plane.client.workers().await.unwrap()[0].events_lost;
    plane.client.send_events(vec![events[0].clone(), events[4].clone()]).await.unwrap();
    assert_eq!(lost(&plane).await, 3);
    plane.client.send_events(vec![events[2].clone(), events[2].clone()]).await.unwrap();
    assert_eq!(lost(&plane).await, 2);
    plane.restart().await;
    assert_eq!(lost(&plane).await, 2);
    plane.client.send_events(events).await.unwrap();
    assert_eq!(lost(&plane).await, 0);
}

#[tokio::test]
async fn what_is_not_known_is_kept_and_passed_on_as_it_came() {
    let plane = Plane::passive().await;
    let lines = include_str!("../../../shared/domain/golden/events-strange.jsonl").lines();
    let given: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    let url = format!("{}/v1/events", plane.client.server());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let position = plane.client.snapshot().await.unwrap();
    let mut changes = Box::pin(plane.client.changes(position.revision, position.boot).await.unwrap());
    let body = json!({ "events": given }).to_string();
    let sent = http.post(&url).header("content-type", "application/json").body(body).send().await.unwrap();
    assert!(sent.status().is_success(), "{}", sent.status());
    let kept = http.get(&url).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(serde_json::from_slice::<Vec<Value>>(&kept).unwrap(), given);
    let mut streamed = Vec::new();
    while streamed.len() < given.len() {
        if let (_, Change::Event(event)) = changes.next().await.unwrap().unwrap() {
            streamed.push(serde_json::to_value(*event).unwrap());
        }
    }
    assert_eq!(streamed, given);
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let mut plane = Plane::passive().await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(2)).await;
    let mut worker = Worker::new("inference-1", Stage::Inference);
    let about = Some((job_id, Some(1)));
    let events = vec![
        worker.event(EventKind::SegmentStarted, plane.now(), about, json!({"frames": 25})),
        worker.event(EventKind::SegmentProgress, plane.now(), about, json!({"frames_done": 10, "frames": 25})),
    ];
    plane.client.send_events(events.clone()).await.unwrap();
    let looks_right = async |plane: &Plane| {
        let job = plane.client.job(job_id).await.unwrap();
        let segment = &job.segments[1];
        (segment.frames_done == Some(10) && segment.worker.as_deref() == Some("inference-1"))
            .then_some(job.view.last_event)
    };
    let before = plane.eventually("the segment's progress", looks_right).await;
    plane.restart().await;
    let after = plane.eventually("the same after a restart", looks_right).await;
    assert_eq!((before.as_deref(), after.as_deref()), (Some("segment.progress 1"), Some("segment.progress 1")));
    assert_eq!(plane.client.job_events(job_id, 10).await.unwrap(), events);
    assert_eq!(plane.client.job_events(job_id, 1).await.unwrap(), events[1..]);
    let again = plane.client.send_events(events).await.unwrap();
    assert_eq!(again.duplicates, 2);
}

#[tokio::test]
async fn the_newest_events_are_listed_by_arrival_without_progress() {
    let plane = Plane::passive().await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(2)).await;
    let mut worker = Worker::new("inference-1", Stage::Inference);
    let about = Some((job_id, Some(1)));
    let events = [EventKind::SegmentStarted, EventKind::SegmentProgress, EventKind::SegmentFailed]
        .map(|kind| worker.event(kind, plane.now(), about, json!({})));
    let started = worker.event(EventKind::WorkerStarted, plane.now(), None, json!({}));
    plane.client.send_events(events.to_vec()).await.unwrap();
    plane.client.send_events(vec![started.clone()]).await.unwrap();
    assert_eq!(plane.client.events(2).await.unwrap(), [events[2].clone(), started.clone()]);
    assert_eq!(plane.client.events(10_000).await.unwrap(), [events[0].clone(), events[2].clone(), started]);
    let refused = plane.client.events(0).await.unwrap_err().to_string();
    assert!(refused.contains("limit is 0: give 1 to 10000"), "{refused}");
}

#[tokio::test]
async fn many_requests_at_once_are_all_kept() {
    let plane = Plane::start().await;
    let mut sending = tokio::task::JoinSet::new();
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        let (client, now) = (plane.client.clone(), plane.now());
        sending.spawn(async move {
            let mut worker = Worker::new(name, Stage::Inference);
            for _ in 0..10 {
                let batch = (0..50).map(|_| worker.event(EventKind::WorkerHeartbeat, now, None, json!({}))).collect();
                let accepted = client.send_events(batch).await.unwrap();
                assert_eq!(accepted, EventsAccepted { accepted: 50, duplicates: 0 });
            }
        });
    }
    while let Some(sent) = sending.join_next().await {
        sent.unwrap();
    }
    let workers = plane.client.workers().await.unwrap();
    assert_eq!(workers.len(), 8);
    assert!(workers.iter().all(|worker| worker.events_lost == 0));
}

#[tokio::test]
async fn a_worker_goes_through_its_states() {
    let plane = Plane::start().await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(2)).await;
    let mut worker = Worker::new("inference-1", Stage::Inference);
    let about = Some((job_id, Some(0)));
    let check = async |state, segment| {
        let view = plane.client.workers().await.unwrap().remove(0);
        assert_eq!((view.state, view.segment_index), (state, segment), "{view:?}");
        view
    };
    plane.client.send_events(vec![worker.event(EventKind::WorkerStarted, plane.now(), None, json!({}))]).await.unwrap();
    check(WorkerState::Idle, None).await;
    let started = worker.event(EventKind::SegmentStarted, plane.now(), about, json!({"frames": 50}));
    plane.client.send_events(vec![started]).await.unwrap();
    check(WorkerState::Busy, Some(0)).await;
    plane.clock.advance(Duration::from_secs(10));
    let done = json!({"frames": 50, "wall_secs": 10.0});
    let completed = worker.event(EventKind::SegmentCompleted, plane.now(), about, done);
    plane.client.send_events(vec![completed]).await.unwrap();
    let view = check(WorkerState::Idle, None).await;
    assert_eq!((view.done, view.failed, view.frames_per_second), (1, 0, Some(5.0)));
    plane.clock.advance(Duration::from_secs(31));
    check(WorkerState::Silent, None).await;
    plane
        .snapshot("a line about the silent worker", |snapshot| {
            snapshot.attention.iter().any(|line| line.code == "worker-silent")
        })
        .await;
    plane.client.send_events(vec![worker.event(EventKind::WorkerStopped, plane.now(), None, json!({}))]).await.unwrap();
    check(WorkerState::Stopped, None).await;
}

#[tokio::test]
async fn a_number_beyond_all_reason_is_refused_and_counts_no_loss() {
    let plane = Plane::passive().await;
    let mut worker = Worker::new("inference-1", Stage::Inference);
    let mut beat = || worker.event(EventKind::WorkerHeartbeat, plane.now(), None, json!({}));
    plane.client.send_events(vec![beat()]).await.unwrap();
    for (seq, why) in [
        (i64::MAX as u64, "event 0: `seq` is 9223372036854775807, but counts from 1"),
        (1 << 40, "event 0: `seq` is 1099511627776, but inference-1 has counted from 1 to 1 since its start"),
    ] {
        let far = Event { seq, ..beat() };
        let refused = plane.client.send_events(vec![far]).await.unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
    }
    let next = Event { seq: 4, ..beat() };
    plane.client.send_events(vec![next]).await.unwrap();
    assert_eq!(plane.client.workers().await.unwrap()[0].events_lost, 2);
}
