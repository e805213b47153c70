//! What the collectors say of themselves: how fresh their values are, what can't be read, what was called.

use std::time::{Duration, SystemTime};

use stereospot_domain::{JobStatus, Timestamp};
use stereospot_ports::Error;
use stereospot_telemetry::catalogue::CallOutcome;
use stereospot_telemetry::record;
use tokio::time::Instant;

use super::{COLLECTORS, Inner, Polls, TICK};
use crate::collect::schedule::{Moment, Target};
use crate::collect::{DEAD_LETTERS, JOB_DETAILS, JOBS, LOGS, QUEUES, SERVICES, SETTLED_JOBS, collector};
use crate::core::attention::Outage;
use crate::core::world::Polling;
use crate::shared::{Counts, Shared};

/// So many targets without an answer, and no answer at all in between, may be an outage.
const AN_OUTAGE: usize = 3;

/// While nobody answers, somebody is asked so often.
const PROBE_AGAIN: Duration = Duration::from_secs(5);
/// What is said while a reading only takes too long.
const NO_ANSWER: &str = "no answer yet: is the network up, and the endpoint right?";

impl Polls {
    /// Tells how the collectors fare, what was called, and how many jobs there are.
    pub(in crate::collect) fn report(&self, shared: &Shared) {
        let now = self.now();
        let at = shared.now();
        let mut inner = self.lock();
        if let Some(calls) = &self.calls {
            let new = inner.spending.observe(calls.snapshot(), now);
            tell_calls(&new);
            record::clock_ahead(calls.clock_ahead_secs());
            let made: u64 = new.iter().map(|(_, counts)| counts.attempts).sum();
            let unasked = made.saturating_sub(inner.accounted);
            // What is granted may be made, and counted, a moment later.
            inner.accounted = inner.accounted.saturating_sub(made).min(inner.outstanding);
            inner.schedule.charge(u32::try_from(unasked).unwrap_or(u32::MAX), now);
        }
        record::polls_deferred(inner.schedule.take_deferred());
        let views = COLLECTORS.into_iter().filter_map(|name| report_of(&inner, name, now, at)).collect::<Vec<_>>();
        let pressure = inner.schedule.pressure(now);
        inner.pressed_since = pressure.map(|_| inner.pressed_since.unwrap_or(at));
        let polling = pressure.zip(inner.pressed_since).map(|(pressure, since)| Polling {
            budget: inner.schedule.budget().per_minute(),
            waiting: pressure.waiting,
            latest: pressure.latest,
            since,
        });
        let is_held_back = inner.schedule.is_held_back(now);
        let outage = outage(&mut inner, shared, now, at);
        let is_due = inner.measured.is_none_or(|(when, took)| now.saturating_sub(when) >= took * 10);
        drop(inner);
        shared.live.with(|world| {
            (world.polling, world.is_held_back, world.outage) = (polling, is_held_back, outage);
            let wrong_clock = self.calls.as_ref().and_then(|calls| calls.wrong_clock());
            world.wrong_clock =
                wrong_clock.map(|words| (world.wrong_clock.take().map_or(at, |(since, _)| since), words));
            for view in views {
                if view.error.is_some() || view.at.is_some() {
                    world.collector_ran(view.name, view.pause, view.error, view.at.unwrap_or(at));
                }
                world.collector_lacks(view.name, view.lacks, at);
            }
        });
        if is_due {
            let began = Instant::now();
            crate::measure::jobs(shared);
            self.lock().measured = Some((now, began.elapsed()));
        }
    }
}

/// How a collector fares.
struct Report {
    name: &'static str,
    pause: Duration,
    error: Option<String>,
    /// What of it can't be read, and why, while the rest can.
    lacks: Option<String>,
    /// Every value that counts is of then, or newer; none while there is no such value.
    at: Option<Timestamp>,
}

