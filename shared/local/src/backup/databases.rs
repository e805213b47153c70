//! Copies of the two databases, and what has to change in them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use stereospot_domain::{JobId, JobStatus, QueueName, QueueRole, keys, message};
use stereospot_ports::notifying::Side;
use stereospot_ports::{Clock as _, SystemClock};

use super::failure::{BackupError, Result};
use super::place::OBJECTS;
use crate::queue::READY;

/// How long to wait for the stack's own writes.
const BUSY: Duration = Duration::from_secs(30);
// SQLite's primary result code for a full disk.
const FULL: i32 = 13;

/// A job in the copy.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) job_id: String,
    pub(super) is_deleted: bool,
    is_new: bool,
}

impl Row {
    /// Where its objects are, relative to the data directory.
    pub(super) fn folders(&self) -> impl Iterator<Item = PathBuf> + use<> {
        let job_id = self.job_id.clone();
        [("input", "input"), ("input", "segments"), ("output", "jobs")]
            .into_iter()
            .map(move |(side, top)| Path::new(OBJECTS).join(side).join(top).join(&job_id))
    }
}

/// The copy of the database with queues and jobs.
pub(super) struct Copied {
    path: PathBuf,
    connection: SqliteConnection,
}

/// Copies a database as of one moment, without keeping others from writing it.
pub(super) async fn snapshot(from: &Path, to: &Path) -> Result<()> {
    let at = |error| failed(from, to, error);
    let mut connection = open(from, true).await.map_err(at)?;
    sqlx::query("VACUUM INTO ?").bind(to.display().to_string()).execute(&mut connection).await.map_err(at)?;
    connection.close().await.map_err(at)
}

/// The messages that were put back before the backup began.
pub(super) async fn restored_copies(path: &Path) -> Result<HashSet<(Vec<u8>, String)>> {
    if !path.is_file() {
        return Ok(HashSet::new());
    }
    let at = |error| failed(path, path, error);
    let mut connection = open(path, true).await.map_err(at)?;
    let rows: Vec<(Vec<u8>, String)> =
        sqlx::query_as("SELECT plan_id, message_id FROM copies WHERE restored_at IS NOT NULL")
            .fetch_all(&mut connection)
            .await
            .map_err(at)?;
    connection.close().await.map_err(at)?;
    Ok(rows.into_iter().collect())
}

/// Lets purged messages be restored again that were put back since: the copied queues, which are older, do not have them.
pub(super) async fn keep_undo(path: &Path, restored: &HashSet<(Vec<u8>, String)>) -> Result<()> {
    let at = |error| failed(path, path, error);
    let mut connection = open(path, false).await.map_err(at)?;
    let rows: Vec<(Vec<u8>, String)> =
        sqlx::query_as("SELECT plan_id, message_id FROM copies WHERE restored_at IS NOT NULL")
            .fetch_all(&mut connection)
            .await
            .map_err(at)?;
    for (plan_id, message_id) in rows.into_iter().filter(|row| !restored.contains(row)) {
        sqlx::query("UPDATE copies SET restored_at = NULL WHERE plan_id = ? AND message_id = ?")
            .bind(plan_id)
            .bind(message_id)
            .execute(&mut connection)
            .await
            .map_err(at)?;
    }
    connection.close().await.map_err(at)
}

/// Those of the copied jobs that the running stack has deleted since.
pub(super) async fn deleted_since(path: &Path, jobs: &[Row]) -> Result<HashSet<String>> {
    let at = |error| failed(path, path, error);
    let mut connection = open(path, true).await.map_err(at)?;
    let kept: Vec<String> = sqlx::query_scalar("SELECT job_id FROM jobs WHERE status <> ?")
        .bind(JobStatus::Deleted.as_str())
        .fetch_all(&mut connection)
        .await
        .map_err(at)?;
    connection.close().await.map_err(at)?;
    let kept: HashSet<String> = kept.into_iter().collect();
    let gone = jobs.iter().filter(|job| !job.is_deleted && !kept.contains(&job.job_id));
    Ok(gone.map(|job| job.job_id.clone()).collect())
}

impl Copied {
    pub(super) async fn open(path: &Path) -> Result<Self> {
        let connection = open(path, false).await.map_err(|error| failed(path, path, error))?;
        Ok(Self { path: path.to_owned(), connection })
    }

