//! Plans and their results: the action log.

use sqlx::Row;
use stereospot_domain::Timestamp;
use stereospot_domain::plan::{AppliedPlan, Plan};
use uuid::Uuid;

use super::{Error, Result, Store, begin};

impl Store {
    /// Stores a plan.
    pub(crate) async fn put_plan(&self, plan: &Plan) -> Result<()> {
        let mut writer = self.writer().await?;
        let mut transaction = begin(&mut writer).await?;
        sqlx::query("INSERT INTO plans (id, created_at, plan) VALUES (?, ?, ?)")
            .bind(plan.id.as_bytes().as_slice())
            .bind(plan.created_at.as_millis())
            .bind(json(plan))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// A plan, with its results if it was applied.
    pub(crate) async fn plan(&self, id: Uuid) -> Result<Option<(Plan, Option<AppliedPlan>)>> {
        let row = sqlx::query("SELECT plan, applied FROM plans WHERE id = ?")
            .bind(id.as_bytes().as_slice())
            .fetch_optional(self.readers())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let applied: Option<&str> = row.get(1);
        let plan = serde_json::from_str(row.get(0)).map_err(|source| Error::Corrupt { what: "plan", source })?;
        Ok(Some((plan, applied.map(applied_plan).transpose()?)))
    }

    /// Marks a plan as being applied; false when it is or was applied already. Of any number of callers exactly one gets true.
    pub(crate) async fn begin_plan(&self, applied: &AppliedPlan) -> Result<bool> {
        let mut writer = self.writer().await?;
        let mut transaction = begin(&mut writer).await?;
        let changed = sqlx::query("UPDATE plans SET applied_at = ?, applied = ? WHERE id = ? AND applied_at IS NULL")
            .bind(applied.applied_at.as_millis())
            .bind(json(applied))
            .bind(applied.plan.id.as_bytes().as_slice())
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        transaction.commit().await?;
        Ok(changed == 1)
    }

    /// Stores an automatic repair, for which there was no plan before.
    pub(crate) async fn put_applied(&self, applied: &AppliedPlan) -> Result<()> {
        let mut writer = self.writer().await?;
        let mut transaction = begin(&mut writer).await?;
        sqlx::query("INSERT INTO plans (id, created_at, plan, applied_at, applied) VALUES (?, ?, ?, ?, ?)")
            .bind(applied.plan.id.as_bytes().as_slice())
            .bind(applied.plan.created_at.as_millis())
            .bind(json(&applied.plan))
            .bind(applied.applied_at.as_millis())
            .bind(json(applied))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Stores the results of an applied plan.
    pub(crate) async fn finish_plan(&self, applied: &AppliedPlan) -> Result<()> {
        let mut writer = self.writer().await?;
        let mut transaction = begin(&mut writer).await?;
        sqlx::query("UPDATE plans SET applied = ? WHERE id = ?")
            .bind(json(applied))
            .bind(applied.plan.id.as_bytes().as_slice())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Applied plans, newest first.
    pub(crate) async fn actions(&self, limit: u32) -> Result<Vec<AppliedPlan>> {
        let rows = sqlx::query(
            "SELECT applied FROM plans WHERE applied_at IS NOT NULL ORDER BY applied_at DESC, id DESC LIMIT ?",
        )
        .bind(limit)
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(|row| applied_plan(row.get(0))).collect()
    }

    /// Deletes plans that were applied before a time.
    pub(crate) async fn forget_actions(&self, before: Timestamp) -> Result<()> {
        let mut writer = self.writer().await?;
        let mut transaction = begin(&mut writer).await?;
        sqlx::query("DELETE FROM plans WHERE applied_at < ?")
            .bind(before.as_millis())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Deletes plans that were made before a time and never applied.
    pub(crate) async fn forget_plans(&self, before: Timestamp) -> Result<()> {
        let mut writer = self.writer().await?;
        let mut transaction = begin(&mut writer).await?;
        sqlx::query("DELETE FROM plans WHERE created_at < ? AND applied_at IS NULL")
            .bind(before.as_millis())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}

fn applied_plan(text: &str) -> Result<AppliedPlan> {
    serde_json::from_str(text).map_err(|source| Error::Corrupt { what: "applied plan", source })
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plans are plain data, which always serialises")
}
