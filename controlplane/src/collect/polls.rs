//! The schedule as the tasks share it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stereospot_domain::{JobId, JobStatus, QueueName, QueueRole, Timestamp};
use stereospot_ports::Error;
use stereospot_telemetry::record;
use tokio::time::Instant;
use uuid::Uuid;

use super::budget::Budget;
use super::jobs::Listing;
use super::logs::Tail;
use super::pace::Pace;
use super::schedule::{Moment, Next, Outcome, Reading, Schedule, Target, Watching};
use super::spending::{PollsView, Spending};
use super::{DEAD_LETTERS, JOB_DETAILS, JOBS, LOGS, QUEUES, SERVICES, SETTLED_JOBS, collector};
use crate::shared::{CallCounts, Config, Platform, Shared};

mod report;

/// Calls a minute where they cost nothing: a bound on what watching takes of the machine.
const FREE_BUDGET: u32 = 30_000;
/// Calls a minute where they are paid for.
const METERED_BUDGET: u32 = 300;
/// Shortest time between two reports of the collectors.
pub(super) const TICK: Duration = Duration::from_millis(10);
/// Longest: dashboards take a longer silence for a lost connection.
pub(super) const LONGEST_TICK: Duration = Duration::from_secs(1);

const COLLECTORS: [&str; 7] = [QUEUES, DEAD_LETTERS, JOBS, SETTLED_JOBS, JOB_DETAILS, SERVICES, LOGS];

/// What is read when, and what that costs.
#[derive(Debug)]
pub(crate) struct Polls {
    began: Instant,
    is_metered: bool,
    burst: u32,
    calls: Option<Arc<dyn CallCounts>>,
    inner: Mutex<Inner>,
    /// Names this life of the source of observed events.
    boot: Uuid,
    seqs: Mutex<BTreeMap<String, u64>>,
    /// Lists of rows that are read page by page.
    pub(super) listings: Mutex<BTreeMap<Target, Listing>>,
    /// Where the logs were read up to.
    pub(super) tail: tokio::sync::Mutex<Tail>,
}

#[derive(Debug)]
struct Inner {
    schedule: Schedule,
    spending: Spending,
    /// The newest error of each target that fails, and since when it fails in that way.
    errors: BTreeMap<Target, (Moment, Error)>,
    /// When queues or rows, on which everything rests, last answered.
    answered_at: Moment,
    /// When anything else did.
    others_answered_at: Option<Moment>,
    /// When they were last asked out of turn whether they answer.
    probed_at: Option<Moment>,
    /// Since when they don't.
    silent_since: Option<Timestamp>,
    /// Calls that the budget knows of and the platform has not counted yet.
    accounted: u64,
    /// Of these, those of readings that run.
    outstanding: u64,
    /// Since when the budget holds readings back.
    pressed_since: Option<Timestamp>,
    /// When the numbers of all jobs were last counted, and how long that took.
    measured: Option<(Moment, Duration)>,
}

impl Polls {
    /// By the platform's and the operator's settings.
    pub(crate) fn new(platform: &Platform, config: &Config) -> Self {
        let is_metered = platform.calls.is_some() || platform.facts.kind == "aws";
        let pace = match is_metered {
            true => Pace::metered(config.poll, config.watch_logs),
            false => Pace::free(config.poll, config.watch_logs),
        };
        let usual = if is_metered { METERED_BUDGET } else { FREE_BUDGET };
        let budget = Budget::new(config.poll_budget_per_minute.unwrap_or(usual));
        record::poll_budget(budget.per_minute());
        let burst = budget.burst();
        let inner = Inner {
            schedule: Schedule::new(pace, budget),
            spending: Spending::default(),
            errors: BTreeMap::new(),
            answered_at: Moment::ZERO,
            others_answered_at: None,
            probed_at: None,
            silent_since: None,
            accounted: 0,
            outstanding: 0,
            pressed_since: None,
            measured: None,
        };
        Self {
            began: Instant::now(),
            is_metered,
            burst,
            calls: platform.calls.clone(),
            inner: Mutex::new(inner),
            boot: Uuid::now_v7(),
            seqs: Mutex::default(),
            listings: Mutex::default(),
            tail: tokio::sync::Mutex::default(),
        }
    }

    /// Calls by API, the budget, and what it costs, as of the last report.
    pub(crate) fn view(&self) -> PollsView {
        let (inner, now) = (self.lock(), self.now());
        let budget = self.is_metered.then(|| inner.schedule.budget().per_minute());
        inner.spending.view(budget, now)
    }

    /// A log search has scanned so many bytes.
    pub(crate) fn log_bytes(&self, bytes: u64) {
        record::log_bytes_scanned(bytes);
        let now = self.now();
        self.lock().spending.scanned(bytes, now);
    }

    /// True where calls are paid for.
    pub(crate) fn is_metered(&self) -> bool {
        self.is_metered
    }

    /// Calls that somebody made without asking for them here. Where the platform counts, it tells by itself.
    pub(crate) fn charge(&self, calls: u32) {
        if self.calls.is_none() {
            let now = self.now();
            self.lock().schedule.charge(calls, now);
        }
    }

