//! Log groups with their retention, and the field by which lines are found without reading all of them.

use serde_json::{Value, json};
use stereospot_ports::{ErrorCode, Result};

use super::State;
use crate::signed::{Api, on};

/// Days that lines are kept: as long as messages.
const RETENTION_DAYS: u64 = 14;

pub(super) async fn look(api: &Api, name: &str) -> Result<State> {
    let Some(found) = find(api, name).await? else { return Ok(State::Missing) };
    // A longer retention, and none at all is the longest, was somebody's choice: shortening it deletes lines.
    match found["retentionInDays"].as_u64() {
        Some(days) if days < RETENTION_DAYS => {
            Ok(State::of(vec![format!("lines are kept {RETENTION_DAYS} days instead of {days}")]))
        }
        _ => Ok(State::Fits),
    }
}

pub(super) async fn make(api: &Api, name: &str) -> Result<()> {
    match api.json::<Value>(on("CreateLogGroup", "log group", name), json!({ "logGroupName": name })).await {
        Err(error) if error.code() == ErrorCode::Conflict => {}
        other => drop(other?),
    }
    let input = json!({ "logGroupName": name, "retentionInDays": RETENTION_DAYS });
    api.json::<Value>(on("PutRetentionPolicy", "log group", name), input).await.map(drop)
}

pub(super) async fn look_index(api: &Api, name: &str, field: &str) -> Result<State> {
    let about = on("DescribeIndexPolicies", "log group", name);
    let answer = match api.json::<Value>(about, json!({ "logGroupIdentifiers": [name] })).await {
        Err(error) if error.code() == ErrorCode::NotFound => return Ok(State::Missing),
        answer => answer?,
    };
    let fields = fields(&answer);
    Ok(if fields.iter().any(|found| found == field) { State::Fits } else { State::Missing })
}

pub(super) async fn make_index(api: &Api, name: &str, field: &str) -> Result<()> {
    let about = on("DescribeIndexPolicies", "log group", name);
    let answer = api.json::<Value>(about, json!({ "logGroupIdentifiers": [name] })).await?;
    // A group has one policy: fields that others put in stay.
    let mut fields = fields(&answer);
    fields.push(field.to_owned());
    let policy = json!({ "Fields": fields }).to_string();
    let input = json!({ "logGroupIdentifier": name, "policyDocument": policy });
    api.json::<Value>(on("PutIndexPolicy", "log group", name), input).await.map(drop)
}

/// What would be lost, in words.
pub(super) async fn content(api: &Api, name: &str) -> Result<Option<String>> {
    let found = find(api, name).await?;
    Ok(found.map(|group| format!("{} bytes of lines", group["storedBytes"].as_u64().unwrap_or(0))))
}

pub(super) async fn unmake(api: &Api, name: &str) -> Result<()> {
    match api.json::<Value>(on("DeleteLogGroup", "log group", name), json!({ "logGroupName": name })).await {
        Err(error) if error.code() == ErrorCode::NotFound => Ok(()),
        other => other.map(drop),
    }
}

async fn find(api: &Api, name: &str) -> Result<Option<Value>> {
    let input = json!({ "logGroupNamePrefix": name });
    // Groups come in alphabetical order: the one of this very name is first.
    let answer: Value = api.json(on("DescribeLogGroups", "log group", name), input).await?;
    let groups = answer["logGroups"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(groups.iter().find(|group| group["logGroupName"] == name).cloned())
}

/// The fields of a group's own policy; one of the whole account is not the group's.
fn fields(answer: &Value) -> Vec<String> {
    answer["indexPolicies"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|policy| policy["source"] != "ACCOUNT")
        .filter_map(|policy| serde_json::from_str::<Value>(policy["policyDocument"].as_str()?).ok())
        .flat_map(|policy| policy["Fields"].as_array().cloned().unwrap_or_default())
        .filter_map(|field| field.as_str().map(str::to_owned))
        .collect()
}
