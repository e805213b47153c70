//! What polling costs: runs the schedule over a day of a deployment, and counts calls a minute and dollars a month.
//!
//! The deployment: eight queues with their dead-letter queues, three of them with work; one job in twenty is converted now, a
//! segment a minute each, and the other active ones wait in the queue; a few messages lie in a dead-letter queue.

use std::collections::BTreeMap;
use std::time::Duration;

use stereospot_domain::{JobId, JobStatus, QueueName, QueueRole};
use uuid::Uuid;

use super::budget::Budget;
use super::pace::{LOG_OVERLAP, Pace};
use super::schedule::{Next, ReadOutcome, Schedule, Target, Uptime, Watching};
use super::spending::{
    LOG_GIGABYTE_USD, MONTH_MINUTES, READ_UNIT_USD, S3_WRITE_USD, SQS_REQUEST_USD, units_of_completions, units_of_rows,
};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Segments of an active job that are done, on the average.
const DONE: usize = 20;
/// Objects of a job in the output bucket: outputs and their checksums, result, its checksum, mark.
const OBJECTS: usize = 2 * DONE + 3;
/// Messages in the dead-letter queue.
const DEAD: u32 = 3;
/// A job that waits has its outputs listed so often.
const LIST_AGAIN: Duration = Duration::from_secs(1_800);

/// What a day took.
#[derive(Debug, Default)]
struct Bill {
    calls: BTreeMap<&'static str, f64>,
    usd: f64,
    /// The longest that an active job was not read.
    oldest: Duration,
    /// Most calls in one minute.
    worst_minute: u32,
}

impl Bill {
    fn add(&mut self, api: &'static str, calls: f64, usd: f64) {
        *self.calls.entry(api).or_default() += calls;
        self.usd += usd;
    }

    fn per_minute(&self) -> f64 {
        self.calls.values().sum::<f64>() / (DAY.as_secs_f64() / 60.0)
    }

    fn usd_per_month(&self) -> f64 {
        self.usd / (DAY.as_secs_f64() / 60.0) * MONTH_MINUTES
    }
}

fn simulate(jobs: usize, active: usize, budget: u32) -> Bill {
    let mut schedule = Schedule::new(Pace::metered(Duration::from_secs(1), MINUTE), Budget::new(budget));
    let mut bill = Bill::default();
    for name in QueueName::all() {
        schedule.watch(Target::Queue(name), Uptime::ZERO);
    }
    schedule.watch(Target::DeadLetters(QueueName::dead_letter(QueueRole::Inference)), Uptime::ZERO);
    schedule.watch(Target::Services, Uptime::ZERO);
    schedule.watch(Target::Objects, Uptime::ZERO);
    for status in JobStatus::ALL {
        match status {
            JobStatus::Completed | JobStatus::Failed => {
                schedule.watch(Target::Newest(*status), Uptime::ZERO);
                schedule.watch(Target::All(*status), Uptime::ZERO);
            }
            JobStatus::Deleted => schedule.watch(Target::All(*status), Uptime::ZERO),
            _ => schedule.watch(Target::Active(*status), Uptime::ZERO),
        }
    }
    let ids: Vec<JobId> = (0..active as u128).map(|number| JobId(Uuid::from_u128(number))).collect();
    ids.iter().for_each(|job_id| schedule.watch_job(*job_id, Watching::Active, Uptime::ZERO));
    let place: BTreeMap<JobId, usize> = ids.iter().copied().zip(0..).collect();
    let mut read_at: BTreeMap<JobId, Uptime> = BTreeMap::new();
    let mut listed_at: BTreeMap<JobId, Uptime> = BTreeMap::new();
    let mut pages: BTreeMap<Target, usize> = BTreeMap::new();
    let mut minute = (0, 0);
    let mut now = Uptime::ZERO;
    while now < DAY {
        let reading = match schedule.next(now, |target, _| cost(target)) {
            Next::Read(reading) => reading,
            Next::Wait(when) => {
                now = when.unwrap_or(DAY).max(now + Duration::from_millis(1));
                continue;
            }
        };
        let spent_before: f64 = bill.calls.values().sum();
        let outcome = match reading.target {
            Target::Queue(name) => {
                bill.add("sqs.GetQueueAttributes", 1.0, SQS_REQUEST_USD);
                let has_work = !name.is_dead_letter && name.role.stage().is_some();
                if has_work { ReadOutcome::Changed } else { ReadOutcome::Same }
            }
            Target::DeadLetters(_) => {
                let calls = f64::from(2 + 2 * DEAD.div_ceil(10));
                bill.add("sqs.ReceiveMessage", calls, calls * SQS_REQUEST_USD);
                ReadOutcome::Same
            }
            Target::Services => {
                bill.add("ecs.DescribeServices", 2.0, 0.0);
                ReadOutcome::Same
            }
            Target::Active(_) => {
                bill.add("dynamodb.Query", 1.0, units_of_rows(active / 5) * READ_UNIT_USD);
                ReadOutcome::Same
            }
            Target::Newest(_) => {
                bill.add("dynamodb.Query", 1.0, units_of_rows(jobs.min(100)) * READ_UNIT_USD);
                ReadOutcome::Same
            }
            Target::All(status) => {
                // Nine of ten are completed.
                let rows = if status == JobStatus::Completed { jobs * 9 / 10 } else { jobs / 20 };
                let page = pages.entry(reading.target).or_default();
                bill.add("dynamodb.Query", 1.0, units_of_rows(rows.min(1_000)) * READ_UNIT_USD);
                *page += 1;
                if *page * 1_000 < rows {
                    ReadOutcome::More
                } else {
                    *page = 0;
                    ReadOutcome::Same
                }
            }
            Target::Job(job_id) => {
                bill.add("dynamodb.Query", 1.0, units_of_completions(DONE) * READ_UNIT_USD);
                let last = read_at.insert(job_id, now).unwrap_or_default();
                bill.oldest = bill.oldest.max(now - last);
                if place[&job_id].is_multiple_of(20) {
                    let has_news = now.as_secs() / 60 != last.as_secs() / 60;
                    if has_news { ReadOutcome::Changed } else { ReadOutcome::Same }
                } else {
                    if listed_at.get(&job_id).is_none_or(|at| now - *at >= LIST_AGAIN) {
                        bill.add("s3.GET", 1.0, S3_WRITE_USD);
                        listed_at.insert(job_id, now);
                    }
                    ReadOutcome::Same
                }
            }
            Target::Logs => ReadOutcome::Same,
            Target::Objects => {
                // One pass a day: this simulates one day.
                let page = pages.entry(reading.target).or_default();
                if *page * 1_000 < jobs * OBJECTS {
                    bill.add("s3.GET", 1.0, S3_WRITE_USD);
                    *page += 1;
                    ReadOutcome::Changed
                } else {
                    ReadOutcome::Same
                }
            }
        };
        let spent = (bill.calls.values().sum::<f64>() - spent_before) as u32;
        assert!(spent <= reading.granted, "{reading:?} took {spent}");
        schedule.done(reading.target, outcome, Duration::ZERO, spent, now);
        if minute.0 != now.as_secs() / 60 {
            minute = (now.as_secs() / 60, 0);
        }
        minute.1 += spent;
        bill.worst_minute = bill.worst_minute.max(minute.1);
    }
    bill
}

