//! The job store's writes. Each is one conditional statement inside the writer's transaction.

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;
use stereospot_domain::{Job, JobId, JobStatus, SegmentCompletion, Timestamp};
use stereospot_ports::job_store::{Acquired, Transition, Transitioned};

use super::{JobRow, LOCK, LockRow, lock};
use crate::database::named;
use crate::error::corrupt;
use crate::writer::Write;

/// False if the job exists.
pub(super) struct Create {
    pub(super) job: Job,
}

#[async_trait]
impl Write for Create {
    type Out = bool;

    async fn run(&self, on: &mut SqliteConnection) -> sqlx::Result<bool> {
        let job = &self.job;
        let options = serde_json::to_string(&job.options).map_err(|error| corrupt("options", error))?;
        let made = sqlx::query(
            "INSERT INTO jobs (job_id, mode, status, created_at, total_segments, completed_at, title, uploaded_at,
                               source_file_size_bytes, error, options)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(job.job_id.to_string())
        .bind(job.mode.as_str())
        .bind(job.status.as_str())
        .bind(job.created_at.as_millis())
        .bind(job.total_segments)
        .bind(job.completed_at.map(Timestamp::as_millis))
        .bind(&job.title)
        .bind(job.uploaded_at.map(Timestamp::as_millis))
        .bind(job.source_file_size_bytes.map(signed))
        .bind(&job.error)
        .bind(options)
        .execute(on)
        .await?;
        Ok(made.rows_affected() == 1)
    }
}

pub(super) struct Transit {
    pub(super) job_id: JobId,
    pub(super) transition: Transition,
}

#[async_trait]
impl Write for Transit {
    type Out = Transitioned;

    async fn run(&self, on: &mut SqliteConnection) -> sqlx::Result<Transitioned> {
        let Transition { to, from, total_segments, completed_at, uploaded_at, source_file_size_bytes, error } =
            &self.transition;
        let from: Vec<&str> = from.iter().map(|status| status.as_str()).collect();
        let from = serde_json::to_string(&from).map_err(|error| corrupt("from", error))?;
        let changed: Option<JobRow> = sqlx::query_as(
            "UPDATE jobs SET
                 status = ?1,
                 total_segments = coalesce(?2, total_segments),
                 completed_at = coalesce(?3, completed_at),
                 uploaded_at = coalesce(?4, uploaded_at),
                 source_file_size_bytes = coalesce(?5, source_file_size_bytes),
                 error = CASE WHEN ?6 THEN coalesce(?7, error) END
             WHERE job_id = ?8 AND status IN (SELECT value FROM json_each(?9))
             RETURNING *",
        )
        .bind(to.as_str())
        .bind(*total_segments)
        .bind(completed_at.map(Timestamp::as_millis))
        .bind(uploaded_at.map(Timestamp::as_millis))
        .bind(source_file_size_bytes.map(signed))
        .bind(*to == JobStatus::Failed)
        .bind(error)
        .bind(self.job_id.to_string())
        .bind(from)
        .fetch_optional(&mut *on)
        .await?;
        if let Some(JobRow(job)) = changed {
            return Ok(Transitioned::Changed(job));
        }
        let status: Option<String> = sqlx::query_scalar("SELECT status FROM jobs WHERE job_id = ?")
            .bind(self.job_id.to_string())
            .fetch_optional(on)
            .await?;
        status.map_or(Ok(Transitioned::Missing), |status| Ok(Transitioned::Refused(named("status", &status)?)))
    }
}

/// False if the job does not exist.
pub(super) struct SetUploaded {
    pub(super) job_id: JobId,
    pub(super) at: Timestamp,
    pub(super) bytes: u64,
}

#[async_trait]
impl Write for SetUploaded {
    type Out = bool;

