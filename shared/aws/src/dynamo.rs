//! The job store on DynamoDB, in the tables of existing deployments: their attributes, times in whole Unix seconds, absent means
//! none. We add `error` and `options` (JSON) to jobs, `lease_until` and `owner` to locks.
//!
//! Invariant: every write that depends on the stored item carries that as its condition, so DynamoDB decides. Reads are strongly
//! consistent, except for [`JobStore::list`], because an index lags behind its table.
//!
//! When the answer to a write is lost, the SDK tries again and may meet its own write: the call then reports "refused" although it
//! succeeded. That is safe: no caller believes that it won when it did not, and the next look, such as the trigger check, goes on
//! from what is stored.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure, Select};
use stereospot_domain::{Job, JobId, JobStatus, Lock, SegmentCompletion, Timestamp};
use stereospot_ports::job_store::{Acquired, Page, Transition, Transitioned};
use stereospot_ports::{Error, ErrorCode, JobStore, Result};

use crate::Connections;
use crate::deployment::absent;
use crate::error::{Call, from_sdk};

mod change;
mod locks;
mod removal;
pub(crate) mod rows;
mod surplus;

use change::{Change, Changed};
use rows::{Item, number, secs, text};

/// The index that lists jobs of one status, newest first.
const BY_CREATION: &str = "status-created_at";

/// The three tables of jobs. Calls that need a table which the deployment lacks return an error.
#[derive(Debug, Clone)]
pub struct DynamoJobs {
    client: Client,
    jobs: Table,
    completions: Table,
    locks: Table,
}

/// A table; without a name if the environment file has none.
#[derive(Debug, Clone)]
struct Table {
    name: Option<String>,
    key: &'static str,
    what: &'static str,
}

impl Table {
    fn name(&self) -> Result<&str> {
        self.name.as_deref().ok_or_else(|| absent(self.key, self.what))
    }
}

impl DynamoJobs {
    /// A store in the deployment's tables. Makes no call; a missing table shows at the first one.
    #[must_use]
    pub fn new(connections: &Connections) -> Self {
        let tables = &connections.deployment.tables;
        let table = |name: &Option<String>, key, what| Table { name: name.clone(), key, what };
        Self {
            client: connections.dynamo.clone(),
            jobs: table(&tables.jobs, "JOBS_TABLE_NAME", "table of job rows"),
            completions: table(&tables.completions, "SEGMENT_COMPLETIONS_TABLE_NAME", "table of segment completions"),
            locks: table(&tables.locks, "REASSEMBLY_TRIGGERED_TABLE_NAME", "table of reassembly locks"),
        }
    }

