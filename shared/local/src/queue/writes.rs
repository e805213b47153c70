//! The queue's writes. Each runs inside the writer's transaction.
//!
//! Jobs take turns (start-time fair queueing): a message's turn follows that of its job's last message in the queue, but is not
//! before the turn that the queue has come to. So a job with a thousand messages has turns n to n + 999, and a later job's first
//! message gets the turn that is being served.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;
use stereospot_domain::{QueueName, QueueRole, Timestamp, message};
use stereospot_ports::work_queue::{Envelope, MAX_BATCH, Message, Outgoing};
use uuid::Uuid;

use super::{READY, hidden_until, impossible_from, receipt};
use crate::error::corrupt;
use crate::writer::Write;

/// A message about to be inserted.
#[derive(Debug)]
pub(crate) struct SendRow {
    pub(super) id: Uuid,
    body: String,
    /// JSON.
    envelope: Option<String>,
    enqueued_at: Timestamp,
    visible_at: Timestamp,
    job: Option<Uuid>,
}

impl SendRow {
    /// A new message, ready after `delay`.
    pub(crate) fn new(role: QueueRole, body: String, now: Timestamp, delay: Duration) -> Self {
        let job = message::job_of(role, &body).map(|(job_id, _)| job_id.0);
        Self { id: Uuid::now_v7(), body, envelope: None, enqueued_at: now, visible_at: hidden_until(now, delay), job }
    }

    pub(super) fn of(role: QueueRole, message: &Outgoing, now: Timestamp) -> Self {
        let json = || serde_json::to_string(&message.envelope).expect("plain structs of strings always serialise");
        let envelope = (!message.envelope.is_empty()).then(json);
        Self { envelope, ..Self::new(role, message.body.clone(), now, message.delay) }
    }
}

/// The INSERT statement for each number of rows, from 1. The texts never change, so a connection prepares each only once.
static INSERTS: LazyLock<[String; MAX_BATCH]> = LazyLock::new(|| {
    std::array::from_fn(|more| {
        // ?1 is the queue, and the rows' values follow.
        let row = |at: usize| {
            let values: Vec<String> = (0..6).map(|value| format!("?{}", 2 + 6 * at + value)).collect();
            format!("({at}, {})", values.join(", "))
        };
        let rows: Vec<String> = (0..=more).map(row).collect();
        // Without a ready message, the queue has come to the turn of the last one in work.
        format!(
            "WITH new (at, id, body, envelope, enqueued_at, visible_at, job) AS (VALUES {}),
                  now (turn) AS (SELECT coalesce(
                      (SELECT min(turn) FROM messages WHERE queue = ?1 AND visible_at = {READY}),
                      (SELECT max(turn) FROM messages WHERE queue = ?1), 0))
             INSERT INTO messages (queue, id, body, envelope, enqueued_at, visible_at, job, turn)
             SELECT ?1, id, body, envelope, enqueued_at, visible_at, job,
                    max((SELECT turn FROM now),
                        coalesce((SELECT 1 + max(turn) FROM messages AS old WHERE old.queue = ?1 AND old.job = new.job), 0))
                    + (SELECT count(*) FROM new AS before WHERE before.job = new.job AND before.at < new.at)
             FROM new ORDER BY at",
            rows.join(", "),
            READY = READY.as_millis(),
        )
    })
});

/// Inserts messages in order, several rows per statement, because each statement costs a round trip to SQLite's thread.
pub(crate) async fn insert(on: &mut SqliteConnection, queue: QueueName, rows: &[SendRow]) -> sqlx::Result<()> {
    let queue = queue.to_string();
    for rows in rows.chunks(MAX_BATCH) {
        let statement = INSERTS[rows.len() - 1].as_str();
        let mut query = sqlx::query(AssertSqlSafe(statement)).bind(queue.as_str());
        for row in rows {
            query = query
                .bind(row.id.as_bytes().as_slice())
                .bind(row.body.as_str())
                .bind(row.envelope.as_deref())
                .bind(row.enqueued_at.as_millis())
                .bind(row.visible_at.as_millis())
                .bind(row.job.as_ref().map(|job| job.as_bytes().as_slice()));
        }
        query.execute(&mut *on).await?;
    }
    Ok(())
}

pub(super) struct Send {
    pub(super) queue: QueueName,
    pub(super) rows: Vec<SendRow>,
}

#[async_trait]
impl Write for Send {
    type Out = ();

