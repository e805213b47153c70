//! A queue on SQS.
//!
//! Where SQS differs from the port's docs, and what this module does about it:
//! - With an expired receipt SQS deletes nothing and reports success, or deletes a message that another consumer holds. So this
//!   process records when each of its leases ends (`ledger`) and refuses an expired receipt without asking SQS. Receipts of
//!   another process go to SQS unchecked.
//! - Looking at a message means receiving it, which raises its receive count and, on a queue with a redrive policy, pushes it
//!   toward the dead-letter queue. There [`WorkQueue::peek`] and [`WorkQueue::lease`] return
//!   [`stereospot_ports::ErrorCode::Invalid`]. On dead-letter queues they receive, give back what is not wanted, and raise the count
//!   by one. They don't see messages in flight or delayed. See `sweep`.
//! - Counts are approximate and lag up to a minute, and the age of the oldest message is unknown.
//! - Waits, delays and leases are rounded up to whole seconds.
//! - Part of a batch may fail. `send` retries that part; if it fails again, `send` fails although some messages were sent.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::MessageSystemAttributeName;
use stereospot_domain::{QueueName, Timestamp};
use stereospot_ports::work_queue::{
    Message, Outgoing, Peeked, Receipt, Receive, Settings, Stats, check_receive, check_send, check_visibility,
};
use stereospot_ports::{Clock, Error, Result, WorkQueue};
use tokio::time::{Instant, sleep_until};

use crate::Connections;
use crate::config::timeouts;
use crate::error::{Call, from_sdk, lease_lost};

mod attributes;
mod envelope;
mod ledger;
mod moves;
mod seconds;
mod send;
mod sweep;

pub use attributes::{Attributes, RedrivePolicy};
pub(crate) use attributes::{dead_letter_url, get as attributes, is_forbidden, redrive_policy};
pub use moves::{MAX_MOVES_PER_SECOND, MoveState, MoveTask};

use attributes::FIFO;
use ledger::Ledger;
use seconds::{ceil, whole_secs};

/// The longest wait that SQS accepts.
const LONGEST_POLL: Duration = Duration::from_secs(20);
/// Settings are read again after this time.
const SETTINGS_LAST: Duration = Duration::from_secs(60);

/// One queue; see the module's doc for where SQS differs from the port.
#[derive(Debug)]
pub struct SqsQueue {
    name: QueueName,
    url: String,
    client: Client,
    clock: Arc<dyn Clock>,
    /// The deployment's longest wait for one call.
    long_poll: Duration,
    known: Mutex<Option<(Attributes, Instant)>>,
    /// When reading the settings last failed.
    unknown_since: Mutex<Option<Instant>>,
    ledger: Ledger,
    /// The KMS key that encrypts the messages, as first read, for the sentences of refused calls.
    key: OnceLock<String>,
    /// One sweep at a time: two would hide messages from each other.
    sweeping: tokio::sync::Mutex<()>,
}

impl SqsQueue {
    /// The queue behind a URL. Makes no call; a missing queue shows at the first one.
    #[must_use]
    pub fn new(connections: &Connections, name: QueueName, url: &str, clock: Arc<dyn Clock>) -> Self {
        Self {
            name,
            url: url.into(),
            client: connections.sqs.clone(),
            clock,
            long_poll: connections.deployment.long_poll.min(LONGEST_POLL),
            known: Mutex::default(),
            unknown_since: Mutex::default(),
            ledger: Ledger::default(),
            key: OnceLock::new(),
            sweeping: tokio::sync::Mutex::default(),
        }
    }

    /// The queue's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Settings, counts, retention and redrive policy, read now.
    ///
    /// # Errors
    /// When SQS can't be asked, or there is no such queue.
    pub async fn attributes(&self) -> Result<Attributes> {
        let found = attributes::get(&self.client, &self.url, self.call("sqs:GetQueueAttributes")).await?;
        if let Some(key) = &found.kms_key {
            self.key.get_or_init(|| key.clone());
        }
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((found.clone(), Instant::now()));
        Ok(found)
    }

