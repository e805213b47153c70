//! Sends in batches that SQS accepts: at most ten messages and 1 MiB.

use std::ops::Range;
use std::time::Duration;

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use stereospot_ports::work_queue::{MAX_BATCH, MAX_BODY_BYTES, Outgoing};
use stereospot_ports::{Error, ErrorCode, Result};

use super::SqsQueue;
use super::envelope::entry;
use crate::error::{from_code, from_sdk};

/// Attempts for the failed part of a batch.
const ATTEMPTS: u32 = 4;
/// Pause before the second attempt; each further one doubles it.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn send(queue: &SqsQueue, messages: &[Outgoing]) -> Result<Vec<String>> {
    if let Some(strange) = messages.iter().find_map(|message| message.body.chars().find(|c| !is_taken(*c))) {
        return Err(Error::new(
            ErrorCode::Invalid,
            format!("SQS takes no body with the character {:?}: encode it", strange),
        ));
    }
    let mut ids = vec![String::new(); messages.len()];
    for range in batches(messages) {
        let first = range.start;
        if let [message] = &messages[range.clone()] {
            ids[first] = send_one(queue, message).await?;
            continue;
        }
        for (at, id) in send_batch(queue, &messages[range]).await? {
            ids[first + at] = id;
        }
    }
    Ok(ids)
}

/// Sends one message. SQS's answer to this call is an error of the call, which the SDK retries.
async fn send_one(queue: &SqsQueue, message: &Outgoing) -> Result<String> {
    let entry = entry(0, message, queue.is_fifo())?;
    let sent = queue
        .client
        .send_message()
        .queue_url(&queue.url)
        .message_body(entry.message_body)
        .set_delay_seconds(entry.delay_seconds)
        .set_message_attributes(entry.message_attributes)
        .set_message_system_attributes(entry.message_system_attributes)
        .set_message_group_id(entry.message_group_id)
        .set_message_deduplication_id(entry.message_deduplication_id)
        .send()
        .await
        .map_err(|error| from_sdk(queue.call("sqs:SendMessage"), error))?;
    Ok(sent.message_id.unwrap_or_default())
}

/// Sends one batch, and the failed part of it again. Returns positions and ids.
async fn send_batch(queue: &SqsQueue, messages: &[Outgoing]) -> Result<Vec<(usize, String)>> {
    let mut sent = Vec::with_capacity(messages.len());
    let mut open: Vec<usize> = (0..messages.len()).collect();
    let mut attempt = 0;
    // Made once: a further attempt has the same deduplication ids, so that SQS takes no message twice.
    let entries: Vec<SendMessageBatchRequestEntry> =
        messages.iter().enumerate().map(|(at, message)| entry(at, message, queue.is_fifo())).collect::<Result<_>>()?;
    loop {
        let entries = open.iter().map(|at| entries[*at].clone()).collect();
        let answer = queue
            .client
            .send_message_batch()
            .queue_url(&queue.url)
            .set_entries(Some(entries))
            .send()
            .await
            .map_err(|error| from_sdk(queue.call("sqs:SendMessage"), error))?;
        for done in answer.successful {
            if let Ok(at) = done.id.parse::<usize>() {
                open.retain(|open| *open != at);
                sent.push((at, done.message_id));
            }
        }
        if open.is_empty() {
            return Ok(sent);
        }
        attempt += 1;
        let failed = answer.failed.first();
        if attempt == ATTEMPTS || failed.is_some_and(|entry| entry.sender_fault) {
            let (code, why) =
                failed.map_or((ErrorCode::Internal, "SQS answered for too few of a batch".into()), |entry| {
                    from_code(queue.call("sqs:SendMessage"), &entry.code, entry.message.as_deref().unwrap_or_default())
                });
            return Err(Error::new(
                code,
                format!("{} of {} messages were not sent: {why}", open.len(), messages.len()),
            ));
        }
        tokio::time::sleep(PAUSE * 2_u32.pow(attempt - 1)).await;
    }
}

/// Cuts the messages into batches that SQS accepts.
fn batches(messages: &[Outgoing]) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, message) in messages.iter().enumerate() {
        let size = message.body.len() + message.envelope.size();
        if at > start && (at - start == MAX_BATCH || bytes + size > MAX_BODY_BYTES) {
            batches.push(start..at);
            (start, bytes) = (at, 0);
        }
        bytes += size;
    }
    if start < messages.len() {
        batches.push(start..messages.len());
    }
    batches
}

/// The characters of XML 1.0: SQS accepts no others.
fn is_taken(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sizes: &[usize], expected: &[Range<usize>]) {
        let messages: Vec<Outgoing> = sizes.iter().map(|size| Outgoing::now("x".repeat(*size))).collect();
        assert_eq!(batches(&messages), expected, "{sizes:?}");
    }

    #[test]
    fn no_batch_is_above_a_mebibyte() {
        check(&[1; 20], &[0..10, 10..20]);
        check(&[MAX_BODY_BYTES, MAX_BODY_BYTES], &[0..1, 1..2]);
        check(&[MAX_BODY_BYTES - 1, 1, 1], &[0..2, 2..3]);
        check(&[1, MAX_BODY_BYTES, 1], &[0..1, 1..2, 2..3]);
        check(&[], &[]);
    }

    #[test]
    fn controls_are_not_taken() {
        for c in ['\0', '\u{8}', '\u{b}', '\u{1f}', '\u{fffe}'] {
            assert!(!is_taken(c), "{c:?}");
        }
        for c in ['\t', '\n', 'a', 'ü', '🎬', '\u{7f}'] {
            assert!(is_taken(c), "{c:?}");
        }
    }
}
