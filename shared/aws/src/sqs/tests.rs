//! What the emulator does not do as SQS does, with exchanges as SQS's API reference documents them.

use std::sync::Arc;

use stereospot_domain::{QueueName, QueueRole};
use stereospot_ports::{ErrorCode, SystemClock};

use super::*;
use crate::replay::Replay;
use crate::{Deployment, calls::Count};

const URL: &str = "https://sqs.us-east-1.amazonaws.com/1/p-chunking-dlq";

fn queue(answers: &[(u16, &str)]) -> (SqsQueue, Replay, Connections) {
    named(QueueName::dead_letter(QueueRole::Chunking), answers)
}

fn named(name: QueueName, answers: &[(u16, &str)]) -> (SqsQueue, Replay, Connections) {
    let replay = Replay::in_order(answers);
    let connections = replay.connections(Deployment::parse("REGION=us-east-1", &|_| None).unwrap());
    (SqsQueue::new(&connections, name, URL, Arc::new(SystemClock)), replay, connections)
}

const ATTRIBUTES: &str = r#"{"Attributes":{"QueueArn":"arn:aws:sqs:us-east-1:1:p-chunking-dlq","VisibilityTimeout":"30",
    "MessageRetentionPeriod":"345600","ApproximateNumberOfMessages":"2","ApproximateNumberOfMessagesNotVisible":"0",
    "ApproximateNumberOfMessagesDelayed":"0"}}"#;
const POLICY: &str = r#"{"Attributes":{"QueueArn":"a","VisibilityTimeout":"900",
    "RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:1:d\",\"maxReceiveCount\":5}"}}"#;

