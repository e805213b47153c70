//! Jobs, completions and locks in the database.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row};
use stereospot_domain::{Job, JobId, JobStatus, Lock, SegmentCompletion, Timestamp};
use stereospot_ports::job_store::{Acquired, Page, Transition, Transitioned};
use stereospot_ports::{Error, ErrorCode, JobStore, Result};

use crate::database::{Database, named};
use crate::error::{corrupt, from_sqlx};

mod writes;

#[derive(Debug)]
pub(crate) struct LocalJobs {
    database: Database,
}

impl LocalJobs {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl JobStore for LocalJobs {
    async fn create(&self, job: &Job) -> Result<()> {
        if self.database.write(writes::Create { job: job.clone() }).await? {
            return Ok(());
        }
        Err(Error::new(ErrorCode::Conflict, format!("the job {} exists already", job.job_id)))
    }

    async fn get(&self, job_id: JobId) -> Result<Option<Job>> {
        let row: Option<JobRow> = sqlx::query_as("SELECT * FROM jobs WHERE job_id = ?")
            .bind(job_id.to_string())
            .fetch_optional(self.database.readers()?)
            .await
            .map_err(from_sqlx)?;
        Ok(row.map(|row| row.0))
    }

    async fn list(&self, status: JobStatus, cursor: Option<&str>, limit: usize) -> Result<Page<Job>> {
        // Keyset pagination: the next page starts after the last entry shown, whatever was inserted meanwhile. "~" sorts after
        // any id.
        let (below, below_id) = match cursor {
            Some(cursor) => job_cursor(cursor)?,
            None => (i64::MAX, String::from("~")),
        };
        let rows: Vec<JobRow> = sqlx::query_as(
            "SELECT * FROM jobs WHERE status = ? AND (created_at, job_id) < (?, ?)
             ORDER BY created_at DESC, job_id DESC LIMIT ?",
        )
        .bind(status.as_str())
        .bind(below)
        .bind(below_id)
        .bind(one_more(limit))
        .fetch_all(self.database.readers()?)
        .await
        .map_err(from_sqlx)?;
        let jobs = rows.into_iter().map(|row| row.0).collect();
        Ok(page(jobs, limit, |job: &Job| format!("{}.{}", job.created_at.as_millis(), job.job_id)))
    }

    async fn transition(&self, job_id: JobId, transition: &Transition) -> Result<Transitioned> {
        self.database.write(writes::Transit { job_id, transition: transition.clone() }).await
    }

    async fn delete_row(&self, job_id: JobId) -> Result<bool> {
        self.database.write(writes::DeleteRow { job_id }).await
    }

    async fn set_uploaded(&self, job_id: JobId, at: Timestamp, bytes: u64) -> Result<()> {
        if self.database.write(writes::SetUploaded { job_id, at, bytes }).await? {
            return Ok(());
        }
        Err(Error::new(ErrorCode::NotFound, format!("there is no job {job_id}")))
    }

    async fn put_completion(&self, completion: &SegmentCompletion) -> Result<()> {
        self.database.write(writes::PutCompletion { completion: completion.clone() }).await
    }

    async fn count_completions(&self, job_id: JobId) -> Result<u32> {
        sqlx::query_scalar("SELECT count(*) FROM completions WHERE job_id = ?")
            .bind(job_id.to_string())
            .fetch_one(self.database.readers()?)
            .await
            .map_err(from_sqlx)
    }

