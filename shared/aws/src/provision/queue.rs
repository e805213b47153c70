//! Queues: made with redrive, retention and the policy that lets a bucket send.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use stereospot_ports::{Error, ErrorCode, Result};

use super::resource::{MAX_RECEIVES, QueueWanted, RETENTION_SECS};
use super::{Account, State};
use crate::signed::{Api, fault, on};

/// Pause between two tries to make a queue that was just deleted.
const PAUSE: Duration = Duration::from_secs(10);
/// So many such tries.
const LOOKS: u32 = 8;
/// Names our statement among others in a policy.
const STATEMENT: &str = "StereospotBucketSends";

/// A queue's URL; none when there is no such queue.
pub(crate) async fn url(api: &Api, name: &str) -> Result<Option<String>> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "QueueUrl")]
        url: String,
    }
    match api.json::<Answer>(on("GetQueueUrl", "queue", name), json!({ "QueueName": name })).await {
        Ok(answer) => Ok(Some(answer.url)),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// All of a queue's attributes.
pub(crate) async fn attributes(api: &Api, name: &str, url: &str) -> Result<BTreeMap<String, String>> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "Attributes", default)]
        attributes: BTreeMap<String, String>,
    }
    let input = json!({ "QueueUrl": url, "AttributeNames": ["All"] });
    let answer: Answer = api.json(on("GetQueueAttributes", "queue", name), input).await?;
    Ok(answer.attributes)
}

pub(super) async fn look(api: &Api, name: &str, wanted: &QueueWanted, account: &Account) -> Result<State> {
    let Some(url) = url(api, name).await? else { return Ok(State::Missing) };
    let found = attributes(api, name, &url).await?;
    let mut changes = Vec::new();
    for (attribute, value) in numbers(wanted) {
        let before = found.get(attribute).map_or("not set", String::as_str);
        if before != value {
            changes.push(format!("{attribute} {before} becomes {value}"));
        }
    }
    if wanted.dead_letter_arn.is_some() && !redrive_fits(found.get("RedrivePolicy"), wanted) {
        changes.push(format!("messages go to its dead-letter queue after {MAX_RECEIVES} receives"));
    }
    if let Some(sender) = &wanted.sender_arn
        && policy(found.get("Policy"), &account.arn("sqs", name), sender, account)?.is_some()
    {
        changes.push("its bucket may send to it".into());
    }
    Ok(State::of(changes))
}

pub(super) async fn make(api: &Api, name: &str, wanted: &QueueWanted, account: &Account) -> Result<()> {
    let existing = url(api, name).await?;
    let found = match &existing {
        Some(url) => attributes(api, name, url).await?,
        None => BTreeMap::new(),
    };
    let mut set: Map<String, Value> =
        numbers(wanted).into_iter().map(|(attribute, value)| (attribute.to_owned(), value.into())).collect();
    if let Some(arn) = &wanted.dead_letter_arn {
        let redrive = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES });
        set.insert("RedrivePolicy".into(), redrive.to_string().into());
    }
    if let Some(sender) = &wanted.sender_arn
        && let Some(policy) = policy(found.get("Policy"), &account.arn("sqs", name), sender, account)?
    {
        set.insert("Policy".into(), policy.into());
    }
    match existing {
        None => {
            let input = json!({ "QueueName": name, "Attributes": set });
            for _ in 0..LOOKS {
                match api.json::<Value>(on("CreateQueue", "queue", name), input.clone()).await {
                    // SQS refuses a name for a minute after its queue was deleted.
                    Err(error) if was_deleted_recently(&error) => api.pause(PAUSE).await,
                    other => return other.map(drop),
                }
            }
            let message = format!("the queue {name} was deleted less than a minute ago: try again then");
            Err(Error::new(ErrorCode::Throttled, message))
        }
        Some(url) => {
            let input = json!({ "QueueUrl": url, "Attributes": set });
            api.json::<Value>(on("SetQueueAttributes", "queue", name), input).await.map(drop)
        }
    }
}

