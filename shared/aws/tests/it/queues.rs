//! What this backend's queues do in addition to the conformance suite, or differently.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use stereospot_aws::{AwsBackend, Opened};
use stereospot_domain::{QueueName, QueueRole};
use stereospot_ports::work_queue::{MAX_BODY_BYTES, Message, Outgoing, Receive};
use stereospot_ports::{ErrorCode, SystemClock, WorkQueue};

use crate::emulator::{Emulator, Shape};

pub(crate) const MAIN: QueueName = QueueName { role: QueueRole::Inference, is_dead_letter: false };
pub(crate) const DEAD: QueueName = QueueName { role: QueueRole::Inference, is_dead_letter: true };

pub(crate) async fn open(emulator: &Emulator) -> Opened {
    AwsBackend::connect(emulator.deploy(Shape::Usual).await, Arc::new(SystemClock)).await.unwrap()
}

pub(crate) async fn fill(queue: &dyn WorkQueue, count: usize) -> Vec<String> {
    let messages: Vec<Outgoing> = (0..count).map(|number| Outgoing::now(format!("{number:02}"))).collect();
    let mut ids = Vec::new();
    for batch in messages.chunks(10) {
        ids.extend(queue.send(batch).await.unwrap());
    }
    ids
}

pub(crate) async fn take(queue: &dyn WorkQueue) -> Vec<Message> {
    queue.receive(Receive { max: 10, wait: Duration::ZERO, visibility: Some(Duration::from_secs(600)) }).await.unwrap()
}

#[tokio::test]
async fn looking_at_a_dead_letter_queue() {
    let emulator = Emulator::start();
    let opened = open(&emulator).await;
    let queue = &opened.queues[&DEAD];
    assert_eq!(queue.peek(10).await.unwrap(), []);
    fill(&**queue, 23).await;
    for looks in 0..3 {
        let peeked = queue.peek(100).await.unwrap();
        let bodies: Vec<&str> = peeked.iter().map(|peeked| peeked.body.as_str()).collect();
        assert_eq!(bodies.len(), 23);
        assert!(peeked.is_sorted_by_key(|peeked| peeked.enqueued_at));
        for peeked in &peeked {
            assert_eq!(peeked.receive_count, looks, "a look is counted, as SQS counts it, but not by itself");
            assert_eq!(peeked.expires_at, Some(peeked.enqueued_at.plus(Duration::from_secs(345_600))));
        }
    }
    assert_eq!(queue.peek(5).await.unwrap().len(), 5);
    // Nothing stays hidden.
    assert_eq!(queue.stats().await.unwrap().ready, 23);
    assert_eq!(take(&**queue).await.len(), 10);
}

#[tokio::test]
async fn leasing_by_id_on_a_dead_letter_queue() {
    let emulator = Emulator::start();
    let opened = open(&emulator).await;
    let queue = &opened.queues[&DEAD];
    let ids = fill(&**queue, 15).await;
    let wanted = [ids[2].clone(), ids[13].clone(), "gone".to_owned()];
    let leased = queue.lease(&wanted, Duration::from_secs(60)).await.unwrap();
    let mut bodies: Vec<&str> = leased.iter().map(|message| message.body.as_str()).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, ["02", "13"]);
    assert!(leased.iter().all(|message| message.receive_count == 1));
    assert_eq!(queue.lease(&wanted, Duration::from_secs(60)).await.unwrap(), [], "they are under lease");
    for message in &leased {
        queue.delete(&message.receipt).await.unwrap();
    }
    let rest = take(&**queue).await.len() + take(&**queue).await.len();
    assert_eq!(rest, 13, "the others are ready at once");
}

