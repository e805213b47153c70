//! Trigger: have a job's segments joined now.

use stereospot_domain::plan::{ItemResult, PlanItem, RefusalCode, Target};
use stereospot_domain::{JobId, QueueRole};

use super::draft::{Draft, Error, attempted, refused};
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
    let (items, skips) = if may { (vec![item], vec![]) } else { (vec![], vec![item]) };
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

pub(super) async fn apply(app: &App, job_id: JobId) -> Vec<ItemResult> {
    vec![attempted(&Target::Job { job_id }, repair_steps::trigger(app, job_id).await)]
}
