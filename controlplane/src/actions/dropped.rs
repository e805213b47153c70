//! Segments whose messages were dropped: a worker that finds a job failed deletes its message, since there is nothing to convert.
//! When the job is taken back, those segments must be asked for again, or it waits for them for ever.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use futures::future;
use stereospot_domain::keys::{self, InputKey, SegmentKey};
use stereospot_domain::plan::{ItemResult, Outcome, PlanItem};
use stereospot_domain::{Job, JobId};
use stereospot_ports::error::chain;
use stereospot_ports::{Result, job_store, objects};

use super::{attempted, mend, result};
use crate::app::App;
use crate::collect::details;

/// Objects looked for at once.
const AT_ONCE: usize = 16;

/// For each job that is taken back, an item for each segment that has neither a completion, nor an output, nor a dead-lettered
/// message; then those that can't be asked for because their object is gone. At most `room` in all.
pub(super) async fn items(
    app: &App,
    jobs: &BTreeSet<JobId>,
    dead: &HashSet<(JobId, u32)>,
    room: usize,
) -> Result<(Vec<PlanItem>, Vec<PlanItem>)> {
    let (mut items, mut gone) = (Vec::new(), Vec::new());
    for job_id in jobs {
        let Some(job) = app.backend.jobs.get(*job_id).await? else { continue };
        let Some(total) = job.total_segments else { continue };
        let done = done(app, *job_id).await?;
        let open = (0..total).filter(|index| !done.contains(index) && !dead.contains(&(*job_id, *index)));
        let open: Vec<(u32, String)> = open
            .take(room.saturating_sub(items.len() + gone.len()))
            .map(|index| (index, keys::segment(SegmentKey { job_id: *job_id, index, total, mode: job.mode })))
            .collect();
        let mut why = None;
        for open in open.chunks(AT_ONCE) {
            let looks = open.iter().map(|(_, key)| objects::exists(&*app.backend.input.store, key));
            for ((index, key), is_there) in open.iter().zip(future::try_join_all(looks).await?) {
                let (list, what) = if is_there {
                    (&mut items, format!("send again segment {index}: its message was dropped when the job failed"))
                } else {
                    if why.is_none() {
                        why = Some(mend::why_not_split_again(&app.backend, &job, mend::Lost::Gone).await?);
                    }
                    let why = why.clone().flatten();
                    let why =
                        why.unwrap_or_else(|| "its segment is gone: once the job goes on it is split again".into());
                    (&mut gone, format!("segment {index}: {why}"))
                };
                list.push(PlanItem { job_id: Some(*job_id), segment_index: Some(*index), ..super::item(key, what) });
            }
        }
    }
    Ok((items, gone))
}

/// True for an item of this module; other items of a replay are messages, whose ids are no keys.
pub(super) fn is_one(item: &PlanItem) -> bool {
    segment(item).is_some()
}

/// Sends them again, as far as their jobs are taken back and still need them.
pub(super) async fn apply(app: &App, items: &[PlanItem]) -> Vec<ItemResult> {
    let mut results = Vec::with_capacity(items.len());
    let mut by_job: BTreeMap<JobId, Vec<(&PlanItem, u32)>> = BTreeMap::new();
    for (item, key) in items.iter().filter_map(|item| Some((item, segment(item)?))) {
        by_job.entry(key.job_id).or_default().push((item, key.index));
    }
    for (job_id, segments) in by_job {
        match state(app, job_id).await {
            Ok(Some((job, done))) if !job.status.is_final() => {
                for (item, index) in segments {
                    results.push(match done.contains(&index) {
                        true => result(&item.id, Outcome::Skipped, "segment already complete"),
                        false => attempted(&item.id, mend::resend_segment(&app.backend, &job, index).await),
                    });
                }
            }
            Ok(found) => {
                let why = found.map_or("the job's row is gone".into(), |(job, _)| format!("the job is {}", job.status));
                results.extend(segments.iter().map(|(item, _)| result(&item.id, Outcome::Skipped, why.clone())));
            }
            Err(error) => {
                let why = chain(&error);
                results.extend(segments.iter().map(|(item, _)| result(&item.id, Outcome::Failed, why.clone())));
            }
        }
    }
    results
}

async fn state(app: &App, job_id: JobId) -> Result<Option<(Job, HashSet<u32>)>> {
    let Some(job) = app.backend.jobs.get(job_id).await? else { return Ok(None) };
    Ok(Some((job, done(app, job_id).await?)))
}

/// Segments with a completion, and those whose completion alone is missing.
async fn done(app: &App, job_id: JobId) -> Result<HashSet<u32>> {
    let completions = job_store::all_completions(&*app.backend.jobs, job_id).await?;
    let outputs = details::outputs(app, job_id).await?;
    Ok(completions.iter().map(|completion| completion.segment_index).chain(outputs).collect())
}

fn segment(item: &PlanItem) -> Option<SegmentKey> {
    match keys::parse_input(&item.id)? {
        InputKey::Segment(key) => Some(key),
        InputKey::Source(_) => None,
    }
}
