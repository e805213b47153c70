//! Repair: carry out what a finding proposes. The finding is looked for again, in the job as it is now.

use stereospot_domain::diagnosis::{Finding, FindingCode, Repair};
use stereospot_domain::plan::{ItemResult, Outcome, PlanItem, RefusalCode, Target};
use stereospot_domain::text::size;
use stereospot_domain::{Job, JobId, JobStatus, QueueRole};
use stereospot_ports::deletion;

use super::draft::{self, Draft, Error, attempted, refused, results};
use super::{assemble, repair_steps, replay};
use crate::app::App;
use crate::collect::details;
use crate::truth;

pub(super) async fn draft(app: &App, job_id: JobId, code: FindingCode) -> Result<Draft, Error> {
    let (job, finding) = find(app, job_id, code).await?;
    let Some(finding) = finding else {
        return Ok(Draft {
            scope: format!("{code} of job {job_id}"),
            effect: "nothing changes".into(),
            refused: refused(RefusalCode::NotFound, format!("nothing of the kind `{code}` is found with this job now")),
            ..Draft::default()
        });
    };
    let mut draft = Draft {
        scope: format!("{} (job {job_id})", finding.code.title()),
        assumptions: vec!["the same is still found when it is applied".into()],
        ..Draft::default()
    };
    match &finding.repair {
        None => {
            let why = format!("nothing can be done about it from here: {}", finding.evidence.join("; "));
            draft.refused = refused(RefusalCode::NoRepair, why);
        }
        Some(Repair::ReplayDeadLetters { queue, message_ids }) => {
            let replay = replay::draft(app, *queue, Some(message_ids)).await?;
            return Ok(Draft { scope: draft.scope, ..replay });
        }
        Some(Repair::SendReassembly | Repair::Trigger | Repair::ResetLockAndSend { .. } | Repair::MarkCompleted) => {
            let trigger = super::trigger::draft(app, job_id).await?;
            return Ok(Draft { scope: draft.scope, ..trigger });
        }
        Some(Repair::AssembleAgain) => draft = assemble::draft(app, &job, draft).await?,
        Some(Repair::PutRow) => {
            draft.items = vec![PlanItem::new(Target::Job { job_id }, "write its row again, as it was last read")];
            draft.effect = format!("the job is listed again, as {}", job.status);
        }
        Some(Repair::DeleteAgain) => {
            let found = deletion::remains(&app.backend, job_id).await?;
            let (objects, bytes) = (draft::count_of(found.objects, "object"), size(found.bytes));
            draft.items = vec![PlanItem::new(Target::Job { job_id }, format!("delete {objects} ({bytes})"))];
            draft.effect = "what came back of the job is gone for good; its row says deleted again".into();
            draft.confirm = Some(format!("delete {}", job_id.short()));
        }
        Some(Repair::ResendSource) => {
            let what = match job.status {
                JobStatus::Ingesting => "give its job back to created, and send its notification again",
                _ => "send its notification again",
            };
            draft.items = vec![PlanItem::new(Target::Source { job_id }, what)];
            draft.effect = "the source is split".into();
            draft.needs = Some(QueueRole::Chunking);
        }
        Some(Repair::ResendSegments { segments }) => resend_segments(app, &job, segments, &mut draft).await?,
        Some(Repair::PutCompletions { segments }) => {
            let what = match app.backend.queue(QueueRole::JobStatusEvents) {
                Ok(_) => "send the notice of its output to the job-worker again",
                Err(_) => "record its completion",
            };
            draft.items = of_segments(job_id, segments, what);
            draft.effect = format!("the job goes on with {} more done", draft::count_of(segments.len(), "segment"));
        }
    }
    let is_of_ended = matches!(&finding.repair, Some(Repair::AssembleAgain | Repair::PutRow | Repair::DeleteAgain));
    if job.status.is_final() && !is_of_ended && draft.refused.is_none() {
        draft.refused = refused(RefusalCode::JobState, format!("the job is {}", job.status));
    }
    Ok(draft)
}

/// Fills the draft of a repair that sends segments' notifications again. Segments whose object is gone need the source split again.
async fn resend_segments(app: &App, job: &Job, segments: &[u32], draft: &mut Draft) -> Result<(), Error> {
    let gone = truth::gone_segments(&app.backend, job, segments).await?;
    let there: Vec<u32> = segments.iter().copied().filter(|index| !gone.contains(index)).collect();
    draft.items = of_segments(job.job_id, &there, "send its notification again");
    draft.effect = "the segments are converted".into();
    draft.needs = Some(QueueRole::Inference);
    if !gone.is_empty() {
        match repair_steps::why_not_split_again(&app.backend, job, repair_steps::Lost::Gone).await? {
            None => {
                draft.items.extend(of_segments(job.job_id, &gone, "its segment is gone: split the source again"));
                draft.effect = "the source is split again as it was, and the segments are converted".into();
                draft.needs = Some(QueueRole::Chunking);
            }
            Some(why) if there.is_empty() => draft.refused = refused(RefusalCode::SourceGone, why),
            Some(why) => draft.skips = of_segments(job.job_id, &gone, &why),
        }
    }
    Ok(())
}

fn of_segments(job_id: JobId, segments: &[u32], what: &str) -> Vec<PlanItem> {
    segments.iter().map(|index| PlanItem::new(Target::Segment { job_id, index: *index }, what)).collect()
}

pub(super) async fn apply(app: &App, job_id: JobId, code: FindingCode, items: &[PlanItem]) -> Vec<ItemResult> {
    let (job, finding) = match find(app, job_id, code).await {
        Ok((job, Some(finding))) => (job, finding),
        Ok((_, None)) => {
            return results(items, Outcome::Skipped, "it is no longer so");
        }
        Err(error) => return results(items, Outcome::Failed, &error.to_string()),
    };
    match &finding.repair {
        Some(Repair::ReplayDeadLetters { queue, .. }) => replay::send(app, *queue, items, true).await,
        Some(Repair::SendReassembly | Repair::Trigger | Repair::ResetLockAndSend { .. } | Repair::MarkCompleted) => {
            super::trigger::apply(app, job_id, items).await
        }
        Some(repair) => {
            let tried = repair_steps::carry_out(app, &job, repair).await;
            tried.into_iter().map(|(item, tried)| attempted(&Target::of_repair(job_id, item), tried)).collect()
        }
        None => Vec::new(),
    }
}

/// Reads the job again, and returns it with its finding of this code.
async fn find(app: &App, job_id: JobId, code: FindingCode) -> Result<(Job, Option<Finding>), Error> {
    let found = details::refresh_finding(app, job_id, code).await?;
    found.ok_or_else(|| Error::NotFound(format!("there is no job {job_id}")))
}
