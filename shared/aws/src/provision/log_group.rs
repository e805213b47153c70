//! Log groups with their retention, and the field index that finds lines without reading all of them.

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::{IndexPolicy, IndexSource, LogGroup};
use serde_json::{Value, json};
use stereospot_ports::{ErrorCode, Result};

use super::state::State;
use super::tag::{self, MADE_BY, TAG};
use crate::error::failed;

const KIND: &str = "log group";
/// Days that lines are kept: as long as messages.
const RETENTION_DAYS: i32 = 14;

pub(super) async fn look(client: &Client, name: &str) -> Result<State> {
    let Some(found) = find(client, name).await? else { return Ok(State::Missing) };
    // Someone chose a longer retention, or none, which keeps lines for ever. Shortening it would delete lines.
    match found.retention_in_days {
        Some(days) if days < RETENTION_DAYS => {
            Ok(State::of(vec![format!("lines are kept {RETENTION_DAYS} days instead of {days}")]))
        }
        _ => Ok(State::Fits),
    }
}

pub(super) async fn make(client: &Client, name: &str) -> Result<()> {
    let call = client.create_log_group().log_group_name(name).tags(TAG, MADE_BY);
    match call.send().await.map_err(failed("logs:CreateLogGroup", KIND, name)) {
        Err(error) if error.code() == ErrorCode::Conflict => {}
        other => drop(other?),
    }
    let call = client.put_retention_policy().log_group_name(name).retention_in_days(RETENTION_DAYS);
    call.send().await.map(drop).map_err(failed("logs:PutRetentionPolicy", KIND, name))
}

/// True when `provision` made the group.
pub(super) async fn is_ours(client: &Client, name: &str, arn: &str) -> Result<bool> {
    let answer = client.list_tags_for_resource().resource_arn(arn).send().await;
    let tags = answer.map_err(failed("logs:ListTagsForResource", KIND, name))?.tags.unwrap_or_default();
    Ok(tag::is_marked(tags.iter().map(|(key, value)| (key.as_str(), value.as_str()))))
}

pub(super) async fn mark(client: &Client, name: &str, arn: &str) -> Result<()> {
    let call = client.tag_resource().resource_arn(arn).tags(TAG, MADE_BY);
    call.send().await.map(drop).map_err(failed("logs:TagResource", KIND, name))
}

pub(super) async fn look_index(client: &Client, name: &str, field: &str) -> Result<State> {
    let fields = match index_fields(client, name).await {
        Err(error) if error.code() == ErrorCode::NotFound => return Ok(State::Missing),
        fields => fields?,
    };
    Ok(if fields.iter().any(|found| found == field) { State::Fits } else { State::Missing })
}

pub(super) async fn make_index(client: &Client, name: &str, field: &str) -> Result<()> {
    // A group has one policy, so the fields of others stay in it.
    let mut fields = index_fields(client, name).await?;
    fields.push(field.to_owned());
    let policy = json!({ "Fields": fields }).to_string();
    let call = client.put_index_policy().log_group_identifier(name).policy_document(policy);
    call.send().await.map(drop).map_err(failed("logs:PutIndexPolicy", KIND, name))
}

/// What would be lost, in words.
pub(super) async fn content(client: &Client, name: &str) -> Result<Option<String>> {
    let found = find(client, name).await?;
    Ok(found.map(|group| format!("{} bytes of lines", group.stored_bytes.unwrap_or(0))))
}

pub(super) async fn unmake(client: &Client, name: &str) -> Result<()> {
    let call = client.delete_log_group().log_group_name(name);
    match call.send().await.map_err(failed("logs:DeleteLogGroup", KIND, name)) {
        Err(error) if error.code() == ErrorCode::NotFound => Ok(()),
        other => other.map(drop),
    }
}

async fn find(client: &Client, name: &str) -> Result<Option<LogGroup>> {
    // A page may be empty although another one follows.
    let mut found = client.describe_log_groups().log_group_name_prefix(name).into_paginator().items().send();
    while let Some(group) = found.next().await {
        let group = group.map_err(failed("logs:DescribeLogGroups", KIND, name))?;
        if group.log_group_name() == Some(name) {
            return Ok(Some(group));
        }
    }
    Ok(None)
}

async fn index_fields(client: &Client, name: &str) -> Result<Vec<String>> {
    let call = client.describe_index_policies().log_group_identifiers(name);
    let answer = call.send().await.map_err(failed("logs:DescribeIndexPolicies", KIND, name))?;
    Ok(fields(answer.index_policies()))
}

/// The fields of the group's own policy. A policy of the whole account is not the group's.
fn fields(policies: &[IndexPolicy]) -> Vec<String> {
    policies
        .iter()
        .filter(|policy| policy.source() != Some(&IndexSource::Account))
        .filter_map(|policy| serde_json::from_str::<Value>(policy.policy_document()?).ok())
        .flat_map(|policy| policy["Fields"].as_array().cloned().unwrap_or_default())
        .filter_map(|field| field.as_str().map(str::to_owned))
        .collect()
}
