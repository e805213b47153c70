//! A write: plans it, shows the plan, asks, applies it, and reports each item.
//!
//! Invariant: nothing is applied that was not shown first, and nothing without `--yes` or a word typed at a terminal.

use std::io::{self, BufRead, IsTerminal};

use stereospot_api::Client;
use stereospot_api::wire::{Applied, Apply};
use stereospot_domain::QueueName;
use stereospot_domain::plan::{Action, ItemResult, Outcome, Plan, PlanItem, RefusalCode};

use super::error::{Error, Result};
use super::patience::answered;
use super::print::{json, line, note};
use super::session::who;
use crate::cli::Write;
use crate::text::unknown_end;

/// The most items of a plan listed for people; `--json` has them all.
const LISTED: usize = 20;

/// Plans an action and, unless it is a dry run, applies it.
pub(super) async fn carry_out(client: &Client, action: Action, how: Write) -> Result {
    let is_asking = !how.dry_run && !how.yes;
    if is_asking && !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        let name = action.name();
        return Err(Error::Usage(format!(
            "a {name} must be confirmed, and there is no terminal to ask at: add --yes to apply it, or --dry-run to see the plan"
        )));
    }
    let plan = answered(client, client.plan(action, Some(who()))).await?;
    if how.dry_run && how.json.json {
        json(&plan)?;
    } else {
        show(&plan, how)?;
    }
    if let Some(queue) = emptied(&plan) {
        return match (how.json.json, how.dry_run) {
            (true, true) => Ok(()),
            (true, false) => json(&Applied { plan_id: plan.id, results: Vec::new() }),
            (false, _) => line(format!("{queue} is empty: there is nothing to do")),
        };
    }
    if let Some(reason) = &plan.refused {
        return Err(Error::Failed(format!("the plan can't be applied: {reason}")));
    }
    if how.dry_run {
        return Ok(());
    }
    if plan.items.is_empty() {
        return if how.json.json {
            json(&Applied { plan_id: plan.id, results: Vec::new() })
        } else {
            line("nothing to do")
        };
    }
    if is_asking {
        confirm(&plan).await?;
    }
    let apply = Apply { confirm: plan.confirm.clone(), who: Some(who()) };
    let applied = answered(client, client.apply(plan.id, &apply)).await.map_err(|error| match unknown_end(&error) {
        Some(meaning) => Error::Failed(format!("{error}; {meaning}, see `stereospot actions`")),
        None => error.into(),
    })?;
    report(&plan, &applied, how)
}

/// The plan's queue, if the plan is refused only because the queue is empty. That is what the caller wants.
fn emptied(plan: &Plan) -> Option<QueueName> {
    let queue = match plan.action {
        Action::Purge { queue, .. } | Action::Replay { queue, .. } => queue,
        _ => return None,
    };
    plan.refused.as_ref().is_some_and(|refusal| refusal.code == RefusalCode::Empty).then_some(queue)
}

fn show(plan: &Plan, how: Write) -> Result {
    for text in describe(plan) {
        // stdout belongs to the JSON, if requested.
        if how.json.json { note(text) } else { line(text)? }
    }
    Ok(())
}

fn describe(plan: &Plan) -> Vec<String> {
    let mut lines = vec![format!("PLAN {}: {}", plan.action.name(), plan.scope)];
    let mut list = |items: &[PlanItem], sign: &str| {
        for item in items.iter().take(LISTED) {
            lines.push(format!("  {sign} {}  {}", item.target, item.what));
            lines.extend(item.envelope.lines().map(|part| format!("      with {part}")));
        }
        if items.len() > LISTED {
            lines.push(format!("  {sign} … {} more: --json lists them all", items.len() - LISTED));
        }
    };
    list(&plan.items, "+");
    list(&plan.skips, "skip");
    lines.push(format!("  {} to do, {} skipped; {}", plan.items.len(), plan.skips.len(), plan.effect));
    if !plan.assumptions.is_empty() {
        lines.push(format!("  as long as {}", plan.assumptions.join(", ")));
    }
    lines
}

async fn confirm(plan: &Plan) -> Result {
    let word = plan.confirm.clone().unwrap_or_else(|| "yes".into());
    note(format!("Type  {word}  to apply it, anything else to leave it:"));
    let typed = tokio::task::spawn_blocking(|| {
        let mut typed = String::new();
        io::stdin().lock().read_line(&mut typed).map(|_| typed)
    })
    .await
    .map_err(|error| Error::Failed(format!("could not ask: {error}")))?
    .map_err(|error| Error::File("could not read the answer".into(), error))?;
    if typed.trim() == word { Ok(()) } else { Err(Error::Failed("left as it is: nothing was applied".into())) }
}

fn report(plan: &Plan, applied: &Applied, how: Write) -> Result {
    let count = |outcome| applied.results.iter().filter(|result| result.outcome == outcome).count();
    let failed = count(Outcome::Failed);
    if how.json.json {
        json(applied)?;
    } else {
        let is_odd = |result: &&ItemResult| result.outcome != Outcome::Done || applied.results.len() <= LISTED;
        for result in applied.results.iter().filter(is_odd) {
            let outcome = match result.outcome {
                Outcome::Done => "done",
                Outcome::Skipped => "skipped",
                Outcome::Failed => "FAILED",
            };
            line(format!("  {outcome}  {}  {}", result.target, result.note).trim_end())?;
        }
        line(format!(
            "{}: {} done, {} skipped, {failed} failed",
            plan.scope,
            count(Outcome::Done),
            count(Outcome::Skipped)
        ))?;
        if plan.keeps_copies() && count(Outcome::Done) > 0 {
            line(format!("undo with: stereospot queues restore {}", plan.id))?;
        }
    }
    if failed > 0 {
        Err(Error::Failed(format!("{failed} of {} could not be done", applied.results.len())))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
