//! Fail: give a job up, so that nothing waits for it any more.

use stereospot_domain::event::{JobFailed, Payload};
use stereospot_domain::plan::{ItemResult, Outcome, Plan, PlanItem, RefusalCode, Target};
use stereospot_domain::{JobId, JobStatus};
use stereospot_ports::job_store::{Transition, Transitioned};

use super::draft::{Draft, Error, attempted, refused, result};
use crate::app::App;
use crate::ingest::Source;

pub(super) async fn draft(app: &App, job_id: JobId) -> Result<Draft, Error> {
    let Some(job) = app.backend.jobs.get(job_id).await? else {
        return Err(Error::NotFound(format!("there is no job {job_id}")));
    };
    let title = job.title.as_deref().unwrap_or("untitled");
    let may = JobStatus::Failed.may_follow().contains(&job.status);
    Ok(Draft {
        scope: format!("job {job_id} ({title}), now {}", job.status),
        items: vec![PlanItem::new(Target::Job { job_id }, "set to failed")],
        effect: "no worker works on it any more: messages that still ask for it are dropped as they are received; its objects stay"
            .into(),
        assumptions: vec!["the job has neither completed nor failed meanwhile".into()],
        confirm: Some(format!("fail {}", job_id.short())),
        refused: if may { None } else { refused(RefusalCode::JobState, format!("the job is {} already", job.status)) },
        ..Draft::default()
    })
}

pub(super) async fn apply(app: &App, job_id: JobId, reason: Option<&str>, plan: &Plan) -> Vec<ItemResult> {
    let target = &Target::Job { job_id };
    let why = reason.map_or(String::new(), |reason| format!(": {reason}"));
    let error = format!("given up by {}{why}", plan.who);
    vec![match app.backend.jobs.transition(job_id, &Transition::failed(error.as_str())).await {
        Ok(Transitioned::Changed(_)) => {
            let failed = JobFailed { error: Some(error), by: Some(plan.who.clone()), ..JobFailed::default() };
            app.ingest.emit(Source::Server, Payload::JobFailed(failed), job_id, None).await;
            result(target, Outcome::Done, "set to failed")
        }
        Ok(Transitioned::Refused(status)) => result(target, Outcome::Skipped, format!("it is {status} meanwhile")),
        Ok(Transitioned::Missing) => result(target, Outcome::Skipped, "its row is gone"),
        Err(error) => attempted(target, Err(error)),
    }]
}