fn cost(target: Target) -> u32 {
    match target {
        Target::DeadLetters(_) => 2 + 2 * DEAD.div_ceil(10),
        Target::Services | Target::Job(_) => 2,
        _ => 1,
    }
}

#[test]
fn what_watching_costs_with_ten_a_thousand_and_a_hundred_thousand_jobs() {
    // Jobs, of these active; calls a minute and dollars a month that are not to be exceeded; how old an active job may get.
    let bounds = [(10, 3, 55.0, 0.7, 245), (1_000, 30, 70.0, 1.3, 245), (100_000, 300, 200.0, 5.0, 300)];
    for (jobs, active, most_calls, most_usd, oldest) in bounds {
        let bill = simulate(jobs, active, 300);
        println!(
            "{jobs} jobs, {active} active: {:.0} calls a minute, ${:.2} a month; worst minute {}, an active job is at most {} s old; {:?}",
            bill.per_minute(),
            bill.usd_per_month(),
            bill.worst_minute,
            bill.oldest.as_secs(),
            bill.calls
        );
        assert!(bill.per_minute() <= most_calls && bill.usd_per_month() <= most_usd, "{bill:?}");
        assert!(bill.worst_minute <= 300, "the budget is a limit: {}", bill.worst_minute);
        assert!(bill.oldest <= Duration::from_secs(oldest), "{:?}", bill.oldest);
    }
}

#[test]
fn looking_at_the_logs_costs_a_multiple_of_what_is_written() {
    // A gigabyte of lines a day, looked at once a minute while jobs are active all day.
    let windows = (MINUTE + LOG_OVERLAP).as_secs_f64() / MINUTE.as_secs_f64();
    let a_month = MONTH_MINUTES / (24.0 * 60.0) * windows * LOG_GIGABYTE_USD;
    println!("logs: ${a_month:.2} a month for each gigabyte that is written a day, looked at once a minute");
    assert!(a_month < 0.4, "{a_month}");
}

#[test]
fn a_smaller_budget_costs_age_and_not_money() {
    let bill = simulate(100_000, 300, 60);
    assert!(bill.worst_minute <= 60 && bill.usd_per_month() < 3.5, "{bill:?}");
    assert!(bill.oldest > Duration::from_secs(300) && bill.oldest < Duration::from_secs(3_600), "{:?}", bill.oldest);
}
