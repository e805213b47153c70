//! What the collectors say of themselves: how fresh their values are, and what can't be read.

use std::time::Duration;

use stereospot_domain::{JobStatus, Timestamp};

use super::{Failure, PollState, TICK};
use crate::attention::Outage;
use crate::watch::schedule::{Moment, Target};
use crate::world::Polling;
use stereospot_domain::Collector;

/// So many targets without an answer, and no answer at all in between, may be an outage.
const AN_OUTAGE: usize = 3;

/// While nobody answers, somebody is asked so often.
const PROBE_AGAIN: Duration = Duration::from_secs(5);
/// What is said while a reading only takes too long.
const NO_ANSWER: &str = "no answer yet: is the network up, and the endpoint right?";

/// How the collectors fare.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Those that have read something, or can't.
    pub collectors: Vec<CollectorReport>,
    /// The budget holds readings back so much that it should be told.
    pub polling: Option<Polling>,
    /// It holds any back.
    pub is_held_back: bool,
    /// Neither queues nor rows answer.
    pub outage: Option<Outage>,
    /// Readings that had to wait for the budget since the last report.
    pub deferred: u64,
}

/// How one collector fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectorReport {
    /// Which.
    pub collector: Collector,
    /// The longest pause among its targets.
    pub pause: Duration,
    /// Why nothing of it can be read.
    pub error: Option<String>,
    /// What of it can't be read, and why, while the rest can.
    pub lacks: Option<String>,
    /// Every value that counts is of then, or newer; none while there is no such value.
    pub at: Option<Timestamp>,
    /// Nothing of it is later than it should be.
    pub is_fresh: bool,
}

impl PollState {
    /// How the collectors fare at this moment, which is `at` by the clock. What may be an outage has queues and rows both asked.
    pub fn report(&mut self, now: Moment, at: Timestamp) -> Report {
        let deferred = self.schedule.take_deferred();
        let collectors = Collector::READING.into_iter().filter_map(|one| report_of(self, one, now, at)).collect();
        let pressure = self.schedule.pressure(now);
        self.pressed_since = pressure.map(|_| self.pressed_since.unwrap_or(at));
        let polling = pressure.zip(self.pressed_since).map(|(pressure, since)| Polling {
            budget: self.schedule.budget().per_minute(),
            waiting: pressure.waiting,
            latest: pressure.latest,
            since,
        });
        let is_held_back = self.schedule.is_held_back(now);
        Report { collectors, polling, is_held_back, outage: outage(self, now, at), deferred }
    }
}

/// That neither queues nor rows answer. What makes that likely has both asked.
fn outage(inner: &mut PollState, now: Moment, at: Timestamp) -> Option<Outage> {
    let unanswered: Vec<Target> = inner.schedule.unanswered(inner.answered_at, now).collect();
    let is_in = |collector: Collector| unanswered.iter().any(|target| target.collector() == collector);
    if unanswered.len() >= AN_OUTAGE {
        if inner.silent_since.is_none() && is_in(Collector::Queues) && is_in(Collector::Jobs) {
            inner.silent_since = Some(at.minus(now.saturating_sub(inner.answered_at)));
        }
        if inner.probed_at.is_none_or(|at| inner.silent_since.is_some() && now.saturating_sub(at) >= PROBE_AGAIN) {
            inner.probed_at = Some(now);
            inner.probe.iter().for_each(|name| inner.schedule.hurry(Target::Queue(*name), now));
            inner.schedule.hurry(Target::Active(JobStatus::Created), now);
        }
    }
    let since = inner.silent_since?;
    let why = |is_asked: &dyn Fn(&Target) -> bool| {
        let of_these = inner.errors.iter().filter(|(target, _)| is_asked(target));
        let errors: Vec<&Failure> = of_these.map(|(_, (_, error))| error).collect();
        // One that failed before, and for its own reason, must not stand for all.
        let like = |error: &Failure| errors.iter().filter(|other| other.code == error.code).count();
        errors
            .iter()
            .max_by_key(|error| like(error))
            .map_or_else(|| NO_ANSWER.to_owned(), |error| error.sentence.clone())
    };
    let has_answered = inner.others_answered_at.is_some_and(|other| other >= inner.answered_at);
    let others_answer = has_answered && !is_in(Collector::Services) && !is_in(Collector::Logs);
    let of = |collector: Collector| why(&|target| target.collector() == collector);
    let error = match (others_answer, of(Collector::Queues), of(Collector::Jobs)) {
        (false, ..) => why(&|target| unanswered.contains(target)),
        (true, queues, jobs) if queues == jobs => queues,
        (true, queues, jobs) => format!("queues: {queues}; jobs: {jobs}"),
    };
    let of_aws = inner.kind.is_remote();
    let may_pass = of_aws || error == NO_ANSWER;
    Some(Outage { since, error, of_aws, may_pass, others_answer })
}

/// None for a collector that has not read anything yet, or never does.
fn report_of(inner: &PollState, name: Collector, now: Moment, at: Timestamp) -> Option<CollectorReport> {
    let freshness = |name: Collector| inner.schedule.freshness(now, |target| target.collector() == name);
    let of_name = freshness(name);
    let is_ready = match name {
        // It has targets only while there are jobs to look at.
        Collector::JobDetails => inner.schedule.was_read(|target| target.collector() == Collector::Jobs),
        // With the newest rows the events of the jobs are loaded that people look at first.
        Collector::SettledJobs => [JobStatus::Completed, JobStatus::Failed]
            .iter()
            .all(|status| inner.schedule.was_read(|target| target == Target::Newest(*status))),
        _ => inner.schedule.was_read(|target| target.collector() == name),
    };
    let is_down = of_name.is_down();
    if !is_ready && !is_down {
        return None;
    }
    // Of several the one that began last: what changed a moment ago is news.
    let of_this = inner.errors.iter().filter(|(target, _)| target.collector() == name);
    let newest = of_this.max_by_key(|(_, (since, _))| *since).map(|(target, (_, error))| (target, error));
    let error = is_down.then(|| newest.map_or_else(|| NO_ANSWER.to_owned(), |(_, error)| error.sentence.clone()));
    let lacks = newest.filter(|_| !is_down && of_name.failing > 0);
    let lacks = lacks.map(|(target, error)| {
        format!("{} of {} not read: {target}: {}", of_name.failing, of_name.targets, error.sentence)
    });
    // That there is nothing to read was told by what says what there is.
    let teller = match name {
        Collector::DeadLetters => freshness(Collector::Queues),
        Collector::JobDetails => freshness(Collector::Jobs),
        _ => of_name,
    };
    let pause = of_name.pause.or(teller.pause).unwrap_or_default().max(TICK);
    let is_fresh = of_name.failing + of_name.hanging + teller.hanging == 0 && !teller.is_down();
    let is_fresh = is_fresh && of_name.latest <= pause;
    let age = of_name.oldest.or(teller.oldest);
    Some(CollectorReport { collector: name, pause, error, lacks, at: age.map(|age| at.minus(age)), is_fresh })
}