    /// Like [`SqsQueue::attributes`], but up to a minute old: for what rarely changes.
    async fn known(&self) -> Result<Attributes> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some((attributes, at)) if at.elapsed() < SETTINGS_LAST => Ok(attributes),
            _ => self.attributes().await,
        }
    }

    /// The queue's own visibility timeout. None without the permission to read it: then leases are not recorded, and work goes on.
    async fn own_visibility(&self) -> Option<Duration> {
        let is_hopeless = |at: &Instant| at.elapsed() < SETTINGS_LAST;
        if self.unknown_since.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(is_hopeless) {
            return None;
        }
        match self.known().await {
            Ok(attributes) => Some(attributes.settings.visibility),
            Err(error) => {
                tracing::warn!(queue = %self.name, %error, "expired receipts of this queue look like valid ones");
                *self.unknown_since.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                None
            }
        }
    }

    /// True for a FIFO queue: SQS requires this end of its name.
    fn is_fifo(&self) -> bool {
        self.url.ends_with(FIFO)
    }

    fn call(&self, action: &'static str) -> Call<'_> {
        let resource = self.url.rsplit_once('/').map_or(self.url.as_str(), |(_, name)| name);
        Call { action, kind: "queue", resource, key: self.key.get().map(String::as_str) }
    }

    /// One ReceiveMessage. Records the lease of each message.
    async fn receive_once(&self, max: usize, wait: Duration, visibility: Option<Duration>) -> Result<Vec<Message>> {
        let lease = match visibility {
            Some(visibility) => Some(visibility),
            None => self.own_visibility().await,
        };
        // Only two sets of time limits, because the SDK keeps a pool of connections for each.
        let work = if wait.is_zero() { Duration::ZERO } else { LONGEST_POLL };
        let received = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(max).unwrap_or(i32::MAX))
            .wait_time_seconds(whole_secs(wait))
            .set_visibility_timeout(visibility.map(whole_secs))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_system_attribute_names(MessageSystemAttributeName::AwsTraceHeader)
            .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId)
            .message_attribute_names("All")
            .customize()
            .config_override(aws_sdk_sqs::Config::builder().timeout_config(timeouts(work)))
            .send()
            .await
            .map_err(|error| from_sdk(self.call("sqs:ReceiveMessage"), error))?;
        let now = self.clock.now();
        let messages = received.messages.unwrap_or_default().into_iter().map(|message| received_at(message, now));
        let messages: Vec<Message> = messages.collect();
        if let Some(lease) = lease {
            for message in &messages {
                self.ledger.note(&message.receipt, now.plus(ceil(lease)), now);
            }
        }
        Ok(messages)
    }

    /// Refuses a receipt that is known to be expired.
    fn check_receipt(&self, receipt: &Receipt) -> Result<()> {
        if receipt.0.is_empty() || self.ledger.is_void(receipt, self.clock.now()) {
            let (code, message) = lease_lost();
            return Err(Error::new(code, message));
        }
        Ok(())
    }

    async fn change_visibility(&self, receipt: &Receipt, visibility: Duration) -> Result<()> {
        check_visibility(visibility)?;
        self.check_receipt(receipt)?;
        self.client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(&receipt.0)
            .visibility_timeout(whole_secs(visibility))
            .send()
            .await
            .map_err(|error| from_sdk(self.call("sqs:ChangeMessageVisibility"), error))?;
        Ok(())
    }
}

#[async_trait]
impl WorkQueue for SqsQueue {
    fn name(&self) -> QueueName {
        self.name
    }

    /// SQS does not notice that a client no longer waits.
    fn lingers(&self) -> Duration {
        LONGEST_POLL
    }

    async fn settings(&self) -> Result<Settings> {
        Ok(self.known().await?.settings)
    }

    async fn send(&self, messages: &[Outgoing]) -> Result<Vec<String>> {
        check_send(messages)?;
        send::send(self, messages).await
    }

    async fn receive(&self, how: Receive) -> Result<Vec<Message>> {
        check_receive(how)?;
        let deadline = Instant::now() + how.wait;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let messages = self.receive_once(how.max, ceil(left).min(self.long_poll), how.visibility).await?;
            let now = Instant::now();
            if !messages.is_empty() || now >= deadline {
                return Ok(messages);
            }
            if self.long_poll.is_zero() {
                sleep_until(deadline.min(now + Duration::from_secs(1))).await;
            }
        }
    }

    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<()> {
        self.change_visibility(receipt, visibility).await?;
        let now = self.clock.now();
        self.ledger.note(receipt, now.plus(ceil(visibility)), now);
        Ok(())
    }

    async fn release(&self, receipt: &Receipt, delay: Duration) -> Result<()> {
        self.change_visibility(receipt, delay).await?;
        let now = self.clock.now();
        self.ledger.note(receipt, now, now);
        Ok(())
    }

    async fn delete(&self, receipt: &Receipt) -> Result<()> {
        self.check_receipt(receipt)?;
        self.client
            .delete_message()
            .queue_url(&self.url)
            .receipt_handle(&receipt.0)
            .send()
            .await
            .map_err(|error| from_sdk(self.call("sqs:DeleteMessage"), error))?;
        self.ledger.forget(receipt);
        Ok(())
    }

    async fn stats(&self) -> Result<Stats> {
        Ok(self.attributes().await?.stats)
    }

    async fn peek(&self, max: usize) -> Result<Vec<Peeked>> {
        sweep::peek(self, max).await
    }

    async fn lease(&self, ids: &[String], visibility: Duration) -> Result<Vec<Message>> {
        check_visibility(visibility)?;
        sweep::lease(self, ids, visibility).await
    }

    async fn purge(&self) -> Result<u64> {
        let Stats { ready, in_flight, delayed, .. } = self.attributes().await?.stats;
        self.client
            .purge_queue()
            .queue_url(&self.url)
            .send()
            .await
            .map_err(|error| from_sdk(self.call("sqs:PurgeQueue"), error))?;
        Ok(ready + in_flight + delayed)
    }
}

/// Converts SQS's message. Without count or time it counts as received for the first time, now.
fn received_at(message: aws_sdk_sqs::types::Message, now: Timestamp) -> Message {
    let envelope = envelope::received(&message);
    let attributes = message.attributes.unwrap_or_default();
    let number = |name| attributes.get(&name).and_then(|text| text.parse::<i64>().ok());
    let count = number(MessageSystemAttributeName::ApproximateReceiveCount).unwrap_or(1);
    Message {
        id: message.message_id.unwrap_or_default(),
        receipt: Receipt(message.receipt_handle.unwrap_or_default()),
        body: message.body.unwrap_or_default(),
        envelope,
        receive_count: u32::try_from(count).unwrap_or(u32::MAX),
        enqueued_at: number(MessageSystemAttributeName::SentTimestamp).map_or(now, Timestamp),
    }
}

#[cfg(test)]
mod tests;