    async fn get_item(&self, table: &Table, job_id: JobId) -> Result<Option<Item>> {
        let table = table.name()?;
        let answer = self
            .client
            .get_item()
            .table_name(table)
            .key("job_id", text(job_id))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| from_sdk(call("dynamodb:GetItem", table), error))?;
        Ok(answer.item)
    }

    /// Changes an item. Returns it as it is afterwards, or the item that does not meet the condition.
    async fn update(&self, table: &Table, key: HashMap<String, AttributeValue>, change: Change) -> Result<Changed> {
        let table = table.name()?;
        let answer = self
            .client
            .update_item()
            .table_name(table)
            .set_key(Some(key))
            .update_expression(change.update())
            .set_condition_expression(change.condition.clone())
            .set_expression_attribute_names(Some(change.names))
            .set_expression_attribute_values(Some(change.values).filter(|values| !values.is_empty()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(Changed::Yes(answer.attributes.unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(
                    failed,
                )) => Ok(Changed::No(failed.item.clone())),
                _ => Err(from_sdk(call("dynamodb:UpdateItem", table), error)),
            },
        }
    }

    /// Puts a new item; false when its key exists already.
    async fn insert(&self, table: &Table, item: Item) -> Result<bool> {
        let table = table.name()?;
        let answer = self
            .client
            .put_item()
            .table_name(table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(job_id)")
            .send()
            .await;
        match answer {
            Ok(_) => Ok(true),
            Err(error) if is_condition(&error) => Ok(false),
            Err(error) => Err(from_sdk(call("dynamodb:PutItem", table), error)),
        }
    }
}

#[async_trait]
impl JobStore for DynamoJobs {
    async fn create(&self, job: &Job) -> Result<()> {
        if self.insert(&self.jobs, rows::from_job(job)?).await? {
            return Ok(());
        }
        Err(Error::new(ErrorCode::Conflict, format!("the job {} exists already", job.job_id)))
    }

    async fn get(&self, job_id: JobId) -> Result<Option<Job>> {
        self.get_item(&self.jobs, job_id).await?.as_ref().map(rows::to_job).transpose()
    }

    async fn list(&self, status: JobStatus, cursor: Option<&str>, limit: usize) -> Result<Page<Job>> {
        let table = self.jobs.name()?;
        let start = cursor.map(|cursor| start_of_jobs(status, cursor)).transpose()?;
        let answer = self
            .client
            .query()
            .table_name(table)
            .index_name(BY_CREATION)
            .key_condition_expression("#status = :status")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":status", text(status))
            .scan_index_forward(false)
            .limit(limited(limit))
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| from_sdk(call("dynamodb:Query", table), error))?;
        let mut items = Vec::new();
        for item in answer.items.unwrap_or_default() {
            match rows::to_job(&item) {
                Ok(job) => items.push(job),
                // One odd row, written by another program, must not hide the others.
                Err(error) => tracing::warn!(table, %error, "a job's row is left out of a list"),
            }
        }
        let next = answer.last_evaluated_key.as_ref().and_then(cursor_of_jobs);
        Ok(Page { items, next })
    }

    async fn transition(&self, job_id: JobId, transition: &Transition) -> Result<Transitioned> {
        if transition.from.is_empty() {
            // DynamoDB accepts no empty list of allowed values, and there is nothing to write.
            let found = self.get(job_id).await?;
            return Ok(found.map_or(Transitioned::Missing, |job| Transitioned::Refused(job.status)));
        }
        match self.update(&self.jobs, key(job_id), rows::from_transition(transition)).await? {
            Changed::Yes(item) => Ok(Transitioned::Changed(rows::to_job(&item)?)),
            Changed::No(None) => Ok(Transitioned::Missing),
            Changed::No(Some(item)) => Ok(Transitioned::Refused(rows::status(&item)?)),
        }
    }

    async fn delete_row(&self, job_id: JobId) -> Result<bool> {
        removal::delete_row(self, job_id).await
    }

    async fn set_uploaded(&self, job_id: JobId, at: Timestamp, bytes: u64) -> Result<()> {
        let change = Change::default()
            .set("uploaded_at", secs(at))
            .set("source_file_size_bytes", number(bytes))
            .only_if("attribute_exists(job_id)");
        match self.update(&self.jobs, key(job_id), change).await? {
            Changed::Yes(_) => Ok(()),
            Changed::No(_) => Err(Error::new(ErrorCode::NotFound, format!("there is no job {job_id}"))),
        }
    }

    async fn put_completion(&self, completion: &SegmentCompletion) -> Result<()> {
        // An update, not a put: it keeps the other attributes that existing services wrote.
        let change = Change::default()
            .set("output_s3_uri", text(&completion.output_uri))
            .set("completed_at", secs(completion.completed_at));
        let mut key = key(completion.job_id);
        key.insert("segment_index".into(), number(completion.segment_index));
        self.update(&self.completions, key, change).await?;
        Ok(())
    }

    async fn count_completions(&self, job_id: JobId) -> Result<u32> {
        let table = self.completions.name()?;
        let (mut count, mut start) = (0_u32, None);
        loop {
            let answer = self
                .client
                .query()
                .table_name(table)
                .key_condition_expression("job_id = :job")
                .expression_attribute_values(":job", text(job_id))
                .select(Select::Count)
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| from_sdk(call("dynamodb:Query", table), error))?;
            count = count.saturating_add(u32::try_from(answer.count).unwrap_or(0));
            match answer.last_evaluated_key {
                Some(last) => start = Some(last),
                None => return Ok(count),
            }
        }
    }

    async fn list_completions(
        &self,
        job_id: JobId,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<SegmentCompletion>> {
        let table = self.completions.name()?;
        let start = cursor.map(|cursor| start_of_completions(job_id, cursor)).transpose()?;
        let answer = self
            .client
            .query()
            .table_name(table)
            .key_condition_expression("job_id = :job")
            .expression_attribute_values(":job", text(job_id))
            .consistent_read(true)
            .limit(limited(limit))
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| from_sdk(call("dynamodb:Query", table), error))?;
        let items = answer.items.unwrap_or_default();
        // A key that names no segment must not hide the others: it is a surplus completion.
        let items: Result<Vec<_>> =
            items.iter().filter(|item| rows::segment_of(item).is_some()).map(rows::to_completion).collect();
        let next = answer.last_evaluated_key.and_then(|last| Some(last.get("segment_index")?.as_n().ok()?.clone()));
        Ok(Page { items: items?, next })
    }

    async fn delete_completions(&self, job_id: JobId) -> Result<u32> {
        removal::delete_completions(self, job_id).await
    }

    async fn surplus_completions(&self, job_id: JobId, total: u32) -> Result<Vec<String>> {
        surplus::keys(self, job_id, total).await
    }

    async fn delete_surplus(&self, job_id: JobId, keys: &[String]) -> Result<()> {
        removal::delete_keys(self, job_id, keys).await
    }

    async fn delete_completion(&self, job_id: JobId, segment_index: u32) -> Result<()> {
        removal::delete_completion(self, job_id, segment_index).await
    }

    async fn lock(&self, job_id: JobId) -> Result<Option<Lock>> {
        self.get_item(&self.locks, job_id).await?.as_ref().map(rows::to_lock).transpose()
    }

    async fn create_lock(&self, job_id: JobId, now: Timestamp) -> Result<bool> {
        self.insert(&self.locks, locks::new(job_id, now)).await
    }

    async fn retrigger_lock(&self, job_id: JobId, observed: Timestamp, now: Timestamp) -> Result<bool> {
        self.change_lock(job_id, locks::retrigger(observed, now)).await
    }

    async fn acquire_lock(&self, job_id: JobId, owner: &str, now: Timestamp, lease: Duration) -> Result<Acquired> {
        match self.update(&self.locks, key(job_id), locks::acquire(owner, now, lease)).await? {
            Changed::Yes(_) => Ok(Acquired::Yes),
            Changed::No(None) => Ok(Acquired::Missing),
            Changed::No(Some(item)) => Ok(Acquired::Held(rows::to_lock(&item)?.lease_until)),
        }
    }

    async fn renew_lock(&self, job_id: JobId, owner: &str, now: Timestamp, lease: Duration) -> Result<bool> {
        self.change_lock(job_id, locks::renew(owner, now, lease)).await
    }

    async fn release_lock(&self, job_id: JobId, owner: &str) -> Result<bool> {
        self.change_lock(job_id, locks::let_go().only_if_equal("owner", text(owner))).await
    }

    async fn reset_lock(&self, job_id: JobId, observed: Timestamp) -> Result<bool> {
        self.change_lock(job_id, locks::let_go().only_if_equal("reassembly_started_at", secs(observed))).await
    }

    async fn delete_lock(&self, job_id: JobId) -> Result<bool> {
        let table = self.locks.name()?;
        let answer = self
            .client
            .delete_item()
            .table_name(table)
            .set_key(Some(key(job_id)))
            .return_values(ReturnValue::AllOld)
            .send()
            .await
            .map_err(|error| from_sdk(call("dynamodb:DeleteItem", table), error))?;
        Ok(answer.attributes.is_some_and(|item| !item.is_empty()))
    }
}

