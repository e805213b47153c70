//! The schedule with what became of its readings, and what they cost.

use std::collections::BTreeMap;
use std::time::Duration;

use stereospot_domain::ErrorCode;
use stereospot_domain::{BackendKind, JobId, JobStatus, QueueName, QueueRole, Timestamp};

use super::budget::Budget;
use super::pace::Pace;
use super::schedule::{Moment, Next, Outcome, Reading, Schedule, Target};
use super::spending::{Counts, PollsView, Spending};
use stereospot_domain::Collector;

mod report;

pub use report::{CollectorReport, Report};

/// Shortest time between two reports of the collectors.
pub const TICK: Duration = Duration::from_millis(10);

/// Why a target was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failure {
    code: ErrorCode,
    sentence: String,
}

/// All targets: when each is read, how its last reading went, what all readings cost.
#[derive(Debug)]
pub struct PollState {
    /// What is read next.
    pub schedule: Schedule,
    /// What was asked of the platform.
    pub spending: Spending,
    kind: BackendKind,
    /// A queue that is asked when it is doubtful whether anybody answers.
    probe: Option<QueueName>,
    /// The newest error of each target that fails, and since when it fails in that way.
    errors: BTreeMap<Target, (Moment, Failure)>,
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
}

impl PollState {
    /// Watches nothing yet.
    #[must_use]
    pub fn new(pace: Pace, budget: Budget, kind: BackendKind) -> Self {
        Self {
            schedule: Schedule::new(pace, budget),
            spending: Spending::default(),
            kind,
            probe: None,
            errors: BTreeMap::new(),
            answered_at: Moment::ZERO,
            others_answered_at: None,
            probed_at: None,
            silent_since: None,
            accounted: 0,
            outstanding: 0,
            pressed_since: None,
        }
    }

    /// Watches all that there is from the start; returns the collectors that have something to read.
    pub fn begin<'a>(
        &mut self,
        queues: impl Iterator<Item = &'a QueueName>,
        has_services: bool,
        has_logs: bool,
        now: Moment,
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
        if has_services {
            schedule.watch(Target::Services, now);
        }
        if has_logs {
            schedule.watch(Target::Logs, now);
        }
        Collector::READING.into_iter().filter(|collector| self.is_used(*collector))
    }

    /// What to read now. `cost` says how many calls a reading may take at most.
    pub fn next(&mut self, now: Moment, cost: impl Fn(Target, bool) -> u32) -> Next {
        let next = self.schedule.next(now, cost);
        if let Next::Read(reading) = next {
            self.accounted += u64::from(reading.granted);
            self.outstanding += u64::from(reading.granted);
        }
        next
    }

    /// A reading has ended, after this time, with so many calls.
    pub fn done(&mut self, reading: Reading, outcome: Outcome, took: Duration, calls: u32, now: Moment) {
        if outcome != Outcome::Failed {
            self.errors.remove(&reading.target);
            if calls > 0 && !reading.target.collector().is_essential() {
                self.others_answered_at = Some(now);
            } else if calls > 0 {
                (self.answered_at, self.probed_at) = (now, None);
                if self.silent_since.take().is_some() {
                    // Everything failed, and no longer does: what was to be tried again later is tried now.
                    let Self { errors, schedule, .. } = self;
                    errors.keys().for_each(|target| schedule.hurry(*target, now));
                }
            }
        }
        let granted = u64::from(reading.granted);
        self.outstanding = self.outstanding.saturating_sub(granted);
        self.accounted = (self.accounted + u64::from(calls)).saturating_sub(granted);
        self.schedule.done(reading.target, outcome, took, calls, now);
    }

    /// Has a queue and its dead-letter queue read at once: messages were just moved between them.
    pub fn moved(&mut self, role: QueueRole, now: Moment) {
        let dead = QueueName::dead_letter(role);
        for target in [Target::Queue(QueueName::main(role)), Target::Queue(dead), Target::DeadLetters(dead)] {
            self.schedule.hurry(target, now);
        }
    }

    /// The job is gone.
    pub fn forget_job(&mut self, job_id: JobId) {
        self.schedule.forget(Target::Job(job_id));
        self.errors.remove(&Target::Job(job_id));
    }

    /// Keeps a target's error; true when it failed not already.
    pub fn note_error(&mut self, target: Target, code: ErrorCode, sentence: String, now: Moment) -> bool {
        let before = self.errors.get(&target);
        let since = before.filter(|(_, other)| other.code == code).map_or(now, |(since, _)| *since);
        self.errors.insert(target, (since, Failure { code, sentence })).is_none()
    }

    /// Whether a collector is without an answer to any of its questions.
    #[must_use]
    pub fn is_any_unanswered(&self, collector: Collector, now: Moment) -> bool {
        let freshness = self.schedule.freshness(now, |target| target.collector() == collector);
        freshness.failing + freshness.hanging > 0
    }

    /// Takes in what the platform counted; returns what came since the last time.
    pub fn counted(&mut self, counts: Vec<(String, Counts)>, now: Moment) -> Vec<(String, Counts)> {
        let new = self.spending.observe(counts, now);
        let made: u64 = new.iter().map(|(_, counts)| counts.attempts).sum();
        let unasked = made.saturating_sub(self.accounted);
        // What is granted may be made, and counted, a moment later.
        self.accounted = self.accounted.saturating_sub(made).min(self.outstanding);
        self.schedule.charge(u32::try_from(unasked).unwrap_or(u32::MAX), now);
        new
    }

    /// Calls by API, the budget where calls are paid for, and what it costs, as of the last counts.
    #[must_use]
    pub fn view(&self, is_metered: bool, now: Moment) -> PollsView {
        self.spending.view(is_metered.then(|| self.schedule.budget().per_minute()), now)
    }

    fn is_used(&self, collector: Collector) -> bool {
        let freshness = || self.schedule.freshness(Moment::ZERO, |target| target.collector() == collector);
        collector == Collector::JobDetails || freshness().targets > 0
    }
}
