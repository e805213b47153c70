//! Reads job rows by status: unfinished ones often, the newest ended ones less often, all of them rarely.

use std::collections::BTreeSet;

use stereospot_core::watch::schedule::{ReadOutcome, Target};
use stereospot_core::watch::spending::units_of_rows;
use stereospot_core::world::{Entry, Seen};
use stereospot_domain::{Collector, JobId, JobStatus};
use stereospot_ports::Result;
use stereospot_ports::error::chain;

use super::job_events;
use super::summary::Summary;
use crate::app::App;
use crate::polls::Listing;

/// Rows in one page.
const PAGE: usize = 1_000;
/// Rows in a page of the newest jobs: usually few of them are new, and a page costs by its size.
const NEWEST_PAGE: usize = 100;
/// Newest jobs whose events are loaded at the start.
const LOADED_AT_START: usize = 100;
/// Newest failed jobs that are watched although they failed before this process started.
const NEWEST_FAILED: usize = 200;

/// Reads the next page of a list.
pub(super) async fn page(app: &App, target: Target) -> Result<Summary> {
    let (Target::Active(status) | Target::Newest(status) | Target::All(status)) = target else {
        return Ok(Summary::new(false, 0));
    };
    let at = app.now();
    let taken = app.polls.take_listing(target);
    let is_first_page = taken.is_none();
    let mut listing = taken.unwrap_or(Listing::new(at));
    let limit = if matches!(target, Target::Newest(_)) { NEWEST_PAGE } else { PAGE };
    // After an error the list starts over, because it was taken out above.
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
                watched.extend(world.jobs.get(&job_id).map(|entry| (job_id, entry.watching(at))));
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
        // At the start another list reads all rows.
        Target::Newest(_) => {
            !has_known && app.live.with(|world| world.collectors.contains_key(&Collector::SettledJobs))
        }
        _ => true,
    };
    if listing.next.is_some() && goes_on {
        app.polls.keep_listing(target, listing);
        return Ok(Summary { outcome: ReadOutcome::More, calls: 1 });
    }
    match target {
        Target::Active(_) => nudge_jobs_that_left(app, status, &listing),
        Target::All(JobStatus::Completed) => app.live.with(|world| world.completed_listed_at = listing.began),
        Target::Newest(_) if !app.live.with(|world| world.collectors.contains_key(&Collector::SettledJobs)) => {
            load_newest(app).await;
        }
        _ => {}
    }
    Ok(Summary::new(listing.is_changed, 1))
}

/// Reads the rows of jobs that had the status and are no longer listed: they have moved on.
fn nudge_jobs_that_left(app: &App, status: JobStatus, listing: &Listing) {
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
        if let Err(error) = job_events::load(app, job_id).await {
            tracing::warn!(%job_id, error = %chain(&error), "a job's stored events are not shown yet");
        }
        let now = app.now();
        app.live.with(|world| world.infer_if_recent(job_id, now));
    }
}
