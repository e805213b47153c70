//! Follows the workers' log lines and turns them into events, as if the workers had sent them.
//!
//! It searches only while there are unfinished jobs, and starts a little before the end of the last search, because lines arrive
//! late. CloudWatch charges for the bytes in the window: a window twice as wide as the pause doubles the price.

use stereospot_core::watch::pace::LOG_OVERLAP;
use stereospot_core::watch::schedule::Watching;
use stereospot_domain::Timestamp;
use stereospot_ports::Result;
use stereospot_ports::log_source::{Line, MAX_LINES, Progress, Search, derive};
use tokio::sync::watch;
use uuid::Uuid;

use super::observed;
use super::summary::Summary;
use crate::app::App;

/// Most calls of a search: two lists of log groups, the query, and some looks at its results.
pub(super) const COST: u32 = 10;

/// Reads the lines since a little before the last search ended, and skips those already taken.
pub(super) async fn read(app: &App) -> Result<Summary> {
    let mut tail = app.polls.log_tail.lock().await;
    let now = app.now();
    let is_idle = app.live.at_revision(|world, _| {
        let is_active = |job_id| world.jobs.get(job_id).is_some_and(|entry| entry.watching(now) == Watching::Active);
        !world.unfinished().iter().any(is_active)
    });
    let (Some(logs), false) = (&app.platform.logs, is_idle) else {
        // Lines from a time without jobs are never needed.
        tail.until = Some(now);
        return Ok(Summary::new(false, 0));
    };
    let from = tail.until.unwrap_or(now.minus(app.config.watch_logs)).minus(LOG_OVERLAP);
    let progress = watch::Sender::new(Progress::default());
    let found = logs.lines(&Search { job_id: None, from, until: now, limit: MAX_LINES }, &progress).await;
    // A failed search still costs the bytes it scanned.
    app.polls.log_bytes(found.as_ref().map_or(progress.borrow().bytes_scanned, |found| found.bytes_scanned));
    let found = found?;
    let derived: Vec<(derive::Derived, &Line)> = found
        .lines
        .iter()
        .filter_map(|line| Some((derive::event(line)?, line)))
        .filter(|(derived, _)| !tail.taken.contains_key(&derived.id))
        .collect();
    let count = derived.len();
    let ids: Vec<(Uuid, Timestamp)> = derived.iter().map(|(derived, _)| (derived.id, now)).collect();
    observed::from_lines(app, derived).await?;
    let last = found.lines.last().map_or(now, |line| line.time);
    tail.until = Some(if found.is_whole { now } else { last });
    tail.taken.retain(|_, taken_at| now.since(*taken_at) < LOG_OVERLAP * 4 + app.config.watch_logs * 2);
    tail.taken.extend(ids);
    Ok(Summary::new(count > 0, COST))
}
