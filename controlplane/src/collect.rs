//! Collectors: each reads one kind of truth from the backend again and again, and says how that went.
//!
//! One task hands out readings as [`stereospot_core::watch::schedule`] says, each reading is a task of its own. So a queue that was
//! deleted, or a call that hangs until the SDK's time limit, is its own fault only.
//!
//! Invariant: nothing is read here that the budget did not grant; what others read is charged to it afterwards.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use stereospot_core::watch::polls::TICK;
use stereospot_core::watch::schedule::{Next, Outcome, Reading, Target};
use stereospot_ports::error::chain;
use stereospot_ports::{Error, ErrorCode, Result};
use stereospot_telemetry::record;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

use crate::app::App;

pub(crate) mod details;
mod jobs;
mod logs;
mod observed;
mod polls;
mod queues;
mod services;

pub(crate) use polls::Polls;

/// No reading takes longer. Each call of it has its own, shorter limit; this one is for those that somehow don't end.
const LONGEST: Duration = Duration::from_secs(120);
/// As above for a search of the logs, which is given more time.
const LONGEST_SEARCH: Duration = Duration::from_secs(330);

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
pub(crate) fn start(app: &Arc<App>, tasks: &mut JoinSet<()>) {
    app.polls.begin(app);
    tasks.spawn(dispatch(app.clone()));
    tasks.spawn(observed::run(app.clone()));
}

async fn dispatch(app: Arc<App>) {
    let mut running = JoinSet::new();
    let mut readings: HashMap<Id, Reading> = HashMap::new();
    let mut tick = tokio::time::interval(app.config.poll.max(TICK).min(polls::LONGEST_TICK));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let until = loop {
            match app.polls.next(&app) {
                Next::Read(reading) => {
                    let id = running.spawn(read(app.clone(), reading)).id();
                    readings.insert(id, reading);
                }
                Next::Wait(until) => break until,
            }
        };
        let pause = async {
            match until {
                Some(until) => tokio::time::sleep_until(app.polls.instant(until)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = app.stop.cancelled() => return,
            Some(ended) = running.join_next_with_id() => {
                let id = ended.as_ref().map_or_else(|error| error.id(), |(id, ())| *id);
                let reading = readings.remove(&id);
                if let (Err(error), Some(reading)) = (&ended, reading) {
                    tracing::error!(%error, "a reading broke off: {}", reading.target);
                    app.polls.done(reading, Outcome::Failed, Duration::ZERO, reading.granted);
                }
            }
            jobs = app.nudge.take() => app.polls.nudge(jobs),
            _ = tick.tick() => app.polls.report(&app),
            () = pause => {}
        }
    }
}

async fn read(app: Arc<App>, reading: Reading) {
    let began = Instant::now();
    let Reading { target, with_row, granted } = reading;
    let reads = async {
        match target {
            Target::Queue(name) => queues::numbers(&app, name).await,
            Target::DeadLetters(name) => queues::dead_letters(&app, name).await,
            Target::Services => services::read(&app).await,
            Target::Active(_) | Target::Newest(_) | Target::All(_) => jobs::page(&app, target).await,
            Target::Job(job_id) => details::due(&app, job_id, with_row).await,
            Target::Logs => logs::read(&app).await,
        }
    };
    let longest = if target == Target::Logs { LONGEST_SEARCH } else { LONGEST };
    let result = tokio::time::timeout(longest, reads).await.unwrap_or_else(|_| {
        let sentence = format!("no answer within {} s: is the network up?", longest.as_secs());
        Err(Error::new(ErrorCode::Unavailable, sentence))
    });
    let took = began.elapsed();
    let (outcome, calls) = match &result {
        Ok(brought) => (brought.outcome, brought.calls),
        Err(_) => (Outcome::Failed, granted),
    };
    app.polls.done(reading, outcome, took, calls);
    let collector = target.collector();
    if let Err(error) = &result {
        failed(&app, target, took, error);
    } else if calls == 0 || app.polls.is_any_unanswered(collector) {
        record::collector_read(collector.as_str(), took);
    } else {
        record::collector_succeeded(collector.as_str(), took, std::time::SystemTime::now());
    }
}

fn failed(app: &App, target: Target, took: Duration, error: &Error) {
    let collector = target.collector();
    let is_news = app.polls.note_error(target, error);
    if is_news {
        tracing::warn!(collector = collector.as_str(), error = %chain(error), "not read: {target}");
    }
    record::collector_failed(collector.as_str(), took, error.code().as_str());
}

/// What the collectors' readings return.
type Read = Result<Brought>;
