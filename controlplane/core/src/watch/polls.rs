//! The schedule, how its readings ended, and what they cost.

use std::collections::BTreeMap;
use std::time::Duration;

use stereospot_domain::ErrorCode;
use stereospot_domain::{BackendKind, JobId, JobStatus, QueueName, QueueRole, Timestamp};

use super::budget::Budget;
use super::pace::Pace;
use super::schedule::{Next, ReadOutcome, Reading, Schedule, Target, Uptime};
use super::spending::{Counts, PollsView, Spending};
use stereospot_domain::Collector;

mod report;

pub use report::{CollectorReport, Report};

/// Shortest time between two reports.
pub const TICK: Duration = Duration::from_millis(10);

/// Why a target could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failure {
    code: ErrorCode,
    sentence: String,
}

/// All targets: when each is read, how its last reading ended, what all readings cost.
#[derive(Debug)]
pub struct PollState {
    pub schedule: Schedule,
    pub spending: Spending,
    kind: BackendKind,
    /// A queue to read when it is doubtful whether the backend answers at all.
    probe: Option<QueueName>,
    /// The newest error of each failing target, and since when it fails in that way.
    errors: BTreeMap<Target, (Uptime, Failure)>,
    /// When queues or rows, on which everything depends, last answered.
    answered_at: Uptime,
    /// When anything else last answered.
    others_answered_at: Option<Uptime>,
    /// When they were last read out of turn, to see whether they answer.
    probed_at: Option<Uptime>,
    /// Since when they don't answer.
    silent_since: Option<Timestamp>,
    /// Calls granted by the budget that the platform has not counted yet.
    accounted: u64,
    /// The part of them that belongs to running readings.
    outstanding: u64,
    /// Since when the budget holds readings back too much.
    pressed_since: Option<Timestamp>,
    /// How often the credentials were renewed.
    renewals: u64,
    /// What hinders calls that are still tried, as a sentence.
    pub hindrance: Option<String>,
}

impl PollState {
    /// A schedule without targets.
    #[must_use]
    pub fn new(pace: Pace, budget: Budget, kind: BackendKind) -> Self {
        Self {
            schedule: Schedule::new(pace, budget),
            spending: Spending::default(),
            kind,
            probe: None,
            errors: BTreeMap::new(),
            answered_at: Uptime::ZERO,
            others_answered_at: None,
            probed_at: None,
            silent_since: None,
            accounted: 0,
            outstanding: 0,
            pressed_since: None,
            renewals: 0,
            hindrance: None,
        }
    }

    /// Watches everything that a deployment always has; returns the collectors that have something to read.
    pub fn begin<'a>(
        &mut self,
        queues: impl Iterator<Item = &'a QueueName>,
        has_services: bool,
        has_logs: bool,
        now: Uptime,
    ) -> impl Iterator<Item = Collector> {
        let schedule = &mut self.schedule;
        for name in queues {
            self.probe.get_or_insert(*name);
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
        schedule.watch(Target::Objects, now);
        if has_services {
            schedule.watch(Target::Services, now);
        }
        if has_logs {
            schedule.watch(Target::Logs, now);
        }
        Collector::READING.into_iter().filter(|collector| self.is_used(*collector))
    }

    /// What to read now. `cost` returns the most calls that a reading may take.
    pub fn next(&mut self, now: Uptime, cost: impl Fn(Target, bool) -> u32) -> Next {
        let next = self.schedule.next(now, cost);
        if let Next::Read(reading) = next {
            self.accounted += u64::from(reading.granted);
            self.outstanding += u64::from(reading.granted);
        }
        next
    }

    /// Takes in the end of a reading.
    pub fn done(&mut self, reading: Reading, outcome: ReadOutcome, took: Duration, calls: u32, now: Uptime) {
        if outcome != ReadOutcome::Failed {
            self.errors.remove(&reading.target);
            if calls > 0 && !reading.target.collector().is_essential() {
                self.others_answered_at = Some(now);
            } else if calls > 0 {
                (self.answered_at, self.probed_at) = (now, None);
                if self.silent_since.take().is_some() {
                    self.hurry_failing(now);
                }
            }
        }
        let granted = u64::from(reading.granted);
        self.outstanding = self.outstanding.saturating_sub(granted);
        self.accounted = (self.accounted + u64::from(calls)).saturating_sub(granted);
        self.schedule.done(reading.target, outcome, took, calls, now);
    }

    /// The backend answers again, or may: tries all failing targets now, not at their next turn.
    fn hurry_failing(&mut self, now: Uptime) {
        let Self { errors, schedule, .. } = self;
        errors.keys().for_each(|target| schedule.hurry(*target, now));
    }

    /// Takes in how often the credentials were renewed.
    pub fn renewed(&mut self, renewals: u64, now: Uptime) {
        if std::mem::replace(&mut self.renewals, renewals) != renewals {
            self.hurry_failing(now);
        }
    }

    /// Reads a queue and its dead-letter queue at once, because messages were just moved between them.
    pub fn moved(&mut self, role: QueueRole, now: Uptime) {
        let dead = QueueName::dead_letter(role);
        for target in [Target::Queue(QueueName::main(role)), Target::Queue(dead), Target::DeadLetters(dead)] {
            self.schedule.hurry(target, now);
        }
    }

    /// Stops watching a job that no longer exists.
    pub fn forget_job(&mut self, job_id: JobId) {
        self.schedule.forget(Target::Job(job_id));
        self.errors.remove(&Target::Job(job_id));
    }

    /// Keeps a target's error; false when the target was failing already.
    pub fn note_error(&mut self, target: Target, code: ErrorCode, sentence: String, now: Uptime) -> bool {
        let before = self.errors.get(&target);
        let since = before.filter(|(_, other)| other.code == code).map_or(now, |(since, _)| *since);
        self.errors.insert(target, (since, Failure { code, sentence })).is_none()
    }

    /// True while any target of a collector fails or hangs.
    #[must_use]
    pub fn is_any_unanswered(&self, collector: Collector, now: Uptime) -> bool {
        let freshness = self.schedule.freshness(now, |target| target.collector() == collector);
        freshness.failing + freshness.hanging > 0
    }

    /// Takes in the platform's counts; returns what was added since the last time.
    pub fn counted(&mut self, counts: Vec<(String, Counts)>, now: Uptime) -> Vec<(String, Counts)> {
        let new = self.spending.observe(counts, now);
        let made: u64 = new.iter().map(|(_, counts)| counts.attempts).sum();
        let unasked = made.saturating_sub(self.accounted);
        // Calls of running readings may be made, and counted, a moment later.
        self.accounted = self.accounted.saturating_sub(made).min(self.outstanding);
        self.schedule.charge(u32::try_from(unasked).unwrap_or(u32::MAX), now);
        new
    }

    /// Calls by API, the budget where calls cost money, and the cost, as of the last counts.
    #[must_use]
    pub fn view(&self, is_metered: bool, now: Uptime) -> PollsView {
        self.spending.view(is_metered.then(|| self.schedule.budget().per_minute()), now)
    }

    fn is_used(&self, collector: Collector) -> bool {
        let freshness = || self.schedule.freshness(Uptime::ZERO, |target| target.collector() == collector);
        collector == Collector::JobDetails || freshness().targets > 0
    }
}
