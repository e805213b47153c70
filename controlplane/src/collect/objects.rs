//! Looks for results of completed jobs that are lost or have another size, by listing the objects, a page at each reading.
//!
//! A listing of 1,000 objects is one call, whatever jobs they belong to. What it shows is compared with the jobs at once, so a pass
//! needs no memory for each job. What it does not show, or shows otherwise, is looked at closer before it becomes a finding.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::ObjectMeta;
use object_store::path::Path;
use stereospot_core::results::SeenResult;
use stereospot_core::watch::schedule::ReadOutcome;
use stereospot_domain::diagnosis::Fact;
use stereospot_domain::keys::{self, OutputKey};
use stereospot_domain::{BackendKind, JobId, JobStatus, Timestamp};
use stereospot_ports::checksum::Checksum;
use stereospot_ports::{Error, ErrorCode, Result, objects};
use tokio::time::Instant;

use super::summary::Summary;
use crate::app::App;
use crate::{store, truth};

/// Objects in one page; also those that one call to S3 lists.
const PAGE: usize = 1_000;
/// Jobs looked at closer in one reading.
const AT_ONCE: usize = 10;
/// Calls that a closer look takes: row, result, checksum.
const LOOK_CALLS: u32 = 3;
/// Jobs looked at closer in one pass: if a whole bucket is empty, more would only say the same.
const MOST_LOOKS: usize = 200;
/// Time between the beginnings of two passes, in polls.
const FREE_EVERY: u32 = 3_600;
const METERED_EVERY: u32 = 24 * 3_600;

/// Where the pass through the objects stands.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    pass: Mutex<Option<Pass>>,
    /// When the last pass began.
    began: Mutex<Option<Instant>>,
}

/// One pass through all objects.
struct Pass {
    began: Timestamp,
    /// Rows of completed jobs that were last read before this may be gone.
    rows_since: Timestamp,
    /// Where the next page begins, on a store that lists in the order of keys.
    offset: Option<Path>,
    /// The listing itself, on one that doesn't.
    held: Option<BoxStream<'static, object_store::Result<ObjectMeta>>>,
    is_listed: bool,
    /// Jobs to look at closer.
    doubtful: Vec<JobId>,
    /// Where the comparison with the jobs goes on, once all is listed; none when it is through.
    compare: Option<Option<(Timestamp, JobId)>>,
    looks: usize,
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { began, offset, is_listed, looks, .. } = self;
        let fields = (began, offset, is_listed, looks);
        f.debug_tuple("Pass").field(&fields).finish_non_exhaustive()
    }
}

impl Sweep {
    /// The most calls that the next reading may take.
    pub(super) fn cost(&self, app: &App) -> u32 {
        match &*self.lock() {
            Some(pass) if pass.is_listed => AT_ONCE as u32 * LOOK_CALLS,
            Some(_) => 1,
            None => u32::from(self.is_due(app)),
        }
    }

