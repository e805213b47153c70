use std::collections::BTreeMap;

use proptest::prelude::*;
use stereospot_domain::{JobStatus, QueueName, QueueRole};
use uuid::Uuid;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const QUEUE: Target = Target::Queue(QueueName { role: QueueRole::Inference, is_dead_letter: false });

fn at(secs: u64) -> Uptime {
    Duration::from_secs(secs)
}

fn job(number: u128) -> JobId {
    JobId(Uuid::from_u128(number))
}

/// Paid for, with units of ten seconds.
fn metered(budget: u32) -> Schedule {
    Schedule::new(Pace::metered(SECOND, 60 * SECOND), Budget::new(budget))
}

/// Begins everything that may begin, each reading at this price.
fn begin(schedule: &mut Schedule, now: Uptime, price: u32) -> Vec<Reading> {
    let mut begun = Vec::new();
    while let Next::Read(reading) = schedule.next(now, |_, _| price) {
        begun.push(reading);
    }
    begun
}

/// Reads everything that is due, each at once and to this end.
fn read_all(schedule: &mut Schedule, now: Uptime, price: u32, outcome: ReadOutcome) -> Vec<Target> {
    let mut read = Vec::new();
    loop {
        let begun = begin(schedule, now, price);
        if begun.is_empty() {
            return read;
        }
        for reading in begun {
            schedule.done(reading.target, outcome, Duration::ZERO, reading.granted, now);
            read.push(reading.target);
        }
    }
}

/// When it is next due.
fn due(schedule: &mut Schedule, now: Uptime) -> Option<Uptime> {
    match schedule.next(now, |_, _| 1) {
        Next::Wait(when) => when,
        Next::Read(reading) => panic!("{reading:?} is due"),
    }
}

#[test]
fn what_hung_is_asked_again_within_a_minute() {
    for (outcome, secs, pause) in [
        (ReadOutcome::Same, 2, 20),
        (ReadOutcome::Same, 38, 38),
        (ReadOutcome::Failed, 1, 10),
        (ReadOutcome::Failed, 45, 45),
    ] {
        let mut schedule = metered(300);
        schedule.watch(QUEUE, at(0));
        let begun = begin(&mut schedule, at(0), 1);
        schedule.done(begun[0].target, outcome, at(secs), 1, at(secs));
        assert_eq!(due(&mut schedule, at(secs)), Some(at(secs + pause)), "{outcome:?} after {secs} s");
    }
}

#[test]
fn pauses_grow_while_nothing_changes_and_fall_back_when_it_does() {
    let mut schedule = metered(300);
    schedule.watch_job(job(1), Watching::Active, at(0));
    let mut now = at(0);
    let mut pauses = Vec::new();
    for outcome in [ReadOutcome::Same, ReadOutcome::Same, ReadOutcome::Same, ReadOutcome::Changed, ReadOutcome::Same] {
        assert_eq!(read_all(&mut schedule, now, 1, outcome), [Target::Job(job(1))]);
        let next = due(&mut schedule, now).unwrap();
        pauses.push((next - now).as_millis());
        now = next;
    }
    assert_eq!(pauses, [15_000, 22_500, 33_750, 10_000, 15_000]);
    for _ in 0..20 {
        read_all(&mut schedule, now, 1, ReadOutcome::Same);
        now = due(&mut schedule, now).unwrap();
    }
    read_all(&mut schedule, now, 1, ReadOutcome::Same);
    assert_eq!(due(&mut schedule, now), Some(now + at(120)), "the longest");
    for _ in 0..40 {
        now = due(&mut schedule, now).unwrap();
        read_all(&mut schedule, now, 1, ReadOutcome::Same);
    }
    assert_eq!(due(&mut schedule, now), Some(now + at(240)), "of one that has been quiet for an hour");
    schedule.hurry(Target::Job(job(1)), now);
    assert_eq!(read_all(&mut schedule, now, 1, ReadOutcome::Same), [Target::Job(job(1))], "its row changed");
    assert_eq!(due(&mut schedule, now), Some(now + at(15)));
}

#[test]
fn a_job_that_waits_for_a_source_is_looked_at_seldom() {
    let mut schedule = metered(300);
    schedule.watch_job(job(1), Watching::Active, at(0));
    read_all(&mut schedule, at(0), 1, ReadOutcome::Same);
    schedule.watch_job(job(1), Watching::Idle, at(1));
    assert_eq!(due(&mut schedule, at(1)), Some(at(601)));
    let (mut now, mut readings) = (at(601), 0);
    while now < at(10 * 24 * 3600) {
        readings += read_all(&mut schedule, now, 1, ReadOutcome::Same).len();
        now = due(&mut schedule, now).unwrap();
    }
    assert!(readings < 55, "{readings} in ten days");
}

