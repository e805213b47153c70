//! A queue with leases: receiving a message hides it for a while; only deleting removes it.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
pub use stereospot_domain::queue::{Attribute, Envelope, Peeked, Settings, Stats};
use stereospot_domain::{QueueName, Timestamp};

use crate::error::{Error, ErrorCode, Result};

/// Largest body, in bytes.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Most messages in one `send` or `receive`.
pub const MAX_BATCH: usize = 10;
/// Longest visibility timeout and lease.
pub const MAX_VISIBILITY: Duration = Duration::from_secs(43_200);
/// Longest delay of a message sent.
pub const MAX_DELAY: Duration = Duration::from_secs(900);

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// At most [`MAX_BODY_BYTES`], not empty.
    pub body: String,
    /// How long it can't be received yet; at most [`MAX_DELAY`].
    pub delay: Duration,
    pub envelope: Envelope,
}

impl Outgoing {
    /// A message without delay.
    pub fn now(body: impl Into<String>) -> Self {
        Self::after(Duration::ZERO, body)
    }

    /// A message that can be received after `delay`.
    pub fn after(delay: Duration, body: impl Into<String>) -> Self {
        Self { body: body.into(), delay, envelope: Envelope::default() }
    }

    /// The same with what travels with its body.
    #[must_use]
    pub fn with(self, envelope: Envelope) -> Self {
        Self { envelope, ..self }
    }
}

/// How to receive messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receive {
    /// Most messages to return, 1 to [`MAX_BATCH`].
    pub max: usize,
    /// How long to wait for the first message; zero returns at once.
    pub wait: Duration,
    /// How long to lease the messages; absent means the queue's visibility timeout.
    pub visibility: Option<Duration>,
}

/// Identifies one lease of a message. Void once that lease has run out and the message was received again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Receipt(pub String);

/// A message under lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The same each time the message is received.
    pub id: String,
    pub receipt: Receipt,
    pub body: String,
    pub envelope: Envelope,
    /// How often it was received, including this time.
    pub receive_count: u32,
    /// When it was first sent.
    pub enqueued_at: Timestamp,
}

/// Refuses a batch outside the limits. Backends call it first.
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

/// Refuses a receive outside the limits. Backends call it first.
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
/// [`ErrorCode::Invalid`] above it.
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

/// A queue. Delivers each message at least once, in no particular order. Every method fails if the backend can't be reached.
#[async_trait]
pub trait WorkQueue: fmt::Debug + Send + Sync + 'static {
    /// The queue's name.
    fn name(&self) -> QueueName;

    /// How long the backend may go on with a receive whose future was dropped, and lease a message that no one gets. So a caller
    /// that stops waits for the receive, and gives back what it returns.
    fn lingers(&self) -> Duration {
        Duration::ZERO
    }

    /// The queue's settings.
    ///
    /// # Errors
    /// If the backend can't be reached.
    async fn settings(&self) -> Result<Settings>;

    /// Sends up to [`MAX_BATCH`] messages and returns their ids in order. Once it returns `Ok`, all of them are durable.
    ///
    /// # Errors
    /// [`crate::ErrorCode::Invalid`] for an empty or too large batch, body or delay; nothing was sent then.
    async fn send(&self, messages: &[Outgoing]) -> Result<Vec<String>>;

    /// Leases up to `max` messages. A message that was already received `max_receives` times moves to the dead-letter queue
    /// instead. Dropping the future loses no message: at worst a lease runs out unused.
    ///
    /// # Errors
    /// If the backend can't be reached.
    async fn receive(&self, how: Receive) -> Result<Vec<Message>>;

    /// Makes the lease end `visibility` from now; at most [`MAX_VISIBILITY`]. May also shorten it.
    ///
    /// # Errors
    /// [`crate::ErrorCode::LeaseLost`] if the receipt is void.
    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<()>;

    /// Ends the lease; the message can be received again after `delay`. Keeps the receive count.
    ///
    /// # Errors
    /// [`crate::ErrorCode::LeaseLost`] if the receipt is void.
    async fn release(&self, receipt: &Receipt, delay: Duration) -> Result<()>;

    /// Removes the message for good.
    ///
    /// # Errors
    /// [`crate::ErrorCode::LeaseLost`] if the receipt is void: another receiver has the message, which was not removed.
    async fn delete(&self, receipt: &Receipt) -> Result<()>;

    /// Counts the messages.
    ///
    /// # Errors
    /// If the backend can't be reached.
    async fn stats(&self) -> Result<Stats>;

    /// Returns up to `max` messages, oldest first, including leased and delayed ones. Takes no lease and changes no receive
    /// count. SQS can't peek: there the ready messages of a dead-letter queue are received and released, and the others are not
    /// seen.
    ///
    /// # Errors
    /// If the backend can't be reached.
    async fn peek(&self, max: usize) -> Result<Vec<Peeked>>;

    /// Leases the messages with these ids for `visibility` and leaves out ids that are not ready. Raises no receive count, except
    /// on SQS, which can't lease by id: there messages are received until all ids are found, and the others are released. Replay
    /// and purge use it, so that they touch exactly the messages shown.
    ///
    /// # Errors
    /// If the backend can't be reached.
    async fn lease(&self, ids: &[String], visibility: Duration) -> Result<Vec<Message>>;

    /// Removes every message, also leased and delayed ones, and returns how many there were.
    ///
    /// # Errors
    /// [`crate::ErrorCode::Throttled`] if the backend limits how often a queue may be purged.
    async fn purge(&self) -> Result<u64>;
}
