//! Removes completions and the row of a job. DynamoDB can only remove rows by their keys, in batches, and may leave part of a batch undone.

use std::time::Duration;

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::types::{DeleteRequest, WriteRequest};
use stereospot_domain::{JobId, JobStatus};
use stereospot_ports::{Error, ErrorCode, Result};

use super::rows::{Item, number, text};
use super::{DynamoJobs, call, key};
use crate::error::from_sdk;

/// DynamoDB's limit on the keys of one batch.
const BATCH: usize = 25;
/// Gives up after this many attempts in a row that removed nothing.
const ATTEMPTS: u32 = 5;
/// Pause before the next attempt; doubled while attempts remove nothing.
const PAUSE: Duration = Duration::from_millis(100);

/// Removes all completions of a job, and returns how many there were.
pub(super) async fn delete_completions(store: &DynamoJobs, job_id: JobId) -> Result<u32> {
    let keys = completion_keys(store, job_id).await?;
    for batch in keys.chunks(BATCH) {
        delete(store, store.completions.name()?, batch).await?;
    }
    Ok(u32::try_from(keys.len()).unwrap_or(u32::MAX))
}

/// The keys of all completions of a job.
pub(super) async fn completion_keys(store: &DynamoJobs, job_id: JobId) -> Result<Vec<Item>> {
    let table = store.completions.name()?;
    let (mut keys, mut start) = (Vec::new(), None);
    loop {
        let page = store
            .client
            .query()
            .table_name(table)
            .key_condition_expression("job_id = :job")
            .expression_attribute_values(":job", text(job_id))
            .projection_expression("job_id, segment_index")
            .consistent_read(true)
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| from_sdk(call("dynamodb:Query", table), error))?;
        keys.extend(page.items.unwrap_or_default());
        match page.last_evaluated_key {
            Some(last) => start = Some(last),
            None => return Ok(keys),
        }
    }
}

/// Removes one completion, in a batch of one: that needs the same permission as removing all.
pub(super) async fn delete_completion(store: &DynamoJobs, job_id: JobId, segment_index: u32) -> Result<()> {
    let mut key = key(job_id);
    key.insert("segment_index".into(), number(segment_index));
    delete(store, store.completions.name()?, &[key]).await
}

/// Removes completions by their keys.
pub(super) async fn delete_keys(store: &DynamoJobs, job_id: JobId, keys: &[String]) -> Result<()> {
    let key_of = |segment: &String| {
        let mut key = key(job_id);
        key.insert("segment_index".into(), number(segment));
        key
    };
    let keys: Vec<Item> = keys.iter().map(key_of).collect();
    for batch in keys.chunks(BATCH) {
        delete(store, store.completions.name()?, batch).await?;
    }
    Ok(())
}

/// Removes the row of a deleted job; false if there is no such row.
pub(super) async fn delete_row(store: &DynamoJobs, job_id: JobId) -> Result<bool> {
    let table = store.jobs.name()?;
    let answer = store
        .client
        .delete_item()
        .table_name(table)
        .set_key(Some(key(job_id)))
        .condition_expression("#status = :deleted")
        .expression_attribute_names("#status", "status")
        .expression_attribute_values(":deleted", text(JobStatus::Deleted.as_str()))
        .send()
        .await;
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.as_service_error().is_some_and(DeleteItemError::is_conditional_check_failed_exception) => {
            Ok(false)
        }
        Err(error) => Err(from_sdk(call("dynamodb:DeleteItem", table), error)),
    }
}

/// Removes one batch of rows, and retries what DynamoDB leaves undone.
async fn delete(store: &DynamoJobs, table: &str, keys: &[Item]) -> Result<()> {
    let mut open = Vec::with_capacity(keys.len());
    for key in keys {
        let request = DeleteRequest::builder()
            .set_key(Some(key.clone()))
            .build()
            .map_err(|error| Error::with(ErrorCode::Internal, "a batch entry lacks a field", error))?;
        open.push(WriteRequest::builder().delete_request(request).build());
    }
    let mut failures = 0;
    loop {
        let asked = open.len();
        let answer = store
            .client
            .batch_write_item()
            .request_items(table, open)
            .send()
            .await
            .map_err(|error| from_sdk(call("dynamodb:BatchWriteItem", table), error))?;
        open = answer.unprocessed_items.and_then(|mut items| items.remove(table)).unwrap_or_default();
        if open.is_empty() {
            return Ok(());
        }
        failures = if open.len() < asked { 1 } else { failures + 1 };
        if failures == ATTEMPTS {
            let why = format!(
                "the table {table} takes no more deletions just now: {} rows are left, try again later",
                open.len()
            );
            return Err(Error::new(ErrorCode::Throttled, why));
        }
        tokio::time::sleep(PAUSE * 2_u32.pow(failures - 1)).await;
    }
}
