//! What can be read of a queue: its numbers, its settings, its messages.

use std::time::Duration;

use crate::time::Timestamp;

/// A message looked at, without a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peeked {
    /// The message's id.
    pub id: String,
    /// What was sent.
    pub body: String,
    /// How often it was received so far.
    pub receive_count: u32,
    /// When it was first sent.
    pub enqueued_at: Timestamp,
    /// When it came onto this queue by dead-lettering; absent on main queues and where the backend doesn't say.
    pub dead_lettered_at: Option<Timestamp>,
    /// When the queue will forget it; absent where it never does.
    pub expires_at: Option<Timestamp>,
}

/// Numbers of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Can be received now.
    pub ready: u64,
    /// Under lease.
    pub in_flight: u64,
    /// Still delayed.
    pub delayed: u64,
    /// When the oldest ready message was first sent, where the backend knows.
    pub oldest_enqueued_at: Option<Timestamp>,
    /// False where the backend only approximates.
    pub is_exact: bool,
}

/// What is set for a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long a received message stays hidden.
    pub visibility: Duration,
    /// After so many receivings the next one dead-letters it; absent on dead-letter queues.
    pub max_receives: Option<u32>,
}