    async fn run(&self, on: &mut SqliteConnection) -> sqlx::Result<bool> {
        let changed = sqlx::query("UPDATE jobs SET uploaded_at = ?, source_file_size_bytes = ? WHERE job_id = ?")
            .bind(self.at.as_millis())
            .bind(signed(self.bytes))
            .bind(self.job_id.to_string())
            .execute(on)
            .await?;
        Ok(changed.rows_affected() == 1)
    }
}

pub(super) struct PutCompletion {
    pub(super) completion: SegmentCompletion,
}

#[async_trait]
impl Write for PutCompletion {
    type Out = ();

    async fn run(&self, on: &mut SqliteConnection) -> sqlx::Result<()> {
        sqlx::query(
            "INSERT INTO completions (job_id, segment_index, output_uri, completed_at) VALUES (?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET output_uri = excluded.output_uri, completed_at = excluded.completed_at",
        )
        .bind(self.completion.job_id.to_string())
        .bind(self.completion.segment_index)
        .bind(&self.completion.output_uri)
        .bind(self.completion.completed_at.as_millis())
        .execute(on)
        .await?;
        Ok(())
    }
}

/// Returns the number of deleted completions.
pub(super) struct DeleteCompletions {
    pub(super) job_id: JobId,
}

#[async_trait]
impl Write for DeleteCompletions {
    type Out = u32;

    async fn run(&self, on: &mut SqliteConnection) -> sqlx::Result<u32> {
        let gone =
            sqlx::query("DELETE FROM completions WHERE job_id = ?").bind(self.job_id.to_string()).execute(on).await?;
        Ok(u32::try_from(gone.rows_affected()).unwrap_or(u32::MAX))
    }
}

pub(super) struct DeleteCompletion {
    pub(super) job_id: JobId,
    pub(super) segment_index: u32,
}

#[async_trait]
impl Write for DeleteCompletion {
    type Out = ();

    async fn run(&self, on: &mut SqliteConnection) -> sqlx::Result<()> {
        sqlx::query("DELETE FROM completions WHERE job_id = ? AND segment_index = ?")
            .bind(self.job_id.to_string())
            .bind(self.segment_index)
            .execute(on)
            .await?;
        Ok(())
    }
}

/// False if the lock exists.
pub(super) struct CreateLock {
    pub(super) job_id: JobId,
    pub(super) now: Timestamp,
}

#[async_trait]
impl Write for CreateLock {
    type Out = bool;

    async fn run(&self, on: &mut SqliteConnection) -> sqlx::Result<bool> {
        let made = sqlx::query("INSERT INTO locks (job_id, triggered_at) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(self.job_id.to_string())
            .bind(self.now.as_millis())
            .execute(on)
            .await?;
        Ok(made.rows_affected() == 1)
    }
}

/// False if the lock's `triggered_at` is not the observed one.
pub(super) struct Retrigger {
    pub(super) job_id: JobId,
    pub(super) observed: Timestamp,
    pub(super) triggered_at: Timestamp,
}

#[async_trait]
impl Write for Retrigger {
    type Out = bool;

    async fn run(&self, on: &mut SqliteConnection) -> sqlx::Result<bool> {
        let changed = sqlx::query("UPDATE locks SET triggered_at = ? WHERE job_id = ? AND triggered_at = ?")
            .bind(self.triggered_at.as_millis())
            .bind(self.job_id.to_string())
            .bind(self.observed.as_millis())
            .execute(on)
            .await?;
        Ok(changed.rows_affected() == 1)
    }
}

pub(super) struct Acquire {
    pub(super) job_id: JobId,
    pub(super) owner: String,
    pub(super) now: Timestamp,
    pub(super) lease_until: Timestamp,
}

#[async_trait]
impl Write for Acquire {
    type Out = Acquired;