#[test]
fn a_job_that_ends_is_read_once_more_and_then_never() {
    let mut schedule = metered(300);
    schedule.watch_job(job(1), Watching::Active, at(0));
    read_all(&mut schedule, at(0), 1, ReadOutcome::Same);
    schedule.watch_job(job(1), Watching::Last, at(1));
    assert_eq!(read_all(&mut schedule, at(1), 1, ReadOutcome::Changed), [Target::Job(job(1))]);
    assert_eq!(due(&mut schedule, at(1)), None);
    schedule.watch_job(job(2), Watching::Last, at(1));
    assert_eq!(due(&mut schedule, at(1)), None, "it ended before it was watched");

    // It ends while it is being read: what was read may be of before.
    schedule.watch_job(job(3), Watching::Active, at(1));
    let reading = begin(&mut schedule, at(1), 1)[0];
    schedule.watch_job(job(3), Watching::Last, at(2));
    schedule.done(reading.target, ReadOutcome::Same, SECOND, 1, at(2));
    assert_eq!(read_all(&mut schedule, at(10), 1, ReadOutcome::Same), [Target::Job(job(3))]);
    assert_eq!(due(&mut schedule, at(10)), None);
}

#[test]
fn a_failed_job_is_left_alone_after_about_a_day() {
    let mut schedule = metered(300);
    schedule.watch_job(job(1), Watching::Failed, at(0));
    let (mut now, mut readings) = (at(0), 0);
    loop {
        readings += read_all(&mut schedule, now, 1, ReadOutcome::Same).len();
        match due(&mut schedule, now) {
            Some(next) => now = next,
            None => break,
        }
    }
    assert!((at(22 * 3600)..at(30 * 3600)).contains(&now), "{now:?}");
    assert!(readings < 50, "{readings}");
}

#[test]
fn a_job_that_was_heard_of_is_read_soon_with_its_row() {
    let mut schedule = metered(300);
    schedule.nudge(job(1), at(0));
    let reading = begin(&mut schedule, at(0), 1)[0];
    assert!(reading.with_row);
    schedule.watch_job(job(1), Watching::Active, at(0));
    schedule.done(reading.target, ReadOutcome::Same, Duration::ZERO, 1, at(0));
    assert_eq!(due(&mut schedule, at(0)), Some(at(15)));
    schedule.nudge(job(1), at(1));
    assert_eq!(due(&mut schedule, at(1)), Some(at(5)), "not sooner than half a unit after the last reading");
    let reading = begin(&mut schedule, at(5), 1)[0];
    schedule.nudge(job(1), at(6));
    schedule.done(reading.target, ReadOutcome::Same, Duration::ZERO, 1, at(7));
    assert_eq!(due(&mut schedule, at(7)), Some(at(12)), "it was heard of while it was read");
}

#[test]
fn what_a_reading_did_not_use_is_given_back() {
    let mut schedule = metered(60);
    schedule.watch(QUEUE, at(0));
    let reading = begin(&mut schedule, at(0), 12)[0];
    schedule.done(reading.target, ReadOutcome::Changed, Duration::ZERO, 1, at(0));
    schedule.watch_job(job(1), Watching::Active, at(0));
    assert_eq!(begin(&mut schedule, at(0), 11).len(), 1);
}

#[test]
fn a_slow_target_uses_a_tenth_of_the_time_and_a_hanging_one_blocks_no_other() {
    let mut schedule = Schedule::new(Pace::free(SECOND, SECOND), Budget::new(30_000));
    (1..=3).for_each(|number| schedule.watch_job(job(number), Watching::Active, at(0)));
    let begun = begin(&mut schedule, at(0), 1);
    assert_eq!(begun.len(), 3);
    schedule.done(begun[0].target, ReadOutcome::Changed, at(2), 1, at(2));
    schedule.done(begun[1].target, ReadOutcome::Changed, Duration::ZERO, 1, at(2));
    assert_eq!(begin(&mut schedule, at(3), 1).len(), 1, "the quick one; the third still hangs");
    assert_eq!(begin(&mut schedule, at(21), 1).len(), 0);
    assert_eq!(begin(&mut schedule, at(22), 1), [Reading { target: begun[0].target, with_row: false, granted: 1 }]);
    schedule.watch_job(job(4), Watching::Active, at(40));
    let late = schedule.freshness(at(45), |_| true);
    assert_eq!((late.targets, late.most_overdue), (4, at(5)), "late is what is not read, not what is being read");
    assert_eq!(late.hanging, 3, "that takes too long");
    assert!(late.unread == 1 && late.is_down(), "the fourth was never read, so nothing is known of any");
}

