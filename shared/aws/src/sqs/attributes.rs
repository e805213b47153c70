//! The attributes of a queue: settings, counts, retention, redrive policy.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::operation::get_queue_attributes::GetQueueAttributesError;
use aws_sdk_sqs::types::QueueAttributeName as Name;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use serde_json::Value;
use stereospot_ports::work_queue::{Settings, Stats};
use stereospot_ports::{Error, Result};

use crate::error::{Call, causes, from_sdk, is_forbidden_code};

/// Which queue gets the messages that were received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedrivePolicy {
    pub dead_letter_arn: String,
    /// After this many receives the next one dead-letters a message.
    pub max_receives: u32,
}

/// The attributes of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    pub arn: String,
    pub settings: Settings,
    /// Approximate.
    pub stats: Stats,
    /// How long SQS keeps a message, from its first sending.
    pub retention: Duration,
    /// Usually absent on dead-letter queues.
    pub redrive: Option<RedrivePolicy>,
    /// Id, ARN or alias of the KMS key that encrypts the messages.
    pub kms_key: Option<String>,
}

const ASKED: [Name; 8] = [
    Name::QueueArn,
    Name::VisibilityTimeout,
    Name::MessageRetentionPeriod,
    Name::RedrivePolicy,
    Name::KmsMasterKeyId,
    Name::ApproximateNumberOfMessages,
    Name::ApproximateNumberOfMessagesNotVisible,
    Name::ApproximateNumberOfMessagesDelayed,
];

/// How the name of a FIFO queue ends.
pub(super) const FIFO: &str = ".fifo";

/// SQS's defaults, for attributes missing in an answer.
const DEFAULT_VISIBILITY_SECS: u64 = 30;
const DEFAULT_RETENTION_SECS: u64 = 345_600;

pub(crate) async fn get(client: &Client, url: &str, call: Call<'_>) -> Result<Attributes> {
    let answer = client
        .get_queue_attributes()
        .queue_url(url)
        .set_attribute_names(Some(ASKED.to_vec()))
        .send()
        .await
        .map_err(|error| from_sdk(call, error))?;
    let found = answer.attributes.unwrap_or_default();
    let text = |name: &Name| found.get(name).map(String::as_str);
    let number = |name: &Name| text(name).and_then(|text| text.parse::<u64>().ok());
    let redrive = text(&Name::RedrivePolicy).and_then(redrive_policy);
    Ok(Attributes {
        arn: text(&Name::QueueArn).unwrap_or_default().to_owned(),
        settings: Settings {
            visibility: Duration::from_secs(number(&Name::VisibilityTimeout).unwrap_or(DEFAULT_VISIBILITY_SECS)),
            max_receives: redrive.as_ref().map(|policy| policy.max_receives),
        },
        stats: Stats {
            ready: number(&Name::ApproximateNumberOfMessages).unwrap_or(0),
            in_flight: number(&Name::ApproximateNumberOfMessagesNotVisible).unwrap_or(0),
            delayed: number(&Name::ApproximateNumberOfMessagesDelayed).unwrap_or(0),
            oldest_enqueued_at: None,
            is_exact: false,
        },
        retention: Duration::from_secs(number(&Name::MessageRetentionPeriod).unwrap_or(DEFAULT_RETENTION_SECS)),
        redrive,
        kms_key: text(&Name::KmsMasterKeyId).filter(|key| !key.is_empty()).map(str::to_owned),
    })
}

/// True when the caller lacks the permission to read attributes.
pub(crate) fn is_forbidden(error: &Error) -> bool {
    causes(error)
        .find_map(|cause| cause.downcast_ref::<SdkError<GetQueueAttributesError, HttpResponse>>())
        .and_then(SdkError::as_service_error)
        .and_then(ProvideErrorMetadata::code)
        .is_some_and(is_forbidden_code)
}

/// Reads `{"deadLetterTargetArn":"…","maxReceiveCount":5}`. Terraform writes the number as a number, the console as a string.
pub(crate) fn redrive_policy(text: &str) -> Option<RedrivePolicy> {
    let policy: Value = serde_json::from_str(text).ok()?;
    let count = &policy["maxReceiveCount"];
    let max_receives = count.as_u64().or_else(|| count.as_str()?.parse().ok())?;
    Some(RedrivePolicy {
        dead_letter_arn: policy["deadLetterTargetArn"].as_str()?.to_owned(),
        max_receives: u32::try_from(max_receives).ok()?,
    })
}

/// URL of the dead-letter queue of the queue at `url`: the one in the policy, else the queue's name and `-dlq`. Both queues are in
/// one account and region, so only the last part of the URL differs.
pub(crate) fn dead_letter_url(url: &str, redrive: Option<&RedrivePolicy>) -> String {
    let name = redrive.and_then(|policy| policy.dead_letter_arn.rsplit(':').next()).filter(|name| !name.is_empty());
    match (url.rsplit_once('/'), name) {
        (Some((base, _)), Some(name)) => format!("{base}/{name}"),
        _ => match url.strip_suffix(FIFO) {
            Some(name) => format!("{name}-dlq{FIFO}"),
            None => format!("{url}-dlq"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_s_number_may_be_a_text() {
        let policy = redrive_policy(r#"{"deadLetterTargetArn":"arn:aws:sqs:r:1:d","maxReceiveCount":"5"}"#).unwrap();
        assert_eq!(policy, RedrivePolicy { dead_letter_arn: "arn:aws:sqs:r:1:d".into(), max_receives: 5 });
        assert_eq!(redrive_policy(r#"{"deadLetterTargetArn":"a:b","maxReceiveCount":3}"#).unwrap().max_receives, 3);
        assert_eq!(redrive_policy("{}"), None);
        assert_eq!(redrive_policy("not json"), None);
    }

    #[test]
    fn the_dead_letter_queue_is_the_policy_s_or_named_after_the_queue() {
        let url = "https://sqs.eu-west-1.amazonaws.com/1/p-chunking";
        let policy = RedrivePolicy { dead_letter_arn: "arn:aws:sqs:eu-west-1:1:graveyard".into(), max_receives: 5 };
        assert_eq!(dead_letter_url(url, Some(&policy)), "https://sqs.eu-west-1.amazonaws.com/1/graveyard");
        assert_eq!(dead_letter_url(url, None), "https://sqs.eu-west-1.amazonaws.com/1/p-chunking-dlq");
        assert_eq!(dead_letter_url(&format!("{url}.fifo"), None), format!("{url}-dlq.fifo"));
    }
}
