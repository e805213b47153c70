use serde_json::json;
use stereospot_domain::EventKind;
use stereospot_domain::event::Unread;

use super::*;

fn event(n: u128, boot: u128, kind: EventKind, time: i64, data: serde_json::Value) -> Event {
    Event {
        v: 1,
        id: Uuid::from_u128(n),
        source: "w".into(),
        boot: Uuid::from_u128(boot),
        seq: 1,
        time: Timestamp(time),
        job_id: Some(JobId(Uuid::nil())),
        segment_index: Some(1),
        stage: Some(Stage::Inference),
        attempt: None,
        traceparent: None,
        payload: Payload::read(kind.as_str(), data.as_object().cloned().unwrap_or_default()).0,
        unread: Unread::default(),
    }
}

fn worker(events: &[Event]) -> Worker {
    let mut worker = Worker::default();
    events.iter().for_each(|event| worker.apply(event, event.time));
    worker
}

#[test]
fn the_order_in_which_a_workers_events_come_does_not_matter() {
    let events = [
        event(1, 1, EventKind::WorkerStarted, 10, json!({"version": "1", "provider": "cpu"})),
        event(2, 1, EventKind::SegmentStarted, 20, json!({})),
        event(3, 1, EventKind::SegmentProgress, 1_020, json!({"frames_done": 10})),
        event(4, 1, EventKind::WorkerHeartbeat, 1_030, json!({"busy": true, "spooled": 3})),
    ];
    let straight = worker(&events).view("w", Timestamp(2_000)).unwrap();
    assert_eq!(straight.state, WorkerState::Busy);
    assert_eq!((straight.spooled, straight.segment_index, straight.stage), (3, Some(1), Some(Stage::Inference)));
    assert_eq!((straight.version.as_deref(), straight.provider.as_deref()), (Some("1"), Some("cpu")));
    let mut other = events.clone();
    other.swap(0, 3);
    let backwards = worker(&other).view("w", Timestamp(2_000)).unwrap();
    assert_eq!(WorkerView { frames_per_second: None, ..straight }, WorkerView { frames_per_second: None, ..backwards });
}

#[test]
fn a_new_life_ends_what_the_old_one_was_doing() {
    let both = worker(&[
        event(1, 1, EventKind::SegmentStarted, 10, json!({})),
        event(2, 2, EventKind::WorkerStarted, 20, json!({})),
        // Out of the old life's spool, late.
        event(3, 1, EventKind::SegmentProgress, 15, json!({"frames_done": 1})),
    ]);
    assert!(both.has_left(Uuid::from_u128(1)));
    assert!(!both.has_left(Uuid::from_u128(2)));
    assert_eq!(both.view("w", Timestamp(30)).unwrap().state, WorkerState::Idle);
}

#[test]
fn only_who_was_heard_of_lately_and_goes_on_serves() {
    let started = event(1, 1, EventKind::WorkerStarted, 0, json!({}));
    let fresh = worker(std::slice::from_ref(&started));
    assert!(fresh.serves(Stage::Inference, Timestamp(29_999)));
    assert!(!fresh.serves(Stage::Chunking, Timestamp(1)));
    assert!(!fresh.serves(Stage::Inference, Timestamp(30_000)));
    let draining = worker(&[started, event(2, 1, EventKind::WorkerDraining, 5, json!({}))]);
    assert!(!draining.serves(Stage::Inference, Timestamp(6)));
    assert_eq!(draining.view("w", Timestamp(6)).unwrap().state, WorkerState::Draining);
}

#[test]
fn only_so_many_lives_are_kept() {
    let lives: Vec<Event> =
        (1..20).map(|boot| event(boot, boot, EventKind::WorkerStarted, boot as i64, json!({}))).collect();
    let worker = worker(&lives);
    assert_eq!(worker.boots.len(), MAX_BOOTS);
    assert!(!worker.has_left(Uuid::from_u128(19)));
}

#[test]
fn a_worker_of_version_0_1_is_projected() {
    let lines = include_str!("../../../../shared/domain/golden/events-0.1.jsonl").lines();
    let events: Vec<Event> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |name: &str| -> Vec<Event> { events.iter().filter(|event| event.source == name).cloned().collect() };
    let first = worker(&of("inference-1@host")).view("inference-1@host", Timestamp(0)).unwrap();
    assert_eq!((first.state, first.spooled, first.frames_per_second), (WorkerState::Stopped, 3, Some(6.0)));
    assert_eq!((first.version.as_deref(), first.provider.as_deref()), (Some("0.1.0"), Some("cpu")));
    let second = worker(&of("inference-2@host")).view("inference-2@host", Timestamp(0)).unwrap();
    assert_eq!(second.provider.as_deref(), Some("sagemaker"));
    assert_eq!(second.error.as_deref(), Some("this worker can't go on: no model"));
}
