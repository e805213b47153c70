//! Collectors: each reads one kind of state from the backend, on a schedule, and reports how that went.
//!
//! One task starts the readings that [`stereospot_core::watch::schedule`] asks for; each reading is a task of its own. So a deleted
//! queue, or a call that hangs until the SDK's time limit, affects only itself.
//!
//! Invariant: nothing is read here without a grant from the budget. Calls made elsewhere are charged to it afterwards.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use stereospot_core::watch::polls::TICK;
use stereospot_core::watch::schedule::{Next, ReadOutcome, Reading, Target};
use stereospot_ports::error::chain;
use stereospot_ports::{Error, ErrorCode};
use stereospot_telemetry::record;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

use crate::app::App;
use crate::polls::LONGEST_TICK;

pub(crate) mod details;
mod job_events;
mod jobs;
mod logs;
pub(crate) mod objects;
mod observed;
mod queues;
mod services;
mod summary;

/// A reading is cut off after this long. Each of its calls has a shorter limit; this one is for readings that somehow don't end.
const LONGEST: Duration = Duration::from_secs(120);
/// The same for a log search, which is allowed more time.
const LONGEST_SEARCH: Duration = Duration::from_secs(330);

/// Starts all collectors; they end when the server stops.
pub(crate) fn start(app: &Arc<App>, tasks: &mut JoinSet<()>) {
    let has_logs = app.platform.logs.is_some() && !app.config.watch_logs.is_zero();
    app.polls.begin(app.backend.queues.keys(), app.platform.fleet.is_some(), has_logs);
    tasks.spawn(dispatch(app.clone()));
    tasks.spawn(observed::run(app.clone()));
}

async fn dispatch(app: Arc<App>) {
    let mut running = JoinSet::new();
    let mut readings: HashMap<Id, Reading> = HashMap::new();
    let mut tick = tokio::time::interval(app.config.poll.max(TICK).min(LONGEST_TICK));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let until = loop {
            match app.polls.next(|target, with_row| cost(&app, target, with_row)) {
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
                    app.polls.done(reading, ReadOutcome::Failed, Duration::ZERO, reading.granted);
                }
            }
            jobs = app.nudge.take() => app.polls.nudge(jobs),
            _ = tick.tick() => app.polls.report(&app.live, &*app.backend.clock),
            () = pause => {}
        }
    }
}

/// The most calls that a reading may take.
fn cost(app: &App, target: Target, with_row: bool) -> u32 {
    match target {
        Target::Queue(_) | Target::Active(_) | Target::Newest(_) | Target::All(_) => 1,
        Target::DeadLetters(name) => queues::cost(app, name),
        Target::Services => 2,
        Target::Job(job_id) => details::cost(app, job_id, with_row),
        Target::Logs => logs::COST,
        Target::Objects => app.sweep.cost(app),
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
            Target::Objects => objects::page(&app).await,
        }
    };
    let longest = if target == Target::Logs { LONGEST_SEARCH } else { LONGEST };
    let result = tokio::time::timeout(longest, reads).await.unwrap_or_else(|_| {
        let sentence = format!("no answer within {} s: is the network up?", longest.as_secs());
        Err(Error::new(ErrorCode::Unavailable, sentence))
    });
    let took = began.elapsed();
    let (outcome, calls) = match &result {
        Ok(summary) => (summary.outcome, summary.calls),
        Err(_) => (ReadOutcome::Failed, granted),
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
