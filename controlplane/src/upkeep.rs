//! What must be done now and then: tell the stream of changes, forget what is old.

use std::sync::Arc;
use std::time::Duration;

use stereospot_domain::JobId;
use stereospot_domain::diagnosis::Severity;
use stereospot_telemetry::record;
use tokio::task::JoinSet;

use crate::core::flow::HISTORY;
use crate::core::worker::FORGOTTEN_AFTER;
use crate::ingest::chain;
use crate::shared::Shared;
use crate::store;

/// Changes that come so close together are told together.
const GATHER: Duration = Duration::from_millis(40);
/// Without any change, what follows from time alone (silence, age) is looked at so often.
const TICK: Duration = Duration::from_secs(1);
/// Time between two cleanings.
const CLEAN: Duration = Duration::from_secs(60);

/// The control plane's own database, as it is named among the collectors once a write to it has failed.
pub(crate) const OWN_DATABASE: &str = "own-database";
/// Longest time between two looks whether it can be written.
pub(crate) const PULSE: Duration = Duration::from_secs(10);

/// Starts the tasks.
pub(crate) fn start(shared: &Arc<Shared>, tasks: &mut JoinSet<()>) {
    tasks.spawn(tell(shared.clone()));
    tasks.spawn(clean(shared.clone()));
    tasks.spawn(pulse(shared.clone()));
    if !shared.config.is_read_only && shared.platform.alarm.is_some() {
        tasks.spawn(alarm(shared.clone()));
    }
}

/// Brings back what an earlier life of this process knew that no backend tells: workers and the queues' history.
pub(crate) async fn recall(shared: &Shared) -> store::Result<()> {
    let now = shared.now();
    for boot in shared.store.boots_since(now.minus(FORGOTTEN_AFTER)).await? {
        shared.live.with(|world| {
            boot.events.iter().for_each(|event| world.apply_to_worker(event, boot.last_at));
            world.set_count(&boot.source, boot.boot, boot.count);
        });
    }
    let oldest = now.as_secs().div_euclid(60) - HISTORY as i64;
    for name in shared.backend.queues.keys() {
        let samples = shared.store.samples(*name, oldest).await?;
        shared.live.with(|world| {
            if let Some(flow) = world.queues.get_mut(name) {
                flow.recall(samples);
            }
        });
    }
    Ok(())
}

async fn tell(shared: Arc<Shared>) {
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = shared.live.changed() => tokio::time::sleep(GATHER).await,
            () = tokio::time::sleep(TICK) => {}
        }
        let now = shared.now();
        shared.live.tick(now);
        shared.live.flush(now);
    }
}

/// Tells the platform how many jobs are stuck, so that its alarm rings also when nobody looks here. Silence is told by silence:
/// nothing is told while the jobs can't be read.
async fn alarm(shared: Arc<Shared>) {
    let Some(alarm) = &shared.platform.alarm else { return };
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(shared.config.alarm) => {}
        }
        let stuck = shared.live.with(|world| {
            let is_read = world.collectors.get(crate::collect::JOBS).is_some_and(|jobs| jobs.error.is_none());
            let is_stuck = |job_id: &&JobId| {
                let findings = world.jobs.get(*job_id).map(|entry| entry.findings.as_slice()).unwrap_or_default();
                findings.iter().any(|finding| finding.severity == Severity::Critical)
            };
            is_read.then(|| u32::try_from(world.flagged.iter().filter(is_stuck).count()).unwrap_or(u32::MAX))
        });
        let Some(stuck) = stuck else { continue };
        if let Err(error) = alarm.tell(stuck, shared.now()).await {
            tracing::warn!(error = %chain(&error), "the number of stuck jobs was not told; it is told again");
        }
    }
}

/// Looks whether the own database can be written; what is told of it begins with the first failure.
async fn pulse(shared: Arc<Shared>) {
    let interval = (shared.config.poll * 10).min(PULSE);
    loop {
        let (error, now) = (shared.store.pulse(shared.now()).await.err(), shared.now());
        shared.live.with(|world| match &error {
            Some(error) => world.own_database_failed(0, said(error), now),
            None => world.own_database_took(0, now),
        });
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(interval) => {}
        }
    }
}

/// Why the own database can't be written; a full disk needs no cause.
pub(crate) fn said(error: &store::Error) -> String {
    if matches!(error, store::Error::Full(_)) { error.to_string() } else { chain(error) }
}

async fn clean(shared: Arc<Shared>) {
    loop {
        if let Err(error) = clean_once(&shared).await {
            tracing::warn!(error = %chain(&error), "old rows were not removed; the next cleaning tries again");
        }
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(CLEAN) => {}
        }
    }
}

async fn clean_once(shared: &Shared) -> store::Result<()> {
    let now = shared.now();
    let samples: Vec<_> = shared.live.with(|world| {
        world.forget_workers(now);
        world.forget_progress(now);
        world
            .queues
            .iter()
            .filter_map(|(name, flow)| flow.sample().map(|(minute, ready)| (*name, minute, ready)))
            .collect()
    });
    shared.store.put_samples(&samples, now.as_secs().div_euclid(60) - HISTORY as i64).await?;
    shared.store.forget_copies(now.minus(crate::actions::KEPT)).await?;
    shared.store.forget_plans(now.minus(crate::actions::KEPT)).await?;
    while shared.store.prune(shared.config.retention, now).await? {
        if shared.stop.is_cancelled() {
            break;
        }
        // Small steps with room between them: events come first.
        tokio::time::sleep(GATHER).await;
    }
    record::store_bytes(shared.store.bytes());
    Ok(())
}
