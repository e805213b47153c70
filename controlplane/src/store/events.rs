//! Events: written in groups, read by job and by time, pruned from the old end.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};
use stereospot_core::worker::BootCount;
use stereospot_domain::{Event, EventKind, JobId, Timestamp};
use uuid::Uuid;

use super::{Error, Result, Store, begin};

/// Rows in one INSERT: at eight values each, far below SQLite's limit on parameters.
const ROWS: usize = 250;
/// Rows deleted in one pruning step, which limits how long writers wait.
const PRUNE_ROWS: i64 = 2_000;

/// The result of writing a group of events.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ingested {
    /// For each event in order: false for duplicates.
    pub(crate) is_new: Vec<bool>,
    /// The new counts of each boot of a source in the group.
    pub(crate) counts: BTreeMap<(String, Uuid), BootCount>,
    /// By how much the number of lost events rose, or fell because late ones filled gaps.
    pub(crate) lost_change: i64,
}

/// The lowest and the highest sequence number received of one boot of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

/// One boot of a source, as stored.
#[derive(Debug, Clone)]
pub(crate) struct Remembered {
    pub(crate) source: String,
    pub(crate) boot: Uuid,
    pub(crate) last_at: Timestamp,
    pub(crate) count: BootCount,
    /// Its `worker.started` and its newest event.
    pub(crate) events: Vec<Event>,
}

/// How long events are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    pub age: Duration,
    pub rows: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { age: Duration::from_secs(30 * 24 * 3600), rows: 10_000_000 }
    }
}

/// An event with its JSON, as it is stored and streamed.
pub(crate) struct NewRow<'a> {
    pub(crate) event: &'a Event,
    pub(crate) body: &'a str,
}