#[tokio::test]
async fn sqs_is_left_to_find_where_messages_came_from_when_that_may_not_be_asked() {
    let denied = r#"{"__type":"com.amazon.coral.service#AccessDeniedException","message":"no"}"#;
    let (queue, replay, _) = queue(&[(200, ATTRIBUTES), (403, denied), (200, r#"{"TaskHandle":"h"}"#)]);
    assert_eq!(queue.start_move(None).await.unwrap(), "h");
    let asked = replay.sent();
    assert_eq!(asked[1].action, "ListDeadLetterSourceQueues");
    assert_eq!(asked[2].body, r#"{"SourceArn":"arn:aws:sqs:us-east-1:1:p-chunking-dlq"}"#);
}

#[tokio::test]
async fn a_move_that_can_t_be_cancelled_does_not_run() {
    let unsupported = r#"{"__type":"com.amazonaws.sqs#UnsupportedOperation","message":"not running"}"#;
    let (queue, ..) = queue(&[(400, unsupported)]);
    assert_eq!(queue.cancel_move("h").await.unwrap_err().code(), ErrorCode::NotFound);
}

#[tokio::test]
async fn a_receipt_whose_lease_ran_out_never_reaches_sqs() {
    let received = r#"{"Messages":[{"MessageId":"m","ReceiptHandle":"r","Body":"b","Attributes":
        {"ApproximateReceiveCount":"3","SentTimestamp":"1442428276921"}}]}"#;
    let clock = stereospot_ports::memory::ManualClock::default();
    let (mut queue, replay, _) = queue(&[(200, received), (200, "{}")]);
    queue.clock = Arc::new(clock.clone());
    let how = Receive { max: 1, wait: Duration::ZERO, visibility: Some(Duration::from_secs(2)) };
    let message = queue.receive(how).await.unwrap().remove(0);
    assert_eq!((message.receive_count, message.enqueued_at), (3, Timestamp(1_442_428_276_921)));
    clock.advance(Duration::from_secs(1));
    queue.extend(&message.receipt, Duration::from_secs(5)).await.unwrap();
    clock.advance(Duration::from_secs(5));
    // SQS would report success here, and delete nothing or a message that another consumer holds.
    assert_eq!(queue.delete(&message.receipt).await.unwrap_err().code(), ErrorCode::LeaseLost);
    assert_eq!(queue.extend(&message.receipt, Duration::from_secs(5)).await.unwrap_err().code(), ErrorCode::LeaseLost);
    assert_eq!(queue.release(&message.receipt, Duration::ZERO).await.unwrap_err().code(), ErrorCode::LeaseLost);
    let asked: Vec<String> = replay.sent().into_iter().map(|sent| sent.action).collect();
    assert_eq!(asked, ["ReceiveMessage", "ChangeMessageVisibility"]);
}

#[tokio::test]
async fn sqs_itself_may_say_that_a_lease_is_over() {
    let over = "{\"__type\":\"com.amazonaws.sqs#InvalidParameterValue\",\"message\":\"Value r for parameter ReceiptHandle is invalid. \
        Reason: Message does not exist or is not available for visibility timeout change.\"}";
    let (queue, ..) =
        queue(&[(400, over), (400, r#"{"__type":"com.amazonaws.sqs#ReceiptHandleIsInvalid","message":""}"#)]);
    let receipt = Receipt("of another process".into());
    assert_eq!(queue.extend(&receipt, Duration::from_secs(5)).await.unwrap_err().code(), ErrorCode::LeaseLost);
    assert_eq!(queue.delete(&receipt).await.unwrap_err().code(), ErrorCode::LeaseLost);
}

#[tokio::test]
async fn what_failed_of_a_batch_is_sent_again() {
    let part = r#"{"Successful":[{"Id":"0","MessageId":"a","MD5OfMessageBody":"0cc175b9c0f1b6a831c399e269772661"}],
        "Failed":[{"Id":"1","SenderFault":false,"Code":"InternalError","Message":"try again"}]}"#;
    let rest = r#"{"Successful":[{"Id":"1","MessageId":"b","MD5OfMessageBody":"92eb5ffee6ae2fec3ad71c777531578f"}],"Failed":[]}"#;
    let (queue, replay, _) = queue(&[(200, part), (200, rest)]);
    let ids = queue.send(&[Outgoing::now("a"), Outgoing::now("b")]).await.unwrap();
    assert_eq!(ids, ["a", "b"]);
    assert!(!replay.sent()[1].body.contains(r#""Id":"0""#), "{:?}", replay.sent()[1]);
}

#[tokio::test]
async fn a_batch_that_keeps_failing_says_why() {
    let refused = r#"{"Successful":[],"Failed":[{"Id":"0","SenderFault":true,"Code":"KmsAccessDenied","Message":"no key"},
           {"Id":"1","SenderFault":true,"Code":"KmsAccessDenied","Message":"no key"}]}"#;
    let (queue, replay, _) = queue(&[(200, refused)]);
    let error = queue.send(&[Outgoing::now("a"), Outgoing::now("b")]).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Denied);
    assert!(error.to_string().starts_with("2 of 2 messages were not sent: sqs:SendMessage on the queue"), "{error}");
    assert_eq!(replay.sent().len(), 1);
    let error = queue.send(&[Outgoing::now("bell \u{7}")]).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Invalid);
}

#[tokio::test]
async fn a_main_queue_is_not_looked_at_by_receiving() {
    let (queue, replay, _) = named(QueueName::main(QueueRole::Chunking), &[(200, POLICY)]);
    let error = queue.peek(10).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Invalid);
    assert!(error.to_string().contains("after 5 it dead-letters them"), "{error}");
    let error = queue.lease(&["m".into()], Duration::from_secs(30)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Invalid);
    assert_eq!(replay.sent().len(), 1, "settings are asked for once, and nothing is received");
}

#[tokio::test]
async fn a_dead_letter_queue_that_dead_letters_itself_is_not_looked_at_either() {
    let (queue, replay, _) = queue(&[(200, POLICY)]);
    let error = queue.peek(10).await.unwrap_err();
    let says = "this dead-letter queue has a redrive policy of its own, and a look would push its messages on to d";
    assert!(error.code() == ErrorCode::Invalid && error.to_string().contains(says), "{error}");
    assert_eq!(replay.sent().len(), 1);
}