    /// Watches all that there is from the start.
    pub(super) fn begin(&self, shared: &Shared) {
        let now = self.now();
        let mut inner = self.lock();
        let schedule = &mut inner.schedule;
        for name in shared.backend.queues.keys() {
            schedule.watch(Target::Queue(*name), now);
            if name.is_dead_letter {
                schedule.watch(Target::DeadLetters(*name), now);
            }
        }
        for status in JobStatus::ALL {
            match status {
                JobStatus::Completed | JobStatus::Failed => {
                    schedule.watch(Target::Newest(*status), now);
                    schedule.watch(Target::All(*status), now);
                }
                JobStatus::Deleted => schedule.watch(Target::All(*status), now),
                _ => schedule.watch(Target::Active(*status), now),
            }
        }
        if shared.platform.fleet.is_some() {
            schedule.watch(Target::Services, now);
        }
        if shared.platform.logs.is_some() && !shared.config.watch_logs.is_zero() {
            schedule.watch(Target::Logs, now);
        }
        COLLECTORS.into_iter().filter(|name| is_used(&inner, name)).for_each(record::collector_known);
    }

    pub(super) fn next(&self, shared: &Shared) -> Next {
        let now = self.now();
        let mut inner = self.lock();
        let next = inner.schedule.next(now, |target, with_row| cost(shared, target, with_row));
        if let Next::Read(reading) = next {
            inner.accounted += u64::from(reading.granted);
            inner.outstanding += u64::from(reading.granted);
        }
        next
    }

    pub(super) fn done(&self, reading: Reading, outcome: Outcome, took: Duration, calls: u32) {
        let now = self.now();
        let mut inner = self.lock();
        if outcome != Outcome::Failed {
            inner.errors.remove(&reading.target);
            if calls > 0 && !is_essential(collector(reading.target)) {
                inner.others_answered_at = Some(now);
            } else if calls > 0 {
                (inner.answered_at, inner.probed_at) = (now, None);
                if inner.silent_since.take().is_some() {
                    // Everything failed, and no longer does: what was to be tried again later is tried now.
                    let Inner { errors, schedule, .. } = &mut *inner;
                    errors.keys().for_each(|target| schedule.hurry(*target, now));
                }
            }
        }
        let granted = u64::from(reading.granted);
        inner.outstanding = inner.outstanding.saturating_sub(granted);
        inner.accounted = (inner.accounted + u64::from(calls)).saturating_sub(granted);
        inner.schedule.done(reading.target, outcome, took, calls, now);
    }

    /// Has something read at once: it is known to have changed.
    pub(super) fn hurry(&self, target: Target) {
        let now = self.now();
        self.lock().schedule.hurry(target, now);
    }

    /// Has a queue and its dead-letter queue read at once: messages were just moved between them.
    pub(crate) fn moved(&self, role: QueueRole) {
        let dead = QueueName::dead_letter(role);
        for target in [Target::Queue(QueueName::main(role)), Target::Queue(dead), Target::DeadLetters(dead)] {
            self.hurry(target);
        }
    }

    pub(super) fn nudge(&self, jobs: BTreeSet<JobId>) {
        let now = self.now();
        let mut inner = self.lock();
        jobs.into_iter().for_each(|job_id| inner.schedule.nudge(job_id, now));
    }

    /// Watches these jobs so from now on.
    pub(super) fn watch_jobs(&self, jobs: impl IntoIterator<Item = (JobId, Watching)>) {
        let now = self.now();
        let mut inner = self.lock();
        jobs.into_iter().for_each(|(job_id, watching)| inner.schedule.watch_job(job_id, watching, now));
    }

    /// The job is gone.
    pub(super) fn forget_job(&self, job_id: JobId) {
        let mut inner = self.lock();
        inner.schedule.forget(Target::Job(job_id));
        inner.errors.remove(&Target::Job(job_id));
    }

    /// A query took so many read units.
    pub(super) fn queried(&self, units: f64) {
        self.lock().spending.queried(units);
    }

    /// Calls that may be used at once.
    pub(super) fn burst(&self) -> u32 {
        self.burst
    }

    /// Keeps a target's error; true when it failed not already.
    pub(super) fn note_error(&self, target: Target, error: &Error) -> bool {
        let now = self.now();
        let kept = Error::new(error.code(), error.to_string());
        let mut inner = self.lock();
        let before = inner.errors.get(&target);
        let since = before.filter(|(_, other)| other.code() == kept.code()).map_or(now, |(since, _)| *since);
        inner.errors.insert(target, (since, kept)).is_none()
    }

    /// Whether a collector is without an answer to any of its questions.
    pub(super) fn is_any_unanswered(&self, name: &str) -> bool {
        let (inner, now) = (self.lock(), self.now());
        let freshness = inner.schedule.freshness(now, |target| collector(target) == name);
        freshness.failing + freshness.hanging > 0
    }

    /// The next number of an event of this source, in this life.
    pub(super) fn number(&self, source: &str) -> (Uuid, u64) {
        let mut seqs = self.seqs.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = seqs.entry(source.to_owned()).or_default();
        *seq += 1;
        (self.boot, *seq)
    }

    /// A moment of the schedule as the runtime's.
    pub(super) fn instant(&self, moment: Moment) -> Instant {
        self.began + moment
    }

    pub(super) fn now(&self) -> Moment {
        self.began.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic under the lock leaves at worst one target out of turn.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// True for the collectors without which nothing is known.
fn is_essential(name: &str) -> bool {
    matches!(name, QUEUES | DEAD_LETTERS | JOBS | SETTLED_JOBS)
}

fn is_used(inner: &Inner, name: &str) -> bool {
    name == JOB_DETAILS || inner.schedule.freshness(Moment::ZERO, |target| collector(target) == name).targets > 0
}

/// Calls that a reading may take at most.
fn cost(shared: &Shared, target: Target, with_row: bool) -> u32 {
    match target {
        Target::Queue(_) | Target::Active(_) | Target::Newest(_) | Target::All(_) => 1,
        Target::DeadLetters(name) => super::queues::cost(shared, name),
        Target::Services => 2,
        Target::Job(job_id) => super::details::cost(shared, job_id, with_row),
        Target::Logs => super::logs::COST,
    }
}
