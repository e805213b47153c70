//! `queues`: list, peek, replay, purge, restore.

use stereospot_api::Client;
use stereospot_api::view::{MessageView, QueueView};
use stereospot_domain::plan::Action;

use super::print::{Column, Table, UNKNOWN, age, duration, json, known, line, observed, rate};
use super::status::drain;
use super::{Error, Result, now, write};
use crate::cli::{Json, Queues, QueuesCommand};

pub(super) async fn run(client: &Client, options: Queues) -> Result {
    match options.command.unwrap_or(QueuesCommand::List(options.json)) {
        QueuesCommand::List(how) => list(&client.queues().await?, how),
        QueuesCommand::Peek { queue, max, json: how } => {
            let messages = client.peek(queue, max).await?;
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
            let message_ids = (!ids.is_empty()).then_some(ids);
            write::carry_out(client, Action::Replay { queue, message_ids }, how).await
        }
        QueuesCommand::Purge { queue, write: how } => write::carry_out(client, Action::Purge { queue }, how).await,
        QueuesCommand::Restore { plan, write: how } => {
            write::carry_out(client, Action::Restore { plan_id: plan }, how).await
        }
    }
}

fn list(queues: &[QueueView], how: Json) -> Result {
    if how.json {
        return json(&queues);
    }
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
        // Nothing consumes a dead-letter queue, and nothing should.
        let consumers = if queue.name.is_dead_letter { UNKNOWN.into() } else { queue.consumers.to_string() };
        table.row([
            queue.name.to_string(),
            observed(queue.ready),
            observed(queue.in_flight),
            observed(queue.delayed),
            age(queue.oldest_enqueued_at, now),
            rate(queue.in_per_minute),
            rate(queue.out_per_minute),
            drain(queue),
            consumers,
            known(queue.visibility_secs.map(|secs| format!("{secs:.0}s"))),
            known(queue.max_receives),
            age(queue.ready.map(|ready| ready.at), now),
        ]);
    }
    table.print()
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
