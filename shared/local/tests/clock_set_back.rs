//! The wall clock is set back while there are messages, by the system's time service or by hand.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the failure")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use stereospot_domain::{QueueName, QueueRole, Timestamp};
use stereospot_local::{LocalBackend, Options};
use stereospot_ports::work_queue::{MAX_VISIBILITY, Message, Outgoing, Receive};
use stereospot_ports::{Backend, Clock, WorkQueue};

const HOUR: Duration = Duration::from_secs(3600);
const LEASE: Duration = Duration::from_secs(60);

/// A clock that moves in both directions.
#[derive(Debug, Clone)]
struct Wall(Arc<AtomicI64>);

impl Wall {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(1_780_000_000_000)))
    }

    fn forward(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    fn back(&self, by: Duration) {
        self.0.fetch_sub(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

async fn open(folder: &Path, wall: &Wall) -> Backend {
    let options = Options { clock: Arc::new(wall.clone()), max_receives: 2, ..Options::default() };
    LocalBackend::open(folder, options).await.unwrap()
}

async fn take(queue: &dyn WorkQueue, max: usize) -> Vec<Message> {
    queue.receive(Receive { max, wait: Duration::ZERO, visibility: Some(LEASE) }).await.unwrap()
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    let mut bodies: Vec<&str> = messages.iter().map(|message| message.body.as_str()).collect();
    bodies.sort_unstable();
    bodies
}

#[tokio::test]
async fn ready_messages_stay_ready() {
    let (folder, wall) = (tempfile::tempdir().unwrap(), Wall::new());
    let backend = open(folder.path(), &wall).await;
    let queue = &**backend.queue(QueueRole::Inference).unwrap();
    queue.send(&[Outgoing::now("released")]).await.unwrap();
    let receipt = take(queue, 1).await.remove(0).receipt;
    queue.release(&receipt, Duration::ZERO).await.unwrap();
    let sent = queue.send(&[Outgoing::now("sent"), Outgoing::now("named")]).await.unwrap();
    wall.back(HOUR);
    assert_eq!(queue.stats().await.unwrap().ready, 3);
    assert_eq!(queue.lease(&sent[1..], LEASE).await.unwrap().len(), 1);
    assert_eq!(bodies(&take(queue, 10).await), ["released", "sent"]);
}

#[tokio::test]
async fn dead_letters_stay_ready() {
    let (folder, wall) = (tempfile::tempdir().unwrap(), Wall::new());
    let backend = open(folder.path(), &wall).await;
    let queue = &**backend.queue(QueueRole::Inference).unwrap();
    queue.send(&[Outgoing::now("poison")]).await.unwrap();
    for _ in 0..3 {
        take(queue, 1).await;
        wall.forward(LEASE * 2);
    }
    wall.back(HOUR);
    let dead = &**backend.queue_named(QueueName::dead_letter(QueueRole::Inference)).unwrap();
    assert_eq!(dead.stats().await.unwrap().ready, 1);
    assert_eq!(bodies(&take(dead, 1).await), ["poison"]);
}

#[tokio::test]
async fn a_lease_outlasts_a_small_step_back_but_never_the_longest_lease() {
    let (folder, wall) = (tempfile::tempdir().unwrap(), Wall::new());
    let backend = open(folder.path(), &wall).await;
    let queue = &**backend.queue(QueueRole::Inference).unwrap();
    let id = queue.send(&[Outgoing::now("held")]).await.unwrap();
    let first = take(queue, 1).await.remove(0);
    // The worker keeps its lease.
    wall.back(HOUR);
    assert_eq!(take(queue, 1).await, []);
    assert_eq!(queue.stats().await.unwrap().in_flight, 1);
    queue.extend(&first.receipt, LEASE).await.unwrap();
    // No lease can end this late: it is from before the step.
    wall.back(MAX_VISIBILITY + LEASE * 2);
    assert_eq!(queue.stats().await.unwrap().ready, 1);
    let second = take(queue, 1).await.remove(0);
    assert_eq!((second.body.as_str(), second.receive_count), ("held", 2));
    assert!(queue.delete(&first.receipt).await.is_err());
    wall.back(MAX_VISIBILITY + LEASE * 2);
    assert_eq!(queue.lease(&id, LEASE).await.unwrap().len(), 1);
}

#[tokio::test]
async fn messages_that_are_ready_again_come_before_new_ones() {
    let (folder, wall) = (tempfile::tempdir().unwrap(), Wall::new());
    let backend = open(folder.path(), &wall).await;
    let queue = &**backend.queue(QueueRole::Inference).unwrap();
    queue.send(&[Outgoing::now("left by a dead worker")]).await.unwrap();
    take(queue, 1).await;
    queue.send(&["1", "2", "3"].map(Outgoing::now)).await.unwrap();
    wall.forward(LEASE * 2);
    // Behind new messages it would never be received on a queue that never becomes empty.
    assert_eq!(bodies(&take(queue, 1).await), ["left by a dead worker"]);
    for expected in ["1", "2", "3"] {
        assert_eq!(bodies(&take(queue, 1).await), [expected]);
    }
}

#[tokio::test]
async fn a_notice_from_before_the_step_is_settled() {
    let (folder, wall) = (tempfile::tempdir().unwrap(), Wall::new());
    drop(open(folder.path(), &wall).await);
    let key = "input/01890000-0000-7000-8000-000000000000/source.mp4";
    let file = folder.path().join("objects/input").join(key);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "x").unwrap();
    let url = format!("sqlite://{}", folder.path().join("stereospot.db").display());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    sqlx::query("INSERT INTO notices (side, key, queue, body, created_at) VALUES ('input', ?, 'chunking', 'x', ?)")
        .bind(key)
        .bind(wall.now().as_millis())
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    wall.back(HOUR);
    let backend = open(folder.path(), &wall).await;
    let queue = &**backend.queue(QueueRole::Chunking).unwrap();
    assert_eq!(bodies(&take(queue, 10).await), ["x"]);
}
