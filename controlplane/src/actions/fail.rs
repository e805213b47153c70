//! Fail: give a job up, so that nothing waits for it any more. Its dead letters go with it if the operator wants that.

use std::collections::BTreeMap;

use stereospot_api::wire::Apply;
use stereospot_domain::diagnosis::DeadLetter;
use stereospot_domain::event::{JobFailed, Payload};
use stereospot_domain::plan::{Action, ItemResult, Outcome, Plan, PlanItem, RefusalCode, Target};
use stereospot_domain::{JobId, JobStatus, QueueName};
use stereospot_ports::error::chain;
use stereospot_ports::job_store::{Transition, Transitioned};

use super::draft::{Draft, Error, attempted, count_of, refused, result};
use crate::app::App;
use crate::ingest::Source;

pub(super) async fn draft(app: &App, job_id: JobId, discard: bool) -> Result<Draft, Error> {
    let Some(job) = app.backend.jobs.get(job_id).await? else {
        return Err(Error::NotFound(format!("there is no job {job_id}")));
    };
    let title = job.title.as_deref().unwrap_or("untitled");
    let may = JobStatus::Failed.may_follow().contains(&job.status);
    let mut items = if may { vec![PlanItem::new(Target::Job { job_id }, "set to failed")] } else { Vec::new() };
    let mut effect = String::new();
    if may {
        effect.push_str(
            "no worker works on it any more: messages that still ask for it are dropped as they are received; its objects stay",
        );
    }
    let mut skips = Vec::new();
    if discard {
        let letters = dead_letters(app, job_id, "discard it: copy, then remove");
        let sign = if effect.is_empty() { "" } else { "; " };
        effect
            .push_str(&format!("{sign}{} discarded, and kept to be restored", count_of(letters.len(), "dead letter")));
        items.extend(letters);
    } else {
        skips = dead_letters(app, job_id, "the job's dead letter stays on its queue unless --discard (tab) is chosen");
    }
    Ok(Draft {
        scope: format!("job {job_id} ({title}), now {}", job.status),
        refused: if items.is_empty() {
            let left = if skips.is_empty() { "" } else { "; --discard takes its dead letters off their queues" };
            refused(RefusalCode::JobState, format!("the job is {} already{left}", job.status))
        } else {
            None
        },
        items,
        skips,
        effect,
        assumptions: vec!["the job has neither completed nor failed meanwhile".into()],
        confirm: Some(format!("fail {}", job_id.short())),
        ..Draft::default()
    })
}

pub(super) async fn apply(app: &App, job_id: JobId, reason: Option<&str>, plan: &Plan) -> Vec<ItemResult> {
    let target = &Target::Job { job_id };
    let mut ended = Vec::new();
    if plan.items.iter().any(|item| item.target == *target) {
        ended.push(set_failed(app, job_id, reason, plan).await);
    }
    let is_failed = ended.iter().all(|end| end.outcome == Outcome::Done);
    ended.extend(discard_letters(app, plan, if is_failed { Ok(()) } else { Err("the job was not given up") }).await);
    ended
}

/// The dead letters of a job, as items.
pub(super) fn dead_letters(app: &App, job_id: JobId, what: &str) -> Vec<PlanItem> {
    let letters =
        app.live.at_revision(|world, _| world.jobs.get(&job_id).map_or(Vec::new(), |entry| world.dead_letters(entry)));
    let item = |letter: &DeadLetter| {
        PlanItem::message(letter.queue, &letter.message_id, Some((job_id, letter.segment_index)), what)
    };
    letters.iter().map(item).collect()
}

/// Discards the messages of a plan about a job, or skips them for a reason.
pub(super) async fn discard_letters(app: &App, plan: &Plan, may: Result<(), &str>) -> Vec<ItemResult> {
    let mut letters: BTreeMap<QueueName, Vec<String>> = BTreeMap::new();
    for item in &plan.items {
        if let Target::Message { queue, id } = &item.target {
            letters.entry(*queue).or_default().push(id.clone());
        }
    }
    let mut ended = Vec::new();
    if let Err(why) = may {
        let skipped = |(queue, ids): (QueueName, Vec<String>)| {
            ids.into_iter().map(move |id| result(&Target::Message { queue, id }, Outcome::Skipped, why))
        };
        return letters.into_iter().flat_map(skipped).collect();
    }
    for (queue, ids) in letters {
        ended.extend(discard(app, queue, ids, &plan.who).await);
    }
    ended
}

async fn set_failed(app: &App, job_id: JobId, reason: Option<&str>, plan: &Plan) -> ItemResult {
    let target = &Target::Job { job_id };
    let why = reason.map_or(String::new(), |reason| format!(": {reason}"));
    let error = format!("given up by {}{why}", plan.who);
    match app.backend.jobs.transition(job_id, &Transition::failed(error.as_str())).await {
        Ok(Transitioned::Changed(_)) => {
            let failed = JobFailed { error: Some(error), by: Some(plan.who.clone()), ..JobFailed::default() };
            app.ingest.emit(Source::Server, Payload::JobFailed(failed), job_id, None).await;
            result(target, Outcome::Done, "set to failed")
        }
        Ok(Transitioned::Refused(status)) => result(target, Outcome::Skipped, format!("it is {status} meanwhile")),
        Ok(Transitioned::Missing) => result(target, Outcome::Skipped, "its row is gone"),
        Err(error) => attempted(target, Err(error)),
    }
}

/// Discards messages by a purge of their own, which stands in the action log and can be undone as any other.
async fn discard(app: &App, queue: QueueName, ids: Vec<String>, who: &str) -> Vec<ItemResult> {
    let action = Action::Purge { queue, message_ids: Some(ids.clone()) };
    let done = async {
        let purge = super::plan(app, action, Some(who.to_owned())).await?;
        let apply = Apply { confirm: purge.confirm.clone(), who: Some(who.to_owned()) };
        super::apply(app, purge.id, apply).await
    };
    // A purge plans no further action: boxing only ends the type's recursion.
    match Box::pin(done).await {
        Ok(applied) => {
            let undo = format!("undo with: stereospot queues restore {}", applied.plan.id);
            let said = |one: ItemResult| match one.outcome {
                Outcome::Done => ItemResult { note: format!("{}; {undo}", one.note), ..one },
                _ => one,
            };
            applied.results.into_iter().map(said).collect()
        }
        Err(error) => {
            let why = chain(&error);
            let failed = |id| result(&Target::Message { queue, id }, Outcome::Failed, why.clone());
            ids.into_iter().map(failed).collect()
        }
    }
}
