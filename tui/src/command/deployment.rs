//! `deployment`: what was found, what is missing, and what watching it costs.

use stereospot_api::Client;
use stereospot_api::view::DeploymentView;

use super::Result;
use super::now;
use super::patience::answered;
use super::print::{Column, Table, age, json, known, line, rate, usd};
use crate::cli::Json;

pub(super) async fn run(client: &Client, how: Json) -> Result {
    let mut deployment = answered(client, client.deployment()).await?;
    // A sum of nothing is -0.0; as JSON it would be printed so.
    deployment.calls_per_minute += 0.0;
    deployment.usd_per_month += 0.0;
    if how.json { json(&deployment) } else { show(&deployment) }
}

fn show(deployment: &DeploymentView) -> Result {
    let now = now();
    line(format!("backend   {}", deployment.backend))?;
    line(format!("region    {}", known(deployment.region.clone())))?;
    line(format!("prefix    {}", known(deployment.prefix.clone())))?;
    line(format!("topology  {}", known(deployment.topology.map(|topology| topology.to_string()))))?;
    line(format!("calls     {}", calls(deployment)))?;
    if !deployment.missing.is_empty() {
        line(format!(
            "\nMISSING AT THE START, {} ago ({})",
            age(Some(deployment.started_at), now),
            deployment.missing.len()
        ))?;
        for missing in &deployment.missing {
            line(format!("  ! {missing}"))?;
        }
    }
    let mut queues = Table::new(&[
        Column::Left(" "),
        Column::Left("QUEUE"),
        Column::Left("STATE"),
        Column::Left("NAME THERE"),
        Column::Right("AGE"),
        Column::Cut("NOTE"),
    ]);
    for queue in &deployment.queues {
        queues.row([
            if queue.exists { "✓" } else { "-" }.into(),
            queue.name.to_string(),
            if queue.exists { "found" } else { "not there" }.into(),
            queue.physical.clone(),
            age(queue.read_at, now),
            queue.note.clone().unwrap_or_default(),
        ]);
    }
    line("")?;
    queues.print()?;
    if deployment.calls.is_empty() {
        return Ok(());
    }
    let mut by_api = Table::new(&[
        Column::Left("CALL"),
        Column::Right("A MINUTE"),
        Column::Right("IN ALL"),
        Column::Right("THROTTLED"),
        Column::Right("FAILED"),
        Column::Right("A MONTH"),
    ]);
    for call in &deployment.calls {
        by_api.row([
            call.api.clone(),
            rate(Some(call.per_minute)),
            call.attempts.to_string(),
            call.throttled.to_string(),
            call.failed.to_string(),
            format!("≈{}", usd(call.usd_per_month)),
        ]);
    }
    line("")?;
    by_api.print()
}

/// What watching costs in all, in words.
fn calls(deployment: &DeploymentView) -> String {
    if deployment.calls.is_empty() && deployment.budget_per_minute.is_none() {
        return "none are counted: asking this platform costs nothing".into();
    }
    let budget = deployment.budget_per_minute.map(|budget| format!(" of at most {budget}")).unwrap_or_default();
    let (calls, price) = (rate(Some(deployment.calls_per_minute)), usd(deployment.usd_per_month));
    format!("{calls} a minute{budget}, ≈{price} a month at list price")
}