#[tokio::test]
async fn a_refused_key_is_named_as_the_queue_knows_it() {
    let attributes = ATTRIBUTES.replace("\"QueueArn\"", "\"KmsMasterKeyId\":\"alias/spot\",\"QueueArn\"");
    let refused = r#"{"__type":"com.amazonaws.sqs#KmsAccessDenied","message":""}"#;
    let of_batch = r#"{"Successful":[],"Failed":[{"Id":"0","SenderFault":true,"Code":"KMS.AccessDeniedException"}]}"#;
    let (queue, ..) = queue(&[(200, &attributes), (400, refused), (400, refused), (200, of_batch)]);
    queue.stats().await.unwrap();
    let how = Receive { max: 1, wait: Duration::ZERO, visibility: Some(Duration::from_secs(5)) };
    let error = queue.receive(how).await.unwrap_err();
    let says = "its KMS key alias/spot: add kms:Decrypt on that key to the policy";
    assert!(error.code() == ErrorCode::Denied && error.to_string().contains(says), "{error}");
    let says = "its KMS key alias/spot: add kms:Decrypt and kms:GenerateDataKey on that key";
    for messages in [&[Outgoing::now("a")][..], &[Outgoing::now("a"), Outgoing::now("b")]] {
        let error = queue.send(messages).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[tokio::test]
async fn failures_are_sentences_and_counted() {
    let missing = r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}"#;
    let denied = r#"{"__type":"com.amazon.coral.service#AccessDeniedException","message":"no"}"#;
    let expired =
        r#"{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"The security token is expired"}"#;
    let throttled = r#"{"__type":"com.amazonaws.sqs#RequestThrottled","message":"slow"}"#;
    let purged =
        r#"{"__type":"com.amazonaws.sqs#PurgeQueueInProgress","message":"Only one PurgeQueue operation is allowed"}"#;
    let (queue, _, connections) = queue(&[
        (400, missing),
        (403, denied),
        (403, expired),
        (403, throttled),
        (500, "{}"),
        (200, ATTRIBUTES),
        (403, purged),
        (400, "<html>"),
    ]);
    let mut said = Vec::new();
    for _ in 0..5 {
        let error = queue.stats().await.unwrap_err();
        said.push((error.code(), error.to_string()));
    }
    let error = queue.purge().await.unwrap_err();
    said.push((error.code(), error.to_string()));
    let codes: Vec<ErrorCode> = said.iter().map(|(code, _)| *code).collect();
    let expected = [
        ErrorCode::NotFound,
        ErrorCode::Denied,
        ErrorCode::Denied,
        ErrorCode::Throttled,
        ErrorCode::Unavailable,
        ErrorCode::Throttled,
    ];
    assert_eq!(codes, expected, "{said:?}");
    assert!(said[1].1.contains("sqs:GetQueueAttributes on the queue p-chunking-dlq is not allowed"), "{said:?}");
    assert!(said[2].1.contains("have expired"), "{said:?}");
    assert!(said[5].1.contains("60 s"), "{said:?}");
    let counts = connections.calls.snapshot();
    assert_eq!(counts[&("sqs".into(), "GetQueueAttributes".into())], Count { attempts: 6, throttled: 1, failed: 4 });
}

#[tokio::test]
async fn work_goes_on_where_settings_may_not_be_asked_for() {
    let denied = r#"{"__type":"com.amazon.coral.service#AccessDeniedException","message":"no"}"#;
    let received = r#"{"Messages":[{"MessageId":"m","ReceiptHandle":"r","Body":"b"}]}"#;
    let (queue, replay, _) = queue(&[(400, denied), (200, received), (200, "{}"), (200, received)]);
    let how = Receive { max: 1, wait: Duration::ZERO, visibility: None };
    let message = queue.receive(how).await.unwrap().remove(0);
    queue.delete(&message.receipt).await.unwrap();
    assert_eq!(queue.receive(how).await.unwrap().len(), 1);
    assert_eq!(replay.sent().len(), 4, "asked for once a minute, not at each receiving");
}
