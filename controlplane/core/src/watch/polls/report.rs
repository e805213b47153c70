//! The state of the collectors: how fresh their values are, and what can't be read.

use std::time::Duration;

use stereospot_domain::{Collector, JobStatus, Timestamp};

use super::{Failure, PollState, TICK};
use crate::known::{Outage, Polling};
use crate::watch::schedule::{Target, Uptime};

/// This many targets without an answer, and no answer at all in between, may be an outage.
const AN_OUTAGE: usize = 3;

/// Time between two probes while the backend does not answer.
const PROBE_AGAIN: Duration = Duration::from_secs(5);
/// The error of a reading that hangs for an unknown reason.
const NO_ANSWER: &str = "no answer yet: is the network up, and the endpoint right?";

/// The state of all collectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Collectors that have read something, or fail to.
    pub collectors: Vec<CollectorReport>,
    /// Set when the budget holds readings back so much that an operator should know.
    pub polling: Option<Polling>,
    /// True when the budget holds back any reading.
    pub is_held_back: bool,
    /// Set while neither queues nor rows answer.
    pub outage: Option<Outage>,
    /// Readings that had to wait for the budget since the last report.
    pub deferred: u64,
}

/// The state of one collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectorReport {
    pub collector: Collector,
    /// The longest pause among its targets.
    pub pause: Duration,
    /// Why none of its targets can be read.
    pub error: Option<String>,
    /// Which targets can't be read, and why, while the others can.
    pub lacks: Option<String>,
    /// The time of the oldest value that counts; none while there is none.
    pub at: Option<Timestamp>,
    /// True when no target is late.
    pub is_fresh: bool,
}

impl PollState {
    /// The state of the collectors at this moment, which is `at` by the clock. If this may be an outage, queues and rows are probed.
    pub fn report(&mut self, now: Uptime, at: Timestamp) -> Report {
        let deferred = self.schedule.take_deferred();
        let collectors = Collector::READING.into_iter().filter_map(|one| report_of(self, one, now, at)).collect();
        let pressure = self.schedule.pressure(now);
        self.pressed_since = pressure.map(|_| self.pressed_since.unwrap_or(at));
        let polling = pressure.zip(self.pressed_since).map(|(pressure, since)| Polling {
            budget: self.schedule.budget().per_minute(),
            waiting: pressure.waiting,
            most_overdue: pressure.most_overdue,
            since,
        });
        let is_held_back = self.schedule.is_held_back(now);
        Report { collectors, polling, is_held_back, outage: outage(self, now, at), deferred }
    }
}

/// The outage of queues and rows, if there is one. If there may be one, both are probed.
fn outage(inner: &mut PollState, now: Uptime, at: Timestamp) -> Option<Outage> {
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
        // Take the most frequent kind of error: a target that failed before, for a reason of its own, must not speak for all.
        let like = |error: &Failure| errors.iter().filter(|other| other.code == error.code).count();
        errors.iter().max_by_key(|error| like(error)).map_or_else(|| no_answer(inner), |error| error.sentence.clone())
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

/// The error of a reading that hangs: what hinders its calls, if that is known.
fn no_answer(inner: &PollState) -> String {
    inner.hindrance.clone().unwrap_or_else(|| NO_ANSWER.to_owned())
}

/// None for a collector that has not read anything yet, or has nothing to read.
fn report_of(inner: &PollState, name: Collector, now: Uptime, at: Timestamp) -> Option<CollectorReport> {
    let freshness = |name: Collector| inner.schedule.freshness(now, |target| target.collector() == name);
    let of_name = freshness(name);
    let is_ready = match name {
        // It has targets only while there are unfinished jobs.
        Collector::JobDetails => inner.schedule.was_read(|target| target.collector() == Collector::Jobs),
        // The newest rows load the events of the jobs that operators look at first.
        Collector::SettledJobs => [JobStatus::Completed, JobStatus::Failed]
            .iter()
            .all(|status| inner.schedule.was_read(|target| target == Target::Newest(*status))),
        _ => inner.schedule.was_read(|target| target.collector() == name),
    };
    let is_down = of_name.is_down();
    if !is_ready && !is_down {
        return None;
    }
    // Of several errors take the one that began last: it is the news.
    let of_this = inner.errors.iter().filter(|(target, _)| target.collector() == name);
    let newest = of_this.max_by_key(|(_, (since, _))| *since).map(|(target, (_, error))| (target, error));
    let error = is_down.then(|| newest.map_or_else(|| no_answer(inner), |(_, error)| error.sentence.clone()));
    let lacks = newest.filter(|_| !is_down && of_name.failing > 0);
    let lacks = lacks.map(|(target, error)| {
        format!("{} of {} not read: {target}: {}", of_name.failing, of_name.targets, error.sentence)
    });
    // Where there is nothing to read, another collector's value shows that: the queue counts, or the rows.
    let source = match name {
        Collector::DeadLetters => freshness(Collector::Queues),
        Collector::JobDetails => freshness(Collector::Jobs),
        _ => of_name,
    };
    let pause = of_name.pause.or(source.pause).unwrap_or_default().max(TICK);
    let is_fresh = of_name.failing + of_name.hanging + source.hanging == 0 && !source.is_down();
    let is_fresh = is_fresh && of_name.most_overdue <= pause;
    let age = of_name.oldest.or(source.oldest);
    Some(CollectorReport { collector: name, pause, error, lacks, at: age.map(|age| at.minus(age)), is_fresh })
}