    async fn run(&self, on: &mut SqliteConnection) -> sqlx::Result<()> {
        insert(on, self.queue, &self.rows).await
    }
}

pub(super) struct Receive {
    pub(super) queue: QueueName,
    pub(super) max: usize,
    pub(super) max_receives: Option<u32>,
    pub(super) now: Timestamp,
    pub(super) hidden_until: Timestamp,
}

pub(super) struct Received {
    pub(super) messages: Vec<Message>,
    pub(super) has_dead_lettered: bool,
}

/// Most messages that one receive dead-letters, so that a queue full of them does not hold the write lock for long.
const DEAD_LETTERED_AT_ONCE: usize = 100;

#[async_trait]
impl Write for Receive {
    type Out = Received;

    async fn run(&self, on: &mut SqliteConnection) -> sqlx::Result<Received> {
        let mut messages = Vec::with_capacity(self.max);
        let mut dead_lettered = 0;
        loop {
            let (dead, live): (Vec<Leased>, Vec<Leased>) =
                self.lease(on, self.max - messages.len()).await?.into_iter().partition(|leased| self.is_dead(leased));
            messages.extend(live.into_iter().map(Leased::into_message));
            for leased in &dead {
                self.dead_letter(on, leased.id).await?;
            }
            dead_lettered += dead.len();
            if dead.is_empty() || messages.len() == self.max || dead_lettered >= DEAD_LETTERED_AT_ONCE {
                return Ok(Received { messages, has_dead_lettered: dead_lettered > 0 });
            }
        }
    }
}

impl Receive {
    /// True if the message had already been received `max_receives` times before this receive.
    fn is_dead(&self, leased: &Leased) -> bool {
        self.max_receives.is_some_and(|max| leased.receive_count > max)
    }

    async fn lease(&self, on: &mut SqliteConnection, max: usize) -> sqlx::Result<Vec<Leased>> {
        // First the messages hidden until an impossible time (see `impossible_from`), then those that were hidden and are ready
        // again, then the new ones, by turns. Otherwise a released message would wait forever on a queue that never becomes empty.
        let rows: Vec<Row> = sqlx::query_as(
            "UPDATE messages
             SET visible_at = ?1, receive_count = receive_count + 1, lease_no = lease_no + 1, is_leased = 1
             WHERE seq IN (
                 SELECT * FROM (SELECT seq FROM messages WHERE queue = ?2 AND visible_at > ?4 LIMIT ?6)
                 UNION ALL
                 SELECT * FROM (SELECT seq FROM messages WHERE queue = ?2 AND visible_at > ?5 AND visible_at <= ?3
                                ORDER BY visible_at, seq LIMIT ?6)
                 UNION ALL
                 SELECT * FROM (SELECT seq FROM messages WHERE queue = ?2 AND visible_at = ?5 ORDER BY turn, seq LIMIT ?6)
                 LIMIT ?6)
             RETURNING id, lease_no, body, envelope, receive_count, enqueued_at",
        )
        .bind(self.hidden_until.as_millis())
        .bind(self.queue.to_string())
        .bind(self.now.as_millis())
        .bind(impossible_from(self.now).as_millis())
        .bind(READY.as_millis())
        .bind(i64::try_from(max).unwrap_or(i64::MAX))
        .fetch_all(on)
        .await?;
        rows.into_iter().map(Leased::read).collect()
    }

    async fn dead_letter(&self, on: &mut SqliteConnection, dead: Uuid) -> sqlx::Result<()> {
        sqlx::query(
            "UPDATE messages
             SET queue = ?1, visible_at = ?2, dead_lettered_at = ?3, receive_count = receive_count - 1, is_leased = 0
             WHERE id = ?4",
        )
        .bind(QueueName::dead_letter(self.queue.role).to_string())
        .bind(READY.as_millis())
        .bind(self.now.as_millis())
        .bind(dead.as_bytes().as_slice())
        .execute(on)
        .await?;
        Ok(())
    }
}

/// Changes when a leased message is ready again; false if the receipt is void.
pub(super) struct Reschedule {
    pub(super) queue: QueueName,
    pub(super) id: Uuid,
    pub(super) lease_no: i64,
    pub(super) visible_at: Timestamp,
    pub(super) is_leased: bool,
}

#[async_trait]
impl Write for Reschedule {
    type Out = bool;

