//! What an operator does: first plan it, which changes nothing, then apply the plan, which checks everything again.
//!
//! Invariant: a plan is applied at most once, and only as long as it is valid. The result of each item is kept. Applying relies
//! only on the plan's data. Its sentences are for people.

use std::collections::HashSet;
use std::time::Duration;

use stereospot_api::view::Change;
use stereospot_api::wire::Apply;
use stereospot_core::World;
use stereospot_core::attention::down_since;
use stereospot_domain::Collector;
use stereospot_domain::plan::{Action, AppliedPlan, ItemResult, Outcome, Plan, PlanItem, Refusal, RefusalCode, Target};
use stereospot_domain::text::age;
use stereospot_domain::{JobId, QueueRole};
use stereospot_ports::error::chain;
use stereospot_telemetry::catalogue::ActionOutcome;
use stereospot_telemetry::record;
use uuid::Uuid;

use crate::app::App;
use crate::store;

pub(crate) mod action_log;
mod assemble;
mod delete;
mod draft;
mod dropped;
mod fail;
pub(crate) mod prune;
mod purge;
mod repair;
pub(crate) mod repair_steps;
mod replay;
mod restore;
mod scale;
mod stop_move;
mod taking;
mod trigger;

pub(crate) use draft::{Error, result};

/// How long a plan may be applied.
const VALID: Duration = Duration::from_secs(60);
/// Makes a plan and keeps it. Nothing else is changed.
pub(crate) async fn plan(app: &App, action: Action, who: Option<String>) -> Result<Plan, Error> {
    let mut draft = match &action {
        Action::Replay { queue, message_ids } => replay::draft(app, *queue, message_ids.as_deref()).await?,
        Action::Purge { queue, message_ids } => purge::draft(app, *queue, message_ids.as_deref()).await?,
        Action::Trigger { job_id } => trigger::draft(app, *job_id).await?,
        Action::Repair { job_id, code } => repair::draft(app, *job_id, *code).await?,
        Action::Restore { plan_id } => restore::draft(app, *plan_id).await?,
        Action::Scale { service, desired } => scale::draft(app, service, *desired).await?,
        Action::StopMove { queue } => stop_move::draft(app, *queue).await?,
        Action::Fail { job_id, discard, .. } => fail::draft(app, *job_id, *discard).await?,
        Action::Delete { job_id } => delete::draft(app, *job_id).await?,
        Action::Prune { .. } => prune::draft(app, action.keep().unwrap_or_default()).await?,
    };
    if let Some(role) = draft.needs.filter(|_| draft.refused.is_none() && !draft.items.is_empty()) {
        draft.items.extend(scale::missing_worker(app, role).await);
    }
    if app.config.is_read_only {
        draft.refused = Some(Refusal::new(RefusalCode::ReadOnly, Error::ReadOnly.to_string()));
    } else if let Some(why) = stale(app, &action) {
        draft.refused = Some(Refusal::new(RefusalCode::Stale, why));
    }
    let now = app.now();
    let plan = Plan {
        id: Uuid::now_v7(),
        command: action.command(),
        action,
        who: who.unwrap_or_else(|| "unknown".into()),
        created_at: now,
        valid_until: now.plus(VALID),
        scope: draft.scope,
        items: draft.items,
        skips: draft.skips,
        effect: draft.effect,
        assumptions: draft.assumptions,
        confirm: draft.confirm,
        refused: draft.refused,
    };
    app.store.put_plan(&plan).await?;
    Ok(plan)
}

/// Applies a plan, item by item.
pub(crate) async fn apply(app: &App, plan_id: Uuid, with: Apply) -> Result<AppliedPlan, Error> {
    let Some((plan, applied)) = app.store.plan(plan_id).await? else {
        return Err(Error::NotFound(format!("there is no plan {plan_id}")));
    };
    let name = plan.action.name();
    let refuse = |error: Error| {
        record::action(name, ActionOutcome::Refused);
        error
    };
    if app.config.is_read_only {
        return Err(refuse(Error::ReadOnly));
    }
    if let Some(applied) = applied {
        return Err(refuse(Error::AppliedBefore(applied.applied_at.as_secs())));
    }
    if let Some(why) = plan.refused {
        return Err(refuse(Error::Refused(why)));
    }
    let now = app.now();
    let is_of_0_1 = |item: &PlanItem| matches!(item.target, Target::Named { .. });
    if now > plan.valid_until || plan.items.iter().any(is_of_0_1) {
        return Err(refuse(Error::Expired));
    }
    if let Some(wanted) = plan.confirm.as_ref().filter(|wanted| with.confirm.as_ref() != Some(wanted)) {
        return Err(refuse(Error::Unconfirmed(wanted.clone())));
    }
    let mut applied = AppliedPlan {
        applied_by: with.who.unwrap_or_else(|| plan.who.clone()),
        // Set at the start, so that copies made before a crash can be put back.
        undo_until: plan.keeps_copies().then(|| now.plus(store::KEPT)),
        plan,
        applied_at: now,
        finished_at: None,
        results: Vec::new(),
    };
    if !app.store.begin_plan(&applied).await? {
        return Err(refuse(Error::AppliedBefore(now.as_secs())));
    }
    let jobs = about(app, &applied.plan);
    let queues = app.live.at_revision(|world, _| touched(world, &applied.plan.action));
    applied.results = carry_out(app, &applied.plan).await;
    if applied.count(Outcome::Done) > 0 {
        let at = app.now();
        app.live.with(|world| jobs.iter().for_each(|job_id| world.touch(*job_id, at)));
        queues.into_iter().for_each(|role| app.polls.moved(role));
    }
    if applied.undo_until.is_some() && !restore::is_possible(app, plan_id).await {
        applied.undo_until = None;
    }
    applied.finished_at = Some(app.now());
    finish(app, &applied).await;
    if let Action::Restore { plan_id } = applied.plan.action {
        restore::end_undo(app, plan_id).await;
    }
    Ok(applied)
}