    async fn list_completions(
        &self,
        job_id: JobId,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<SegmentCompletion>> {
        let after =
            cursor.map_or(Ok(-1), |cursor| cursor.parse::<u32>().map(i64::from).map_err(|_| no_cursor(cursor)))?;
        let rows: Vec<(u32, String, i64)> = sqlx::query_as(
            "SELECT segment_index, output_uri, completed_at FROM completions WHERE job_id = ? AND segment_index > ?
             ORDER BY segment_index LIMIT ?",
        )
        .bind(job_id.to_string())
        .bind(after)
        .bind(one_more(limit))
        .fetch_all(self.database.readers()?)
        .await
        .map_err(from_sqlx)?;
        let completions = rows
            .into_iter()
            .map(|(segment_index, output_uri, completed_at)| SegmentCompletion {
                job_id,
                segment_index,
                output_uri,
                completed_at: Timestamp(completed_at),
            })
            .collect();
        Ok(page(completions, limit, |completion: &SegmentCompletion| completion.segment_index.to_string()))
    }

    async fn delete_completions(&self, job_id: JobId) -> Result<u32> {
        self.database.write(writes::DeleteCompletions { job_id }).await
    }

    async fn delete_completion(&self, job_id: JobId, segment_index: u32) -> Result<()> {
        self.database.write(writes::DeleteCompletion { job_id, segment_index }).await
    }

    async fn lock(&self, job_id: JobId) -> Result<Option<Lock>> {
        let row: Option<LockRow> = sqlx::query_as(LOCK)
            .bind(job_id.to_string())
            .fetch_optional(self.database.readers()?)
            .await
            .map_err(from_sqlx)?;
        Ok(row.map(|row| lock(job_id, row)))
    }

    async fn create_lock(&self, job_id: JobId, now: Timestamp) -> Result<bool> {
        self.database.write(writes::CreateLock { job_id, now }).await
    }

    async fn retrigger_lock(&self, job_id: JobId, observed: Timestamp, now: Timestamp) -> Result<bool> {
        // The value must change: otherwise two callers within one millisecond would both succeed.
        let triggered_at = now.max(Timestamp(observed.as_millis().saturating_add(1)));
        self.database.write(writes::Retrigger { job_id, observed, triggered_at }).await
    }

    async fn acquire_lock(&self, job_id: JobId, owner: &str, now: Timestamp, lease: Duration) -> Result<Acquired> {
        let lease_until = now.plus(lease);
        self.database.write(writes::Acquire { job_id, owner: owner.into(), now, lease_until }).await
    }

    async fn renew_lock(&self, job_id: JobId, owner: &str, now: Timestamp, lease: Duration) -> Result<bool> {
        self.database.write(writes::Renew { job_id, owner: owner.into(), lease_until: now.plus(lease) }).await
    }

    async fn release_lock(&self, job_id: JobId, owner: &str) -> Result<bool> {
        self.database.write(writes::LetGo { job_id, owner: owner.into() }).await
    }

    async fn reset_lock(&self, job_id: JobId, observed: Timestamp) -> Result<bool> {
        self.database.write(writes::Reset { job_id, observed }).await
    }

    async fn delete_lock(&self, job_id: JobId) -> Result<bool> {
        self.database.write(writes::DeleteLock { job_id }).await
    }
}

/// Selects a lock; binds the job id.
const LOCK: &str = "SELECT triggered_at, reassembly_started_at, lease_until, owner FROM locks WHERE job_id = ?";

type LockRow = (i64, Option<i64>, Option<i64>, Option<String>);

fn lock(job_id: JobId, (triggered_at, started_at, lease_until, owner): LockRow) -> Lock {
    Lock {
        job_id,
        triggered_at: Timestamp(triggered_at),
        reassembly_started_at: started_at.map(Timestamp),
        lease_until: lease_until.map(Timestamp),
        owner,
    }
}

struct JobRow(Job);

impl FromRow<'_, SqliteRow> for JobRow {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        let time = |column: &str| row.try_get::<Option<i64>, _>(column).map(|time| time.map(Timestamp));
        let options: String = row.try_get("options")?;
        Ok(Self(Job {
            job_id: named("job_id", row.try_get("job_id")?)?,
            mode: named("mode", row.try_get("mode")?)?,
            status: named("status", row.try_get("status")?)?,
            created_at: Timestamp(row.try_get("created_at")?),
            total_segments: row.try_get("total_segments")?,
            completed_at: time("completed_at")?,
            title: row.try_get("title")?,
            uploaded_at: time("uploaded_at")?,
            source_file_size_bytes: row.try_get::<Option<i64>, _>("source_file_size_bytes")?.map(i64::unsigned_abs),
            error: row.try_get("error")?,
            options: serde_json::from_str(&options).map_err(|error| corrupt("options", error))?,
        }))
    }
}

fn one_more(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX - 1).saturating_add(1)
}

/// Makes a page of rows that were read with the limit [`one_more`].
fn page<T>(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Page<T> {
    let has_more = items.len() > limit;
    items.truncate(limit);
    let next = has_more.then(|| items.last().map(cursor)).flatten();
    Page { items, next }
}

fn job_cursor(cursor: &str) -> Result<(i64, String)> {
    let parts = cursor.split_once('.').and_then(|(at, id)| Some((at.parse().ok()?, id.parse::<JobId>().ok()?)));
    parts.map(|(at, id)| (at, id.to_string())).ok_or_else(|| no_cursor(cursor))
}

fn no_cursor(cursor: &str) -> Error {
    Error::new(ErrorCode::Invalid, format!("`{cursor}` is no cursor of this list"))
}
