//! Copies of purged messages, kept for a day so that they can be put back.

use std::collections::HashSet;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};
use stereospot_domain::{JobId, QueueName, Timestamp, message};
use stereospot_ports::work_queue::{Envelope, Message};
use uuid::Uuid;

use super::{Error, Result, Store, begin};

/// The copy of a purged message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copied {
    /// Its id on the queue from which it came.
    pub(crate) message_id: String,
    pub(crate) queue: QueueName,
    pub(crate) body: String,
    pub(crate) envelope: Envelope,
}

impl Store {
    /// Copies messages before they are removed from their queue: after a crash in between, a message is in both places, never in none.
    pub(crate) async fn copy_messages(
        &self,
        plan_id: Uuid,
        queue: QueueName,
        messages: &[Message],
        now: Timestamp,
    ) -> Result<()> {
        let mut writer = self.writer().await?;
        let mut transaction = begin(&mut writer).await?;
        let mut query = QueryBuilder::new(
            "INSERT INTO copies (plan_id, message_id, queue, body, envelope, enqueued_at, copied_at) ",
        );
        query.push_values(messages, |mut values, message| {
            values
                .push_bind(plan_id.as_bytes().to_vec())
                .push_bind(message.id.clone())
                .push_bind(queue.to_string())
                .push_bind(message.body.clone())
                .push_bind(serde_json::to_string(&message.envelope).expect("plain structs of strings always serialise"))
                .push_bind(message.enqueued_at.as_millis())
                .push_bind(now.as_millis());
        });
        query.push(" ON CONFLICT DO NOTHING");
        query.build().execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Deletes the copies of messages that could not be removed from their queue.
    pub(crate) async fn drop_copies(&self, plan_id: Uuid, message_ids: &[String]) -> Result<()> {
        self.change(QueryBuilder::new("DELETE FROM copies"), plan_id, message_ids).await
    }

    /// Records that messages were put back.
    pub(crate) async fn copies_restored(&self, plan_id: Uuid, message_ids: &[String], now: Timestamp) -> Result<()> {
        let mut query = QueryBuilder::new("UPDATE copies SET restored_at = ");
        query.push_bind(now.as_millis());
        self.change(query, plan_id, message_ids).await
    }

    async fn change(&self, mut query: QueryBuilder<Sqlite>, plan_id: Uuid, ids: &[String]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        query.push(" WHERE plan_id = ").push_bind(plan_id.as_bytes().to_vec()).push(" AND message_id IN (");
        let mut list = query.separated(", ");
        for id in ids {
            list.push_bind(id.clone());
        }
        query.push(")");
        let mut writer = self.writer().await?;
        let mut transaction = begin(&mut writer).await?;
        query.build().execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The copies of a purge that were not put back.
    pub(crate) async fn copies(&self, plan_id: Uuid) -> Result<Vec<Copied>> {
        let rows = sqlx::query(
            "SELECT message_id, queue, body, envelope FROM copies \
             WHERE plan_id = ? AND restored_at IS NULL ORDER BY enqueued_at, message_id",
        )
        .bind(plan_id.as_bytes().as_slice())
        .fetch_all(self.readers())
        .await?;
        let mut copies = Vec::with_capacity(rows.len());
        for row in &rows {
            let (queue, envelope): (&str, Option<&str>) = (row.get(1), row.get(3));
            let Ok(queue) = queue.parse() else { continue };
            let envelope = envelope.map(serde_json::from_str).transpose();
            let envelope = envelope.map_err(|source| Error::Corrupt { what: "copy of a message", source })?;
            let envelope = envelope.unwrap_or_default();
            copies.push(Copied { message_id: row.get(0), queue, body: row.get(2), envelope });
        }
        Ok(copies)
    }

    /// The jobs with copies that were made since a time and not put back.
    pub(crate) async fn jobs_with_copies(&self, since: Timestamp) -> Result<HashSet<JobId>> {
        let rows = sqlx::query("SELECT queue, body FROM copies WHERE copied_at >= ? AND restored_at IS NULL")
            .bind(since.as_millis())
            .fetch_all(self.readers())
            .await?;
        let job_of = |row: &SqliteRow| {
            let queue: QueueName = row.get::<&str, _>(0).parse().ok()?;
            message::job_of(queue.role, row.get(1)).map(|(job_id, _)| job_id)
        };
        Ok(rows.iter().filter_map(job_of).collect())
    }

    /// Deletes copies made before a time.
    pub(crate) async fn forget_copies(&self, before: Timestamp) -> Result<()> {
        let mut writer = self.writer().await?;
        let mut transaction = begin(&mut writer).await?;
        sqlx::query("DELETE FROM copies WHERE copied_at < ?")
            .bind(before.as_millis())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}