impl Store {
    /// Writes events in one transaction. Duplicates change nothing.
    pub(crate) async fn ingest(&self, rows: &[NewRow<'_>], now: Timestamp) -> Result<Ingested> {
        let mut writer = self.writer().await?;
        let mut transaction = begin(&mut writer).await?;
        let mut is_new = Vec::with_capacity(rows.len());
        for chunk in rows.chunks(ROWS) {
            insert(&mut transaction, chunk, now, &mut is_new).await?;
        }
        let (counts, lost_change) = count(&mut transaction, rows, &is_new, now).await?;
        transaction.commit().await?;
        Ok(Ingested { is_new, counts, lost_change })
    }

    /// The numbers seen of one life of a source; none before its first event.
    pub(crate) async fn span(&self, source: &str, boot: Uuid) -> Result<Option<Span>> {
        let row = sqlx::query("SELECT first_seq, max_seq FROM boots WHERE source = ? AND boot = ?")
            .bind(source)
            .bind(boot.as_bytes().as_slice())
            .fetch_optional(self.readers())
            .await?;
        Ok(row.map(|row| Span { first: whole(row.get(0)), last: whole(row.get(1)) }))
    }

    /// A job's newest events, oldest first, at most `limit`.
    pub(crate) async fn job_events(&self, job_id: JobId, limit: u32) -> Result<Vec<Event>> {
        let rows = sqlx::query("SELECT body FROM events WHERE job_id = ? ORDER BY time DESC, n DESC LIMIT ?")
            .bind(job_id.0.as_bytes().as_slice())
            .bind(limit)
            .fetch_all(self.readers())
            .await?;
        rows.iter().rev().map(|row| event(row.get(0))).collect()
    }

    /// When a job's newest event happened; none where no event of it is kept.
    pub(crate) async fn newest_event_of(&self, job_id: JobId) -> Result<Option<Timestamp>> {
        let newest: Option<i64> = sqlx::query_scalar("SELECT max(time) FROM events WHERE job_id = ?")
            .bind(job_id.0.as_bytes().as_slice())
            .fetch_one(self.readers())
            .await?;
        Ok(newest.map(Timestamp))
    }

    /// The newest events, progress apart, in order of arrival, at most `limit`.
    pub(crate) async fn newest_events(&self, limit: u32) -> Result<Vec<Event>> {
        let rows = sqlx::query("SELECT body FROM events WHERE is_progress = 0 ORDER BY n DESC LIMIT ?")
            .bind(limit)
            .fetch_all(self.readers())
            .await?;
        rows.iter().rev().map(|row| event(row.get(0))).collect()
    }

    /// A job's events for its projection: all but progress, and the newest progress.
    pub(crate) async fn job_history(&self, job_id: JobId) -> Result<Vec<Event>> {
        let newest = "SELECT body FROM (SELECT body, time FROM events WHERE job_id = ?1 ORDER BY time DESC LIMIT 2000) \
             UNION SELECT body FROM (SELECT body FROM events WHERE job_id = ?1 AND is_progress = 0 \
             ORDER BY time DESC LIMIT 200000)";
        let rows = sqlx::query(newest).bind(job_id.0.as_bytes().as_slice()).fetch_all(self.readers()).await?;
        rows.iter().map(|row| event(row.get(0))).collect()
    }

    /// Boots of sources heard of since a time.
    pub(crate) async fn boots_since(&self, since: Timestamp) -> Result<Vec<Remembered>> {
        let rows = sqlx::query(
            "SELECT source, boot, max_seq - first_seq + 1 - received AS lost, last_at, done, failed, started, latest \
             FROM boots WHERE last_at >= ? ORDER BY last_at DESC LIMIT 5000",
        )
        .bind(since.as_millis())
        .fetch_all(self.readers())
        .await?;
        rows.iter()
            .map(|row| {
                let bodies: [Option<&str>; 2] = [row.get("started"), row.get("latest")];
                Ok(Remembered {
                    source: row.get("source"),
                    boot: uuid(row.get("boot")),
                    last_at: Timestamp(row.get("last_at")),
                    count: BootCount {
                        done: whole(row.get("done")),
                        failed: whole(row.get("failed")),
                        lost: whole(row.get("lost")),
                    },
                    events: bodies.into_iter().flatten().map(event).collect::<Result<_>>()?,
                })
            })
            .collect()
    }

    /// Deletes a small batch of events that are too old or too many; true when there may be more.
    pub(crate) async fn prune(&self, retention: Retention, now: Timestamp) -> Result<bool> {
        let oldest_kept = now.minus(retention.age).as_millis();
        let rows = i64::try_from(retention.rows).unwrap_or(i64::MAX);
        let mut writer = self.writer().await?;
        let mut transaction = begin(&mut writer).await?;
        // Rows are in order of arrival: the lowest `n` is the oldest.
        let events = sqlx::query(
            "DELETE FROM events WHERE n IN (SELECT n FROM events ORDER BY n LIMIT ?1) \
             AND (received_at < ?2 OR n <= (SELECT max(n) FROM events) - ?3)",
        )
        .bind(PRUNE_ROWS)
        .bind(oldest_kept)
        .bind(rows)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        sqlx::query("DELETE FROM boots WHERE last_at < ?").bind(oldest_kept).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(events == PRUNE_ROWS.unsigned_abs())
    }
}

/// Inserts rows, and adds to `is_new` which of them are no duplicates.
async fn insert(on: &mut SqliteConnection, rows: &[NewRow<'_>], now: Timestamp, is_new: &mut Vec<bool>) -> Result<()> {
    let before: i64 = sqlx::query_scalar("SELECT coalesce(max(n), 0) FROM events").fetch_one(&mut *on).await?;
    let mut query = insertion(rows, now);
    let inserted = query.build().persistent(rows.len() == ROWS).execute(&mut *on).await?.rows_affected();
    if inserted == rows.len() as u64 {
        is_new.extend(rows.iter().map(|_| true));
        return Ok(());
    }
    // Some are duplicates, of stored rows or within the group: look at which rows were inserted.
    let made = sqlx::query("SELECT source, id FROM events WHERE n > ?").bind(before).fetch_all(&mut *on).await?;
    let mut made: HashSet<(String, Uuid)> = made.iter().map(|row| (row.get(0), uuid(row.get(1)))).collect();
    is_new.extend(rows.iter().map(|row| made.remove(&(row.event.source.clone(), row.event.id))));
    Ok(())
}

/// The statement that inserts these rows except duplicates.
pub(crate) fn insertion(rows: &[NewRow<'_>], now: Timestamp) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("INSERT INTO events (source, id, time, received_at, job_id, is_progress, body) ");
    query.push_values(rows, |mut values, row| {
        values
            .push_bind(row.event.source.clone())
            .push_bind(row.event.id.as_bytes().to_vec())
            .push_bind(row.event.time.as_millis())
            .push_bind(now.as_millis())
            .push_bind(row.event.job_id.map(|job_id| job_id.0.as_bytes().to_vec()))
            .push_bind(row.event.kind().is_progress())
            .push_bind(row.body.to_owned());
    });
    query.push(" ON CONFLICT DO NOTHING");
    query
}

/// What a group of events adds to the counts of one boot of a source.
#[derive(Default)]
struct Change<'a> {
    first_seq: i64,
    max_seq: i64,
    received: i64,
    done: i64,
    failed: i64,
    /// The body of its `worker.started`.
    started: Option<&'a str>,
    latest: Option<(Timestamp, &'a str)>,
}

impl<'a> Change<'a> {
    fn add(&mut self, row: &NewRow<'a>) {
        let event = row.event;
        let seq = i64::try_from(event.seq).unwrap_or(i64::MAX);
        self.first_seq = if self.received == 0 { seq } else { self.first_seq.min(seq) };
        self.max_seq = self.max_seq.max(seq);
        self.received += 1;
        use EventKind::*;
        match event.kind() {
            ChunkingCompleted | SegmentCompleted | ReassemblyCompleted => self.done += 1,
            ChunkingFailed | SegmentFailed | ReassemblyFailed => self.failed += 1,
            WorkerStarted => self.started = Some(row.body),
            JobSubmitted | JobCompleted | JobFailed | JobRepaired | ChunkingStarted | SegmentStarted
            | SegmentProgress | LeaseExtended | LeaseLost | ReassemblyTriggered | ReassemblyStarted
            | WorkerHeartbeat | WorkerDraining | WorkerStopped | SpoolDropped | Unknown => {}
        }
        if self.latest.is_none_or(|(time, _)| event.time >= time) {
            self.latest = Some((event.time, row.body));
        }
    }
}

/// Updates the counts of each boot of a source. Returns them, and by how much the number of lost events has changed.
async fn count(
    on: &mut SqliteConnection,
    rows: &[NewRow<'_>],
    is_new: &[bool],
    now: Timestamp,
) -> Result<(BTreeMap<(String, Uuid), BootCount>, i64)> {
    let mut changes: BTreeMap<(&str, Uuid), Change<'_>> = BTreeMap::new();
    for (row, _) in rows.iter().zip(is_new).filter(|(_, is_new)| **is_new) {
        changes.entry((&row.event.source, row.event.boot)).or_default().add(row);
    }
    let (mut counts, mut lost_change) = (BTreeMap::new(), 0);
    for ((source, boot), change) in changes {
        let before: Option<i64> = sqlx::query_scalar(
            "SELECT max(max_seq - first_seq + 1 - received, 0) FROM boots WHERE source = ? AND boot = ?",
        )
        .bind(source)
        .bind(boot.as_bytes().as_slice())
        .fetch_optional(&mut *on)
        .await?;
        let count = update_boot(on, source, boot, &change, now).await?;
        lost_change += i64::try_from(count.lost).unwrap_or(i64::MAX) - before.unwrap_or(0);
        counts.insert((source.to_owned(), boot), count);
    }
    Ok((counts, lost_change))
}

async fn update_boot(
    on: &mut SqliteConnection,
    source: &str,
    boot: Uuid,
    change: &Change<'_>,
    now: Timestamp,
) -> Result<BootCount> {
    let row = sqlx::query(
        "INSERT INTO boots (source, boot, first_seq, max_seq, received, last_at, done, failed, started, latest) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET \
         first_seq = min(first_seq, excluded.first_seq), max_seq = max(max_seq, excluded.max_seq), \
         received = received + excluded.received, last_at = max(last_at, excluded.last_at), \
         done = done + excluded.done, failed = failed + excluded.failed, \
         started = coalesce(excluded.started, started), latest = excluded.latest \
         RETURNING max(max_seq - first_seq + 1 - received, 0), done, failed",
    )
    .bind(source)
    .bind(boot.as_bytes().as_slice())
    .bind(change.first_seq)
    .bind(change.max_seq)
    .bind(change.received)
    .bind(now.as_millis())
    .bind(change.done)
    .bind(change.failed)
    .bind(change.started)
    .bind(change.latest.map(|(_, body)| body))
    .fetch_one(&mut *on)
    .await?;
    Ok(BootCount { lost: whole(row.get(0)), done: whole(row.get(1)), failed: whole(row.get(2)) })
}

fn event(body: &str) -> Result<Event> {
    serde_json::from_str(body).map_err(|source| Error::Corrupt { what: "event", source })
}

fn uuid(bytes: &[u8]) -> Uuid {
    Uuid::from_slice(bytes).unwrap_or_default()
}

fn whole(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
