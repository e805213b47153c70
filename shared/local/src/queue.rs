//! A queue in the database.
//!
//! A message is ready from its `visible_at` on; leasing, delaying and releasing only change that time. The receipt contains the
//! number of the lease, so a later lease makes it void.
//!
//! Invariant: setting the wall clock back hides no message that was ready. A message that is ready at once gets the time [`READY`]
//! instead of the clock's. A hidden message stays hidden longer by as much as the clock was set back, but not beyond the longest
//! lease.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use stereospot_domain::{QueueName, Timestamp};
use stereospot_ports::work_queue::{
    MAX_VISIBILITY, Message, Outgoing, Peeked, Receipt, Receive, Settings, Stats, check_receive, check_send,
    check_visibility,
};
use stereospot_ports::{Error, ErrorCode, Result, WorkQueue};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::database::Database;
use crate::error::from_sqlx;

mod writes;

pub(crate) use writes::{SendRow, insert};

/// A waiting receiver's first and longest pause between two polls for messages of other processes. A poll is one read of an index;
/// a waiting receiver costs about a thousandth of a core (the benchmark prints it).
const PAUSES: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(100));

/// The `visible_at` of a message that is not hidden: in the past of any clock. SQLite stores it in six bytes, like a current
/// time, so that leasing a message does not enlarge its row: on a full disk, messages must still be leased to be deleted.
pub(crate) const READY: Timestamp = Timestamp(-(1 << 40));

#[derive(Debug)]
pub(crate) struct LocalQueue {
    name: QueueName,
    database: Database,
    settings: Settings,
    /// True if the last receive got as many messages as it wanted: the next one then skips [`LocalQueue::is_ready`].
    has_more: AtomicBool,
}

impl LocalQueue {
    pub(crate) fn new(name: QueueName, database: Database, max_receives: u32) -> Self {
        let max_receives = (!name.is_dead_letter).then_some(max_receives);
        let settings = Settings { visibility: name.role.default_visibility(), max_receives };
        Self { name, database, settings, has_more: AtomicBool::new(false) }
    }

    /// Whether a receive would find a message. Reading this first keeps waiting receivers from taking the write lock.
    async fn is_ready(&self) -> Result<bool> {
        let now = self.database.now();
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM messages WHERE queue = ?1 AND visible_at <= ?2)
                 OR EXISTS (SELECT 1 FROM messages WHERE queue = ?1 AND visible_at > ?3)",
        )
        .bind(self.name.to_string())
        .bind(now.as_millis())
        .bind(impossible_from(now).as_millis())
        .fetch_one(self.database.readers()?)
        .await
        .map_err(from_sqlx)
    }

    async fn receive_now(&self, how: Receive) -> Result<Vec<Message>> {
        if !self.has_more.load(Ordering::Relaxed) && !self.is_ready().await? {
            return Ok(Vec::new());
        }
        let now = self.database.now();
        let hidden_until = now.plus(how.visibility.unwrap_or(self.settings.visibility));
        let receive = writes::Receive {
            queue: self.name,
            max: how.max,
            max_receives: self.settings.max_receives,
            now,
            hidden_until,
        };
        let received = self.database.write(receive).await?;
        self.has_more.store(received.messages.len() == how.max, Ordering::Relaxed);
        if received.has_dead_lettered {
            self.database.arrival(QueueName::dead_letter(self.name.role)).notify_waiters();
        }
        Ok(received.messages)
    }

    async fn reschedule(&self, receipt: &Receipt, visible_at: Timestamp, is_leased: bool) -> Result<()> {
        let (id, lease_no) = parts(receipt).ok_or_else(lease_lost)?;
        let change = writes::Reschedule { queue: self.name, id, lease_no, visible_at, is_leased };
        if self.database.write(change).await? { Ok(()) } else { Err(lease_lost()) }
    }
}

#[async_trait]
impl WorkQueue for LocalQueue {
    fn name(&self) -> QueueName {
        self.name
    }

    async fn settings(&self) -> Result<Settings> {
        Ok(self.settings)
    }

    async fn send(&self, messages: &[Outgoing]) -> Result<Vec<String>> {
        check_send(messages)?;
        let now = self.database.now();
        let rows: Vec<SendRow> = messages.iter().map(|message| SendRow::of(self.name.role, message, now)).collect();
        let ids = rows.iter().map(|row| row.id.to_string()).collect();
        self.database.write(writes::Send { queue: self.name, rows }).await?;
        self.database.arrival(self.name).notify_waiters();
        Ok(ids)
    }

