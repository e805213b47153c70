use proptest::prelude::*;
use serde_json::json;
use stereospot_domain::JobId;
use stereospot_domain::event::Unread;

use super::*;

fn event(n: u128, kind: EventKind, time: i64, segment: Option<u32>, attempt: u32, frames_done: u32) -> Event {
    let data = json!({"frames_done": frames_done, "frames": 100, "error": format!("error {n}")});
    let (payload, _) = Payload::read(kind.as_str(), data.as_object().cloned().unwrap_or_default());
    Event {
        v: 1,
        id: Uuid::from_u128(n),
        source: format!("w{}", n % 3),
        boot: Uuid::nil(),
        seq: 1,
        time: Timestamp(time),
        job_id: Some(JobId(Uuid::nil())),
        segment_index: segment,
        stage: None,
        attempt: Some(attempt),
        traceparent: None,
        payload,
        unread: Unread::default(),
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
        let id = n * 1_000_000 + u128::from(done) * 10_000 + time as u128 % 10_000;
        Event { boot: Uuid::from_u128(n % 11), ..event(id, EventKind::ALL[kind], time, segment, attempt, done) }
    }
}

prop_compose! {
    /// Of one segment, by more reporters than are kept.
    fn any_word()(any in any_event(), kind in 0..4_usize, boot in 0_u128..40, done in 0_u32..100) -> Event {
        let kinds =
            [EventKind::SegmentStarted, EventKind::SegmentProgress, EventKind::SegmentFailed, EventKind::SegmentCompleted];
        // The id stands for everything else, as it does in life.
        let id = any.id.as_u128() * 400 + kind as u128 * 100 + u128::from(done);
        let event = event(id, kinds[kind], any.time.as_millis(), Some(0), any.attempt.unwrap_or(1), done);
        Event { source: any.source, boot: Uuid::from_u128(boot), ..event }
    }
}

/// Events projected straight, and each at least once, many more than once, in another order.
fn check_any_order(events: Vec<Event>, order: &[prop::sample::Index]) -> Result<(), TestCaseError> {
    let mut ids = std::collections::BTreeSet::new();
    let events: Vec<Event> = events.into_iter().filter(|event| ids.insert(event.id)).collect();
    let shuffled =
        order.iter().filter(|_| !events.is_empty()).map(|index| index.get(&events)).chain(events.iter().rev());
    prop_assert_eq!(project(&events), project(shuffled));
    Ok(())
}

proptest! {
    #[test]
    fn neither_order_nor_repetition_matters(
        events in proptest::collection::vec(any_event(), 0..100),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..120),
    ) {
        check_any_order(events, &order)?;
    }

    #[test]
    fn nor_does_it_matter_for_a_crowd_at_one_segment(
        events in proptest::collection::vec(any_word(), 0..200),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..200),
    ) {
        check_any_order(events, &order)?;
    }
}

#[test]
fn the_rate_is_that_of_the_last_half_minute() {
    let progress_at = |n, time, segment, done| event(n, EventKind::SegmentProgress, time, Some(segment), 1, done);
    let progress = project(&[
        event(1, EventKind::SegmentStarted, 0, Some(0), 1, 0),
        progress_at(2, 2_000, 0, 16),
        progress_at(3, 10_000, 0, 50),
        event(4, EventKind::SegmentStarted, 5_000, Some(1), 1, 0),
        progress_at(5, 10_000, 1, 30),
    ]);
    assert_eq!(progress.frames_per_second(Timestamp(10_000)), Some(8.0));
    assert_eq!(progress.frames_per_second(Timestamp(45_000)), None);
    assert_eq!(JobProgress::default().frames_per_second(Timestamp(0)), None);
}