impl DynamoJobs {
    /// False when the condition does not hold, and when there is no lock.
    async fn change_lock(&self, job_id: JobId, change: Change) -> Result<bool> {
        Ok(matches!(self.update(&self.locks, key(job_id), change).await?, Changed::Yes(_)))
    }
}

fn call<'a>(action: &'a str, table: &'a str) -> Call<'a> {
    Call { action, kind: "table", resource: table, key: None }
}

fn key(job_id: JobId) -> Item {
    Item::from([("job_id".into(), text(job_id))])
}

/// DynamoDB accepts no limit below 1.
fn limited(limit: usize) -> i32 {
    i32::try_from(limit.max(1)).unwrap_or(i32::MAX)
}

fn is_condition<R>(
    error: &aws_sdk_dynamodb::error::SdkError<aws_sdk_dynamodb::operation::put_item::PutItemError, R>,
) -> bool {
    error.as_service_error().is_some_and(|error| error.is_conditional_check_failed_exception())
}

/// `{created_at}.{job_id}` of the last entry: together with the status the whole key of the index.
fn cursor_of_jobs(last: &Item) -> Option<String> {
    Some(format!("{}.{}", last.get("created_at")?.as_n().ok()?, last.get("job_id")?.as_s().ok()?))
}

fn start_of_jobs(status: JobStatus, cursor: &str) -> Result<Item> {
    let parts = cursor.split_once('.').and_then(|(at, id)| Some((at.parse::<i64>().ok()?, id.parse::<JobId>().ok()?)));
    let (at, id) = parts.ok_or_else(|| no_cursor(cursor))?;
    Ok(Item::from([("status".into(), text(status)), ("created_at".into(), number(at)), ("job_id".into(), text(id))]))
}

fn start_of_completions(job_id: JobId, cursor: &str) -> Result<Item> {
    cursor.parse::<f64>().map_err(|_| no_cursor(cursor))?;
    Ok(Item::from([("job_id".into(), text(job_id)), ("segment_index".into(), number(cursor))]))
}

fn no_cursor(cursor: impl fmt::Display) -> Error {
    Error::new(ErrorCode::Invalid, format!("`{cursor}` is no cursor of this list"))
}

#[cfg(test)]
mod tests;
