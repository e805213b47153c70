//! Queues in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use stereospot_domain::{QueueName, Timestamp};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::ManualClock;
use crate::work_queue::{
    Envelope, Message, Outgoing, Peeked, Receipt, Receive, Settings, Stats, check_receive, check_send, check_visibility,
};
use crate::{Clock, Error, ErrorCode, Result, WorkQueue};

/// All queues under one lock, so that dead-lettering is atomic.
#[derive(Debug)]
pub(super) struct State {
    clock: ManualClock,
    max_receives: u32,
    queues: Mutex<BTreeMap<QueueName, Vec<Entry>>>,
    changed: watch::Sender<()>,
}

impl State {
    pub(super) fn new(clock: ManualClock, max_receives: u32) -> Arc<Self> {
        let queues = Mutex::new(QueueName::all().map(|name| (name, Vec::new())).collect());
        Arc::new(Self { clock, max_receives, queues, changed: watch::Sender::new(()) })
    }

    fn queues(&self) -> MutexGuard<'_, BTreeMap<QueueName, Vec<Entry>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Clone)]
struct Entry {
    id: String,
    body: String,
    envelope: Envelope,
    enqueued_at: Timestamp,
    visible_at: Timestamp,
    receive_count: u32,
    /// Of the last lease; absent before the first and after a release.
    receipt: Option<Receipt>,
    dead_lettered_at: Option<Timestamp>,
}

impl Entry {
    fn lease(&mut self, until: Timestamp) -> Message {
        let receipt = Receipt(Uuid::new_v4().to_string());
        self.visible_at = until;
        self.receipt = Some(receipt.clone());
        Message {
            id: self.id.clone(),
            receipt,
            body: self.body.clone(),
            envelope: self.envelope.clone(),
            receive_count: self.receive_count,
            enqueued_at: self.enqueued_at,
        }
    }
}

#[derive(Debug)]
pub(super) struct MemoryQueue {
    name: QueueName,
    state: Arc<State>,
}

impl MemoryQueue {
    pub(super) fn new(name: QueueName, state: Arc<State>) -> Self {
        Self { name, state }
    }

    fn now(&self) -> Timestamp {
        self.state.clock.now()
    }

    fn with<T>(&self, change: impl FnOnce(&mut Vec<Entry>) -> T) -> T {
        change(self.state.queues().entry(self.name).or_default())
    }

    fn with_leased<T>(&self, receipt: &Receipt, change: impl FnOnce(&mut Vec<Entry>, usize) -> T) -> Result<T> {
        self.with(|entries| {
            let at = entries.iter().position(|entry| entry.receipt.as_ref() == Some(receipt)).ok_or_else(|| {
                Error::new(ErrorCode::LeaseLost, "the lease on the message ran out, and somebody else may have it")
            })?;
            Ok(change(entries, at))
        })
    }

    fn max_receives(&self) -> Option<u32> {
        (!self.name.is_dead_letter).then_some(self.state.max_receives)
    }

    fn receive_now(&self, how: Receive) -> Vec<Message> {
        let now = self.now();
        let hidden_until = now.plus(how.visibility.unwrap_or_else(|| self.name.role.default_visibility()));
        let mut queues = self.state.queues();
        let entries = queues.entry(self.name).or_default();
        let (mut messages, mut dead) = (Vec::new(), Vec::new());
        let mut at = 0;
        while at < entries.len() && messages.len() < how.max {
            let entry = &mut entries[at];
            if entry.visible_at > now {
                at += 1;
            } else if self.max_receives().is_some_and(|max| entry.receive_count >= max) {
                dead.push(Entry { visible_at: now, receipt: None, dead_lettered_at: Some(now), ..entries.remove(at) });
            } else {
                entry.receive_count += 1;
                messages.push(entry.lease(hidden_until));
                at += 1;
            }
        }
        queues.entry(QueueName::dead_letter(self.name.role)).or_default().extend(dead);
        messages
    }
}

#[async_trait]
impl WorkQueue for MemoryQueue {
    fn name(&self) -> QueueName {
        self.name
    }

