//! SQS's own redrive of a dead-letter queue.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use stereospot_aws::sqs::{MoveState, MoveTask};
use stereospot_aws::{AwsBackend, Opened, SqsQueue};
use stereospot_domain::{QueueName, QueueRole};
use stereospot_ports::work_queue::{Outgoing, Receive};
use stereospot_ports::{ErrorCode, SystemClock, WorkQueue as _};

use crate::emulator::{Emulator, Shape};
use crate::queues::{DEAD, MAIN, fill, open, take};

fn name(queue: &SqsQueue) -> &str {
    queue.url().rsplit('/').next().unwrap()
}

/// Dead-letters this many messages; returns their ids.
async fn dead_letters(emulator: &Emulator, opened: &Opened, count: usize) -> Vec<String> {
    let main = &opened.queues[&MAIN];
    let ids = fill(&**main, count).await;
    assert_eq!(emulator.control(&format!("dead-letter?queue={}", name(main))).await, count);
    ids
}

async fn newest(queue: &SqsQueue) -> MoveTask {
    queue.moves().await.unwrap().remove(0)
}

/// The number of messages on a queue.
async fn depth(emulator: &Emulator, queue: &SqsQueue) -> u64 {
    emulator.control(&format!("messages?queue={}", name(queue))).await.as_array().unwrap().len() as u64
}

#[tokio::test]
async fn a_queue_is_moved_at_the_rate_asked_for() {
    let emulator = Emulator::start();
    let opened = open(&emulator).await;
    let (main, dead) = (&opened.queues[&MAIN], &opened.queues[&DEAD]);
    let ids = dead_letters(&emulator, &opened, 100).await;
    assert_eq!(dead.moves().await.unwrap(), []);
    let handle = dead.start_move(Some(1)).await.unwrap();
    emulator.control("pass?ms=40000").await;
    let task = newest(dead).await;
    assert_eq!((task.state, task.handle, task.failure), (MoveState::Running, Some(handle), None));
    assert_eq!((task.total, task.per_second), (Some(100), Some(1)));
    assert!((40..100).contains(&task.moved), "one a second: {}", task.moved);
    emulator.control("pass?ms=70000").await;
    let ended = newest(dead).await;
    assert_eq!((ended.state, ended.handle, ended.moved), (MoveState::Completed, None, 100));
    assert_eq!(ended.started_at, task.started_at);
    assert_eq!((depth(&emulator, main).await, depth(&emulator, dead).await), (100, 0));
    let moved = take(&**main).await;
    assert!(moved.iter().all(|message| message.receive_count == 1 && !ids.contains(&message.id)), "{moved:?}");
    assert!(moved.iter().all(|message| message.enqueued_at >= task.started_at), "sent anew: {moved:?}");
}

#[tokio::test]
async fn a_move_is_stopped_half_way_and_another_moves_the_rest() {
    let emulator = Emulator::start();
    let opened = open(&emulator).await;
    let (main, dead) = (&opened.queues[&MAIN], &opened.queues[&DEAD]);
    dead_letters(&emulator, &opened, 100).await;
    let handle = dead.start_move(Some(1)).await.unwrap();
    let second = dead.start_move(None).await.unwrap_err();
    assert_eq!(second.code(), ErrorCode::Invalid);
    assert!(second.to_string().contains("There is already a task running"), "{second}");
    emulator.control("pass?ms=40000").await;
    let moved = dead.cancel_move(&handle).await.unwrap();
    assert!((40..100).contains(&moved), "{moved}");
    emulator.control("pass?ms=1000").await;
    let stopped = newest(dead).await;
    assert_eq!((stopped.state, stopped.moved, stopped.handle), (MoveState::Cancelled, moved, None));
    emulator.control("pass?ms=60000").await;
    assert_eq!((depth(&emulator, main).await, depth(&emulator, dead).await), (moved, 100 - moved));
    assert_eq!(dead.cancel_move(&handle).await.unwrap_err().code(), ErrorCode::NotFound);

    dead.start_move(Some(500)).await.unwrap();
    emulator.control("pass?ms=5000").await;
    let tasks = dead.moves().await.unwrap();
    let states: Vec<(MoveState, u64)> = tasks.iter().map(|task| (task.state, task.moved)).collect();
    assert_eq!(states, [(MoveState::Completed, 100 - moved), (MoveState::Cancelled, moved)]);
    assert_eq!((depth(&emulator, main).await, depth(&emulator, dead).await), (100, 0));
}