    async fn run(&self, on: &mut SqliteConnection) -> sqlx::Result<Acquired> {
        // A lock held without a lease never expires: only its owner can acquire it again.
        let changed = sqlx::query(
            "UPDATE locks SET reassembly_started_at = ?1, lease_until = ?2, owner = ?3
             WHERE job_id = ?4 AND (reassembly_started_at IS NULL OR lease_until < ?1 OR owner = ?3)",
        )
        .bind(self.now.as_millis())
        .bind(self.lease_until.as_millis())
        .bind(&self.owner)
        .bind(self.job_id.to_string())
        .execute(&mut *on)
        .await?;
        if changed.rows_affected() == 1 {
            return Ok(Acquired::Yes);
        }
        let held: Option<LockRow> = sqlx::query_as(LOCK).bind(self.job_id.to_string()).fetch_optional(on).await?;
        Ok(held.map_or(Acquired::Missing, |row| Acquired::Held(lock(self.job_id, row).lease_until)))
    }
}

/// False if the owner does not hold the lock.
pub(super) struct Renew {
    pub(super) job_id: JobId,
    pub(super) owner: String,
    pub(super) lease_until: Timestamp,
}

#[async_trait]
impl Write for Renew {
    type Out = bool;

    async fn run(&self, on: &mut SqliteConnection) -> sqlx::Result<bool> {
        let changed = sqlx::query("UPDATE locks SET lease_until = ? WHERE job_id = ? AND owner = ?")
            .bind(self.lease_until.as_millis())
            .bind(self.job_id.to_string())
            .bind(&self.owner)
            .execute(on)
            .await?;
        Ok(changed.rows_affected() == 1)
    }
}

/// False if the owner does not hold the lock.
pub(super) struct LetGo {
    pub(super) job_id: JobId,
    pub(super) owner: String,
}

#[async_trait]
impl Write for LetGo {
    type Out = bool;

    async fn run(&self, on: &mut SqliteConnection) -> sqlx::Result<bool> {
        let changed = sqlx::query(
            "UPDATE locks SET reassembly_started_at = NULL, lease_until = NULL, owner = NULL
             WHERE job_id = ? AND owner = ?",
        )
        .bind(self.job_id.to_string())
        .bind(&self.owner)
        .execute(on)
        .await?;
        Ok(changed.rows_affected() == 1)
    }
}

/// False if the lock's `reassembly_started_at` is not the observed one.
pub(super) struct Reset {
    pub(super) job_id: JobId,
    pub(super) observed: Timestamp,
}

#[async_trait]
impl Write for Reset {
    type Out = bool;

    async fn run(&self, on: &mut SqliteConnection) -> sqlx::Result<bool> {
        let changed = sqlx::query(
            "UPDATE locks SET reassembly_started_at = NULL, lease_until = NULL, owner = NULL
             WHERE job_id = ? AND reassembly_started_at = ?",
        )
        .bind(self.job_id.to_string())
        .bind(self.observed.as_millis())
        .execute(on)
        .await?;
        Ok(changed.rows_affected() == 1)
    }
}

/// False if the lock does not exist.
pub(super) struct DeleteRow {
    pub(super) job_id: JobId,
}

#[async_trait]
impl Write for DeleteRow {
    type Out = bool;

    async fn run(&self, on: &mut SqliteConnection) -> sqlx::Result<bool> {
        let gone = sqlx::query("DELETE FROM jobs WHERE job_id = ? AND status = ?")
            .bind(self.job_id.to_string())
            .bind(JobStatus::Deleted.as_str())
            .execute(on)
            .await?;
        Ok(gone.rows_affected() == 1)
    }
}

pub(super) struct DeleteLock {
    pub(super) job_id: JobId,
}

#[async_trait]
impl Write for DeleteLock {
    type Out = bool;

    async fn run(&self, on: &mut SqliteConnection) -> sqlx::Result<bool> {
        let gone = sqlx::query("DELETE FROM locks WHERE job_id = ?").bind(self.job_id.to_string()).execute(on).await?;
        Ok(gone.rows_affected() == 1)
    }
}

/// SQLite's integers are signed. No file is too large for them.
fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
