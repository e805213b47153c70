//! `deployment`: what was found, what is missing, and what watching costs.

use stereospot_api::Client;
use stereospot_api::view::DeploymentView;
use stereospot_domain::Timestamp;

use super::error::Result;
use super::patience::answered;
use super::print::{age, json, known, line, rate, table};
use super::session::server_time;
use crate::cli::Json;
use crate::text::usd;

pub(super) async fn run(client: &Client, how: Json) -> Result {
    let mut deployment = answered(client, client.deployment()).await?;
    // An empty sum is -0.0, which JSON would print.
    deployment.calls_per_minute += 0.0;
    deployment.usd_per_month += 0.0;
    if how.json { json(&deployment) } else { show(&deployment, server_time(client).await?) }
}

fn show(deployment: &DeploymentView, now: Timestamp) -> Result {
    line(format!("backend   {}", deployment.backend))?;
    line(format!("region    {}", known(deployment.region.clone())))?;
    line(format!("prefix    {}", known(deployment.prefix.clone())))?;
    line(format!("topology  {}", known(deployment.topology.map(|topology| topology.to_string()))))?;
    line(format!("calls     {}", calls(deployment)))?;
    if !deployment.missing.is_empty() {
        line("")?;
        line(format!(
            "MISSING AT THE START, {} ago ({})",
            age(Some(deployment.started_at), now),
            deployment.missing.len()
        ))?;
        for missing in &deployment.missing {
            line(format!("  ! {missing}"))?;
        }
    }
    line("")?;
    table(&deployment.queues)
        .left(" ", |queue| if queue.exists { "✓" } else { "-" }.into())
        .left("QUEUE", |queue| queue.name.to_string())
        .left("STATE", |queue| if queue.exists { "found" } else { "not there" }.into())
        .left("NAME THERE", |queue| queue.physical.clone())
        .right("AGE", |queue| age(queue.read_at, now))
        .cut("NOTE", |queue| queue.note.clone().unwrap_or_default())
        .print()?;
    if deployment.calls.is_empty() {
        return Ok(());
    }
    line("")?;
    table(&deployment.calls)
        .left("CALL", |call| call.api.clone())
        .right("A MINUTE", |call| rate(Some(call.per_minute)))
        .right("IN ALL", |call| call.attempts.to_string())
        .right("THROTTLED", |call| call.throttled.to_string())
        .right("FAILED", |call| call.failed.to_string())
        .right("A MONTH", |call| format!("≈{}", usd(call.usd_per_month)))
        .print()
}

/// The total cost of watching.
fn calls(deployment: &DeploymentView) -> String {
    if deployment.calls.is_empty() && deployment.budget_per_minute.is_none() {
        return "none are counted: asking this platform costs nothing".into();
    }
    let budget = deployment.budget_per_minute.map(|budget| format!(" of at most {budget}")).unwrap_or_default();
    let (calls, price) = (rate(Some(deployment.calls_per_minute)), usd(deployment.usd_per_month));
    format!("{calls} a minute{budget}, ≈{price} a month at list price")
}