#[tokio::test]
async fn what_is_no_dead_letter_queue_or_no_rate_is_refused() {
    let emulator = Emulator::start();
    let opened = open(&emulator).await;
    let error = opened.queues[&MAIN].start_move(None).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Invalid);
    assert!(error.to_string().contains("Source queue must be configured as a Dead Letter Queue"), "{error}");
    for rate in [0, 501] {
        let error = opened.queues[&DEAD].start_move(Some(rate)).await.unwrap_err();
        assert_eq!(
            (error.code(), error.to_string()),
            (ErrorCode::Invalid, "SQS moves 1 to 500 messages a second".into())
        );
    }
    let dead = &opened.queues[&DEAD];
    dead.attributes().await.unwrap();
    let client = aws_sdk_sqs::Client::new(&opened.connections.config);
    client.delete_queue().queue_url(dead.url()).send().await.unwrap();
    assert_eq!(dead.start_move(None).await.unwrap_err().code(), ErrorCode::NotFound);
    assert_eq!(dead.moves().await.unwrap_err().code(), ErrorCode::NotFound);
}

#[tokio::test]
async fn what_was_put_on_the_dead_letter_queue_directly_is_moved_along() {
    let emulator = Emulator::start();
    let opened = open(&emulator).await;
    let (main, dead) = (&opened.queues[&MAIN], &opened.queues[&DEAD]);
    main.send(&[Outgoing::now("dead-lettered")]).await.unwrap();
    for _ in 0..=5 {
        let how = Receive { max: 1, wait: Duration::ZERO, visibility: Some(Duration::from_secs(1)) };
        main.receive(how).await.unwrap();
        emulator.control("pass?ms=2000").await;
    }
    assert_eq!(depth(&emulator, dead).await, 1);
    dead.send(&[Outgoing::now("restored")]).await.unwrap();
    dead.start_move(None).await.unwrap();
    emulator.control("pass?ms=5000").await;
    let task = newest(dead).await;
    assert_eq!((task.state, task.moved, task.failure), (MoveState::Completed, 2, None));
    let mut bodies: Vec<String> = take(&**main).await.into_iter().map(|message| message.body).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, ["dead-lettered", "restored"]);
}

#[tokio::test]
async fn of_two_queues_each_gets_its_own_back_and_a_stranger_ends_the_move() {
    let emulator = Emulator::start();
    let connections = emulator.deploy(Shape::Usual).await;
    let client = aws_sdk_sqs::Client::new(&connections.config);
    let urls = &connections.deployment.queues;
    let arn = |role| {
        let name = urls[&role].rsplit('/').next().unwrap();
        format!("arn:aws:sqs:us-east-1:123456789012:{name}-dlq")
    };
    let policy = format!(r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":5}}"#, arn(QueueRole::Inference));
    let redrive = QueueAttributeName::RedrivePolicy;
    let chunking = &urls[&QueueRole::Chunking];
    client.set_queue_attributes().queue_url(chunking).attributes(redrive, policy).send().await.unwrap();
    let opened = AwsBackend::connect(connections, Arc::new(SystemClock)).await.unwrap();
    let (inference, dead) = (&opened.queues[&MAIN], &opened.queues[&DEAD]);
    let chunking = &opened.queues[&QueueName::main(QueueRole::Chunking)];
    for queue in [inference, chunking] {
        queue.send(&[Outgoing::now(queue.name().to_string())]).await.unwrap();
        emulator.control(&format!("dead-letter?queue={}", name(queue))).await;
    }
    dead.send(&[Outgoing::now("stranger"), Outgoing::now("behind it")]).await.unwrap();
    dead.start_move(None).await.unwrap();
    emulator.control("pass?ms=1000").await;
    let task = newest(dead).await;
    assert_eq!((task.state, task.moved), (MoveState::Failed, 2));
    let why = task.failure.unwrap();
    assert!(why.ends_with("replay it by its id (CouldNotDetermineMessageSource)"), "{why}");
    assert_eq!(take(&**inference).await[0].body, "inference");
    assert_eq!(take(&**chunking).await[0].body, "chunking");
    assert_eq!(depth(&emulator, dead).await, 2, "nothing is lost");
}

#[tokio::test]
async fn a_move_to_a_queue_that_goes_away_says_so_and_loses_nothing() {
    let emulator = Emulator::start();
    let opened = open(&emulator).await;
    let (main, dead) = (&opened.queues[&MAIN], &opened.queues[&DEAD]);
    dead_letters(&emulator, &opened, 100).await;
    dead.start_move(Some(1)).await.unwrap();
    emulator.control("pass?ms=40000").await;
    let before = newest(dead).await.moved;
    let client = aws_sdk_sqs::Client::new(&opened.connections.config);
    client.delete_queue().queue_url(main.url()).send().await.unwrap();
    emulator.control("pass?ms=60000").await;
    let task = newest(dead).await;
    assert_eq!(task.state, MoveState::Failed);
    assert!(task.failure.as_deref().unwrap().starts_with("the queue to move to does not exist"), "{task:?}");
    assert!(task.moved >= before, "{task:?}");
    assert_eq!(depth(&emulator, dead).await, 100 - task.moved);
}
