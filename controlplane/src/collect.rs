//! Collectors: each reads one kind of truth from the backend again and again, and says how that went.
//!
//! Invariant: a collector takes at most about a tenth of its time: the next run waits at least ten times as long as the last one
//! took, however many jobs there are.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use stereospot_domain::JobId;
use stereospot_ports::{Error, Result};
use stereospot_telemetry::record;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::shared::Shared;

pub(crate) mod details;
mod jobs;
mod queues;

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

/// Jobs that were just heard of: they are read at once instead of at the next run.
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
        // What doesn't fit is read at the next run of the collectors.
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

/// Starts all collectors; they end when the server stops.
pub(crate) fn start(shared: &Arc<Shared>, tasks: &mut JoinSet<()>) {
    let poll = shared.config.poll;
    for name in [QUEUES, DEAD_LETTERS, JOBS, SETTLED_JOBS, JOB_DETAILS] {
        record::collector_known(name);
    }
    tasks.spawn(run(shared.clone(), QUEUES, poll, async |shared| queues::numbers(shared).await));
    tasks.spawn(run(shared.clone(), DEAD_LETTERS, poll, async |shared| queues::dead_letters(shared).await));
    tasks.spawn(run(shared.clone(), JOBS, poll, async |shared| jobs::unfinished(shared).await));
    tasks.spawn(run(shared.clone(), SETTLED_JOBS, poll * 30, async |shared| jobs::settled(shared).await));
    tasks.spawn(run(shared.clone(), JOB_DETAILS, poll, async |shared| details::unfinished(shared).await));
    tasks.spawn(nudged(shared.clone()));
}

async fn run<F>(shared: Arc<Shared>, name: &'static str, interval: Duration, collect: F)
where
    F: AsyncFn(&Shared) -> Result<()>,
{
    loop {
        let began = Instant::now();
        let result = collect(&shared).await;
        let took = began.elapsed();
        let at = shared.now();
        if let Err(error) = &result {
            let was_up = shared.live.with(|world| world.collectors.get(name).is_none_or(|view| view.error.is_none()));
            if was_up {
                tracing::warn!(collector = name, error = %crate::ingest::chain(error), "a collector failed");
            }
            record::collector_failed(name, took, error.code().as_str());
        } else {
            record::collector_succeeded(name, took, SystemTime::now());
        }
        // What a single run finds is told with the interval it really keeps.
        let next = interval.max(took * 10);
        let error = result.err().map(|error: Error| error.to_string());
        shared.live.with(|world| world.collector_ran(name, next, error, at));
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(next) => {}
        }
    }
}

/// Reads jobs that an event told of.
async fn nudged(shared: Arc<Shared>) {
    loop {
        let jobs = tokio::select! {
            () = shared.stop.cancelled() => return,
            jobs = shared.nudge.take() => jobs,
        };
        for job_id in jobs {
            if let Err(error) = details::refresh(&shared, job_id).await {
                tracing::debug!(%job_id, %error, "a job was not read; the collectors read it again");
            }
        }
    }
}
