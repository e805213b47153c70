//! Deletes old jobs automatically, where `--keep-jobs` or `--keep-size` says so, and the rows of jobs that were deleted long ago.
//!
//! Invariant: it deletes only from a pipeline that is ours. On a deployment that is only watched, nothing goes without an operator's
//! plan.

use std::sync::Arc;
use std::time::{Duration, Instant};

use stereospot_core::world::Entry;
use stereospot_domain::plan::{Action, Outcome};
use stereospot_domain::retention::Why;
use stereospot_domain::text::{plural, size};
use stereospot_domain::{BackendKind, JobId, JobStatus};
use stereospot_ports::deletion::{self, Remains};
use stereospot_ports::error::chain;

use crate::actions::{action_log, prune};
use crate::app::App;
use crate::config::{Config, Policy};
use crate::platform::Platform;
use crate::retention::{self, Error};

/// Time between two automatic runs where calls are free, and where they are not.
const EVERY: Duration = Duration::from_secs(60);
const EVERY_METERED: Duration = Duration::from_secs(900);
/// Adding up the sizes of all objects may take this share of the time: one part in so many.
const SCAN_SHARE: u32 = 50;
/// Most jobs that one run deletes. The next run goes on.
const AT_ONCE: usize = 200;
/// A job that ended this recently is not deleted to save space: its result may be on its way to its owner.
const FETCHED_WITHIN: Duration = Duration::from_secs(3600);
/// The name in the action log.
const NAME: &str = "retention";

/// Whether anything may be deleted without an operator's plan: only from a pipeline that is ours.
pub(crate) fn may_act(platform: &Platform, config: &Config) -> bool {
    let is_ours = platform.backend.kind != BackendKind::Aws || platform.facts.is_provisioned == Some(true);
    config.reconciles() && is_ours
}

/// Runs until the server stops.
pub(crate) async fn run(app: Arc<App>) {
    let every = if app.polls.is_metered() { EVERY_METERED } else { EVERY }.min(app.config.poll * 60);
    let mut pause = every;
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let began = Instant::now();
        match run_once(&app).await {
            Ok(()) | Err(Error::Unread) => {}
            Err(error) => {
                tracing::warn!(error = %chain(&error), "old jobs could not be deleted; the next run tries again");
            }
        }
        pause = every.max(began.elapsed() * SCAN_SHARE);
    }
}

async fn run_once(app: &App) -> Result<(), Error> {
    let Policy { jobs: keep, rows, .. } = app.config.retention;
    if !keep.is_all() {
        let mut found = retention::find(app, keep, AT_ONCE).await?;
        let now = app.now();
        found.chosen.retain(|chosen| chosen.why == Why::Age || now.since(chosen.ended_at) >= FETCHED_WITHIN);
        let results = prune::remove_all(app, found.chosen.iter().map(|chosen| chosen.job_id)).await;
        let done = results.iter().filter(|result| result.outcome == Outcome::Done).count();
        if done > 0 {
            let bytes = found.chosen.iter().map(|chosen| chosen.remains.bytes).sum();
            tracing::info!(jobs = done, "old jobs were deleted, as --keep-jobs and --keep-size ask: {}", size(bytes));
            let scope = format!("{} that ended long ago", plural(done, "job"));
            let action = Action::Prune { older_than_secs: keep.age.map(|age| age.as_secs()), keep_bytes: keep.bytes };
            action_log::keep_automatic_of(app, NAME, action, scope, results).await;
        }
    }
    forget_rows(app, rows).await
}

/// Removes the rows of jobs that were deleted long ago, and with them what this process remembers of the jobs.
async fn forget_rows(app: &App, rows: Duration) -> Result<(), Error> {
    let now = app.now();
    let old: Vec<JobId> = app.live.at_revision(|world, _| {
        let is_old =
            |entry: &Entry| entry.job.status == JobStatus::Deleted && now.since(entry.last_activity_at()) >= rows;
        world.jobs.iter().filter(|(_, entry)| is_old(entry)).map(|(job_id, _)| *job_id).take(AT_ONCE).collect()
    });
    for job_id in old {
        // What a late write left behind has no other owner than the row.
        if deletion::remains(&app.backend, job_id).await? != Remains::default() {
            deletion::delete(&app.backend, job_id).await?;
        }
        app.backend.jobs.delete_row(job_id).await?;
        app.live.with(|world| world.forget_job(job_id));
        app.polls.forget_job(job_id);
    }
    Ok(())
}
