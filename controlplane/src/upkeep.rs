//! Periodic tasks: publish changes, delete what is old, test the database, report stuck jobs.

use std::sync::Arc;
use std::time::Duration;

use stereospot_core::database::PULSE;
use stereospot_core::flow::HISTORY;
use stereospot_core::worker::FORGOTTEN_AFTER;
use stereospot_domain::diagnosis::{Finding, Repair, Severity};
use stereospot_domain::{Collector, JobId, JobStatus};
use stereospot_ports::error::chain;
use stereospot_telemetry::record;
use tokio::task::JoinSet;

use crate::app::App;
use crate::{retain, store};

/// Changes this close together are published together.
const GATHER: Duration = Duration::from_millis(40);
/// Longest time between two publications, for what changes by time alone: silence, age.
const TICK: Duration = Duration::from_secs(1);
/// Time between two cleanings.
const CLEAN: Duration = Duration::from_secs(60);

/// Starts the tasks.
pub(crate) fn start(app: &Arc<App>, tasks: &mut JoinSet<()>) {
    tasks.spawn(publish(app.clone()));
    tasks.spawn(clean(app.clone()));
    tasks.spawn(pulse(app.clone()));
    if retain::may_act(&app.platform, &app.config) {
        tasks.spawn(retain::run(app.clone()));
    }
    if !app.config.is_read_only && app.platform.alarm.is_some() {
        tasks.spawn(alarm(app.clone()));
    }
}

/// Restores what can't be read from the backend from an earlier run: workers and the queues' history.
pub(crate) async fn recall(app: &App) -> store::Result<()> {
    let now = app.now();
    for boot in app.store.boots_since(now.minus(FORGOTTEN_AFTER)).await? {
        app.live.with(|world| {
            boot.events.iter().for_each(|event| world.apply_to_worker(event, boot.last_at));
            world.set_count(&boot.source, boot.boot, boot.count);
        });
    }
    let oldest = now.as_secs().div_euclid(60) - HISTORY as i64;
    for name in app.backend.queues.keys() {
        let samples = app.store.samples(*name, oldest).await?;
        app.live.with(|world| {
            if let Some(flow) = world.queues.get_mut(name) {
                flow.recall(samples);
            }
        });
    }
    Ok(())
}

async fn publish(app: Arc<App>) {
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = app.live.changed() => tokio::time::sleep(GATHER).await,
            () = tokio::time::sleep(TICK) => {}
        }
        let now = app.now();
        app.live.tick(now);
        app.live.flush(now);
    }
}

/// Reports the number of stuck jobs to the platform, so that its alarm fires even when no one watches the dashboard. When jobs
/// can't be read, it sends no number, so that the alarm fires.
async fn alarm(app: Arc<App>) {
    let Some(alarm) = &app.platform.alarm else { return };
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(app.config.alarm) => {}
        }
        let stuck = app.live.with(|world| {
            let is_read = world.collectors.get(&Collector::Jobs).is_some_and(|jobs| jobs.error.is_none());
            let is_stuck = |job_id: &&JobId| {
                let Some(entry) = world.jobs.get(*job_id) else { return false };
                // A failed job waits for nothing, unless its status is what is wrong.
                let is_due = |finding: &Finding| match finding.repair {
                    Some(Repair::Trigger | Repair::MarkCompleted) => true,
                    _ => entry.job.status != JobStatus::Failed,
                };
                entry.findings.iter().any(|finding| finding.severity == Severity::Critical && is_due(finding))
            };
            is_read.then(|| u32::try_from(world.flagged.iter().filter(is_stuck).count()).unwrap_or(u32::MAX))
        });
        let Some(stuck) = stuck else { continue };
        if let Err(error) = alarm.report(stuck, app.now()).await {
            tracing::warn!(error = %chain(&error), "could not send the number of stuck jobs; trying again");
        }
    }
}

/// Tests regularly whether the control-plane database can be written.
async fn pulse(app: Arc<App>) {
    let interval = (app.config.poll * 10).min(PULSE);
    loop {
        let (error, now) = (app.store.pulse(app.now()).await.err(), app.now());
        app.live.with(|world| match &error {
            Some(error) => world.database_failed(0, error.sentence(), now),
            None => world.database_took(0, now),
        });
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(interval) => {}
        }
    }
}

async fn clean(app: Arc<App>) {
    loop {
        if let Err(error) = clean_once(&app).await {
            tracing::warn!(error = %chain(&error), "old rows were not removed; the next cleaning tries again");
        }
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(CLEAN) => {}
        }
    }
}

async fn clean_once(app: &App) -> store::Result<()> {
    let now = app.now();
    let samples: Vec<_> = app.live.with(|world| {
        world.forget_workers(now);
        world.forget_progress(now);
        world
            .queues
            .iter()
            .filter_map(|(name, flow)| flow.sample().map(|(minute, ready)| (*name, minute, ready)))
            .collect()
    });
    app.store.put_samples(&samples, now.as_secs().div_euclid(60) - HISTORY as i64).await?;
    app.store.forget_copies(now.minus(store::KEPT)).await?;
    app.store.forget_plans(now.minus(store::KEPT)).await?;
    app.store.forget_actions(now.minus(app.config.retention.actions)).await?;
    while app.store.prune(app.config.retention.events, now).await? {
        if app.stop.is_cancelled() {
            break;
        }
        // Prune in small steps with pauses, because events take precedence.
        tokio::time::sleep(GATHER).await;
    }
    record::store_bytes(app.store.bytes());
    Ok(())
}
