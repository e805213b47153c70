//! The workers' log lines, read to the end again and again: what they tell becomes events, as if the workers had sent them.
//!
//! Only while there are unfinished jobs, and each time from a little before where the last look ended: a line may be late. On
//! CloudWatch each look pays for the bytes of its window, so a window twice as wide as the pause doubles the price.

use std::collections::BTreeMap;

use stereospot_core::watch::pace::LOG_OVERLAP;
use stereospot_core::watch::schedule::Watching;
use stereospot_domain::Timestamp;
use stereospot_ports::log_source::{Line, MAX_LINES, Progress, Search, derive};
use tokio::sync::watch;
use uuid::Uuid;

use super::jobs::watching;
use super::{Brought, Read, observed};
use crate::app::App;

/// Calls that a look takes at most: two lists of groups, the query, and some looks at its results.
pub(super) const COST: u32 = 10;

/// Where the logs were read up to.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    until: Option<Timestamp>,
    /// Lines within the overlap that were taken, by their ids.
    taken: BTreeMap<Uuid, Timestamp>,
}

/// Reads what came since the last look.
pub(super) async fn read(app: &App) -> Read {
    let mut tail = app.polls.tail.lock().await;
    let now = app.now();
    let is_idle = app.live.at_revision(|world, _| {
        let is_active = |job_id| world.jobs.get(job_id).is_some_and(|entry| watching(entry, now) == Watching::Active);
        !world.unfinished().iter().any(is_active)
    });
    let (Some(logs), false) = (&app.platform.logs, is_idle) else {
        // What is written while nothing is under way is not of interest later.
        tail.until = Some(now);
        return Ok(Brought::of(false, 0));
    };
    let from = tail.until.unwrap_or(now.minus(app.config.watch_logs)).minus(LOG_OVERLAP);
    let progress = watch::Sender::new(Progress::default());
    let found = logs.lines(&Search { job_id: None, from, until: now, limit: MAX_LINES }, &progress).await;
    // Also what a search scanned before it failed is paid for.
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
    Ok(Brought::of(count > 0, COST))
}