    async fn settings(&self) -> Result<Settings> {
        Ok(Settings { visibility: self.name.role.default_visibility(), max_receives: self.max_receives() })
    }

    async fn send(&self, messages: &[Outgoing]) -> Result<Vec<String>> {
        check_send(messages)?;
        let now = self.now();
        let ids = self.with(|entries| {
            let new = messages.iter().map(|message| Entry {
                id: Uuid::new_v4().to_string(),
                body: message.body.clone(),
                envelope: message.envelope.clone(),
                enqueued_at: now,
                visible_at: now.plus(message.delay),
                receive_count: 0,
                receipt: None,
                dead_lettered_at: None,
            });
            let first = entries.len();
            entries.extend(new);
            entries[first..].iter().map(|entry| entry.id.clone()).collect()
        });
        self.state.changed.send_replace(());
        Ok(ids)
    }

    async fn receive(&self, how: Receive) -> Result<Vec<Message>> {
        check_receive(how)?;
        let deadline = Instant::now() + how.wait;
        let (mut changed, mut turned) = (self.state.changed.subscribe(), self.state.clock.turned());
        loop {
            let messages = self.receive_now(how);
            if !messages.is_empty() || Instant::now() >= deadline {
                return Ok(messages);
            }
            tokio::select! {
                _ = changed.changed() => {}
                _ = turned.changed() => {}
                () = sleep_until(deadline) => {}
            }
        }
    }

    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<()> {
        check_visibility(visibility)?;
        let until = self.now().plus(visibility);
        self.with_leased(receipt, |entries, at| entries[at].visible_at = until)
    }

    async fn release(&self, receipt: &Receipt, delay: Duration) -> Result<()> {
        check_visibility(delay)?;
        let until = self.now().plus(delay);
        self.with_leased(receipt, |entries, at| {
            entries[at].visible_at = until;
            entries[at].receipt = None;
        })?;
        self.state.changed.send_replace(());
        Ok(())
    }

    async fn delete(&self, receipt: &Receipt) -> Result<()> {
        self.with_leased(receipt, |entries, at| {
            entries.remove(at);
        })
    }

    async fn stats(&self) -> Result<Stats> {
        let now = self.now();
        Ok(self.with(|entries| {
            let count = |wanted: &dyn Fn(&Entry) -> bool| entries.iter().filter(|entry| wanted(entry)).count() as u64;
            Stats {
                ready: count(&|entry| entry.visible_at <= now),
                in_flight: count(&|entry| entry.visible_at > now && entry.receipt.is_some()),
                delayed: count(&|entry| entry.visible_at > now && entry.receipt.is_none()),
                oldest_enqueued_at: entries
                    .iter()
                    .filter(|entry| entry.visible_at <= now)
                    .map(|entry| entry.enqueued_at)
                    .min(),
                is_exact: true,
            }
        }))
    }

    async fn peek(&self, max: usize) -> Result<Vec<Peeked>> {
        let mut entries = self.with(|entries| entries.clone());
        entries.sort_by_key(|entry| entry.enqueued_at);
        Ok(entries
            .into_iter()
            .take(max)
            .map(|entry| Peeked {
                id: entry.id,
                body: entry.body,
                envelope: entry.envelope,
                receive_count: entry.receive_count,
                enqueued_at: entry.enqueued_at,
                dead_lettered_at: entry.dead_lettered_at,
                expires_at: None,
            })
            .collect())
    }

    async fn lease(&self, ids: &[String], visibility: Duration) -> Result<Vec<Message>> {
        check_visibility(visibility)?;
        let now = self.now();
        Ok(self.with(|entries| {
            entries
                .iter_mut()
                .filter(|entry| entry.visible_at <= now && ids.contains(&entry.id))
                .map(|entry| entry.lease(now.plus(visibility)))
                .collect()
        }))
    }

    async fn purge(&self) -> Result<u64> {
        Ok(self.with(|entries| entries.drain(..).count() as u64))
    }
}