    fn is_due(&self, app: &App) -> bool {
        let usual = if app.polls.is_metered() { METERED_EVERY } else { FREE_EVERY };
        let every = app.config.sweep.unwrap_or(app.config.poll * usual);
        let began = *self.began.lock().unwrap_or_else(PoisonError::into_inner);
        // Before all rows of completed jobs are known, most results would belong to no job.
        let has_rows = app.live.at_revision(|world, _| world.completed_listed_at > Timestamp(0));
        has_rows && began.is_none_or(|began| began.elapsed() >= every)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Pass>> {
        self.pass.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the next page, or looks closer at the next jobs. Between two passes it does nothing.
pub(super) async fn page(app: &App) -> Result<Summary> {
    let taken = app.sweep.lock().take();
    let mut pass = match taken {
        Some(pass) => pass,
        None if app.sweep.is_due(app) => begin(app).await?,
        None => return Ok(Summary::new(false, 0)),
    };
    // After an error a pass whose listing can't be resumed starts over: it was taken out above.
    let calls = match pass.is_listed {
        false => match list(app, &mut pass).await {
            Ok(()) => 1,
            Err(error) => {
                if pass.offset.is_some() {
                    *app.sweep.lock() = Some(pass);
                } else {
                    *app.sweep.began.lock().unwrap_or_else(PoisonError::into_inner) = None;
                }
                return Err(error);
            }
        },
        true => look_closer(app, &mut pass).await?,
    };
    let is_over = pass.is_listed && pass.doubtful.is_empty() && pass.compare.is_none();
    if !is_over {
        *app.sweep.lock() = Some(pass);
        return Ok(Summary { outcome: ReadOutcome::Changed, calls });
    }
    Ok(Summary::new(false, calls))
}

async fn begin(app: &App) -> Result<Pass> {
    *app.sweep.began.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    // What earlier checks found, also those before this process began.
    let damaged = app.store.damaged().await.map_err(|error| unreadable(&error))?;
    let now = app.now();
    app.live.with(|world| {
        for (job_id, at, evidence) in damaged {
            let is_of_this_result = world.jobs.get(&job_id).is_some_and(|entry| {
                entry.job.status == JobStatus::Completed && entry.job.completed_at.is_none_or(|ended| ended <= at)
            });
            if is_of_this_result {
                world.set_truth(job_id, |truth| truth.damage = Some(Fact::exact(evidence, at)));
                world.diagnose(job_id, now, app.config.patience);
            }
        }
    });
    let rows_since = app.live.at_revision(|world, _| world.completed_listed_at);
    Ok(Pass {
        began: now,
        rows_since,
        offset: None,
        held: None,
        is_listed: false,
        doubtful: Vec::new(),
        compare: Some(None),
        looks: 0,
    })
}

fn unreadable(error: &store::Error) -> Error {
    Error::new(ErrorCode::Internal, error.sentence())
}

/// Lists a page.
async fn list(app: &App, pass: &mut Pass) -> Result<()> {
    let (store, prefix) = (&app.backend.output.store, objects::path("jobs")?);
    let mut listing = match (pass.held.take(), &pass.offset) {
        (Some(held), _) => held,
        (None, Some(offset)) => store.list_with_offset(Some(&prefix), offset),
        (None, None) => store.list(Some(&prefix)),
    };
    let (mut results, mut last, mut count) = (Vec::new(), None, 0);
    while count < PAGE {
        let Some(meta) = listing.next().await.transpose()? else {
            pass.is_listed = true;
            break;
        };
        count += 1;
        if let Some(OutputKey::Final(job_id)) = keys::parse_output(meta.location.as_ref()) {
            results.push((job_id, meta.size));
        }
        last = Some(meta.location);
    }
    if app.backend.kind == BackendKind::Aws {
        pass.offset = last.map(|last| beyond(&last)).transpose()?.or(pass.offset.take());
    } else if !pass.is_listed {
        pass.held = Some(listing);
    }
    compare(app, pass, &results).await
}

/// Where to go on after a key: beyond the rest of its folder, if no result is in it. A job with very many segments then costs one
/// page, not many.
fn beyond(last: &Path) -> Result<Path> {
    let mut parts = last.as_ref().splitn(4, '/');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        // `0` follows `/` in the order of keys.
        (Some(jobs), Some(job), Some(folder), Some(_)) => objects::path(&format!("{jobs}/{job}/{folder}0")),
        _ => Ok(last.clone()),
    }
}

/// Compares listed results with the jobs.
async fn compare(app: &App, pass: &mut Pass, results: &[(JobId, u64)]) -> Result<()> {
    let at = app.now();
    let mut first = Vec::new();
    app.live.with(|world| {
        for (job_id, bytes) in results {
            match world.saw_result(*job_id, *bytes, at) {
                SeenResult::First => first.push((*job_id, *bytes)),
                SeenResult::Same => {}
                SeenResult::Resized => pass.doubtful.push(*job_id),
            }
        }
    });
    if !first.is_empty() {
        let known = app.store.result_sizes(&expected(app, &first).await?).await.map_err(|error| unreadable(&error))?;
        let is_other = |(job_id, bytes): &(JobId, u64)| known.get(job_id).is_some_and(|known| known != bytes);
        pass.doubtful.extend(first.into_iter().filter(is_other).map(|(job_id, _)| job_id));
    }
    Ok(())
}

/// The sizes that results should have. Where calls are free, a result that is seen for the first time has its checksum read.
async fn expected(app: &App, first: &[(JobId, u64)]) -> Result<Vec<(JobId, u64)>> {
    if app.polls.is_metered() {
        return Ok(first.to_vec());
    }
    let ids = first.iter().map(|(job_id, _)| *job_id);
    let known = app.store.known_sizes(ids).await.map_err(|error| unreadable(&error))?;
    let mut expected = Vec::new();
    for (job_id, bytes) in first {
        let written = match known.contains(job_id) {
            true => None,
            false => Checksum::load(&app.backend.output, &keys::result_checksum(*job_id)).await?,
        };
        expected.push((*job_id, written.map_or(*bytes, |written| written.bytes)));
    }
    Ok(expected)
}

/// Looks closer at the next doubtful jobs. Returns the calls made.
async fn look_closer(app: &App, pass: &mut Pass) -> Result<u32> {
    while let Some(after) = pass.compare.filter(|_| pass.doubtful.len() < AT_ONCE) {
        let (unseen, next) =
            app.live.at_revision(|world, _| world.unseen_results(pass.began, pass.rows_since, after, PAGE));
        pass.doubtful.extend(unseen);
        pass.compare = next.map(Some);
        tokio::task::yield_now().await;
    }
    let mut calls = 0;
    for _ in 0..AT_ONCE {
        let Some(job_id) = pass.doubtful.pop() else { break };
        calls += look_at(app, job_id).await?;
        pass.looks += 1;
        if pass.looks >= MOST_LOOKS {
            tracing::warn!("{MOST_LOOKS} lost results were looked for in one pass: the next one goes on");
            (pass.doubtful, pass.compare) = (Vec::new(), None);
        }
    }
    Ok(calls)
}

/// Reads a job's row and result, and diagnoses it. Returns the calls made.
async fn look_at(app: &App, job_id: JobId) -> Result<u32> {
    let (mut calls, at) = (1, app.now());
    match app.backend.jobs.get(job_id).await? {
        None => drop(app.live.with(|world| world.row_is_gone(job_id, at))),
        Some(job) => {
            let is_completed = job.status == JobStatus::Completed;
            app.live.with(|world| world.set_job(job, at));
            if is_completed {
                calls += 1;
                let bytes = truth::result_bytes(&app.backend, job_id).await?;
                let damage = match bytes {
                    Some(bytes) => {
                        calls += 1;
                        resized(app, job_id, bytes).await?
                    }
                    None => None,
                };
                app.live.with(|world| {
                    world.set_truth(job_id, |truth| {
                        truth.result = Some(Fact::exact(bytes, at));
                        if let Some(damage) = damage {
                            truth.damage = Some(Fact::exact(damage, at));
                        }
                    })
                });
            }
        }
    }
    app.live.with(|world| world.diagnose(job_id, at, app.config.patience));
    Ok(calls)
}

/// Says how a result's size differs from what it should be; none if it doesn't.
async fn resized(app: &App, job_id: JobId, bytes: u64) -> Result<Option<String>> {
    if let Some(written) = Checksum::load(&app.backend.output, &keys::result_checksum(job_id)).await? {
        if written.bytes == bytes {
            app.store.put_result_size(job_id, bytes).await.map_err(|error| unreadable(&error))?;
            return Ok(None);
        }
        return Ok(Some(format!("final.mp4 has {bytes} bytes, and its worker wrote {}", written.bytes)));
    }
    let known = app.store.result_sizes(&[(job_id, bytes)]).await.map_err(|error| unreadable(&error))?;
    let before = known.get(&job_id).copied().filter(|before| *before != bytes);
    Ok(before.map(|before| format!("final.mp4 has {bytes} bytes, and had {before} when it was first seen")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_leaves_the_rest_of_a_folder_out() {
        let to = |key: &str| beyond(&Path::from(key)).unwrap().to_string();
        let job = "jobs/018f0000-0000-7000-8000-000000000001";
        assert_eq!(to(&format!("{job}/segments/17.mp4")), format!("{job}/segments0"));
        assert_eq!(to(&format!("{job}/.checksums/4.json")), format!("{job}/.checksums0"));
        assert_eq!(to(&format!("{job}/final.mp4")), format!("{job}/final.mp4"));
        assert!(format!("{job}/.checksums0") < format!("{job}/final.mp4"));
    }
}
