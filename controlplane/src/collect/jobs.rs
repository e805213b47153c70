//! Rows of jobs by status, whoever made them: unfinished ones often, the newest ended ones seldom, all of them rarely.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::Duration;

use stereospot_core::watch::schedule::{Outcome, Target, Watching};
use stereospot_core::watch::spending::units_of_rows;
use stereospot_core::world::{Entry, Seen};
use stereospot_domain::Collector;
use stereospot_domain::{JobId, JobStatus, Timestamp};
use stereospot_ports::error::chain;

use super::details::knows_source;
use super::{Brought, Read};
use crate::app::App;

/// Rows in one reading.
const PAGE: usize = 1_000;
/// Rows in a reading of the newest: usually few of them are new, and a page is paid for by its size.
const NEWEST_PAGE: usize = 100;
/// Newest ended jobs whose events are loaded at the start.
const LOADED_AT_START: usize = 100;
/// Newest failed jobs that are looked into, also when they failed before our time.
const NEWEST_FAILED: usize = 200;

/// A job that still waits for its source after so long is looked at seldom.
const ABANDONED_AFTER: Duration = Duration::from_secs(3_600);

/// A list that is read page by page.
#[derive(Debug)]
pub(crate) struct Listing {
    began: Timestamp,
    next: Option<String>,
    seen: BTreeSet<JobId>,
    is_changed: bool,
}

/// Reads the next page of a list.
pub(super) async fn page(app: &App, target: Target) -> Read {
    let (Target::Active(status) | Target::Newest(status) | Target::All(status)) = target else {
        return Ok(Brought::of(false, 0));
    };
    let at = app.now();
    let taken = lock(app).remove(&target);
    let is_first_page = taken.is_none();
    let mut listing = taken.unwrap_or(Listing { began: at, next: None, seen: BTreeSet::new(), is_changed: false });
    let limit = if matches!(target, Target::Newest(_)) { NEWEST_PAGE } else { PAGE };
    // On an error the list begins anew.
    let page = app.backend.jobs.list(status, listing.next.as_deref(), limit).await?;
    app.polls.queried(units_of_rows(page.items.len()));
    let (mut watched, mut changed) = (Vec::new(), Vec::new());
    let mut has_known = page.items.is_empty();
    let are_newest_failed = is_first_page && status == JobStatus::Failed;
    app.live.with(|world| {
        for (place, job) in page.items.into_iter().enumerate() {
            let job_id = job.job_id;
            let seen = world.set_job(job, at);
            has_known |= seen != Seen::New;
            listing.is_changed |= seen != Seen::Same;
            if matches!(target, Target::Active(_)) {
                listing.seen.insert(job_id);
            }
            let is_news = seen == Seen::Changed || (seen == Seen::New && are_newest_failed && place < NEWEST_FAILED);
            if !status.is_final() || is_news {
                watched.extend(world.jobs.get(&job_id).map(|entry| (job_id, watching(entry, at))));
            }
            if seen == Seen::Changed {
                changed.push(job_id);
            }
        }
    });
    app.polls.watch_jobs(watched);
    changed.into_iter().for_each(|job_id| app.polls.hurry(Target::Job(job_id)));
    listing.next = page.next;
    let goes_on = match target {
        // All is read at the start by another list.
        Target::Newest(_) => {
            !has_known && app.live.with(|world| world.collectors.contains_key(&Collector::SettledJobs))
        }
        _ => true,
    };
    if listing.next.is_some() && goes_on {
        lock(app).insert(target, listing);
        return Ok(Brought { outcome: Outcome::More, calls: 1 });
    }
    match target {
        Target::Active(_) => look_for_those_that_left(app, status, &listing),
        Target::Newest(_) if !app.live.with(|world| world.collectors.contains_key(&Collector::SettledJobs)) => {
            load_newest(app).await;
        }
        _ => {}
    }
    Ok(Brought::of(listing.is_changed, 1))
}

/// How a job is watched.
pub(super) fn watching(entry: &Entry, now: Timestamp) -> Watching {
    match entry.job.status {
        JobStatus::Failed => Watching::Failed,
        status if status.is_final() => Watching::Last,
        // Its source will hardly come any more; if it does, the row tells. One whose source is there waits for a message instead.
        JobStatus::Created if !knows_source(entry) && now.since(entry.last_activity_at()) > ABANDONED_AFTER => {
            Watching::Idle
        }
        _ => Watching::Active,
    }
}

/// What had the status and is no longer listed has moved on: its row tells where to.
fn look_for_those_that_left(app: &App, status: JobStatus, listing: &Listing) {
    let left: BTreeSet<JobId> = app.live.with(|world| {
        let unfinished = world.unfinished().into_iter();
        unfinished
            .filter(|job_id| {
                let is_older = |entry: &Entry| entry.job.status == status && entry.observed_at <= listing.began;
                !listing.seen.contains(job_id) && world.jobs.get(job_id).is_some_and(is_older)
            })
            .collect()
    });
    app.polls.nudge(left);
}

async fn load_newest(app: &App) {
    let (newest, _) = app.live.with(|world| world.page(None, None, LOADED_AT_START));
    for job_id in newest {
        if let Err(error) = super::details::load_events(app, job_id).await {
            tracing::warn!(%job_id, error = %chain(&error), "a job's stored events are not shown yet");
        }
        let now = app.now();
        app.live.with(|world| world.notice_if_recent(job_id, now));
    }
}

fn lock(app: &App) -> std::sync::MutexGuard<'_, std::collections::BTreeMap<Target, Listing>> {
    app.polls.listings.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
