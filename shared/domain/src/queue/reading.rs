//! What can be read from a queue: its counts, its settings and its messages.

use std::time::Duration;

use super::Envelope;
use crate::time::Timestamp;

/// A message read without leasing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peeked {
    pub id: String,
    pub body: String,
    pub envelope: Envelope,
    pub receive_count: u32,
    /// When it was first sent.
    pub enqueued_at: Timestamp,
    /// Absent on main queues, and if the backend does not record it.
    pub dead_lettered_at: Option<Timestamp>,
    /// When the queue will remove it; absent if never.
    pub expires_at: Option<Timestamp>,
}

/// The number of messages in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Can be received now.
    pub ready: u64,
    /// Under lease.
    pub in_flight: u64,
    /// Can't be received yet.
    pub delayed: u64,
    /// When the oldest ready message was first sent, if the backend knows.
    pub oldest_enqueued_at: Option<Timestamp>,
    /// False if the backend only approximates the counts.
    pub is_exact: bool,
}

/// The settings of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long a received message stays hidden.
    pub visibility: Duration,
    /// A message received this many times is dead-lettered by the next receive; absent on dead-letter queues.
    pub max_receives: Option<u32>,
}
