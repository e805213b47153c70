//! Tries actions in a way that can't change anything: reads of what nobody has, writes on a condition that can't be true or to
//! nobody's row, receipts that no queue gave, log queries that never ran.

use serde_json::{Value, json};
use stereospot_ports::ErrorCode;

use super::report::{Permission, Verdict};
use crate::deployment::Deployment;
use crate::provision::bucket;
use crate::signed::{Api, on};

/// Services to ask.
pub(super) struct Apis<'a> {
    pub(super) iam: &'a Api,
    pub(super) sqs: &'a Api,
    pub(super) dynamodb: &'a Api,
    pub(super) s3: &'a Api,
    pub(super) logs: &'a Api,
}

/// What trying tells.
pub(super) async fn verdict(apis: &Apis<'_>, deployment: &Deployment, permission: &Permission) -> Verdict {
    let name = permission.resource.rsplit([':', '/']).next().unwrap_or_default();
    let result = match permission.action {
        "sqs:GetQueueAttributes" => with_queue(apis.sqs, deployment, name, "GetQueueAttributes", Value::Null).await,
        "sqs:DeleteMessage" => with_queue(apis.sqs, deployment, name, "DeleteMessage", json!({})).await,
        "sqs:ChangeMessageVisibility" => {
            let input = json!({ "VisibilityTimeout": 0 });
            with_queue(apis.sqs, deployment, name, "ChangeMessageVisibility", input).await
        }
        "dynamodb:GetItem" => with_row(apis.dynamodb, deployment, name, "GetItem").await,
        "dynamodb:Query" => with_row(apis.dynamodb, deployment, name, "Query").await,
        "dynamodb:PutItem" => with_row(apis.dynamodb, deployment, name, "PutItem").await,
        "dynamodb:UpdateItem" => with_row(apis.dynamodb, deployment, name, "UpdateItem").await,
        "dynamodb:DeleteItem" => with_row(apis.dynamodb, deployment, name, "DeleteItem").await,
        "dynamodb:BatchWriteItem" => with_batch(apis.dynamodb, deployment, name).await,
        "s3:ListBucket" => Some(bucket::content(apis.s3, name).await.map(drop)),
        "logs:GetQueryResults" => Some(with_log_query(apis.logs, "GetQueryResults").await),
        "logs:StopQuery" => Some(with_log_query(apis.logs, "StopQuery").await),
        _ => None,
    };
    match result {
        None => Verdict::NotKnown,
        Some(Ok(())) => Verdict::Allowed,
        Some(Err(error)) => match error.code() {
            ErrorCode::Denied => Verdict::Missing,
            // The condition was looked at, the receipt, the name: so the caller was let in.
            ErrorCode::Conflict | ErrorCode::LeaseLost => Verdict::Allowed,
            ErrorCode::NotFound if permission.action.starts_with("logs:") => Verdict::Allowed,
            _ => Verdict::NotKnown,
        },
    }
}

type Tried = Option<stereospot_ports::Result<()>>;

/// `input` is null for what needs no receipt.
async fn with_queue(api: &Api, deployment: &Deployment, name: &str, action: &'static str, mut input: Value) -> Tried {
    let url = url(deployment, name)?;
    if !input.is_null() {
        input["ReceiptHandle"] = "stereospot-doctor".into();
    }
    input["QueueUrl"] = url.into();
    let answer = api.json::<Value>(on(action, "queue", name), input).await;
    Some(answer.map(drop))
}

async fn with_row(api: &Api, deployment: &Deployment, name: &str, action: &'static str) -> Tried {
    let (key, attribute) = impossible(deployment, name)?;
    let mut input = json!({ "TableName": name });
    match action {
        "GetItem" => input["Key"] = key,
        "Query" => {
            input["KeyConditionExpression"] = format!("{attribute} = :nobody").into();
            input["ExpressionAttributeValues"] = json!({ ":nobody": key[attribute] });
        }
        _ => {
            let condition = format!("attribute_exists({attribute}) AND attribute_not_exists({attribute})");
            input["ConditionExpression"] = condition.into();
            input[if action == "PutItem" { "Item" } else { "Key" }] = key;
        }
    }
    let answer = api.json::<Value>(on(action, "table", name), input).await;
    let answer = answer.map(drop);
    // A write that is let through although its condition can't be true is no proof of anything.
    let is_write = !matches!(action, "GetItem" | "Query");
    if is_write && answer.is_ok() { None } else { Some(answer) }
}

/// A batch takes no conditions, but the row that it would remove is nobody's.
async fn with_batch(api: &Api, deployment: &Deployment, name: &str) -> Tried {
    let (key, _) = impossible(deployment, name)?;
    let input = json!({ "RequestItems": { name: [{ "DeleteRequest": { "Key": key } }] } });
    Some(api.json::<Value>(on("BatchWriteItem", "table", name), input).await.map(drop))
}

async fn with_log_query(api: &Api, action: &'static str) -> stereospot_ports::Result<()> {
    let input = json!({ "queryId": "00000000-0000-0000-0000-000000000000" });
    api.json::<Value>(on(action, "log query", "of nobody"), input).await.map(drop)
}

fn url(deployment: &Deployment, name: &str) -> Option<String> {
    let is_named = |url: &&String| url.rsplit('/').next() == Some(name);
    if let Some(url) = deployment.queues.values().find(is_named) {
        return Some(url.clone());
    }
    // A dead-letter queue lies beside its queue.
    let (base, _) = deployment.queues.values().next()?.rsplit_once('/')?;
    Some(format!("{base}/{name}"))
}

/// A key that no job has, and its first attribute.
fn impossible(deployment: &Deployment, table: &str) -> Option<(Value, &'static str)> {
    let text = json!({ "S": "stereospot-doctor" });
    let tables = &deployment.tables;
    let is = |name: &Option<String>| name.as_deref() == Some(table);
    if is(&tables.completions) {
        return Some((json!({ "job_id": text, "segment_index": { "N": "0" } }), "job_id"));
    }
    if is(&tables.invocations) {
        return Some((json!({ "output_location": text }), "output_location"));
    }
    (is(&tables.jobs) || is(&tables.locks)).then(|| (json!({ "job_id": text }), "job_id"))
}