#[tokio::test]
async fn a_queue_that_dead_letters_is_not_looked_at() {
    let emulator = Emulator::start();
    let opened = open(&emulator).await;
    let queue = &opened.queues[&MAIN];
    let ids = fill(&**queue, 1).await;
    let error = queue.peek(10).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Invalid);
    assert!(error.to_string().starts_with("can't look at the messages of inference: SQS would count it"), "{error}");
    assert_eq!(queue.lease(&ids, Duration::from_secs(60)).await.unwrap_err().code(), ErrorCode::Invalid);
    assert_eq!(take(&**queue).await[0].receive_count, 1, "and it was not received for that");
}

#[tokio::test]
async fn purging_twice_within_a_minute_is_throttled() {
    let emulator = Emulator::start();
    let opened = open(&emulator).await;
    let queue = &opened.queues[&DEAD];
    fill(&**queue, 3).await;
    assert_eq!(queue.purge().await.unwrap(), 3);
    let error = queue.purge().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Throttled);
    assert!(error.to_string().contains("was purged within the last 60 s"), "{error}");
    emulator.control("pass?ms=61000").await;
    assert_eq!(queue.purge().await.unwrap(), 0);
}

#[tokio::test]
async fn a_dead_letter_queue_is_found_by_the_policy_whatever_its_name() {
    let emulator = Emulator::start();
    let connections = emulator.deploy(Shape::NoRedrive).await;
    let client = aws_sdk_sqs::Client::new(&connections.config);
    let url = &connections.deployment.queues[&QueueRole::Inference];
    client.create_queue().queue_name("graveyard").send().await.unwrap();
    let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:123456789012:graveyard","maxReceiveCount":"3"}"#;
    client
        .set_queue_attributes()
        .queue_url(url)
        .attributes(QueueAttributeName::RedrivePolicy, policy)
        .send()
        .await
        .unwrap();
    let opened = AwsBackend::connect(connections, Arc::new(SystemClock)).await.unwrap();
    assert!(opened.queues[&DEAD].url().ends_with("/graveyard"));
    assert_eq!(opened.queues[&DEAD].stats().await.unwrap().ready, 0);
    assert_eq!(opened.queues[&MAIN].settings().await.unwrap().max_receives, Some(3));
    let chunking = QueueName::dead_letter(QueueRole::Chunking);
    assert!(opened.queues[&chunking].url().ends_with("-chunking-dlq"), "without a policy it is named after its queue");
}

#[tokio::test]
async fn large_bodies_are_sent_in_several_batches() {
    let emulator = Emulator::start();
    let opened = open(&emulator).await;
    let queue = &opened.queues[&MAIN];
    let large = |letter: &str| Outgoing::now(letter.repeat(MAX_BODY_BYTES));
    let ids = queue.send(&[large("a"), Outgoing::now("b"), large("c")]).await.unwrap();
    let received = take(&**queue).await;
    let letter = |id: &str| received.iter().find(|message| message.id == id).unwrap().body[..1].to_owned();
    assert_eq!([letter(&ids[0]), letter(&ids[1]), letter(&ids[2])], ["a", "b", "c"]);
}

#[tokio::test]
async fn dropped_receives_lose_nothing() {
    let emulator = Emulator::start();
    let opened = open(&emulator).await;
    let (queue, dead) = (&opened.queues[&MAIN], &opened.queues[&DEAD]);
    fill(&**queue, 1).await;
    for cut in 0..40_u64 {
        let how = Receive { max: 1, wait: Duration::ZERO, visibility: Some(Duration::from_secs(2)) };
        drop(tokio::time::timeout(Duration::from_micros(cut * 100), queue.receive(how)).await);
        emulator.control("pass?ms=3000").await;
    }
    // The emulator answers this after every earlier request.
    let name = |queue: &stereospot_aws::SqsQueue| queue.url().rsplit('/').next().unwrap().to_owned();
    let mut left = Vec::new();
    for name in [name(queue), name(dead)] {
        left.extend(emulator.control(&format!("messages?queue={name}")).await.as_array().unwrap().clone());
    }
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0]["body"], "00");
}
