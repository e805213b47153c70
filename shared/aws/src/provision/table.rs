//! Tables with their indexes and the attribute by which they forget rows.

use std::time::Duration;

use serde_json::{Value, json};
use stereospot_ports::{Error, ErrorCode, Result};

use super::State;
use crate::signed::{Api, on};

/// Pause between two looks at a table that is being made: seconds, for an index minutes.
const PAUSE: Duration = Duration::from_secs(3);
/// After so many looks it is left to itself; the next run goes on.
const LOOKS: u32 = 200;

/// A table's description; none when there is no such table.
pub(crate) async fn describe(api: &Api, name: &str) -> Result<Option<Value>> {
    match api.json::<Value>(on("DescribeTable", "table", name), json!({ "TableName": name })).await {
        Ok(mut answer) => Ok(Some(answer["Table"].take())),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) async fn look(api: &Api, name: &str, wanted: &Value) -> Result<State> {
    let Some(found) = describe(api, name).await? else { return Ok(State::Missing) };
    if found["KeySchema"] != wanted["KeySchema"] {
        let message =
            format!("the table {name} exists with another key: it belongs to something else; use another prefix");
        return Err(Error::new(ErrorCode::Conflict, message));
    }
    let missing = missing_indexes(&found, wanted);
    Ok(State::of(missing.iter().map(|index| format!("index {} is added", index_name(index))).collect()))
}

pub(super) async fn make(api: &Api, name: &str, wanted: &Value) -> Result<()> {
    let Some(found) = describe(api, name).await? else {
        let mut input = wanted.clone();
        input["TableName"] = name.into();
        input["BillingMode"] = "PAY_PER_REQUEST".into();
        api.json::<Value>(on("CreateTable", "table", name), input).await?;
        return settle(api, name).await;
    };
    for index in missing_indexes(&found, wanted) {
        let input = json!({
            "TableName": name,
            "AttributeDefinitions": wanted["AttributeDefinitions"],
            "GlobalSecondaryIndexUpdates": [{ "Create": index }],
        });
        api.json::<Value>(on("UpdateTable", "table", name), input).await?;
        // DynamoDB makes one index at a time.
        settle(api, name).await?;
    }
    Ok(())
}

pub(super) async fn look_ttl(api: &Api, name: &str, attribute: &str) -> Result<State> {
    let about = on("DescribeTimeToLive", "table", name);
    let answer = match api.json::<Value>(about, json!({ "TableName": name })).await {
        Err(error) if error.code() == ErrorCode::NotFound => return Ok(State::Missing),
        answer => answer?,
    };
    let found = &answer["TimeToLiveDescription"];
    let is_on = matches!(found["TimeToLiveStatus"].as_str(), Some("ENABLED" | "ENABLING"));
    match found["AttributeName"].as_str() {
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

pub(super) async fn make_ttl(api: &Api, name: &str, attribute: &str) -> Result<()> {
    let input = json!({
        "TableName": name, "TimeToLiveSpecification": { "AttributeName": attribute, "Enabled": true }
    });
    api.json::<Value>(on("UpdateTimeToLive", "table", name), input).await.map(drop)
}

/// What would be lost, in words. DynamoDB counts rows every six hours.
pub(super) async fn content(api: &Api, name: &str) -> Result<Option<String>> {
    let found = describe(api, name).await?;
    Ok(found.map(|table| format!("about {} rows", table["ItemCount"].as_u64().unwrap_or(0))))
}

pub(super) async fn unmake(api: &Api, name: &str) -> Result<()> {
    match api.json::<Value>(on("DeleteTable", "table", name), json!({ "TableName": name })).await {
        Err(error) if error.code() == ErrorCode::NotFound => Ok(()),
        other => other.map(drop),
    }
}

/// Waits until table and indexes can be used.
async fn settle(api: &Api, name: &str) -> Result<()> {
    for _ in 0..LOOKS {
        if let Some(found) = describe(api, name).await? {
            let indexes = found["GlobalSecondaryIndexes"].as_array().map(Vec::as_slice).unwrap_or_default();
            // An emulator may leave an index's status out.
            let is_ready = |index: &Value| index["IndexStatus"].as_str().is_none_or(|status| status == "ACTIVE");
            if found["TableStatus"] == "ACTIVE" && indexes.iter().all(is_ready) {
                return Ok(());
            }
        }
        api.pause(PAUSE).await;
    }
    Err(Error::new(
        ErrorCode::Unavailable,
        format!("the table {name} is still being made: run it again in some minutes"),
    ))
}

fn missing_indexes<'w>(found: &Value, wanted: &'w Value) -> Vec<&'w Value> {
    let indexes = |table: &'_ Value| -> Vec<String> {
        table["GlobalSecondaryIndexes"].as_array().into_iter().flatten().map(index_name).collect()
    };
    let found = indexes(found);
    let wanted = wanted["GlobalSecondaryIndexes"].as_array().map(Vec::as_slice).unwrap_or_default();
    wanted.iter().filter(|index| !found.contains(&index_name(index))).collect()
}

fn index_name(index: &Value) -> String {
    index["IndexName"].as_str().unwrap_or_default().to_owned()
}