#[test]
fn a_value_is_as_old_as_its_last_good_reading() {
    let mut schedule = metered(300);
    let letters = Target::DeadLetters(QueueName::dead_letter(QueueRole::Inference));
    let count = Target::Queue(QueueName::dead_letter(QueueRole::Inference));
    let seldom = Target::Queue(QueueName::main(QueueRole::Ingest));
    [QUEUE, count, seldom].into_iter().for_each(|target| schedule.watch(target, at(0)));
    assert_eq!(schedule.freshness(at(0), |_| true).oldest, None, "nothing was read");
    read_all(&mut schedule, at(0), 1, ReadOutcome::Same);
    schedule.hurry(QUEUE, at(7));
    assert_eq!(begin(&mut schedule, at(7), 1).len(), 1);
    let queues = |schedule: &Schedule, secs| schedule.freshness(at(secs), |target| target != letters);
    assert_eq!(queues(&schedule, 9).oldest, Some(at(9)), "the reading that runs makes nothing younger");
    assert_eq!((queues(&schedule, 10).hanging, queues(&schedule, 11).hanging), (0, 1));
    assert!(!queues(&schedule, 11).is_down() && schedule.unanswered(at(0), at(11)).eq([QUEUE]));
    assert!(schedule.unanswered(at(8), at(11)).eq([]), "somebody answered after it had begun: it is its own fault");
    schedule.done(QUEUE, ReadOutcome::Same, Duration::ZERO, 1, at(12));
    read_all(&mut schedule, at(12), 1, ReadOutcome::Same);
    let oldest = |secs| queues(&schedule, secs).oldest;
    assert_eq!((oldest(12), oldest(14)), (Some(at(12)), Some(at(14))), "the count's, as old as it is");

    // The messages of an empty queue are not read: the value is as old as the count.
    schedule.watch(letters, at(14));
    read_all(&mut schedule, at(14), 0, ReadOutcome::Same);
    let of_letters = schedule.freshness(at(14), |target| target == letters);
    assert_eq!(of_letters.oldest, Some(at(14)));

    // A failing target has no value, and is counted apart.
    schedule.hurry(QUEUE, at(14));
    schedule.hurry(count, at(14));
    read_all(&mut schedule, at(14), 1, ReadOutcome::Failed);
    let all = queues(&schedule, 16);
    assert_eq!((all.targets, all.failing, all.oldest, all.is_down()), (3, 2, None, false));
    assert_eq!(schedule.unanswered(at(0), at(16)).count(), 2);
}

#[test]
fn a_budget_that_is_too_small_makes_everything_older_and_stops_nothing() {
    let mut schedule = metered(60);
    for name in QueueName::all() {
        schedule.watch(Target::Queue(name), at(0));
    }
    for status in JobStatus::ALL.iter().filter(|status| !status.is_final()) {
        schedule.watch(Target::Active(*status), at(0));
    }
    (0..300).for_each(|number| schedule.watch_job(job(number), Watching::Active, at(0)));
    let mut read: BTreeMap<Target, u32> = BTreeMap::new();
    for secs in 0..3600 {
        for target in read_all(&mut schedule, at(secs), 1, ReadOutcome::Changed) {
            *read.entry(target).or_default() += 1;
        }
    }
    let total: u32 = read.values().sum();
    // A fifth of the budget is kept for bursts.
    assert!((2_870..=2_892).contains(&total), "all that comes back, and no more: {total}");
    let of = |is_kind: fn(&Target) -> bool| -> Vec<u32> {
        read.iter().filter(|(target, _)| is_kind(target)).map(|(_, count)| *count).collect()
    };
    let (queues, rows, jobs) = (
        of(|target| matches!(target, Target::Queue(_))),
        of(|target| matches!(target, Target::Active(_))),
        of(|target| matches!(target, Target::Job(_))),
    );
    assert_eq!((queues.len(), rows.len(), jobs.len()), (16, 5, 300), "each was read");
    // Four, two and three parts of nine; within a kind one after the other.
    for (counts, share) in [(queues, 1_284), (rows, 642), (jobs, 963)] {
        let sum: u32 = counts.iter().sum();
        assert!(sum.abs_diff(share) < share / 20, "{sum} for {share}");
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(most - least <= 1, "{least} to {most}");
    }
    let pressure = schedule.pressure(at(3600)).unwrap();
    assert!(pressure.waiting > 250 && pressure.most_overdue > at(60), "{pressure:?}");
    assert!(schedule.take_deferred() > 2_500);
}

