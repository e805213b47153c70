//! Notices of new objects: recorded before the file appears, turned into messages after it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;
use stereospot_domain::{QueueName, Timestamp};
use stereospot_ports::notifying::{Notice, Outbox};
use stereospot_ports::{Error, ErrorCode, Result};
use tokio::time::Instant;

use crate::database::{Database, named};
use crate::error::from_sqlx;
use crate::queue::{SendRow, insert};
use crate::writer::Write;
use crate::{layout, leftovers};

/// The process that recorded a notice this old died before sending its message: publishing a written file takes far less time.
const ABANDONED_AFTER: Duration = Duration::from_secs(60);
/// Pause between two sweeps of all files for interrupted uploads.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone)]
pub(crate) struct LocalOutbox {
    database: Database,
}

impl LocalOutbox {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl Outbox for LocalOutbox {
    async fn intend(&self, notice: &Notice) -> Result<u64> {
        let intend = Intend { notice: notice.clone(), now: self.database.now() };
        Ok(self.database.write(intend).await?.unsigned_abs())
    }

    async fn send(&self, id: u64, notice: Notice) -> Result<()> {
        let queue = QueueName::main(notice.role);
        self.database.write(Announce { id: signed(id), queue, body: notice.body, now: self.database.now() }).await?;
        self.database.arrival(queue).notify_waiters();
        Ok(())
    }

    async fn withdraw(&self, id: u64) -> Result<()> {
        let settle = Settle { id: signed(id), is_sent: false, now: self.database.now() };
        self.database.write(settle).await?;
        Ok(())
    }
}

/// Runs [`recover`] and, less often, [`leftovers::sweep`], until the database is closed.
pub(crate) fn keep_recovering(database: &Database, data_dir: &Path) {
    let (database, data_dir) = (database.downgrade(), data_dir.to_owned());
    tokio::spawn(async move {
        let mut swept = Instant::now();
        loop {
            tokio::time::sleep(ABANDONED_AFTER / 2).await;
            let Some(database) = database.upgrade() else { return };
            if let Err(error) = recover(&database, &data_dir).await {
                tracing::warn!(%error, "notices of dead processes can't be settled now; it is tried again");
            }
            if swept.elapsed() >= SWEEP_EVERY {
                leftovers::sweep(&data_dir).await;
                swept = Instant::now();
            }
        }
    });
}

/// Settles the notices of dead processes: sends the message if the object exists, and removes the notice. An object that already
/// existed may get a second message; delivery is at least once anyway.
///
/// # Errors
/// If the database or the files can't be read.
pub(crate) async fn recover(database: &Database, data_dir: &Path) -> Result<()> {
    let now = database.now();
    // A notice from the future is old, too: it was recorded before the clock was set back.
    let left: Vec<(i64, String, String)> =
        sqlx::query_as("SELECT id, side, key FROM notices WHERE created_at NOT BETWEEN ? AND ?")
            .bind(now.minus(ABANDONED_AFTER).as_millis())
            .bind(now.plus(ABANDONED_AFTER).as_millis())
            .fetch_all(database.readers()?)
            .await
            .map_err(from_sqlx)?;
    for (id, side, key) in left {
        let file: PathBuf = layout::objects(data_dir).join(side).join(&key);
        let is_sent = tokio::fs::try_exists(&file)
            .await
            .map_err(|error| Error::with(ErrorCode::Unavailable, format!("can't look for the object {key}"), error))?;
        tracing::info!(key, is_sent, "a notice left by a process that died is settled");
        if let Some(queue) = database.write(Settle { id, is_sent, now }).await? {
            database.arrival(queue).notify_waiters();
        }
    }
    Ok(())
}

fn signed(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

struct Intend {
    notice: Notice,
    now: Timestamp,
}

#[async_trait]
impl Write for Intend {
    type Out = i64;

    async fn run(&self, on: &mut SqliteConnection) -> sqlx::Result<i64> {
        let Notice { side, key, role, body } = &self.notice;
        sqlx::query_scalar(
            "INSERT INTO notices (side, key, queue, body, created_at) VALUES (?, ?, ?, ?, ?) RETURNING id",
        )
        .bind(side.as_str())
        .bind(key)
        .bind(QueueName::main(*role).to_string())
        .bind(body)
        .bind(self.now.as_millis())
        .fetch_one(on)
        .await
    }
}

/// Removes a notice and sends its message, even if another process has settled the notice meanwhile.
struct Announce {
    id: i64,
    queue: QueueName,
    body: String,
    now: Timestamp,
}

#[async_trait]
impl Write for Announce {
    type Out = ();

    async fn run(&self, on: &mut SqliteConnection) -> sqlx::Result<()> {
        sqlx::query("DELETE FROM notices WHERE id = ?").bind(self.id).execute(&mut *on).await?;
        insert(on, self.queue, &[SendRow::new(self.queue.role, self.body.clone(), self.now, Duration::ZERO)]).await
    }
}

/// Removes a notice, if no other process has, and sends its message if `is_sent`. Returns the queue that got the message.
struct Settle {
    id: i64,
    is_sent: bool,
    now: Timestamp,
}

#[async_trait]
impl Write for Settle {
    type Out = Option<QueueName>;

    async fn run(&self, on: &mut SqliteConnection) -> sqlx::Result<Option<QueueName>> {
        let notice: Option<(String, String)> = sqlx::query_as("DELETE FROM notices WHERE id = ? RETURNING queue, body")
            .bind(self.id)
            .fetch_optional(&mut *on)
            .await?;
        match notice {
            Some((queue, body)) if self.is_sent => {
                let queue = named("queue", &queue)?;
                insert(on, queue, &[SendRow::new(queue.role, body, self.now, Duration::ZERO)]).await?;
                Ok(Some(queue))
            }
            _ => Ok(None),
        }
    }
}
