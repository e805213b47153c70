//! Trigger: have a job's segments joined now.

use stereospot_domain::plan::{ItemResult, Outcome, PlanItem, RefusalCode, Target};
use stereospot_domain::{JobId, QueueRole};
use stereospot_ports::Result as PortResult;
use stereospot_ports::error::chain;

use super::draft::{Draft, Error, attempted, count_of, refused, results};
use super::repair_steps;
use crate::app::App;
use crate::truth;

pub(super) async fn draft(app: &App, job_id: JobId) -> Result<Draft, Error> {
    let Some((facts, completed)) = truth::trigger_facts(&app.backend, job_id).await? else {
        return Err(Error::NotFound(format!("there is no job {job_id}")));
    };
    let waits = repair_steps::waits(app, job_id).await?;
    let (may, note) = stereospot_core::views::trigger_verdict(&facts, &completed, waits, app.now());
    let title = facts.job.title.as_deref().unwrap_or("untitled");
    let item = PlanItem::new(Target::Job { job_id }, note.clone());
    let (mut items, skips) = if may { (vec![item], vec![]) } else { (vec![], vec![item]) };
    if may && !facts.result_exists && app.backend.refuses_surplus() {
        let total = facts.job.total_segments.unwrap_or(0);
        let why = format!(
            "remove it first: the job has {}, and a media-worker joins only if there are as many completions",
            count_of(total as usize, "segment")
        );
        let surplus = facts.surplus.iter().map(|key| Target::Completion { job_id, key: key.clone() });
        items.splice(0..0, surplus.map(|target| PlanItem::new(target, why.clone())));
    }
    Ok(Draft {
        scope: format!("reassembly of job {job_id} ({title}), now {}", facts.job.status),
        items,
        skips,
        effect: note.clone(),
        assumptions: vec![
            format!("the job still is {}", facts.job.status),
            "no one else takes the reassembly lock meanwhile".into(),
        ],
        confirm: None,
        refused: if may { None } else { refused(RefusalCode::JobState, note) },
        needs: Some(QueueRole::Reassembly),
    })
}

pub(super) async fn apply(app: &App, job_id: JobId, items: &[PlanItem]) -> Vec<ItemResult> {
    let (surplus, job): (Vec<PlanItem>, Vec<PlanItem>) =
        items.iter().cloned().partition(|item| matches!(item.target, Target::Completion { .. }));
    let mut ended = match remove(app, job_id, &surplus).await {
        Ok(Outcome::Done) => results(&surplus, Outcome::Done, "removed"),
        Ok(outcome) => return results(items, outcome, "the job's completions changed meanwhile: make a new plan"),
        Err(error) => {
            let mut ended = results(&surplus, Outcome::Failed, &chain(&error));
            let why = "not asked for: a media-worker would refuse it and leave the job locked";
            ended.extend(results(&job, Outcome::Skipped, why));
            return ended;
        }
    };
    ended.push(attempted(&Target::Job { job_id }, repair_steps::trigger(app, job_id).await));
    ended
}

/// Removes the surplus completions that a plan lists, unless there are others now.
async fn remove(app: &App, job_id: JobId, planned: &[PlanItem]) -> PortResult<Outcome> {
    let jobs = &app.backend.jobs;
    let keys_of = |item: &PlanItem| match &item.target {
        Target::Completion { key, .. } => Some(key.clone()),
        _ => None,
    };
    let planned: Vec<String> = planned.iter().filter_map(keys_of).collect();
    if planned.is_empty() {
        return Ok(Outcome::Done);
    }
    let total = jobs.get(job_id).await?.and_then(|job| job.total_segments);
    let found = match total {
        Some(total) => jobs.surplus_completions(job_id, total).await?,
        None => Vec::new(),
    };
    if found != planned {
        return Ok(Outcome::Skipped);
    }
    jobs.delete_surplus(job_id, &planned).await.map(|()| Outcome::Done)
}
