//! The sizes of results, and the last check of each job.

use std::collections::{HashMap, HashSet};

use sqlx::Row;
use stereospot_domain::check::CheckSummary;
use stereospot_domain::{JobId, Timestamp};
use uuid::Uuid;

use super::{Error, Result, Store, begin};

impl Store {
    /// Those of these results whose size is known.
    pub(crate) async fn known_sizes(&self, jobs: impl Iterator<Item = JobId>) -> Result<HashSet<JobId>> {
        let ids: Vec<String> = jobs.map(|job_id| format!("\"{}\"", job_id.0.as_simple())).collect();
        let rows = sqlx::query(
            "SELECT job_id FROM checks WHERE bytes IS NOT NULL AND job_id IN (SELECT unhex(value) FROM json_each(?))",
        )
        .bind(format!("[{}]", ids.join(",")))
        .fetch_all(self.readers())
        .await?;
        Ok(rows.iter().map(|row| JobId(Uuid::from_slice(row.get(0)).unwrap_or_default())).collect())
    }

    /// Returns the known sizes of these results, and keeps those of the others as they are given.
    pub(crate) async fn result_sizes(&self, seen: &[(JobId, u64)]) -> Result<HashMap<JobId, u64>> {
        let mut known = HashMap::new();
        let mut writer = self.writer().await?;
        let mut transaction = begin(&mut writer).await?;
        for (job_id, bytes) in seen {
            let row = sqlx::query(
                "INSERT INTO checks (job_id, bytes) VALUES (?, ?) ON CONFLICT DO UPDATE SET bytes = coalesce(bytes, excluded.bytes) \
                 RETURNING bytes",
            )
            .bind(job_id.0.as_bytes().as_slice())
            .bind(i64::try_from(*bytes).unwrap_or(i64::MAX))
            .fetch_one(&mut *transaction)
            .await?;
            known.insert(*job_id, u64::try_from(row.get::<i64, _>(0)).unwrap_or(0));
        }
        transaction.commit().await?;
        Ok(known)
    }

    /// Keeps the size of a result, because it was made again.
    pub(crate) async fn put_result_size(&self, job_id: JobId, bytes: u64) -> Result<()> {
        let mut writer = self.writer().await?;
        let mut transaction = begin(&mut writer).await?;
        sqlx::query(
            "INSERT INTO checks (job_id, bytes) VALUES (?, ?) ON CONFLICT DO UPDATE SET bytes = excluded.bytes",
        )
        .bind(job_id.0.as_bytes().as_slice())
        .bind(i64::try_from(bytes).unwrap_or(i64::MAX))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Keeps how a check ended, and why its result counts as damaged.
    pub(crate) async fn put_check(&self, job_id: JobId, summary: &CheckSummary, damage: Option<&str>) -> Result<()> {
        let text = serde_json::to_string(summary).map_err(|source| Error::Corrupt { what: "check", source })?;
        let mut writer = self.writer().await?;
        let mut transaction = begin(&mut writer).await?;
        sqlx::query(
            "INSERT INTO checks (job_id, checked_at, damage, summary) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET \
             checked_at = excluded.checked_at, damage = excluded.damage, summary = excluded.summary",
        )
        .bind(job_id.0.as_bytes().as_slice())
        .bind(summary.checked_at.as_millis())
        .bind(damage)
        .bind(text)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// How the last check of a job ended; none if it was never checked.
    pub(crate) async fn check(&self, job_id: JobId) -> Result<Option<CheckSummary>> {
        let row = sqlx::query("SELECT summary FROM checks WHERE job_id = ? AND summary IS NOT NULL")
            .bind(job_id.0.as_bytes().as_slice())
            .fetch_optional(self.readers())
            .await?;
        let parse = |text: &str| serde_json::from_str(text).map_err(|source| Error::Corrupt { what: "check", source });
        row.map(|row| parse(row.get(0))).transpose()
    }

    /// Jobs whose last check found the result damaged, with the time and the evidence.
    pub(crate) async fn damaged(&self) -> Result<Vec<(JobId, Timestamp, String)>> {
        let rows = sqlx::query("SELECT job_id, checked_at, damage FROM checks WHERE damage IS NOT NULL LIMIT 10000")
            .fetch_all(self.readers())
            .await?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            let job_id = JobId(Uuid::from_slice(row.get(0)).unwrap_or_default());
            (job_id, Timestamp(row.get(1)), row.get(2))
        };
        Ok(rows.iter().map(read).collect())
    }
}
