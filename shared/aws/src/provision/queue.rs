//! Queues: made with redrive, retention, and the policy that lets a bucket send.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use aws_sdk_sqs::types::QueueAttributeName as Name;
use aws_smithy_async::rt::sleep::{AsyncSleep as _, SharedAsyncSleep};
use serde_json::{Value, json};
use stereospot_ports::{Error, ErrorCode, Result};

use super::account::Account;
use super::resource::{MAX_RECEIVES, QueueWanted, RETENTION_SECS};
use super::state::State;
use super::tag::{self, MADE_BY, TAG};
use crate::error::failed;
use crate::sqs::redrive_policy;

type Attributes = HashMap<Name, String>;

/// Pause between two tries to make a queue that was just deleted.
const PAUSE: Duration = Duration::from_secs(10);
/// Number of such tries.
const LOOKS: u32 = 8;
/// The name of our statement in a policy.
const STATEMENT: &str = "StereospotBucketSends";

/// A queue's URL; none when there is no such queue.
pub(crate) async fn url(client: &Client, name: &str) -> Result<Option<String>> {
    let call = client.get_queue_url().queue_name(name);
    match call.send().await.map_err(failed("sqs:GetQueueUrl", "queue", name)) {
        Ok(answer) => Ok(answer.queue_url),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn attributes(client: &Client, name: &str, url: &str) -> Result<Attributes> {
    let call = client.get_queue_attributes().queue_url(url).attribute_names(Name::All);
    let answer = call.send().await.map_err(failed("sqs:GetQueueAttributes", "queue", name))?;
    Ok(answer.attributes.unwrap_or_default())
}

pub(super) async fn look(client: &Client, name: &str, wanted: &QueueWanted, account: &Account) -> Result<State> {
    let Some(url) = url(client, name).await? else { return Ok(State::Missing) };
    let found = attributes(client, name, &url).await?;
    let mut changes = Vec::new();
    for (attribute, value) in numbers(wanted) {
        let before = found.get(&attribute).map_or("not set", String::as_str);
        if before != value {
            changes.push(format!("{attribute} {before} becomes {value}"));
        }
    }
    if wanted.dead_letter_arn.is_some() && !redrive_fits(found.get(&Name::RedrivePolicy), wanted) {
        changes.push(format!("messages go to its dead-letter queue after {MAX_RECEIVES} receives"));
    }
    if let Some(sender) = &wanted.sender_arn
        && policy(found.get(&Name::Policy), &account.arn("sqs", name), sender, account)?.is_some()
    {
        changes.push("its bucket may send to it".into());
    }
    Ok(State::of(changes))
}

pub(super) async fn make(
    client: &Client,
    sleep: &SharedAsyncSleep,
    name: &str,
    wanted: &QueueWanted,
    account: &Account,
) -> Result<()> {
    let existing = url(client, name).await?;
    let found = match &existing {
        Some(url) => attributes(client, name, url).await?,
        None => Attributes::new(),
    };
    let mut set = Attributes::from_iter(numbers(wanted));
    if let Some(arn) = &wanted.dead_letter_arn {
        let redrive = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES });
        set.insert(Name::RedrivePolicy, redrive.to_string());
    }
    if let Some(sender) = &wanted.sender_arn
        && let Some(policy) = policy(found.get(&Name::Policy), &account.arn("sqs", name), sender, account)?
    {
        set.insert(Name::Policy, policy);
    }
    if let Some(url) = existing {
        let call = client.set_queue_attributes().queue_url(url).set_attributes(Some(set));
        return call.send().await.map(drop).map_err(failed("sqs:SetQueueAttributes", "queue", name));
    }
    for _ in 0..LOOKS {
        let call = client.create_queue().queue_name(name).tags(TAG, MADE_BY).set_attributes(Some(set.clone()));
        match call.send().await {
            // SQS refuses a name for a minute after its queue was deleted.
            Err(error) if error.code().is_some_and(|code| code.contains("QueueDeletedRecently")) => {
                sleep.sleep(PAUSE).await;
            }
            other => return other.map(drop).map_err(failed("sqs:CreateQueue", "queue", name)),
        }
    }
    let message = format!("the queue {name} was deleted less than a minute ago: try again then");
    Err(Error::new(ErrorCode::Throttled, message))
}

/// True when `provision` made the queue. A missing one is no one's.
pub(super) async fn is_ours(client: &Client, name: &str) -> Result<bool> {
    match url(client, name).await? {
        Some(url) => is_marked(client, name, &url).await,
        None => Ok(false),
    }
}

/// True when the queue at this URL carries our tag.
pub(crate) async fn is_marked(client: &Client, name: &str, url: &str) -> Result<bool> {
    let answer = client.list_queue_tags().queue_url(url).send().await;
    let tags = answer.map_err(failed("sqs:ListQueueTags", "queue", name))?.tags.unwrap_or_default();
    Ok(tag::is_marked(tags.iter().map(|(key, value)| (key.as_str(), value.as_str()))))
}

pub(super) async fn mark(client: &Client, name: &str) -> Result<()> {
    let Some(url) = url(client, name).await? else { return Ok(()) };
    let call = client.tag_queue().queue_url(url).tags(TAG, MADE_BY);
    call.send().await.map(drop).map_err(failed("sqs:TagQueue", "queue", name))
}

/// What would be lost, in words.
pub(super) async fn content(client: &Client, name: &str) -> Result<Option<String>> {
    let Some(url) = url(client, name).await? else { return Ok(None) };
    let found = attributes(client, name, &url).await?;
    let count = |attribute| found.get(&attribute).and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
    let all = count(Name::ApproximateNumberOfMessages)
        + count(Name::ApproximateNumberOfMessagesNotVisible)
        + count(Name::ApproximateNumberOfMessagesDelayed);
    Ok(Some(format!("about {all} messages")))
}

pub(super) async fn unmake(client: &Client, name: &str) -> Result<()> {
    let Some(url) = url(client, name).await? else { return Ok(()) };
    let call = client.delete_queue().queue_url(url);
    call.send().await.map(drop).map_err(failed("sqs:DeleteQueue", "queue", name))
}

fn numbers(wanted: &QueueWanted) -> Vec<(Name, String)> {
    let mut numbers = vec![(Name::MessageRetentionPeriod, RETENTION_SECS.to_string())];
    numbers.extend(wanted.visibility_secs.map(|secs| (Name::VisibilityTimeout, secs.to_string())));
    numbers
}

fn redrive_fits(found: Option<&String>, wanted: &QueueWanted) -> bool {
    let Some(found) = found.and_then(|text| redrive_policy(text)) else { return false };
    Some(found.dead_letter_arn) == wanted.dead_letter_arn && found.max_receives == MAX_RECEIVES
}

/// The policy with our statement added to those of others; none when a statement allows the same already.
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
    // A single statement may come without a list.
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