    async fn run(&self, on: &mut SqliteConnection) -> sqlx::Result<bool> {
        let changed = sqlx::query(
            "UPDATE messages SET visible_at = ?, is_leased = ? WHERE id = ? AND queue = ? AND lease_no = ? AND is_leased = 1",
        )
        .bind(self.visible_at.as_millis())
        .bind(self.is_leased)
        .bind(self.id.as_bytes().as_slice())
        .bind(self.queue.to_string())
        .bind(self.lease_no)
        .execute(on)
        .await?;
        Ok(changed.rows_affected() == 1)
    }
}

/// Removes a leased message; false if the receipt is void.
pub(super) struct Delete {
    pub(super) queue: QueueName,
    pub(super) id: Uuid,
    pub(super) lease_no: i64,
}

#[async_trait]
impl Write for Delete {
    type Out = bool;

    async fn run(&self, on: &mut SqliteConnection) -> sqlx::Result<bool> {
        let deleted = sqlx::query("DELETE FROM messages WHERE id = ? AND queue = ? AND lease_no = ? AND is_leased = 1")
            .bind(self.id.as_bytes().as_slice())
            .bind(self.queue.to_string())
            .bind(self.lease_no)
            .execute(on)
            .await?;
        Ok(deleted.rows_affected() == 1)
    }
}

/// Leases messages by id without raising their receive count.
pub(super) struct Lease {
    pub(super) queue: QueueName,
    pub(super) ids: Vec<Uuid>,
    pub(super) now: Timestamp,
    pub(super) hidden_until: Timestamp,
}

#[async_trait]
impl Write for Lease {
    type Out = Vec<Message>;

    async fn run(&self, on: &mut SqliteConnection) -> sqlx::Result<Vec<Message>> {
        let mut leased = Vec::with_capacity(self.ids.len());
        for id in &self.ids {
            let row: Option<Row> = sqlx::query_as(
                "UPDATE messages SET visible_at = ?, lease_no = lease_no + 1, is_leased = 1
                 WHERE id = ? AND queue = ? AND (visible_at <= ? OR visible_at > ?)
                 RETURNING id, lease_no, body, envelope, receive_count, enqueued_at",
            )
            .bind(self.hidden_until.as_millis())
            .bind(id.as_bytes().as_slice())
            .bind(self.queue.to_string())
            .bind(self.now.as_millis())
            .bind(impossible_from(self.now).as_millis())
            .fetch_optional(&mut *on)
            .await?;
            if let Some(row) = row {
                leased.push(Leased::read(row)?.into_message());
            }
        }
        Ok(leased)
    }
}

pub(super) struct Purge {
    pub(super) queue: QueueName,
}

#[async_trait]
impl Write for Purge {
    type Out = u64;

    async fn run(&self, on: &mut SqliteConnection) -> sqlx::Result<u64> {
        let gone = sqlx::query("DELETE FROM messages WHERE queue = ?").bind(self.queue.to_string()).execute(on).await?;
        Ok(gone.rows_affected())
    }
}

type Row = (Vec<u8>, i64, String, Option<String>, u32, i64);

/// A message's row under a new lease.
struct Leased {
    id: Uuid,
    lease_no: i64,
    body: String,
    envelope: Envelope,
    receive_count: u32,
    enqueued_at: Timestamp,
}

impl Leased {
    fn read((id, lease_no, body, envelope, receive_count, enqueued_at): Row) -> sqlx::Result<Self> {
        Ok(Self {
            id: stored_id(&id)?,
            lease_no,
            body,
            envelope: stored_envelope(envelope.as_deref())?,
            receive_count,
            enqueued_at: Timestamp(enqueued_at),
        })
    }

    fn into_message(self) -> Message {
        Message {
            id: self.id.to_string(),
            receipt: receipt(self.id, self.lease_no),
            body: self.body,
            envelope: self.envelope,
            receive_count: self.receive_count,
            enqueued_at: self.enqueued_at,
        }
    }
}

/// Parses a stored message id.
pub(super) fn stored_id(bytes: &[u8]) -> sqlx::Result<Uuid> {
    Uuid::from_slice(bytes).map_err(|error| corrupt("id", error))
}

/// Parses a stored envelope.
pub(super) fn stored_envelope(json: Option<&str>) -> sqlx::Result<Envelope> {
    json.map_or_else(
        || Ok(Envelope::default()),
        |json| serde_json::from_str(json).map_err(|error| corrupt("envelope", error)),
    )
}
