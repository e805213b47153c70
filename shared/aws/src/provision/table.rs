//! Tables with their indexes, and the attribute by which DynamoDB removes old rows.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    BillingMode, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndex, GlobalSecondaryIndexUpdate, IndexStatus,
    TableDescription, TableStatus, Tag, TimeToLiveSpecification, TimeToLiveStatus,
};
use aws_smithy_async::rt::sleep::{AsyncSleep as _, SharedAsyncSleep};
use stereospot_ports::{Error, ErrorCode, Result};

use super::resource::TableWanted;
use super::state::State;
use super::tag::{self, MADE_BY, TAG};
use crate::error::failed;

/// Pause between two looks at a table that is being made. A table takes seconds, an index minutes.
const PAUSE: Duration = Duration::from_secs(3);
/// After so many looks the table is left alone; the next run goes on.
const LOOKS: u32 = 200;

/// A table's description; none when there is no such table.
pub(crate) async fn describe(client: &Client, name: &str) -> Result<Option<TableDescription>> {
    let call = client.describe_table().table_name(name);
    match call.send().await.map_err(failed("dynamodb:DescribeTable", "table", name)) {
        Ok(answer) => Ok(answer.table),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) async fn look(client: &Client, name: &str, wanted: &TableWanted) -> Result<State> {
    let Some(found) = describe(client, name).await? else { return Ok(State::Missing) };
    if found.key_schema() != wanted.key {
        let message =
            format!("the table {name} exists with another key: it belongs to something else; use another prefix");
        return Err(Error::new(ErrorCode::Conflict, message));
    }
    let missing = missing_indexes(&found, wanted);
    Ok(State::of(missing.iter().map(|index| format!("index {} is added", index.index_name())).collect()))
}

pub(super) async fn make(client: &Client, sleep: &SharedAsyncSleep, name: &str, wanted: &TableWanted) -> Result<()> {
    let Some(found) = describe(client, name).await? else {
        let call = client
            .create_table()
            .table_name(name)
            .billing_mode(BillingMode::PayPerRequest)
            .tags(tag()?)
            .set_attribute_definitions(Some(wanted.attributes.clone()))
            .set_key_schema(Some(wanted.key.clone()))
            .set_global_secondary_indexes((!wanted.indexes.is_empty()).then(|| wanted.indexes.clone()));
        call.send().await.map_err(failed("dynamodb:CreateTable", "table", name))?;
        return settle(client, sleep, name).await;
    };
    for index in missing_indexes(&found, wanted) {
        let create = CreateGlobalSecondaryIndexAction::builder()
            .index_name(index.index_name())
            .set_key_schema(Some(index.key_schema().to_vec()))
            .set_projection(index.projection.clone())
            .build()
            .map_err(|error| Error::with(ErrorCode::Internal, "an index lacks a field", error))?;
        let call = client
            .update_table()
            .table_name(name)
            .set_attribute_definitions(Some(wanted.attributes.clone()))
            .global_secondary_index_updates(GlobalSecondaryIndexUpdate::builder().create(create).build());
        call.send().await.map_err(failed("dynamodb:UpdateTable", "table", name))?;
        // DynamoDB makes one index at a time.
        settle(client, sleep, name).await?;
    }
    Ok(())
}

pub(super) async fn look_ttl(client: &Client, name: &str, attribute: &str) -> Result<State> {
    let call = client.describe_time_to_live().table_name(name);
    let answer = match call.send().await.map_err(failed("dynamodb:DescribeTimeToLive", "table", name)) {
        Err(error) if error.code() == ErrorCode::NotFound => return Ok(State::Missing),
        answer => answer?,
    };
    let Some(found) = answer.time_to_live_description else { return Ok(State::Missing) };
    let is_on = matches!(found.time_to_live_status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling));
    match found.attribute_name() {
        Some(other) if is_on && other != attribute => Err(Error::new(
            ErrorCode::Conflict,
            format!(
                "the table {name} forgets rows by {other}, not by {attribute}: turn that off first, it takes an hour"
            ),
        )),
        _ if is_on => Ok(State::Fits),
        _ => Ok(State::Missing),
    }
}

pub(super) async fn make_ttl(client: &Client, name: &str, attribute: &str) -> Result<()> {
    let wanted = TimeToLiveSpecification::builder().attribute_name(attribute).enabled(true).build();
    let wanted = wanted.map_err(|error| Error::with(ErrorCode::Internal, "a time to live lacks a field", error))?;
    let call = client.update_time_to_live().table_name(name).time_to_live_specification(wanted);
    call.send().await.map(drop).map_err(failed("dynamodb:UpdateTimeToLive", "table", name))
}

/// True when `provision` made the table.
pub(super) async fn is_ours(client: &Client, name: &str, arn: &str) -> Result<bool> {
    let answer = client.list_tags_of_resource().resource_arn(arn).send().await;
    let answer = answer.map_err(failed("dynamodb:ListTagsOfResource", "table", name))?;
    Ok(tag::is_marked(answer.tags().iter().map(|tag| (tag.key(), tag.value()))))
}

pub(super) async fn mark(client: &Client, name: &str, arn: &str) -> Result<()> {
    let call = client.tag_resource().resource_arn(arn).tags(tag()?);
    call.send().await.map(drop).map_err(failed("dynamodb:TagResource", "table", name))
}

fn tag() -> Result<Tag> {
    let built = Tag::builder().key(TAG).value(MADE_BY).build();
    built.map_err(|error| Error::with(ErrorCode::Internal, "a tag lacks a field", error))
}

/// What would be lost, in words. DynamoDB counts rows every six hours.
pub(super) async fn content(client: &Client, name: &str) -> Result<Option<String>> {
    let found = describe(client, name).await?;
    Ok(found.map(|table| format!("about {} rows", table.item_count.unwrap_or(0))))
}

pub(super) async fn unmake(client: &Client, name: &str) -> Result<()> {
    let call = client.delete_table().table_name(name);
    match call.send().await.map_err(failed("dynamodb:DeleteTable", "table", name)) {
        Err(error) if error.code() == ErrorCode::NotFound => Ok(()),
        other => other.map(drop),
    }
}

/// Waits until the table and its indexes can be used.
async fn settle(client: &Client, sleep: &SharedAsyncSleep, name: &str) -> Result<()> {
    for _ in 0..LOOKS {
        if let Some(found) = describe(client, name).await? {
            // An emulator may leave an index's status out.
            let is_made = |status: Option<&IndexStatus>| status.is_none_or(|status| *status == IndexStatus::Active);
            let are_made = found.global_secondary_indexes().iter().all(|index| is_made(index.index_status()));
            if found.table_status() == Some(&TableStatus::Active) && are_made {
                return Ok(());
            }
        }
        sleep.sleep(PAUSE).await;
    }
    Err(Error::new(
        ErrorCode::Unavailable,
        format!("the table {name} is still being made: run it again in some minutes"),
    ))
}

fn missing_indexes<'w>(found: &TableDescription, wanted: &'w TableWanted) -> Vec<&'w GlobalSecondaryIndex> {
    let is_there = |name| found.global_secondary_indexes().iter().any(|index| index.index_name() == Some(name));
    wanted.indexes.iter().filter(|index| !is_there(index.index_name())).collect()
}
