//! Takes a plan's messages under lease, batch by batch.
//!
//! Where a queue finds messages by their ids, each batch is asked for by name. Where it can't (SQS), asking for ten out of ten
//! thousand means receiving all ten thousand, and once more for the next ten: there messages are taken as they come, those that
//! the plan names are handed on, and the others are held until the end, so that they don't come again.

use std::collections::HashSet;
use std::time::Duration;

use futures::future;
use stereospot_ports::work_queue::{MAX_BATCH, Message, Receipt, Receive};
use stereospot_ports::{Result, WorkQueue};
use tokio::time::Instant;

use super::draft::LEASE;
use super::repair_steps;

/// Long enough for SQS to ask all its servers: empty then means empty.
const SURE: Duration = Duration::from_secs(1);
/// So long may a look at the queue, by this control plane or another, keep messages from coming.
const LOOKED_AT: Duration = Duration::from_secs(12);
/// Messages are given back so many at once.
const GIVEN_AT_ONCE: usize = 10;

/// The messages of a plan, as far as they were not met yet.
pub(super) struct Taking<'a> {
    queue: &'a dyn WorkQueue,
    finds_by_id: bool,
    /// To be asked for by name, the next one last.
    ahead: Vec<String>,
    /// Not met yet.
    wanted: HashSet<String>,
    /// Receipts of messages that are not in the plan, or that stay.
    held: Vec<Receipt>,
    /// When one was last met that the plan names.
    met_at: Instant,
}

impl<'a> Taking<'a> {
    /// Of these messages. Asks nothing yet.
    pub(super) fn new(queue: &'a dyn WorkQueue, ids: impl Iterator<Item = String>, finds_by_id: bool) -> Self {
        let mut ahead: Vec<String> = ids.collect();
        let wanted = ahead.iter().cloned().collect();
        ahead.reverse();
        Self { queue, finds_by_id, ahead, wanted, held: Vec::new(), met_at: Instant::now() }
    }

    /// The next messages, under a lease of [`LEASE`]; none when there are no more. What is neither deleted nor kept
    /// ([`Taking::keep`]) comes back when its lease ends.
    ///
    /// # Errors
    /// When the queue can't be asked: then it is over.
    pub(super) async fn next(&mut self) -> Result<Vec<Message>> {
        loop {
            if self.wanted.is_empty() {
                return Ok(Vec::new());
            }
            let received = if self.finds_by_id {
                if self.ahead.is_empty() {
                    return Ok(Vec::new());
                }
                let ids = self.ahead.split_off(self.ahead.len().saturating_sub(MAX_BATCH));
                self.queue.lease(&ids, LEASE).await?
            } else {
                let how = Receive { max: MAX_BATCH, wait: SURE, visibility: Some(LEASE) };
                let received = self.queue.receive(how).await?;
                // Nothing: the rest may be under somebody's look. Others only: in time all were seen, and what was held first is
                // about to come again.
                let patience = if received.is_empty() { LOOKED_AT } else { LEASE / 2 };
                if self.met_at.elapsed() > patience {
                    self.held.extend(received.into_iter().map(|message| message.receipt));
                    return Ok(Vec::new());
                }
                received
            };
            let (ours, others): (Vec<Message>, Vec<Message>) =
                received.into_iter().partition(|message| self.wanted.remove(&message.id));
            self.held.extend(others.into_iter().map(|message| message.receipt));
            if !ours.is_empty() {
                self.met_at = Instant::now();
                return Ok(ours);
            }
        }
    }

    /// The message stays on the queue, as it was.
    pub(super) fn keep(&mut self, message: &Message) {
        self.held.push(message.receipt.clone());
    }

    /// Gives back what is held, and says which messages were never met.
    pub(super) async fn end(self) -> HashSet<String> {
        for receipts in self.held.chunks(GIVEN_AT_ONCE) {
            future::join_all(receipts.iter().map(|receipt| repair_steps::give_back(self.queue, receipt))).await;
        }
        self.wanted
    }
}
