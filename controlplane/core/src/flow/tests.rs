use stereospot_domain::QueueRole;

use super::*;

const SETTINGS: Settings = Settings { visibility: Duration::from_secs(30), max_receives: Some(5) };

fn flow() -> Flow {
    Flow::new(QueueName::main(QueueRole::Inference))
}

fn stats(ready: u64) -> Stats {
    Stats { ready, is_exact: true, ..Stats::default() }
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

#[test]
fn what_is_not_known_is_absent_not_zero() {
    let view = flow().view(Some(0), at(0));
    assert_eq!((view.ready, view.in_per_minute, view.drains_in_secs), (None, None, None));
    assert!(view.history.is_empty());
}

#[test]
fn rates_come_from_the_differences_and_from_the_stages_own_events() {
    let mut flow = flow();
    flow.observe(stats(100), SETTINGS, at(0));
    flow.observe(stats(40), SETTINGS, at(60));
    let view = flow.view(Some(1), at(60));
    assert_eq!((view.in_per_minute, view.out_per_minute), (Some(0.0), Some(60.0)));
    assert_eq!(view.drains_in_secs, Some(40.0));
    // Eighty were done, though the count fell by sixty only: twenty came.
    (0..80).for_each(|n| flow.step_done(at(n % 60)));
    let view = flow.view(Some(1), at(60));
    assert_eq!((view.in_per_minute, view.out_per_minute), (Some(20.0), Some(80.0)));
}

#[test]
fn a_growing_queue_does_not_drain_and_an_empty_one_has() {
    let mut flow = flow();
    flow.observe(stats(0), SETTINGS, at(0));
    assert_eq!(flow.view(Some(0), at(0)).drains_in_secs, Some(0.0));
    flow.observe(stats(10), SETTINGS, at(30));
    let view = flow.view(Some(0), at(30));
    assert_eq!((view.in_per_minute, view.drains_in_secs), (Some(20.0), None));
}

#[test]
fn a_burst_that_is_over_drains() {
    let mut flow = flow();
    let view_of = |flow: &mut Flow, now| flow.view(Some(1), at(now));
    // A hundred come within five seconds, then one a second is done: over two minutes more came than went.
    flow.observe(stats(0), SETTINGS, at(0));
    for secs in (5_i64..=65).step_by(5) {
        flow.observe(stats(105 - secs.unsigned_abs()), SETTINGS, at(secs));
    }
    let view = view_of(&mut flow, 65);
    assert!(view.in_per_minute > view.out_per_minute, "{view:?}");
    assert_eq!(view.drains_in_secs, Some(40.0));
    // One step takes long: the steps before it show the pace.
    for secs in (70..=100).step_by(5) {
        flow.observe(stats(40), SETTINGS, at(secs));
    }
    let left = view_of(&mut flow, 100).drains_in_secs.unwrap();
    assert!((60.0..70.0).contains(&left), "60 went in 100 s: {left}");
}

#[test]
fn workers_without_reports_are_unknown_not_zero() {
    let mut flow = flow();
    let mut consumers = |is_exact, heard| {
        flow.observe(Stats { is_exact, ..stats(1) }, SETTINGS, at(0));
        flow.view(heard, at(0)).consumers
    };
    assert_eq!(consumers(true, Some(0)), Some(0), "this machine's queue has our workers only");
    assert_eq!(consumers(false, Some(0)), None, "a platform's may have others");
    assert_eq!(consumers(false, Some(2)), Some(2));
    assert_eq!(consumers(true, None), None);
}

#[test]
fn history_is_one_peak_a_minute_for_half_an_hour() {
    let mut flow = flow();
    flow.recall([(-1, 7)]);
    for minute in 0_i64..60 {
        flow.observe(stats(minute.unsigned_abs() + 5), SETTINGS, at(minute * 60));
        flow.observe(stats(minute.unsigned_abs()), SETTINGS, at(minute * 60 + 30));
    }
    let history = flow.view(Some(0), at(3600)).history;
    assert_eq!(history, (34..65).collect::<Vec<u64>>());
}

#[test]
fn reading_the_same_again_is_no_change() {
    let mut flow = flow();
    assert!(flow.observe(stats(1), SETTINGS, at(0)));
    assert!(!flow.observe(stats(1), SETTINGS, at(1)));
    assert!(flow.observe(stats(2), SETTINGS, at(2)));
}