    async fn receive(&self, how: Receive) -> Result<Vec<Message>> {
        check_receive(how)?;
        let deadline = Instant::now() + how.wait;
        let (mut pause, longest) = PAUSES;
        loop {
            // Register before looking, so that a send between looking and waiting is not missed.
            let arrived = self.database.arrival(self.name).notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            let messages = self.receive_now(how).await?;
            let now = Instant::now();
            if !messages.is_empty() || now >= deadline {
                return Ok(messages);
            }
            tokio::select! {
                () = arrived => pause = PAUSES.0,
                () = sleep_until(deadline.min(now + pause)) => pause = longest.min(pause * 2),
            }
        }
    }

    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<()> {
        check_visibility(visibility)?;
        self.reschedule(receipt, self.database.now().plus(visibility), true).await
    }

    async fn release(&self, receipt: &Receipt, delay: Duration) -> Result<()> {
        check_visibility(delay)?;
        self.reschedule(receipt, hidden_until(self.database.now(), delay), false).await?;
        self.database.arrival(self.name).notify_waiters();
        Ok(())
    }

    async fn delete(&self, receipt: &Receipt) -> Result<()> {
        let (id, lease_no) = parts(receipt).ok_or_else(lease_lost)?;
        let delete = writes::Delete { queue: self.name, id, lease_no };
        if self.database.write(delete).await? { Ok(()) } else { Err(lease_lost()) }
    }

    async fn stats(&self) -> Result<Stats> {
        let now = self.database.now();
        let (ready, in_flight, delayed, oldest): (i64, i64, i64, Option<i64>) = sqlx::query_as(
            "SELECT count(*) FILTER (WHERE is_ready),
                    count(*) FILTER (WHERE NOT is_ready AND is_leased = 1),
                    count(*) FILTER (WHERE NOT is_ready AND is_leased = 0),
                    min(enqueued_at) FILTER (WHERE is_ready)
             FROM (SELECT visible_at <= ?2 OR visible_at > ?3 AS is_ready, is_leased, enqueued_at
                   FROM messages WHERE queue = ?1)",
        )
        .bind(self.name.to_string())
        .bind(now.as_millis())
        .bind(impossible_from(now).as_millis())
        .fetch_one(self.database.readers()?)
        .await
        .map_err(from_sqlx)?;
        Ok(Stats {
            ready: ready.unsigned_abs(),
            in_flight: in_flight.unsigned_abs(),
            delayed: delayed.unsigned_abs(),
            oldest_enqueued_at: oldest.map(Timestamp),
            is_exact: true,
        })
    }

    async fn peek(&self, max: usize) -> Result<Vec<Peeked>> {
        let rows: Vec<(Vec<u8>, String, Option<String>, u32, i64, Option<i64>)> = sqlx::query_as(
            "SELECT id, body, envelope, receive_count, enqueued_at, dead_lettered_at FROM messages WHERE queue = ?
             ORDER BY enqueued_at, seq LIMIT ?",
        )
        .bind(self.name.to_string())
        .bind(i64::try_from(max).unwrap_or(i64::MAX))
        .fetch_all(self.database.readers()?)
        .await
        .map_err(from_sqlx)?;
        rows.into_iter()
            .map(|(id, body, envelope, receive_count, enqueued_at, dead_lettered_at)| {
                Ok(Peeked {
                    id: writes::stored_id(&id).map_err(from_sqlx)?.to_string(),
                    body,
                    envelope: writes::stored_envelope(envelope.as_deref()).map_err(from_sqlx)?,
                    receive_count,
                    enqueued_at: Timestamp(enqueued_at),
                    dead_lettered_at: dead_lettered_at.map(Timestamp),
                    expires_at: None,
                })
            })
            .collect()
    }

    async fn lease(&self, ids: &[String], visibility: Duration) -> Result<Vec<Message>> {
        check_visibility(visibility)?;
        // Ignore ids that are not UUIDs: no message here has one.
        let ids: Vec<Uuid> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.database.now();
        self.database.write(writes::Lease { queue: self.name, ids, now, hidden_until: now.plus(visibility) }).await
    }

    async fn purge(&self) -> Result<u64> {
        self.database.write(writes::Purge { queue: self.name }).await
    }
}

/// The `visible_at` of a message that is hidden for `time` from now.
fn hidden_until(now: Timestamp, time: Duration) -> Timestamp {
    if time.is_zero() { READY } else { now.plus(time) }
}

/// No message is hidden beyond this time, unless the clock was set back. Such a message counts as ready.
fn impossible_from(now: Timestamp) -> Timestamp {
    now.plus(MAX_VISIBILITY)
}

fn lease_lost() -> Error {
    Error::new(ErrorCode::LeaseLost, "the lease on the message ran out, and somebody else may have it")
}

fn receipt(id: Uuid, lease_no: i64) -> Receipt {
    Receipt(format!("{id}/{lease_no}"))
}

fn parts(receipt: &Receipt) -> Option<(Uuid, i64)> {
    let (id, lease_no) = receipt.0.split_once('/')?;
    Some((id.parse().ok()?, lease_no.parse().ok()?))
}