/// The jobs that the plan sends messages for. They are marked as active again.
fn about(app: &App, plan: &Plan) -> HashSet<JobId> {
    let of_items = plan.items.iter().filter_map(|item| item.job_id);
    match &plan.action {
        // A whole queue is one item: its jobs are those known from its dead letters.
        Action::Replay { queue, .. } => {
            of_items.chain(app.live.at_revision(|world, _| world.dead_jobs(*queue))).collect()
        }
        Action::Restore { .. } => of_items.collect(),
        Action::Trigger { job_id } | Action::Repair { job_id, .. } => HashSet::from([*job_id]),
        Action::Purge { .. }
        | Action::Scale { .. }
        | Action::StopMove { .. }
        | Action::Fail { .. }
        | Action::Delete { .. }
        | Action::Prune { .. } => HashSet::new(),
    }
}

/// The queues to read again at once. Restore and trigger change counts too, which the next poll shows.
fn touched(world: &World, action: &Action) -> Vec<QueueRole> {
    match action {
        Action::Replay { queue, .. } | Action::Purge { queue, .. } => vec![queue.role],
        Action::Repair { job_id, .. } => {
            let dead = world.dead.keys().filter(|name| world.dead_jobs(**name).contains(job_id));
            dead.map(|name| name.role).collect()
        }
        _ => Vec::new(),
    }
}

async fn carry_out(app: &App, plan: &Plan) -> Vec<ItemResult> {
    let starts_worker = |item: &PlanItem| matches!(item.target, Target::StartWorker { .. });
    let (workers, items): (Vec<PlanItem>, Vec<PlanItem>) = plan.items.iter().cloned().partition(starts_worker);
    let mut results = match &plan.action {
        Action::Replay { queue, message_ids: None } => replay::apply(app, *queue, &items).await,
        Action::Replay { queue, message_ids: Some(_) } => replay::send(app, *queue, &items, true).await,
        Action::Purge { queue, .. } => purge::apply(app, *queue, plan).await,
        Action::Trigger { job_id } => trigger::apply(app, *job_id, &items).await,
        Action::Repair { job_id, code } => repair::apply(app, *job_id, *code, &items).await,
        Action::Restore { plan_id } => restore::apply(app, *plan_id, &items).await,
        Action::Scale { .. } => scale::apply(app, &items).await,
        Action::StopMove { queue } => stop_move::apply(app, *queue).await,
        Action::Fail { job_id, reason, .. } => fail::apply(app, *job_id, reason.as_deref(), plan).await,
        Action::Delete { job_id } => delete::apply(app, *job_id, plan).await,
        Action::Prune { .. } => prune::apply(app, plan).await,
    };
    let is_needed = results.iter().any(|result| result.outcome == Outcome::Done);
    for worker in &workers {
        results.push(match is_needed {
            true => scale::start_worker(app, &worker.target).await,
            false => result(&worker.target, Outcome::Skipped, "nothing was asked for"),
        });
    }
    results
}

async fn finish(app: &App, applied: &AppliedPlan) {
    let (name, done) = (applied.plan.action.name(), applied.count(Outcome::Done));
    let (skipped, failed) = (applied.count(Outcome::Skipped), applied.count(Outcome::Failed));
    tracing::info!(action = name, by = applied.applied_by, done, skipped, failed, "applied: {}", applied.plan.command);
    // The changes are made: a failure to record them must not look like a failure to make them.
    if let Err(error) = app.store.finish_plan(applied).await {
        tracing::error!(plan = %applied.plan.id, error = %chain(&error), "an applied plan's results were not kept");
    }
    record::action(
        name,
        match (done, skipped + failed) {
            (_, 0) => ActionOutcome::Done,
            (0, _) => ActionOutcome::Failed,
            _ => ActionOutcome::Partial,
        },
    );
    for (outcome, count) in [("done", done), ("skipped", skipped), ("failed", failed)] {
        record::action_items(name, outcome, count as u64);
    }
    let jobs = applied.plan.items.iter().filter_map(|item| item.job_id);
    app.nudge.jobs(jobs);
    app.live.publish(&Change::Action(Box::new(applied.clone())));
}

/// Why the data behind an action is too old; none when they are fresh.
fn stale(app: &App, action: &Action) -> Option<String> {
    let needed: &[Collector] = match action {
        Action::Replay { .. } | Action::Prune { .. } => &[Collector::Queues, Collector::DeadLetters, Collector::Jobs],
        Action::Purge { .. } | Action::Restore { .. } => &[Collector::Queues],
        Action::Trigger { .. } | Action::Repair { .. } => &[Collector::Jobs],
        // These read the backend themselves when planned.
        Action::Scale { .. } | Action::StopMove { .. } | Action::Fail { .. } | Action::Delete { .. } => &[],
    };
    let now = app.now();
    app.live.with(|world| {
        needed.iter().find_map(|name| {
            let view = world.collectors.get(name)?;
            let since = down_since(view, now).filter(|_| view.error.is_some())?;
            let error = view.error.as_deref().unwrap_or("no answer");
            let age = age(now.since(since));
            Some(format!("what is known of {name} is {age} old ({error}): try again once it is read"))
        })
    })
}