#[test]
fn a_restarted_attempt_does_not_count_backwards() {
    let of = |worker: &str, event: Event| Event { source: worker.into(), ..event };
    let progress = project(&[
        of("w1", event(1, EventKind::SegmentStarted, 0, Some(0), 1, 0)),
        of("w1", event(2, EventKind::SegmentProgress, 5_000, Some(0), 1, 50)),
        of("w2", event(3, EventKind::SegmentStarted, 6_000, Some(0), 2, 0)),
        of("w2", event(4, EventKind::SegmentProgress, 10_000, Some(0), 2, 50)),
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
    assert_eq!(segment.error.get().map(|reported| reported.error.as_str()), Some("error 2"));
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
fn a_segment_is_damaged_until_another_attempt_says_otherwise() {
    let failed = StepFailed { is_damaged: Some(true), ..StepFailed::default() };
    let damaged = event(2, EventKind::SegmentFailed, 1_000, Some(0), 1, 0);
    let damaged = Event { payload: Payload::SegmentFailed(failed), ..damaged };
    let mut reports = vec![event(1, EventKind::SegmentStarted, 0, Some(0), 1, 0), damaged];
    let is_damaged = |reports: &[Event]| project(reports.iter().rev()).segments[&0].is_damaged();
    assert!(!is_damaged(&reports[..1]) && is_damaged(&reports));
    reports.push(event(3, EventKind::SegmentFailed, 2_000, Some(0), 2, 0));
    assert!(!is_damaged(&reports), "another reason");
    reports.pop();
    reports.push(event(4, EventKind::SegmentCompleted, 2_000, Some(0), 2, 0));
    assert!(!is_damaged(&reports));
}

#[test]
fn the_attempt_that_began_last_is_shown_whenever_another_speaks() {
    let at = |worker: &str, time, kind, done| {
        let n = u128::try_from(time).unwrap();
        Event {
            source: worker.into(),
            boot: Uuid::from_u128(worker.len() as u128),
            ..event(n, kind, time, Some(0), 1, done)
        }
    };
    let (old, new) = ("old", "newer");
    let mut reports = vec![
        at(old, 0, EventKind::SegmentStarted, 0),
        at(old, 1_000, EventKind::SegmentProgress, 10),
        at(new, 2_000, EventKind::SegmentStarted, 0),
    ];
    let check = |reports: &[Event], expected: (&str, u32, bool)| {
        for events in [reports.to_vec(), reports.iter().rev().cloned().collect()] {
            let segment = project(&events).segments.remove(&0).unwrap();
            let shown = (segment.worker().unwrap().0.as_str(), segment.frames_done().unwrap(), segment.is_started());
            assert_eq!(shown, expected, "{events:#?}");
        }
    };
    check(&reports, (new, 0, true));
    reports.push(at(new, 3_000, EventKind::SegmentProgress, 5));
    reports.push(at(old, 4_000, EventKind::SegmentProgress, 40));
    check(&reports, (new, 5, true));
    reports.push(at(new, 5_000, EventKind::SegmentFailed, 0));
    check(&reports, (new, 5, false));
    reports.push(at(old, 6_000, EventKind::SegmentProgress, 41));
    check(&reports, (old, 41, true));
    reports.push(at(old, 7_000, EventKind::SegmentFailed, 0));
    check(&reports, (old, 41, false));
    // One that can't even begin says so, and ends the silence of the one before.
    reports.push(at(new, 8_000, EventKind::SegmentStarted, 0));
    check(&reports, (new, 0, true));
    reports.push(at("a third", 9_000, EventKind::SegmentFailed, 0));
    let segment = project(&reports).segments.remove(&0).unwrap();
    assert!(!segment.is_started() && segment.worker().unwrap().0 == "a third");
}

#[test]
fn two_attempts_at_once_count_what_each_converts() {
    let at = |worker: u128, time, done| Event {
        boot: Uuid::from_u128(worker),
        ..event(worker * 100_000 + time as u128, EventKind::SegmentProgress, time, Some(0), 1, done)
    };
    let progress = project(&[at(1, 0, 40), at(2, 0, 5), at(1, 5_000, 50), at(2, 5_000, 10), at(1, 10_000, 60)]);
    assert_eq!(progress.frames_per_second(Timestamp(10_000)), Some(2.5), "never the difference of the two");
}

#[test]
fn the_pace_begins_with_the_first_frames() {
    let at = |n, time, done| event(n, EventKind::SegmentProgress, time, Some(0), 1, done);
    let reports = [event(1, EventKind::SegmentStarted, 0, Some(0), 1, 100), at(2, 1_000, 0), at(3, 8_000, 6)];
    assert_eq!(project(&reports).frames_per_second(Timestamp(9_000)), None, "an encoder that fills says nothing");
    let reports = [&reports[..], &[at(4, 10_000, 26)]].concat();
    assert_eq!(project(&reports).frames_per_second(Timestamp(10_000)), Some(10.0));
}

#[test]
fn failures_are_counted_since_the_last_end() {
    let failed = |n, time, is_final: bool| {
        let failed = StepFailed { is_final: Some(is_final), ..StepFailed::default() };
        Event { payload: Payload::SegmentFailed(failed), ..event(n, EventKind::SegmentFailed, time, Some(0), 1, 0) }
    };
    let row =
        |events: &[Event]| project(events).segments[&0].failures.row().map(|(attempts, since, _)| (attempts, since));
    let mut events = vec![failed(1, 10, false), failed(2, 20, false), failed(2, 20, false)];
    assert_eq!(row(&events), Some((2, Timestamp(10))));
    events.push(event(3, EventKind::SegmentCompleted, 15, Some(0), 1, 0));
    assert_eq!(row(&events), Some((1, Timestamp(20))), "what comes late counts where it belongs");
    events.push(failed(4, 30, true));
    assert_eq!(row(&events), None, "given up: a replay begins anew");
    events.extend((0..50).map(|n| failed(100 + n, 40 + n as i64, false)));
    assert_eq!(row(&events).map(|(attempts, _)| attempts), Some(20));
}

/// One event of each kind, and several of some, as version 0.1 wrote them.
const OLD: &str = include_str!("../../../../shared/domain/golden/events-0.1.jsonl");
/// Unknown kinds, unknown fields, and fields of a wrong type.
const STRANGE: &str = include_str!("../../../../shared/domain/golden/events-strange.jsonl");

#[test]
fn events_of_version_0_1_and_of_others_are_projected() {
    let events: Vec<Event> =
        OLD.lines().chain(STRANGE.lines()).map(|line| serde_json::from_str(line).unwrap()).collect();
    let progress = project(&events);
    assert_eq!(progress.total_frames.get(), Some(&150));
    assert_eq!(progress.reported.len(), EventKind::ALL.len() - 3 + 1, "all but progress, and an unknown one");
    let chunking = progress.errors[&Stage::Chunking].get().unwrap();
    assert!(chunking.error.starts_with("no space left") && chunking.code.is_none(), "{chunking:?}");
    assert!(progress.attempts[&(Stage::Reassembly, 2)].ended_at.get().is_some());
    let done = |index| progress.segments[&index].completed_at.is_some();
    assert_eq!([0, 1, 3].map(done), [true; 3]);
    assert_eq!(progress.segments[&3].frames_done(), Some(75));
    let failed = &progress.segments[&4];
    let reported = Reported { error: "too hot".into(), code: None };
    assert_eq!(
        (failed.error.get(), failed.is_damaged()),
        (Some(&reported), false),
        "fields of a wrong type are absent"
    );
}

#[test]
fn a_warning_that_two_stages_report_is_one() {
    let said = |name: &str| {
        let warnings = serde_json::json!([{ "kind": "deinterlaced" }, { "kind": "clock-jumps", "times": 2 }]);
        let (payload, _) = Payload::read(name, [("warnings".to_owned(), warnings)].into_iter().collect());
        payload
    };
    let events = ["chunking.completed", "segment.completed", "reassembly.completed"].map(|name| {
        let payload = said(name);
        Event { payload, ..event(1, EventKind::WorkerDraining, 0, Some(0), 1, 0) }
    });
    let progress = project(&events);
    assert_eq!(progress.warnings, [Warning::ClockJumps { times: 2 }, Warning::Deinterlaced].into());
}
