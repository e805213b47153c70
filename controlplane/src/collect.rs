//! Collectors: each reads one kind of truth from the backend again and again, and says how that went.
//!
//! One task hands out readings as [`schedule`] says, each reading is a task of its own. So a queue that was deleted, or a call that
//! hangs until the SDK's time limit, is its own fault only.
//!
//! Invariant: nothing is read here that the budget did not grant; what others read is charged to it afterwards.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stereospot_domain::JobId;
use stereospot_ports::{Code, Error, Result};
use stereospot_telemetry::record;
use tokio::sync::Notify;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

use crate::ingest::chain;
use crate::shared::Shared;

mod budget;
pub(crate) mod details;
mod jobs;
mod logs;
mod observed;
mod pace;
mod polls;
mod queues;
mod schedule;
mod services;
#[cfg(test)]
mod simulation;
mod spending;

pub(crate) use polls::Polls;

use schedule::{Next, Outcome, Reading, Target};

/// Names of the collectors.
pub(crate) const QUEUES: &str = "queues";
/// What lies on the dead-letter queues.
pub(crate) const DEAD_LETTERS: &str = "dead-letters";
/// Rows of unfinished jobs.
pub(crate) const JOBS: &str = "jobs";
/// Rows of finished jobs.
pub(crate) const SETTLED_JOBS: &str = "settled-jobs";
/// Completions, locks and objects of unfinished jobs.
pub(crate) const JOB_DETAILS: &str = "job-details";
/// The platform's services.
pub(crate) const SERVICES: &str = "services";
/// Lines of the workers' logs.
pub(crate) const LOGS: &str = "logs";

/// The collector that reads a target.
fn collector(target: Target) -> &'static str {
    match target {
        Target::Queue(_) => QUEUES,
        Target::DeadLetters(_) => DEAD_LETTERS,
        Target::Active(_) => JOBS,
        Target::Newest(_) | Target::All(_) => SETTLED_JOBS,
        Target::Job(_) => JOB_DETAILS,
        Target::Services => SERVICES,
        Target::Logs => LOGS,
    }
}

/// No reading takes longer. Each call of it has its own, shorter limit; this one is for those that somehow don't end.
const LONGEST: Duration = Duration::from_secs(120);
/// As above for a search of the logs, which is given more time.
const LONGEST_SEARCH: Duration = Duration::from_secs(330);

/// Jobs that were just heard of: they are read soon instead of at their time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Nudge {
    waiting: Arc<Mutex<BTreeSet<JobId>>>,
    wake: Arc<Notify>,
}

impl Nudge {
    /// Has these jobs read soon.
    pub(crate) fn jobs(&self, jobs: impl Iterator<Item = JobId>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let before = waiting.len();
        // What doesn't fit is read at its time.
        waiting.extend(jobs.take(1000_usize.saturating_sub(before)));
        if waiting.len() > before {
            self.wake.notify_one();
        }
    }

    async fn take(&self) -> BTreeSet<JobId> {
        self.wake.notified().await;
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a reading brought, beside what it changed in what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Brought {
    outcome: Outcome,
    /// Calls that it made.
    calls: u32,
}

impl Brought {
    /// Something new, or not, by so many calls.
    fn of(is_changed: bool, calls: u32) -> Self {
        Self { outcome: if is_changed { Outcome::Changed } else { Outcome::Same }, calls }
    }
}

/// Starts all collectors; they end when the server stops.
pub(crate) fn start(shared: &Arc<Shared>, tasks: &mut JoinSet<()>) {
    shared.polls.begin(shared);
    tasks.spawn(dispatch(shared.clone()));
    tasks.spawn(observed::run(shared.clone()));
}

async fn dispatch(shared: Arc<Shared>) {
    let mut running = JoinSet::new();
    let mut readings: HashMap<Id, Reading> = HashMap::new();
    let mut tick = tokio::time::interval(shared.config.poll.max(polls::TICK).min(polls::LONGEST_TICK));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let until = loop {
            match shared.polls.next(&shared) {
                Next::Read(reading) => {
                    let id = running.spawn(read(shared.clone(), reading)).id();
                    readings.insert(id, reading);
                }
                Next::Wait(until) => break until,
            }
        };
        let pause = async {
            match until {
                Some(until) => tokio::time::sleep_until(shared.polls.instant(until)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shared.stop.cancelled() => return,
            Some(ended) = running.join_next_with_id() => {
                let id = ended.as_ref().map_or_else(|error| error.id(), |(id, ())| *id);
                let reading = readings.remove(&id);
                if let (Err(error), Some(reading)) = (&ended, reading) {
                    tracing::error!(%error, "a reading broke off: {}", reading.target);
                    shared.polls.done(reading, Outcome::Failed, Duration::ZERO, reading.granted);
                }
            }
            jobs = shared.nudge.take() => shared.polls.nudge(jobs),
            _ = tick.tick() => shared.polls.report(&shared),
            () = pause => {}
        }
    }
}

async fn read(shared: Arc<Shared>, reading: Reading) {
    let began = Instant::now();
    let Reading { target, with_row, granted } = reading;
    let reads = async {
        match target {
            Target::Queue(name) => queues::numbers(&shared, name).await,
            Target::DeadLetters(name) => queues::dead_letters(&shared, name).await,
            Target::Services => services::read(&shared).await,
            Target::Active(_) | Target::Newest(_) | Target::All(_) => jobs::page(&shared, target).await,
            Target::Job(job_id) => details::due(&shared, job_id, with_row).await,
            Target::Logs => logs::read(&shared).await,
        }
    };
    let longest = if target == Target::Logs { LONGEST_SEARCH } else { LONGEST };
    let result = tokio::time::timeout(longest, reads).await.unwrap_or_else(|_| {
        let sentence = format!("no answer within {} s: is the network up?", longest.as_secs());
        Err(Error::new(Code::Unavailable, sentence))
    });
    let took = began.elapsed();
    let (outcome, calls) = match &result {
        Ok(brought) => (brought.outcome, brought.calls),
        Err(_) => (Outcome::Failed, granted),
    };
    shared.polls.done(reading, outcome, took, calls);
    if let Err(error) = &result {
        failed(&shared, target, took, error);
    } else if calls == 0 || shared.polls.is_any_unanswered(collector(target)) {
        record::collector_read(collector(target), took);
    } else {
        record::collector_succeeded(collector(target), took, std::time::SystemTime::now());
    }
}

fn failed(shared: &Shared, target: Target, took: Duration, error: &Error) {
    let is_news = shared.polls.note_error(target, error);
    if is_news {
        tracing::warn!(collector = collector(target), error = %chain(error), "not read: {target}");
    }
    record::collector_failed(collector(target), took, error.code().as_str());
}

/// What the collectors' readings return.
type Read = Result<Brought>;
