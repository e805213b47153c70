//! Segments whose messages were dropped: a worker that finds its job failed deletes the message, since there is nothing to convert.
//! When the job is taken back, those segments must be asked for again, or the job waits for them for ever.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use futures::future;
use stereospot_domain::keys::{self, SegmentKey};
use stereospot_domain::plan::{ItemResult, Outcome, PlanItem, Target};
use stereospot_domain::{Job, JobId};
use stereospot_ports::error::chain;
use stereospot_ports::{Result, objects};

use super::draft::{attempted, result};
use super::repair_steps;
use crate::app::App;
use crate::truth;

/// Objects looked for at once.
const AT_ONCE: usize = 16;

/// The segments of the jobs taken back that have no completion, output or dead letter: first the items to send again, then the
/// skips, whose objects are gone. At most `room` in all.
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
        let done = truth::converted(&app.backend, *job_id).await?;
        let open = (0..total).filter(|index| !done.contains(index) && !dead.contains(&(*job_id, *index)));
        let open: Vec<(u32, String)> = open
            .take(room.saturating_sub(items.len() + gone.len()))
            .map(|index| (index, keys::segment(SegmentKey { job_id: *job_id, index, total, mode: job.mode })))
            .collect();
        let mut why = None;
        for open in open.chunks(AT_ONCE) {
            let looks = open.iter().map(|(_, key)| objects::exists(&*app.backend.input.store, key));
            for ((index, _), is_there) in open.iter().zip(future::try_join_all(looks).await?) {
                let (list, what) = if is_there {
                    (&mut items, "send it again: its message was dropped when the job failed".to_owned())
                } else {
                    if why.is_none() {
                        why = Some(
                            repair_steps::why_not_split_again(&app.backend, &job, repair_steps::Lost::Gone).await?,
                        );
                    }
                    let why = why.clone().flatten();
                    let why =
                        why.unwrap_or_else(|| "its segment is gone: once the job goes on it is split again".into());
                    (&mut gone, why)
                };
                list.push(PlanItem::new(Target::Segment { job_id: *job_id, index: *index }, what));
            }
        }
    }
    Ok((items, gone))
}

/// Sends the notifications of these segments again, where the job is taken back and still needs them.
pub(super) async fn apply(app: &App, items: &[PlanItem]) -> Vec<ItemResult> {
    let mut results = Vec::with_capacity(items.len());
    let mut by_job: BTreeMap<JobId, Vec<(&Target, u32)>> = BTreeMap::new();
    for item in items {
        if let Target::Segment { job_id, index } = item.target {
            by_job.entry(job_id).or_default().push((&item.target, index));
        }
    }
    for (job_id, segments) in by_job {
        match state(app, job_id).await {
            Ok(Some((job, done))) if !job.status.is_final() => {
                for (target, index) in segments {
                    results.push(match done.contains(&index) {
                        true => result(target, Outcome::Skipped, "segment already complete"),
                        false => attempted(target, repair_steps::resend_segment(&app.backend, &job, index).await),
                    });
                }
            }
            Ok(found) => {
                let why = found.map_or("the job's row is gone".into(), |(job, _)| format!("the job is {}", job.status));
                results.extend(segments.iter().map(|(target, _)| result(target, Outcome::Skipped, why.clone())));
            }
            Err(error) => {
                let why = chain(&error);
                results.extend(segments.iter().map(|(target, _)| result(target, Outcome::Failed, why.clone())));
            }
        }
    }
    results
}

async fn state(app: &App, job_id: JobId) -> Result<Option<(Job, HashSet<u32>)>> {
    let Some(job) = app.backend.jobs.get(job_id).await? else { return Ok(None) };
    Ok(Some((job, truth::converted(&app.backend, job_id).await?)))
}
