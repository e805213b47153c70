//! `queues`: list, peek, replay, purge, restore.

use stereospot_api::Client;
use stereospot_api::view::{DeploymentView, MessageView, QueueView};
use stereospot_domain::QueueName;
use stereospot_domain::plan::Action;

use super::patience::answered;
use super::print::{Column, Table, UNKNOWN, age, duration, json, known, line, observed, rate};
use super::status::{consumers, drain};
use super::{Error, Result, now, write};
use crate::cli::{Queues, QueuesCommand};

pub(super) async fn run(client: &Client, options: Queues) -> Result {
    match options.command.unwrap_or(QueuesCommand::List(options.json)) {
        QueuesCommand::List(how) if how.json => json(&answered(client, client.queues()).await?),
        QueuesCommand::List(_) => {
            let queues = answered(client, client.queues()).await?;
            let all_are_known = unknown(&queues).next().is_none();
            // Why a number is missing is known to the deployment alone; a server that can't tell has the others all the same.
            let deployment = if all_are_known { None } else { client.deployment().await.ok() };
            list(&queues, deployment.as_ref())
        }
        QueuesCommand::Peek { queue, max, json: how } => {
            let messages = answered(client, client.peek(queue, max)).await?;
            if how.json {
                return json(&messages);
            }
            if messages.is_empty() {
                return line(format!("{queue} holds no message that can be seen"));
            }
            peeked(messages)
        }
        QueuesCommand::Replay { queue, ids, write: how } => {
            if !queue.is_dead_letter {
                return Err(Error::Usage(format!(
                    "only a dead-letter queue can be replayed: did you mean {queue}-dlq?"
                )));
            }
            write::carry_out(client, Action::Replay { queue, message_ids: chosen(ids) }, how).await
        }
        QueuesCommand::StopMove { queue, write: how } => {
            write::carry_out(client, Action::StopMove { queue }, how).await
        }
        QueuesCommand::Purge { queue, ids, write: how } => {
            write::carry_out(client, Action::Purge { queue, message_ids: chosen(ids) }, how).await
        }
        QueuesCommand::Restore { plan, write: how } => {
            write::carry_out(client, Action::Restore { plan_id: plan }, how).await
        }
    }
}

/// The messages that were named; none named means all.
fn chosen(ids: Vec<String>) -> Option<Vec<String>> {
    (!ids.is_empty()).then_some(ids)
}

/// Queues without numbers: of the pipeline, which should have them all, and of those that the server tells of.
fn unknown(queues: &[QueueView]) -> impl Iterator<Item = QueueName> {
    QueueName::all().filter(|name| match queues.iter().find(|queue| queue.name == *name) {
        Some(queue) => queue.ready.is_none(),
        None => QueueName::pipeline().any(|own| own == *name),
    })
}

fn list(queues: &[QueueView], deployment: Option<&DeploymentView>) -> Result {
    let mut table = Table::new(&[
        Column::Left("QUEUE"),
        Column::Right("READY"),
        Column::Right("IN FLIGHT"),
        Column::Right("DELAYED"),
        Column::Right("OLDEST"),
        Column::Right("IN/MIN"),
        Column::Right("OUT/MIN"),
        Column::Right("DRAINS IN"),
        Column::Right("CONSUMERS"),
        Column::Right("VISIBILITY"),
        Column::Right("RECEIVES"),
        Column::Right("AGE"),
    ]);
    let now = now();
    for queue in queues {
        table.row([
            queue.name.to_string(),
            observed(queue.ready),
            observed(queue.in_flight),
            observed(queue.delayed),
            age(queue.oldest_enqueued_at, now),
            rate(queue.in_per_minute),
            rate(queue.out_per_minute),
            drain(queue),
            consumers(queue),
            known(queue.visibility_secs.map(|secs| format!("{secs:.0}s"))),
            known(queue.max_receives),
            age(queue.ready.map(|ready| ready.at), now),
        ]);
    }
    table.print()?;
    let Some(deployment) = deployment else { return Ok(()) };
    for name in unknown(queues) {
        let found = deployment.queues.iter().find(|found| found.name == name);
        if found.is_none_or(|found| !found.exists) {
            let why = found.and_then(|found| found.note.as_deref()).unwrap_or("not deployed");
            line(format!("{name}: {why}"))?;
        }
    }
    Ok(())
}

fn peeked(messages: Vec<MessageView>) -> Result {
    let mut table = Table::new(&[
        Column::Left("MESSAGE"),
        Column::Left("JOB"),
        Column::Right("SEGMENT"),
        Column::Right("RECEIVED"),
        Column::Right("SENT"),
        Column::Right("EXPIRES IN"),
        Column::Cut("ERROR"),
        Column::Cut("BODY"),
    ]);
    let now = now();
    for message in messages {
        table.row([
            message.id,
            message.job_id.map_or_else(|| UNKNOWN.into(), |job_id| job_id.to_string()[..8].to_owned()),
            known(message.segment_index),
            format!("{}×", message.receive_count),
            age(Some(message.enqueued_at), now),
            message.expires_at.map_or_else(|| UNKNOWN.into(), |at| duration(at.since(now))),
            known(message.error),
            message.body,
        ]);
    }
    table.print()
}
