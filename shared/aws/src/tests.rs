//! Opening incomplete deployments, with recorded exchanges.

use stereospot_domain::QueueRole;

use super::*;
use crate::replay::Replay;

const FILE: &str = "REGION=us-east-1\nINPUT_BUCKET_NAME=in\nOUTPUT_BUCKET_NAME=out\nJOBS_TABLE_NAME=j\n\
                    SEGMENT_COMPLETIONS_TABLE_NAME=c\nREASSEMBLY_TRIGGERED_TABLE_NAME=r\n\
                    DELETION_QUEUE_URL=https://sqs.us-east-1.amazonaws.com/1/p-deletion\n\
                    CHUNKING_QUEUE_URL=https://sqs.us-east-1.amazonaws.com/1/p-chunking";

async fn open(answer: &str) -> Result<Opened> {
    let replay = Replay::in_order(&[(400, answer); 2]);
    let deployment = Deployment::parse(FILE, &|_| None).expect("the file is whole");
    AwsBackend::connect(replay.connections(deployment), Arc::new(stereospot_ports::SystemClock)).await
}

#[tokio::test]
async fn without_the_permission_to_ask_a_dead_letter_queue_is_named_after_its_queue() {
    for code in ["com.amazon.coral.service#AccessDeniedException", "com.amazonaws.sqs#QueueDoesNotExist"] {
        let opened = open(&format!(r#"{{"__type":"{code}","message":"no"}}"#)).await.unwrap();
        let names: Vec<String> = opened.backend.queues.keys().map(ToString::to_string).collect();
        assert_eq!(names, ["chunking", "chunking-dlq", "deletion", "deletion-dlq"]);
        let dead = &opened.queues[&QueueName::dead_letter(QueueRole::Chunking)];
        assert_eq!(dead.url(), "https://sqs.us-east-1.amazonaws.com/1/p-chunking-dlq");
    }
}

#[tokio::test]
async fn expired_credentials_are_said_at_once() {
    let error =
        open(r#"{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"expired"}"#).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Denied);
    assert!(error.to_string().starts_with("the AWS credentials have expired: "), "{error}");
}
