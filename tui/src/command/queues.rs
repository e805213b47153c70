//! `queues`: list, peek, replay, purge, restore.

use stereospot_api::Client;
use stereospot_api::view::{DeploymentView, MessageView, QueueView};
use stereospot_domain::plan::Action;
use stereospot_domain::{JobId, QueueName, Timestamp};

use super::error::{Error, Result};
use super::patience::answered;
use super::print::{UNKNOWN, age, json, known, line, observed, rate, table};
use super::session::server_time;
use super::status::{consumers, drain};
use super::write;
use crate::cli::{Queues, QueuesCommand};
use crate::text::duration;

pub(super) async fn run(client: &Client, options: Queues) -> Result {
    match options.command.unwrap_or(QueuesCommand::List(options.json)) {
        QueuesCommand::List(how) if how.json => json(&answered(client, client.queues()).await?),
        QueuesCommand::List(_) => {
            let queues = answered(client, client.queues()).await?;
            let all_are_known = unknown(&queues).next().is_none();
            // Only the deployment knows why a number is missing. If it can't be read, the table has no reasons.
            let deployment = if all_are_known { None } else { client.deployment().await.ok() };
            list(&queues, deployment.as_ref(), server_time(client).await?)
        }
        QueuesCommand::Peek { queue, max, json: how } => {
            let messages = answered(client, client.peek(queue, max)).await?;
            if how.json {
                return json(&messages);
            }
            if messages.is_empty() {
                return line(format!("{queue} holds no message that can be seen"));
            }
            peeked(&messages, server_time(client).await?)
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

/// The messages named on the command line; all when none are named.
fn chosen(ids: Vec<String>) -> Option<Vec<String>> {
    (!ids.is_empty()).then_some(ids)
}

/// Queues without numbers: pipeline queues that are missing, and queues that the server lists without numbers.
fn unknown(queues: &[QueueView]) -> impl Iterator<Item = QueueName> {
    QueueName::all().filter(|name| match queues.iter().find(|queue| queue.name == *name) {
        Some(queue) => queue.ready.is_none(),
        None => QueueName::pipeline().any(|own| own == *name),
    })
}

fn list(queues: &[QueueView], deployment: Option<&DeploymentView>, now: Timestamp) -> Result {
    table(queues)
        .left("QUEUE", |queue| queue.name.to_string())
        .right("READY", |queue| observed(queue.ready))
        .right("IN FLIGHT", |queue| observed(queue.in_flight))
        .right("DELAYED", |queue| observed(queue.delayed))
        .right("OLDEST", |queue| age(queue.oldest_enqueued_at, now))
        .right("IN/MIN", |queue| rate(queue.in_per_minute))
        .right("OUT/MIN", |queue| rate(queue.out_per_minute))
        .right("DRAINS IN", drain)
        .right("CONSUMERS", consumers)
        .right("VISIBILITY", |queue| known(queue.visibility_secs.map(|secs| format!("{secs:.0}s"))))
        .right("RECEIVES", |queue| known(queue.max_receives))
        .right("AGE", |queue| age(queue.ready.map(|ready| ready.at), now))
        .print()?;
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

fn peeked(messages: &[MessageView], now: Timestamp) -> Result {
    table(messages)
        .left("MESSAGE", |message| message.id.clone())
        .left("JOB", |message| message.job_id.map_or_else(|| UNKNOWN.into(), JobId::short))
        .right("SEGMENT", |message| known(message.segment_index))
        .right("RECEIVED", |message| format!("{}×", message.receive_count))
        .right("SENT", |message| age(Some(message.enqueued_at), now))
        .right("EXPIRES IN", |message| known(message.expires_at.map(|at| duration(at.since(now)))))
        .cut("ERROR", |message| known(message.error.as_ref()))
        .cut("BODY", |message| message.body.clone())
        .print()?;
    for message in messages {
        for part in message.envelope.lines() {
            line(format!("{} with {part}", message.id))?;
        }
    }
    Ok(())
}