#[test]
fn queues_that_nothing_rests_on_are_read_seldom_while_they_are_idle() {
    let pauses = |name: QueueName| -> Vec<u64> {
        let mut schedule = metered(300);
        schedule.watch(Target::Queue(name), at(0));
        let mut now = at(0);
        let outcomes = [ReadOutcome::Same; 8].into_iter().chain([ReadOutcome::Changed]);
        let each = outcomes.map(|outcome| {
            read_all(&mut schedule, now, 1, outcome);
            let next = due(&mut schedule, now).unwrap();
            let pause = (next - now).as_secs();
            now = next;
            pause
        });
        each.collect()
    };
    assert_eq!(pauses(QueueName::main(QueueRole::Inference)), [15, 22, 30, 30, 30, 30, 30, 30, 10]);
    assert_eq!(pauses(QueueName::dead_letter(QueueRole::JobStatusEvents)), [15, 22, 33, 50, 75, 113, 120, 120, 10]);
}

#[test]
fn a_budget_that_is_enough_holds_nothing_back() {
    let mut schedule = metered(300);
    for name in QueueName::all() {
        schedule.watch(Target::Queue(name), at(0));
    }
    (0..20).for_each(|number| schedule.watch_job(job(number), Watching::Active, at(0)));
    for secs in 0..600 {
        read_all(&mut schedule, at(secs), 1, ReadOutcome::Changed);
        assert_eq!(schedule.pressure(at(secs)), None);
    }
    assert_eq!(schedule.take_deferred(), 0);
}

#[test]
fn failing_targets_are_read_less_often_and_counted_separately() {
    let mut schedule = metered(300);
    schedule.watch(QUEUE, at(0));
    read_all(&mut schedule, at(0), 1, ReadOutcome::Failed);
    assert_eq!(due(&mut schedule, at(0)), Some(at(10)));
    let all = schedule.freshness(at(100), |_| true);
    assert_eq!((all.targets, all.failing, all.most_overdue), (1, 1, Duration::ZERO));
    read_all(&mut schedule, at(100), 1, ReadOutcome::Changed);
    assert_eq!(schedule.freshness(at(100), |_| true).failing, 0);

    // Also what is read once an hour is tried again soon.
    let seldom = Target::All(JobStatus::Completed);
    schedule.forget(QUEUE);
    schedule.watch(seldom, at(200));
    let mut now = at(200);
    let mut pauses = Vec::new();
    for _ in 0..5 {
        read_all(&mut schedule, now, 1, ReadOutcome::Failed);
        let next = due(&mut schedule, now).unwrap();
        pauses.push((next - now).as_secs());
        now = next;
    }
    assert_eq!(pauses, [10, 20, 40, 40, 40]);
    schedule.hurry(seldom, at(390));
    assert_eq!(read_all(&mut schedule, at(390), 1, ReadOutcome::Same), [seldom]);
}

proptest! {
    #[test]
    fn no_minute_is_dearer_than_the_budget_and_nothing_is_read_twice_at_once(
        budget in 20_u32..400,
        jobs in 1_u128..60,
        steps in proptest::collection::vec((0_u64..1_500, 0_u8..6, 0_usize..40), 1..300),
    ) {
        let mut schedule = metered(budget);
        schedule.watch(QUEUE, at(0));
        let (mut now, mut running, mut granted) = (Duration::ZERO, Vec::<Reading>::new(), Vec::new());
        for (pause, what, which) in steps {
            now += Duration::from_millis(pause);
            let id = job(which as u128 % jobs);
            match what {
                0 => schedule.watch_job(id, Watching::Active, now),
                1 => schedule.watch_job(id, Watching::Last, now),
                2 => schedule.nudge(id, now),
                3 if !running.is_empty() => {
                    let reading = running.swap_remove(which % running.len());
                    schedule.done(reading.target, ReadOutcome::Changed, Duration::ZERO, reading.granted, now);
                }
                4 if which == 0 => schedule.forget(Target::Job(id)),
                _ => {}
            }
            if what != 4 {
                for reading in begin(&mut schedule, now, 1 + which as u32 % 6) {
                    prop_assert!(running.iter().all(|other| other.target != reading.target));
                    granted.push((now, reading.granted));
                    running.push(reading);
                }
            } else {
                running.retain(|reading| schedule.watches.get(&reading.target).is_some_and(|watch| watch.is_running));
            }
        }
        for (from, _) in &granted {
            let within = granted.iter().filter(|(time, _)| (*from..*from + at(60)).contains(time));
            let calls: u32 = within.map(|(_, calls)| calls).sum();
            prop_assert!(calls <= budget, "{calls} of {budget}");
        }
    }
}