/// What would be lost, in words.
pub(super) async fn content(api: &Api, name: &str) -> Result<Option<String>> {
    let Some(url) = url(api, name).await? else { return Ok(None) };
    let found = attributes(api, name, &url).await?;
    let count = |attribute: &str| found.get(attribute).and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
    let all = count("ApproximateNumberOfMessages")
        + count("ApproximateNumberOfMessagesNotVisible")
        + count("ApproximateNumberOfMessagesDelayed");
    Ok(Some(format!("about {all} messages")))
}

pub(super) async fn unmake(api: &Api, name: &str) -> Result<()> {
    let Some(url) = url(api, name).await? else { return Ok(()) };
    api.json::<Value>(on("DeleteQueue", "queue", name), json!({ "QueueUrl": url })).await.map(drop)
}

fn was_deleted_recently(error: &Error) -> bool {
    fault::refusal(error).is_some_and(|(_, said)| said.contains("QueueDeletedRecently"))
}

fn numbers(wanted: &QueueWanted) -> Vec<(&'static str, String)> {
    let mut numbers = vec![("MessageRetentionPeriod", RETENTION_SECS.to_string())];
    numbers.extend(wanted.visibility_secs.map(|secs| ("VisibilityTimeout", secs.to_string())));
    numbers
}

fn redrive_fits(found: Option<&String>, wanted: &QueueWanted) -> bool {
    let Some(found) = found.and_then(|text| serde_json::from_str::<Value>(text).ok()) else { return false };
    // Terraform writes the number as a number, the console as a text.
    let count = &found["maxReceiveCount"];
    let count = count.as_u64().or_else(|| count.as_str()?.parse().ok());
    found["deadLetterTargetArn"].as_str() == wanted.dead_letter_arn.as_deref() && count == Some(MAX_RECEIVES.into())
}

/// The policy with our statement in it, others kept; none when it stands there already, under whatever name.
fn policy(found: Option<&String>, queue_arn: &str, sender_arn: &str, account: &Account) -> Result<Option<String>> {
    let ours = json!({
        "Sid": STATEMENT,
        "Effect": "Allow",
        "Principal": { "Service": "s3.amazonaws.com" },
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {
            "ArnLike": { "aws:SourceArn": sender_arn }, "StringEquals": { "aws:SourceAccount": account.id },
        },
    });
    let mut policy: Value = match found.filter(|text| !text.is_empty()) {
        None => json!({ "Version": "2012-10-17", "Statement": [] }),
        Some(text) => serde_json::from_str(text)
            .map_err(|error| Error::with(ErrorCode::Corrupt, format!("the policy of {queue_arn} is no JSON"), error))?,
    };
    // A lone statement may stand without a list.
    let mut statements = match policy["Statement"].take() {
        Value::Array(statements) => statements,
        Value::Null => Vec::new(),
        one => vec![one],
    };
    if statements.iter().any(|statement| lets_send(statement, queue_arn, sender_arn)) {
        return Ok(None);
    }
    statements.retain(|statement| statement["Sid"] != STATEMENT);
    statements.push(ours);
    policy["Statement"] = statements.into();
    Ok(Some(policy.to_string()))
}

fn lets_send(statement: &Value, queue_arn: &str, sender_arn: &str) -> bool {
    let action = statement["Action"].as_str().unwrap_or_default();
    let condition = &statement["Condition"];
    let source = ["ArnLike", "ArnEquals", "StringEquals", "StringLike"]
        .iter()
        .find_map(|operator| condition[*operator]["aws:SourceArn"].as_str());
    statement["Effect"] == "Allow"
        && statement["Principal"]["Service"] == "s3.amazonaws.com"
        && action.eq_ignore_ascii_case("sqs:SendMessage")
        && statement["Resource"] == queue_arn
        && source == Some(sender_arn)
}
