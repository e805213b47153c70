//! Peeking and leasing by id, which SQS lacks: receives everything and gives back what is not wanted.
//!
//! Only on a queue without a redrive policy, where receiving does no harm. A sweep sees the ready messages and raises their receive
//! counts by one. The messages are hidden while it runs, and for at most [`LOOK`] if this process dies.

use std::collections::HashSet;
use std::time::Duration;

use aws_sdk_sqs::types::ChangeMessageVisibilityBatchRequestEntry;
use stereospot_ports::work_queue::{MAX_BATCH, Message, Peeked};
use stereospot_ports::{Error, ErrorCode, Result, WorkQueue as _};
use tokio::time::Instant;

use super::{Attributes, SqsQueue};
use crate::error::from_sdk;

/// How long messages stay hidden if they can't be given back.
const LOOK: Duration = Duration::from_secs(20);
/// A poll of this length asks all of SQS's servers, so an empty answer means an empty queue.
const SURE: Duration = Duration::from_secs(1);

pub(super) async fn peek(queue: &SqsQueue, max: usize) -> Result<Vec<Peeked>> {
    let _alone = queue.sweeping.lock().await;
    let attributes = sweepable(queue, "look at").await?;
    // The queue is usually empty. One quick poll is enough then: the next peek sees what this one missed.
    let first = if queue.attributes().await?.stats.ready == 0 { Duration::ZERO } else { SURE };
    let seen = sweep(queue, LOOK, first, |seen| seen.len() >= max).await?;
    give_back(queue, &seen).await;
    let mut peeked: Vec<Peeked> = seen
        .into_iter()
        .map(|message| Peeked {
            id: message.id,
            body: message.body,
            envelope: message.envelope,
            // Without this peek. Earlier peeks still count: they look like any consumer's receives.
            receive_count: message.receive_count.saturating_sub(1),
            enqueued_at: message.enqueued_at,
            dead_lettered_at: None,
            expires_at: Some(message.enqueued_at.plus(attributes.retention)),
        })
        .collect();
    peeked.sort_by_key(|peeked| peeked.enqueued_at);
    peeked.truncate(max);
    Ok(peeked)
}

pub(super) async fn lease(queue: &SqsQueue, ids: &[String], visibility: Duration) -> Result<Vec<Message>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let _alone = queue.sweeping.lock().await;
    sweepable(queue, "lease by id from").await?;
    let wanted: HashSet<&str> = ids.iter().map(String::as_str).collect();
    let is_wanted = |message: &Message| wanted.contains(message.id.as_str());
    let found_all = |seen: &[Message]| seen.iter().filter(|message| is_wanted(message)).count() == wanted.len();
    let seen = sweep(queue, visibility, SURE, found_all).await?;
    let (wanted, others): (Vec<Message>, Vec<Message>) = seen.into_iter().partition(is_wanted);
    give_back(queue, &others).await;
    Ok(wanted)
}

/// The queue's attributes, or the error that it can't be swept.
async fn sweepable(queue: &SqsQueue, what: &str) -> Result<Attributes> {
    let attributes = queue.known().await?;
    let Some(policy) = &attributes.redrive else { return Ok(attributes) };
    if queue.name().is_dead_letter {
        let message = format!(
            "can't {what} the messages of {}: this dead-letter queue has a redrive policy of its own, and a look would push its \
             messages on to {}; remove that policy",
            queue.name(),
            policy.dead_letter_arn.rsplit(':').next().unwrap_or_default()
        );
        return Err(Error::new(ErrorCode::Invalid, message));
    }
    Err(Error::new(
        ErrorCode::Invalid,
        format!(
            "can't {what} the messages of {}: SQS would count it as a receiving of each, and after {} it dead-letters them; its \
             counts, its dead-letter queue and a purge of all of it are there",
            queue.name(),
            policy.max_receives
        ),
    ))
}

/// Receives until `is_enough`, or nothing is left, or half of the first lease is over. Gives everything back on an error.
async fn sweep(
    queue: &SqsQueue,
    lease: Duration,
    first: Duration,
    is_enough: impl Fn(&[Message]) -> bool,
) -> Result<Vec<Message>> {
    let latest = Instant::now() + lease / 2;
    let mut wait = first;
    let (mut seen, mut ids): (Vec<Message>, HashSet<String>) = Default::default();
    while !is_enough(&seen) && Instant::now() < latest {
        let received = match queue.receive_once(MAX_BATCH, wait, Some(lease)).await {
            Ok(received) => received,
            Err(error) => {
                give_back(queue, &seen).await;
                return Err(error);
            }
        };
        if received.is_empty() {
            break;
        }
        wait = SURE;
        // SQS may deliver a message twice. The later receipt is the valid one.
        for message in received {
            if ids.insert(message.id.clone()) {
                seen.push(message);
            } else if let Some(held) = seen.iter_mut().find(|held| held.id == message.id) {
                *held = message;
            }
        }
    }
    Ok(seen)
}

/// Makes messages ready again at once. If that fails, they become ready when their lease ends.
async fn give_back(queue: &SqsQueue, messages: &[Message]) {
    for batch in messages.chunks(MAX_BATCH) {
        let now = queue.clock.now();
        let entries: Result<Vec<_>, _> = (0..)
            .zip(batch)
            .map(|(number, message)| {
                queue.ledger.note(&message.receipt, now, now);
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(number.to_string())
                    .receipt_handle(&message.receipt.0)
                    .visibility_timeout(0)
                    .build()
            })
            .collect();
        let Ok(entries) = entries else { continue };
        let answer = queue
            .client
            .change_message_visibility_batch()
            .queue_url(&queue.url)
            .set_entries(Some(entries))
            .send()
            .await
            .map_err(|error| from_sdk(queue.call("sqs:ChangeMessageVisibility"), error));
        match answer {
            Ok(answer) if answer.failed.is_empty() => {}
            Ok(answer) => tracing::warn!(
                queue = %queue.name(), failed = answer.failed.len(),
                "messages that were looked at stay hidden until their short lease ends"
            ),
            Err(error) => tracing::warn!(
                queue = %queue.name(), %error,
                "messages that were looked at stay hidden until their short lease ends"
            ),
        }
    }
}
