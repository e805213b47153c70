//! Tries actions in ways that change nothing: reads of rows that don't exist, writes with a condition that can't be true or to
//! such a row, receipts that no queue gave, log queries that never ran.

use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, WriteRequest};
use stereospot_ports::{ErrorCode, Result};

use super::report::{Permission, Verdict};
use crate::by_hand::Api;
use crate::deployment::Deployment;
use crate::dynamo::rows::{Item, number, text};
use crate::error::failed;
use crate::provision::bucket;

/// No job, receipt or row has this name.
const NONE: &str = "stereospot-doctor";
/// No log query has this id.
const NO_QUERY: &str = "00000000-0000-0000-0000-000000000000";

/// The services to ask.
pub(super) struct Apis<'a> {
    pub(super) iam: &'a Api,
    pub(super) s3: &'a Api,
    pub(super) sqs: &'a aws_sdk_sqs::Client,
    pub(super) dynamo: &'a aws_sdk_dynamodb::Client,
    pub(super) logs: &'a aws_sdk_cloudwatchlogs::Client,
}

/// Tries the action and judges by the answer.
pub(super) async fn verdict(apis: &Apis<'_>, deployment: &Deployment, permission: &Permission) -> Verdict {
    let name = permission.resource.rsplit([':', '/']).next().unwrap_or_default();
    let action = permission.action;
    let result = match action.split_once(':') {
        Some(("sqs", _)) => with_queue(apis.sqs, deployment, &permission.resource, action).await,
        Some(("dynamodb", _)) => with_row(apis.dynamo, deployment, name, action).await,
        Some(("logs", _)) => with_log_query(apis.logs, action).await,
        _ if action == "s3:ListBucket" => Some(bucket::content(apis.s3, name).await.map(drop)),
        _ => None,
    };
    match result {
        None => Verdict::NotKnown,
        Some(Ok(())) => Verdict::Allowed,
        Some(Err(error)) => match error.code() {
            ErrorCode::Denied => Verdict::Missing,
            // AWS got as far as the condition, the receipt or the name, so it let the caller in.
            ErrorCode::Conflict | ErrorCode::LeaseLost => Verdict::Allowed,
            ErrorCode::NotFound if action.starts_with("logs:") => Verdict::Allowed,
            _ => Verdict::NotKnown,
        },
    }
}

/// None when the action can't be tried, or its answer proves nothing.
type Tried = Option<Result<()>>;

async fn with_queue(sqs: &aws_sdk_sqs::Client, deployment: &Deployment, arn: &str, action: &'static str) -> Tried {
    let name = arn.rsplit(':').next().unwrap_or_default();
    let url = url(deployment, name)?;
    Some(match action {
        "sqs:GetQueueAttributes" => {
            let call = sqs.get_queue_attributes().queue_url(url);
            call.send().await.map(drop).map_err(failed(action, "queue", name))
        }
        "sqs:DeleteMessage" => {
            let call = sqs.delete_message().queue_url(url).receipt_handle(NONE);
            call.send().await.map(drop).map_err(failed(action, "queue", name))
        }
        "sqs:ChangeMessageVisibility" => {
            let call = sqs.change_message_visibility().queue_url(url).receipt_handle(NONE).visibility_timeout(0);
            call.send().await.map(drop).map_err(failed(action, "queue", name))
        }
        // These two only read.
        "sqs:ListDeadLetterSourceQueues" => {
            let call = sqs.list_dead_letter_source_queues().queue_url(url);
            call.send().await.map(drop).map_err(failed(action, "queue", name))
        }
        "sqs:ListMessageMoveTasks" => {
            let call = sqs.list_message_move_tasks().source_arn(arn);
            call.send().await.map(drop).map_err(failed(action, "queue", name))
        }
        _ => return None,
    })
}

async fn with_row(
    dynamo: &aws_sdk_dynamodb::Client,
    deployment: &Deployment,
    name: &str,
    action: &'static str,
) -> Tried {
    let (key, attribute) = impossible(deployment, name)?;
    let condition = format!("attribute_exists({attribute}) AND attribute_not_exists({attribute})");
    let written = match action {
        "dynamodb:GetItem" => {
            let call = dynamo.get_item().table_name(name).set_key(Some(key));
            return Some(call.send().await.map(drop).map_err(failed(action, "table", name)));
        }
        "dynamodb:Query" => {
            let call = dynamo.query().table_name(name).key_condition_expression(format!("{attribute} = :none"));
            let call = call.expression_attribute_values(":none", text(NONE));
            return Some(call.send().await.map(drop).map_err(failed(action, "table", name)));
        }
        // A batch takes no conditions, but the row that it would remove does not exist.
        "dynamodb:BatchWriteItem" => {
            let delete = DeleteRequest::builder().set_key(Some(key)).build().ok()?;
            let write = WriteRequest::builder().delete_request(delete).build();
            let call = dynamo.batch_write_item().request_items(name, vec![write]);
            return Some(call.send().await.map(drop).map_err(failed(action, "table", name)));
        }
        "dynamodb:PutItem" => {
            let call = dynamo.put_item().table_name(name).set_item(Some(key)).condition_expression(condition);
            call.send().await.map(drop).map_err(failed(action, "table", name))
        }
        "dynamodb:UpdateItem" => {
            let call = dynamo.update_item().table_name(name).set_key(Some(key)).condition_expression(condition);
            call.send().await.map(drop).map_err(failed(action, "table", name))
        }
        "dynamodb:DeleteItem" => {
            let call = dynamo.delete_item().table_name(name).set_key(Some(key)).condition_expression(condition);
            call.send().await.map(drop).map_err(failed(action, "table", name))
        }
        _ => return None,
    };
    // A write that succeeds although its condition can't be true proves nothing.
    written.err().map(Err)
}

async fn with_log_query(logs: &aws_sdk_cloudwatchlogs::Client, action: &'static str) -> Tried {
    Some(match action {
        "logs:GetQueryResults" => {
            let call = logs.get_query_results().query_id(NO_QUERY);
            call.send().await.map(drop).map_err(failed(action, "log query", NO_QUERY))
        }
        "logs:StopQuery" => {
            let call = logs.stop_query().query_id(NO_QUERY);
            call.send().await.map(drop).map_err(failed(action, "log query", NO_QUERY))
        }
        _ => return None,
    })
}

fn url(deployment: &Deployment, name: &str) -> Option<String> {
    let is_named = |url: &&String| url.rsplit('/').next() == Some(name);
    if let Some(url) = deployment.queues.values().find(is_named) {
        return Some(url.clone());
    }
    // A dead-letter queue is in its queue's account and region.
    let (base, _) = deployment.queues.values().next()?.rsplit_once('/')?;
    Some(format!("{base}/{name}"))
}

/// The key of a row that does not exist, and its first attribute.
fn impossible(deployment: &Deployment, table: &str) -> Option<(Item, &'static str)> {
    let tables = &deployment.tables;
    let is = |name: &Option<String>| name.as_deref() == Some(table);
    let key = |attribute: &'static str, more: Option<(String, AttributeValue)>| {
        let first = (attribute.to_owned(), text(NONE));
        Some((Item::from_iter([first].into_iter().chain(more)), attribute))
    };
    match () {
        () if is(&tables.completions) => key("job_id", Some(("segment_index".into(), number(0)))),
        () if is(&tables.invocations) => key("output_location", None),
        () if is(&tables.jobs) || is(&tables.locks) => key("job_id", None),
        () => None,
    }
}
