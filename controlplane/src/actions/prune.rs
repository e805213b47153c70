//! Prune: delete what the oldest ended jobs have, by age and by size. Their rows stay, as deleted.

use std::collections::HashSet;

use stereospot_domain::plan::{ItemResult, Outcome, Plan, PlanItem, RefusalCode, Target};
use stereospot_domain::retention::Keep;
use stereospot_domain::text::size;
use stereospot_domain::{JobId, JobStatus};
use stereospot_ports::ErrorCode;
use stereospot_ports::deletion;
use stereospot_ports::error::chain;

use super::draft::{Draft, Error, count_of, refused, result};
use crate::app::App;
use crate::{retention, store};

/// Most jobs of a plan. The next plan takes more.
const MAX_JOBS: usize = 1_000;

pub(super) async fn draft(app: &App, keep: Keep) -> Result<Draft, Error> {
    let now = app.now();
    if keep.is_all() {
        let why = "say what may go: --older-than AGE, --keep-size SIZE, or both";
        return Ok(Draft { refused: refused(RefusalCode::Nothing, why), ..Draft::default() });
    }
    let found = match retention::find(app, keep, MAX_JOBS).await {
        Ok(found) => found,
        Err(unread @ retention::Error::Unread) => {
            return Ok(Draft { refused: refused(RefusalCode::Stale, unread.to_string()), ..Draft::default() });
        }
        Err(retention::Error::Backend(error)) => return Err(error.into()),
        Err(retention::Error::Store(error)) => return Err(error.into()),
    };
    let item = |chosen: &retention::Chosen| {
        let title = chosen.title.as_deref().unwrap_or("untitled");
        let (what, why) = (retention::named(&chosen.remains), retention::reason(chosen, now));
        PlanItem::new(
            Target::Job { job_id: chosen.job_id },
            format!("delete {what} of {title}, {}: {why}", chosen.status),
        )
    };
    let skip = |(job_id, why): &(_, String)| PlanItem::new(Target::Job { job_id: *job_id }, why.clone());
    let items: Vec<PlanItem> = found.chosen.iter().map(item).collect();
    let freed: u64 = found.chosen.iter().map(|chosen| chosen.remains.bytes).sum();
    let mut effect = format!("frees {}", size(freed));
    if let Some(bytes) = found.bytes_in_all {
        effect.push_str(&format!(" of {}", size(bytes)));
    }
    if !items.is_empty() {
        effect.push_str("; sources, segments and results are gone for good, and the jobs' rows stay, as deleted");
    }
    if found.more > 0 {
        effect.push_str(&format!("; {} more are left for the next plan", found.more));
    }
    Ok(Draft {
        scope: count_of(items.len(), "ended job"),
        confirm: (!items.is_empty()).then(|| format!("prune {}", items.len())),
        items,
        skips: found.held.iter().map(skip).collect(),
        effect,
        assumptions: vec!["no replay takes a job back meanwhile".into()],
        ..Draft::default()
    })
}

pub(super) async fn apply(app: &App, plan: &Plan) -> Vec<ItemResult> {
    remove_all(app, plan.items.iter().filter_map(|item| item.target.job_id())).await
}

/// Deletes what these jobs have, each if it still may be deleted. Stops early when the server does.
pub(crate) async fn remove_all(app: &App, jobs: impl Iterator<Item = JobId>) -> Vec<ItemResult> {
    let restorable = app.store.jobs_with_copies(app.now().minus(store::KEPT)).await.map_err(|error| chain(&error));
    let mut results = Vec::new();
    for job_id in jobs {
        let target = Target::Job { job_id };
        results.push(match &restorable {
            _ if app.stop.is_cancelled() => result(&target, Outcome::Skipped, "the control plane stops"),
            Ok(restorable) => remove(app, job_id, restorable).await,
            Err(error) => result(&target, Outcome::Failed, error.as_str()),
        });
    }
    results
}

async fn remove(app: &App, job_id: JobId, restorable: &HashSet<JobId>) -> ItemResult {
    let target = Target::Job { job_id };
    let status = app.live.at_revision(|world, _| world.jobs.get(&job_id).map(|entry| entry.job.status));
    if let Some(why) = retention::held(app, job_id, status.unwrap_or(JobStatus::Failed), restorable) {
        return result(&target, Outcome::Skipped, why);
    }
    let removed = match deletion::delete(&app.backend, job_id).await {
        Ok(removed) => result(&target, Outcome::Done, format!("deleted {}", retention::named(&removed))),
        // It was taken back meanwhile.
        Err(error) if error.code() == ErrorCode::Conflict => result(&target, Outcome::Skipped, error.to_string()),
        Err(error) => result(&target, Outcome::Failed, chain(&error)),
    };
    app.nudge.jobs(std::iter::once(job_id));
    removed
}
