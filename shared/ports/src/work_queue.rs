//! A queue of work with leases: a received message is hidden, not gone, until it is deleted.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
pub use stereospot_domain::queue::{Peeked, Settings, Stats};
use stereospot_domain::{QueueName, Timestamp};

use crate::error::{Error, ErrorCode, Result};

/// Largest body, in bytes.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Most messages in one `send` or `receive`.
pub const MAX_BATCH: usize = 10;
/// Longest visibility timeout and lease.
pub const MAX_VISIBILITY: Duration = Duration::from_secs(43_200);
/// Longest delay.
pub const MAX_DELAY: Duration = Duration::from_secs(900);

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The body, at most [`MAX_BODY_BYTES`].
    pub body: String,
    /// How long it stays invisible first; at most [`MAX_DELAY`].
    pub delay: Duration,
}

impl Outgoing {
    /// A message that can be received at once.
    pub fn now(body: impl Into<String>) -> Self {
        Self { body: body.into(), delay: Duration::ZERO }
    }
}

/// How to receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receive {
    /// At most so many messages, 1 to [`MAX_BATCH`].
    pub max: usize,
    /// Wait so long for the first; zero returns at once.
    pub wait: Duration,
    /// Hide them so long; absent means the queue's own visibility timeout.
    pub visibility: Option<Duration>,
}

/// Names one receiving of a message. It is void once the lease has run out and somebody else has received it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Receipt(pub String);

/// A message under lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The message's id; the same at each receiving.
    pub id: String,
    /// Names this receiving.
    pub receipt: Receipt,
    /// What was sent.
    pub body: String,
    /// How often it was received, this time included; from 1.
    pub receive_count: u32,
    /// When it was first sent.
    pub enqueued_at: Timestamp,
}

/// Refuses a batch that no queue takes; backends call it first.
///
/// # Errors
/// [`ErrorCode::Invalid`] for an empty or too large batch, body or delay.
pub fn check_send(messages: &[Outgoing]) -> Result<()> {
    check_count("send", messages.len())?;
    for message in messages {
        if message.body.is_empty() {
            return Err(Error::new(ErrorCode::Invalid, "a message needs a body"));
        }
        if message.body.len() > MAX_BODY_BYTES {
            let bytes = message.body.len();
            return Err(Error::new(ErrorCode::Invalid, format!("a body of {bytes} bytes is above {MAX_BODY_BYTES}")));
        }
        check_within("a delay", message.delay, MAX_DELAY)?;
    }
    Ok(())
}

/// Refuses a receive that no queue takes; backends call it first.
///
/// # Errors
/// [`ErrorCode::Invalid`] for a number or a visibility timeout out of range.
pub fn check_receive(how: Receive) -> Result<()> {
    check_count("receive", how.max)?;
    how.visibility.map_or(Ok(()), check_visibility)
}

/// Refuses a visibility timeout above [`MAX_VISIBILITY`].
///
/// # Errors
/// [`ErrorCode::Invalid`] then.
pub fn check_visibility(visibility: Duration) -> Result<()> {
    check_within("a visibility timeout", visibility, MAX_VISIBILITY)
}

fn check_count(what: &str, count: usize) -> Result<()> {
    if (1..=MAX_BATCH).contains(&count) {
        return Ok(());
    }
    Err(Error::new(ErrorCode::Invalid, format!("can't {what} {count} messages at once: 1 to {MAX_BATCH}")))
}

fn check_within(what: &str, given: Duration, most: Duration) -> Result<()> {
    if given <= most {
        return Ok(());
    }
    Err(Error::new(ErrorCode::Invalid, format!("{what} of {} s is above {} s", given.as_secs(), most.as_secs())))
}

/// One queue. Delivery is at least once and in no order.
#[async_trait]
pub trait WorkQueue: fmt::Debug + Send + Sync + 'static {
    /// Which queue this is.
    fn name(&self) -> QueueName;

    /// What is set for it.
    ///
    /// # Errors
    /// When the backend can't be asked.
    async fn settings(&self) -> Result<Settings>;

    /// Sends up to [`MAX_BATCH`] messages and returns their ids in order. When it returns `Ok` they are durable, all of them.
    ///
    /// # Errors
    /// [`crate::ErrorCode::Invalid`] for an empty or too large batch, body or delay: then nothing was sent.
    async fn send(&self, messages: &[Outgoing]) -> Result<Vec<String>>;

    /// Leases up to `max` messages. A message that was already received `max_receives` times goes to the dead-letter queue
    /// instead. Dropping the future loses no message: at worst a lease runs out unused.
    ///
    /// # Errors
    /// When the backend can't be asked.
    async fn receive(&self, how: Receive) -> Result<Vec<Message>>;

    /// Hides the message for `visibility` from now on; at most [`MAX_VISIBILITY`].
    ///
    /// # Errors
    /// [`crate::ErrorCode::LeaseLost`] when the receipt is void.
    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<()>;

    /// Gives the message back, to be received again after `delay`. Its receive count stays.
    ///
    /// # Errors
    /// [`crate::ErrorCode::LeaseLost`] when the receipt is void.
    async fn release(&self, receipt: &Receipt, delay: Duration) -> Result<()>;

    /// Removes the message for good.
    ///
    /// # Errors
    /// [`crate::ErrorCode::LeaseLost`] when the receipt is void: then somebody else has it, and it was not removed.
    async fn delete(&self, receipt: &Receipt) -> Result<()>;

    /// Counts.
    ///
    /// # Errors
    /// When the backend can't be asked.
    async fn stats(&self) -> Result<Stats>;

    /// Up to `max` messages, oldest first, whether ready or not, changing nothing: no lease, no receive count.
    ///
    /// # Errors
    /// When the backend can't be asked.
    async fn peek(&self, max: usize) -> Result<Vec<Peeked>>;

    /// Leases exactly these messages of those that are ready, for `visibility`, without raising their receive count. Ids that
    /// are not ready are left out of the answer. Replay and purge use it, so that no message is sent twice and none is lost.
    ///
    /// # Errors
    /// When the backend can't be asked.
    async fn lease(&self, ids: &[String], visibility: Duration) -> Result<Vec<Message>>;

    /// Removes every message, in flight and delayed ones too, and returns how many there were.
    ///
    /// # Errors
    /// [`crate::ErrorCode::Throttled`] where the backend allows it only so often.
    async fn purge(&self) -> Result<u64>;
}