/// That neither queues nor rows answer. What makes that likely has both asked.
fn outage(inner: &mut Inner, shared: &Shared, now: Moment, at: Timestamp) -> Option<Outage> {
    let unanswered: Vec<Target> = inner.schedule.unanswered(inner.answered_at, now).collect();
    let is_in = |name: &str| unanswered.iter().any(|target| collector(*target) == name);
    if unanswered.len() >= AN_OUTAGE {
        if inner.silent_since.is_none() && is_in(QUEUES) && is_in(JOBS) {
            inner.silent_since = Some(at.minus(now.saturating_sub(inner.answered_at)));
        }
        if inner.probed_at.is_none_or(|at| inner.silent_since.is_some() && now.saturating_sub(at) >= PROBE_AGAIN) {
            inner.probed_at = Some(now);
            shared.backend.queues.keys().take(1).for_each(|name| inner.schedule.hurry(Target::Queue(*name), now));
            inner.schedule.hurry(Target::Active(JobStatus::Created), now);
        }
    }
    let since = inner.silent_since?;
    let why = |is_asked: &dyn Fn(&Target) -> bool| {
        let of_these = inner.errors.iter().filter(|(target, _)| is_asked(target));
        let errors: Vec<&Error> = of_these.map(|(_, (_, error))| error).collect();
        // One that failed before, and for its own reason, must not stand for all.
        let like = |error: &Error| errors.iter().filter(|other| other.code() == error.code()).count();
        errors.iter().max_by_key(|error| like(error)).map_or_else(|| NO_ANSWER.to_owned(), ToString::to_string)
    };
    let has_answered = inner.others_answered_at.is_some_and(|other| other >= inner.answered_at);
    let others_answer = has_answered && !is_in(SERVICES) && !is_in(LOGS);
    let of = |name: &str| why(&|target| collector(*target) == name);
    let error = match (others_answer, of(QUEUES), of(JOBS)) {
        (false, ..) => why(&|target| unanswered.contains(target)),
        (true, queues, jobs) if queues == jobs => queues,
        (true, queues, jobs) => format!("queues: {queues}; jobs: {jobs}"),
    };
    Some(Outage { since, error, of_aws: shared.platform.facts.kind == "aws", others_answer })
}

/// None for a collector that has not read anything yet, or never does.
fn report_of(inner: &Inner, name: &'static str, now: Moment, at: Timestamp) -> Option<Report> {
    let freshness = |name: &str| inner.schedule.freshness(now, |target| collector(target) == name);
    let of_name = freshness(name);
    let is_ready = match name {
        // It has targets only while there are jobs to look at.
        JOB_DETAILS => inner.schedule.was_read(|target| collector(target) == JOBS),
        // With the newest rows the events of the jobs are loaded that people look at first.
        SETTLED_JOBS => [JobStatus::Completed, JobStatus::Failed]
            .iter()
            .all(|status| inner.schedule.was_read(|target| target == Target::Newest(*status))),
        _ => inner.schedule.was_read(|target| collector(target) == name),
    };
    let is_down = of_name.is_down();
    if !is_ready && !is_down {
        return None;
    }
    // Of several the one that began last: what changed a moment ago is news.
    let of_this = inner.errors.iter().filter(|(target, _)| collector(**target) == name);
    let newest = of_this.max_by_key(|(_, (since, _))| *since).map(|(target, (_, error))| (target, error));
    let error = is_down.then(|| newest.map_or_else(|| NO_ANSWER.to_owned(), |(_, error)| error.to_string()));
    let lacks = newest.filter(|_| !is_down && of_name.failing > 0);
    let lacks =
        lacks.map(|(target, error)| format!("{} of {} not read: {target}: {error}", of_name.failing, of_name.targets));
    // That there is nothing to read was told by what says what there is.
    let teller = match name {
        DEAD_LETTERS => freshness(QUEUES),
        JOB_DETAILS => freshness(JOBS),
        _ => of_name,
    };
    let pause = of_name.pause.or(teller.pause).unwrap_or_default().max(TICK);
    let is_fresh = of_name.failing + of_name.hanging + teller.hanging == 0 && !teller.is_down();
    if is_fresh && of_name.latest <= pause {
        record::collector_fresh(name, SystemTime::now());
    }
    let age = of_name.oldest.or(teller.oldest);
    Some(Report { name, pause, error, lacks, at: age.map(|age| at.minus(age)) })
}

fn tell_calls(new: &[(String, Counts)]) {
    for (api, counts) in new {
        record::backend_calls(api, CallOutcome::Throttled, counts.throttled);
        record::backend_calls(api, CallOutcome::Failed, counts.failed);
        let answered = counts.attempts.saturating_sub(counts.throttled + counts.failed);
        record::backend_calls(api, CallOutcome::Answered, answered);
    }
}
