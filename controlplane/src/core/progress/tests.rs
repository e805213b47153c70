use proptest::prelude::*;
use serde_json::json;
use stereospot_domain::JobId;

use super::*;

fn event(n: u128, kind: EventKind, time: i64, segment: Option<u32>, attempt: u32, frames_done: u32) -> Event {
    Event {
        v: 1,
        id: Uuid::from_u128(n),
        source: format!("w{}", n % 3),
        boot: Uuid::nil(),
        seq: 1,
        kind,
        time: Timestamp(time),
        job_id: Some(JobId(Uuid::nil())),
        segment_index: segment,
        stage: None,
        attempt: Some(attempt),
        traceparent: None,
        data: json!({"frames_done": frames_done, "frames": 100, "error": format!("error {n}")})
            .as_object()
            .cloned()
            .unwrap_or_default(),
    }
}

fn project<'a>(events: impl IntoIterator<Item = &'a Event>) -> JobProgress {
    let mut progress = JobProgress::default();
    events.into_iter().for_each(|event| progress.apply(event));
    progress
}

prop_compose! {
    fn any_event()(n in 0_u128..1000, kind in 0..EventKind::ALL.len(), time in 0_i64..100_000,
                   segment in proptest::option::of(0_u32..4), attempt in 1_u32..4, done in 0_u32..100) -> Event {
        // The id stands for everything else, as it does in life.
        event(n * 1_000_000 + u128::from(done) * 10_000 + time as u128 % 10_000, EventKind::ALL[kind], time, segment, attempt, done)
    }
}

proptest! {
    #[test]
    fn neither_order_nor_repetition_matters(
        events in proptest::collection::vec(any_event(), 0..60),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..120),
    ) {
        let mut ids = std::collections::BTreeSet::new();
        let events: Vec<Event> = events.into_iter().filter(|event| ids.insert(event.id)).collect();
        let straight = project(&events);
        // Every event at least once, many more than once, in another order.
        let shuffled: Vec<&Event> = order.iter().filter(|_| !events.is_empty())
            .map(|index| index.get(&events)).chain(events.iter().rev()).collect();
        prop_assert_eq!(straight, project(shuffled));
    }
}

#[test]
fn the_rate_is_that_of_the_last_half_minute() {
    let progress_at = |n, time, segment, done| event(n, EventKind::SegmentProgress, time, Some(segment), 1, done);
    let progress = project(&[
        event(1, EventKind::SegmentStarted, 0, Some(0), 1, 0),
        progress_at(2, 10_000, 0, 50),
        event(3, EventKind::SegmentStarted, 5_000, Some(1), 1, 0),
        progress_at(4, 10_000, 1, 30),
    ]);
    assert_eq!(progress.frames_per_second(Timestamp(10_000)), Some(8.0));
    assert_eq!(progress.frames_per_second(Timestamp(45_000)), None);
    assert_eq!(JobProgress::default().frames_per_second(Timestamp(0)), None);
}

#[test]
fn an_attempt_that_starts_anew_does_not_count_backwards() {
    let progress = project(&[
        event(1, EventKind::SegmentStarted, 0, Some(0), 1, 0),
        event(2, EventKind::SegmentProgress, 5_000, Some(0), 1, 50),
        event(3, EventKind::SegmentStarted, 6_000, Some(0), 2, 0),
        event(4, EventKind::SegmentProgress, 10_000, Some(0), 2, 50),
    ]);
    assert_eq!(progress.frames_per_second(Timestamp(10_000)), Some(10.0));
    let segment = &progress.segments[&0];
    assert_eq!((segment.attempts, segment.is_started(), segment.frames_done()), (2, true, Some(50)));
}

#[test]
fn a_segment_that_failed_is_not_running() {
    let progress = project(&[
        event(1, EventKind::SegmentStarted, 0, Some(0), 1, 0),
        event(2, EventKind::SegmentFailed, 1_000, Some(0), 1, 0),
    ]);
    let segment = &progress.segments[&0];
    assert!(!segment.is_started());
    assert_eq!(segment.error.get().map(String::as_str), Some("error 2"));
}

#[test]
fn a_lost_attempt_does_not_undo_the_end_of_another() {
    let of = |worker: &str, mut event: Event| {
        event.source = worker.into();
        event
    };
    let mut events = vec![
        of("inference-1", event(1, EventKind::SegmentStarted, 0, Some(0), 1, 0)),
        of("inference-2", event(2, EventKind::SegmentStarted, 1_000, Some(0), 2, 0)),
        of("inference-2", event(3, EventKind::SegmentCompleted, 2_000, Some(0), 2, 0)),
        of("inference-1", event(4, EventKind::SegmentProgress, 3_000, Some(0), 1, 16)),
        of("inference-1", event(5, EventKind::SegmentFailed, 4_000, Some(0), 1, 0)),
    ];
    let shown = |events: &[Event]| {
        let segment = project(events).segments.remove(&0).unwrap();
        let worker = segment.worker().map(|(name, _)| name.clone()).unwrap();
        (worker, segment.frames_done(), segment.is_started())
    };
    assert_eq!(shown(&events), ("inference-2".into(), Some(100), false));
    events.push(of("inference-3", event(6, EventKind::SegmentStarted, 5_000, Some(0), 1, 0)));
    assert_eq!(shown(&events), ("inference-3".into(), Some(0), true), "one that begins later does");
}

#[test]
fn failures_are_counted_since_the_last_end() {
    let failed = |n, time, is_final: bool| {
        let mut failed = event(n, EventKind::SegmentFailed, time, Some(0), 1, 0);
        failed.data.insert("is_final".into(), is_final.into());
        failed
    };
    let row = |events: &[Event]| project(events).segments[&0].failures.row();
    let mut events = vec![failed(1, 10, false), failed(2, 20, false), failed(2, 20, false)];
    assert_eq!(row(&events), Some((2, Timestamp(10))));
    events.push(event(3, EventKind::SegmentCompleted, 15, Some(0), 1, 0));
    assert_eq!(row(&events), Some((1, Timestamp(20))), "what comes late counts where it belongs");
    events.push(failed(4, 30, true));
    assert_eq!(row(&events), None, "given up: a replay begins anew");
    events.extend((0..50).map(|n| failed(100 + n, 40 + n as i64, false)));
    assert_eq!(row(&events).map(|(attempts, _)| attempts), Some(20));
}
