//! Ready messages by queue and minute, so that a restart keeps the history of the last half hour.

use sqlx::Row;
use stereospot_domain::QueueName;

use super::{Result, Store, begin};

impl Store {
    /// Stores each queue's sample of a minute, and deletes those before `oldest`.
    pub(crate) async fn put_samples(&self, samples: &[(QueueName, i64, u64)], oldest: i64) -> Result<()> {
        let mut writer = self.writer().await?;
        let mut transaction = begin(&mut writer).await?;
        for (queue, minute, ready) in samples {
            sqlx::query("INSERT INTO samples (queue, minute, ready) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET ready = excluded.ready")
                .bind(queue.to_string())
                .bind(minute)
                .bind(i64::try_from(*ready).unwrap_or(i64::MAX))
                .execute(&mut *transaction)
                .await?;
        }
        sqlx::query("DELETE FROM samples WHERE minute < ?").bind(oldest).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// A queue's samples since a minute, oldest first.
    pub(crate) async fn samples(&self, queue: QueueName, oldest: i64) -> Result<Vec<(i64, u64)>> {
        let rows = sqlx::query("SELECT minute, ready FROM samples WHERE queue = ? AND minute >= ? ORDER BY minute")
            .bind(queue.to_string())
            .bind(oldest)
            .fetch_all(self.readers())
            .await?;
        Ok(rows.iter().map(|row| (row.get(0), u64::try_from(row.get::<i64, _>(1)).unwrap_or(0))).collect())
    }
}
