//! Rows of jobs by status, whoever made them: unfinished ones often, finished ones seldom.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use stereospot_domain::{JobId, JobStatus};
use stereospot_ports::Result;

use crate::shared::Shared;

/// Rows in one reading.
const PAGE: usize = 1_000;
/// So many seldom runs read only the newest page of each status; the next reads all.
const RUNS_BETWEEN_FULL: u64 = 20;
/// Newest finished jobs whose events are loaded at the start.
const LOADED_AT_START: usize = 100;

/// Reads the rows of all unfinished jobs.
pub(super) async fn unfinished(shared: &Shared) -> Result<()> {
    let known: BTreeSet<JobId> = shared.live.with(|world| world.unfinished()).into_iter().collect();
    let mut seen = BTreeSet::new();
    for status in JobStatus::ALL.iter().filter(|status| !status.is_final()) {
        read(shared, *status, usize::MAX, &mut seen).await?;
    }
    // What was unfinished and is no longer listed has moved on.
    for job_id in known.difference(&seen) {
        super::details::refresh(shared, *job_id).await?;
    }
    crate::measure::jobs(shared);
    Ok(())
}

/// Reads the rows of finished jobs: all at first and now and then, the newest otherwise.
pub(super) async fn settled(shared: &Shared) -> Result<()> {
    let run = shared.settled_runs.fetch_add(1, Ordering::Relaxed);
    let pages = if run.is_multiple_of(RUNS_BETWEEN_FULL) { usize::MAX } else { 1 };
    let mut seen = BTreeSet::new();
    for status in JobStatus::ALL.iter().filter(|status| status.is_final()) {
        read(shared, *status, pages, &mut seen).await?;
    }
    if run == 0 {
        let (newest, _) = shared.live.with(|world| world.page(None, None, LOADED_AT_START));
        for job_id in newest {
            super::details::load_events(shared, job_id).await?;
        }
    }
    super::details::failed(shared).await
}

async fn read(shared: &Shared, status: JobStatus, pages: usize, seen: &mut BTreeSet<JobId>) -> Result<()> {
    let mut cursor: Option<String> = None;
    for _ in 0..pages {
        let page = shared.backend.jobs.list(status, cursor.as_deref(), PAGE).await?;
        let at = shared.now();
        shared.live.with(|world| {
            for job in page.items {
                seen.insert(job.job_id);
                world.set_job(job, at);
            }
        });
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    Ok(())
}