    /// Every job.
    pub(super) async fn jobs(&mut self) -> Result<Vec<Row>> {
        let rows: sqlx::Result<Vec<(String, String)>> =
            sqlx::query_as("SELECT job_id, status FROM jobs ORDER BY job_id").fetch_all(&mut self.connection).await;
        let row = |(job_id, status): (String, String)| Row {
            job_id,
            is_deleted: status == JobStatus::Deleted.as_str(),
            is_new: status == JobStatus::Created.as_str(),
        };
        Ok(rows.map_err(|error| failed(&self.path, &self.path, error))?.into_iter().map(row).collect())
    }

    /// The number of jobs, and of those that have not ended.
    pub(super) async fn counts(&mut self) -> Result<(u64, u64)> {
        let counts: sqlx::Result<(i64, i64)> = sqlx::query_as(
            "SELECT count(*), count(*) FILTER (WHERE status NOT IN ('completed', 'failed', 'deleted')) FROM jobs",
        )
        .fetch_one(&mut self.connection)
        .await;
        let (all, unfinished) = counts.map_err(|error| failed(&self.path, &self.path, error))?;
        Ok((all.unsigned_abs(), unfinished.unsigned_abs()))
    }

    /// Makes the copy fit to be started elsewhere: no worker of the original holds anything in it, the jobs that were deleted meanwhile
    /// are deleted, and a source whose message is still to be sent has its notice.
    pub(super) async fn settle(
        &mut self,
        jobs: &[Row],
        gone: &HashSet<String>,
        has: impl Fn(&Path) -> bool,
    ) -> Result<()> {
        let settled = settle(&mut self.connection, jobs, gone, has).await;
        settled.map_err(|error| failed(&self.path, &self.path, error))
    }

    pub(super) async fn close(self) -> Result<()> {
        self.connection.close().await.map_err(|error| failed(&self.path, &self.path, error))
    }
}

async fn settle(
    on: &mut SqliteConnection,
    jobs: &[Row],
    gone: &HashSet<String>,
    has: impl Fn(&Path) -> bool,
) -> sqlx::Result<()> {
    // The attempt was cut off by us, so it does not count.
    sqlx::query(
        "UPDATE messages SET visible_at = ?, is_leased = 0, lease_no = lease_no + 1, receive_count = max(receive_count - 1, 0) \
         WHERE is_leased = 1 AND visible_at > ?",
    )
    .bind(READY.as_millis())
    .bind(SystemClock.now().as_millis())
    .execute(&mut *on)
    .await?;
    sqlx::query("UPDATE locks SET reassembly_started_at = NULL, lease_until = NULL, owner = NULL")
        .execute(&mut *on)
        .await?;
    for job_id in gone {
        for statement in [
            "UPDATE jobs SET status = 'deleted', error = NULL WHERE job_id = ?",
            "DELETE FROM completions WHERE job_id = ?",
            "DELETE FROM locks WHERE job_id = ?",
        ] {
            sqlx::query(statement).bind(job_id).execute(&mut *on).await?;
        }
    }
    for job in jobs.iter().filter(|job| job.is_new && !gone.contains(&job.job_id)) {
        let Ok(job_id) = job.job_id.parse::<JobId>() else { continue };
        let key = keys::source(job_id);
        let file = Path::new(OBJECTS).join(Side::Input.as_str()).join(&key);
        // The source came after the queues were copied. When the copy is opened, its notice becomes a message.
        let is_announced: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM notices WHERE key = ?1) OR EXISTS (SELECT 1 FROM messages WHERE instr(body, ?1) > 0)",
        )
        .bind(&key)
        .fetch_one(&mut *on)
        .await?;
        if has(&file) && !is_announced {
            sqlx::query("INSERT INTO notices (side, key, queue, body, created_at) VALUES (?, ?, ?, ?, 0)")
                .bind(Side::Input.as_str())
                .bind(&key)
                .bind(QueueName::main(QueueRole::Chunking).to_string())
                .bind(message::object_created(Side::Input.as_str(), &key))
                .execute(&mut *on)
                .await?;
        }
    }
    Ok(())
}

async fn open(path: &Path, is_read_only: bool) -> sqlx::Result<SqliteConnection> {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(is_read_only)
        .busy_timeout(BUSY)
        .disable_statement_logging()
        .connect()
        .await
}

fn failed(path: &Path, written: &Path, source: sqlx::Error) -> BackupError {
    let code = source.as_database_error().and_then(|error| error.code()?.parse::<i32>().ok());
    if code.is_some_and(|code| code & 0xff == FULL) {
        return BackupError::Full(written.parent().unwrap_or(written).to_owned());
    }
    BackupError::Database { path: path.to_owned(), source }
}
