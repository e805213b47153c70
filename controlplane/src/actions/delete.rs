//! Delete: remove what an ended job has: objects, completions, lock, dead letters. Its row stays, with the status `deleted`.

use stereospot_domain::plan::{ItemResult, Plan, PlanItem, RefusalCode, Target};
use stereospot_domain::{JobId, JobStatus};
use stereospot_ports::deletion::{self, Remains};

use super::draft::{Draft, Error, attempted, refused};
use super::fail;
use crate::app::App;
use crate::retention::named;

pub(super) async fn draft(app: &App, job_id: JobId) -> Result<Draft, Error> {
    let Some(job) = app.backend.jobs.get(job_id).await? else {
        return Err(Error::NotFound(format!("there is no job {job_id}")));
    };
    let found = deletion::remains(&app.backend, job_id).await?;
    let mut items = vec![PlanItem::new(Target::Job { job_id }, format!("delete {}", named(&found)))];
    items.extend(fail::dead_letters(app, job_id, "discard it: copy, then remove"));
    let is_nothing_left = job.status == JobStatus::Deleted && found == Remains::default() && items.len() == 1;
    let title = job.title.as_deref().unwrap_or("untitled");
    Ok(Draft {
        scope: format!("job {job_id} ({title}), now {}", job.status),
        refused: if !job.status.is_final() {
            let why = format!("the job is {}: give it up first, with `stereospot jobs fail {job_id}`", job.status);
            refused(RefusalCode::JobState, why)
        } else if is_nothing_left {
            refused(RefusalCode::JobState, "the job is deleted, and nothing of it is left")
        } else {
            None
        },
        items,
        effect: "source, segments and result are gone for good; the job's row stays, as deleted".into(),
        assumptions: vec!["no replay takes the job back meanwhile".into()],
        confirm: Some(format!("delete {}", job_id.short())),
        ..Draft::default()
    })
}

pub(super) async fn apply(app: &App, job_id: JobId, plan: &Plan) -> Vec<ItemResult> {
    let deleted = deletion::delete(&app.backend, job_id).await;
    let is_deleted = deleted.is_ok();
    let mut ended =
        vec![attempted(&Target::Job { job_id }, deleted.map(|deleted| format!("deleted {}", named(&deleted))))];
    ended.extend(fail::discard_letters(app, plan, is_deleted.then_some(()).ok_or("the job was not deleted")).await);
    app.nudge.jobs(std::iter::once(job_id));
    ended
}
