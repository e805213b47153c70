//! Jobs take turns in a queue of the embedded backend.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the failure")]

use std::sync::Arc;
use std::time::Duration;

use stereospot_domain::keys::{self, SegmentKey};
use stereospot_domain::{JobId, Mode, QueueRole, message};
use stereospot_local::{LocalBackend, Options};
use stereospot_ports::WorkQueue;
use stereospot_ports::work_queue::{MAX_BATCH, Outgoing, Receive};
use uuid::Uuid;

const ROLE: QueueRole = QueueRole::Inference;

async fn queue(folder: &tempfile::TempDir) -> Arc<dyn WorkQueue> {
    let backend = LocalBackend::open(folder.path(), Options::default()).await.unwrap();
    Arc::clone(backend.queue(ROLE).unwrap())
}

fn job(number: u128) -> JobId {
    JobId(Uuid::from_u128(number))
}

async fn send(queue: &dyn WorkQueue, job_id: JobId, segments: u32) {
    let body = |index| {
        let key = keys::segment(SegmentKey { job_id, index, total: segments, mode: Mode::Sbs });
        Outgoing::now(message::object_created("input", &key))
    };
    let bodies: Vec<Outgoing> = (0..segments).map(body).collect();
    for batch in bodies.chunks(MAX_BATCH) {
        queue.send(batch).await.unwrap();
    }
}

/// Receives messages, and leaves them in work: the numbers of their jobs and segments.
async fn receive(queue: &dyn WorkQueue, count: usize) -> Vec<(u128, u32)> {
    let mut received = Vec::new();
    let how = Receive { max: 1, wait: Duration::ZERO, visibility: None };
    while received.len() < count {
        let messages = queue.receive(how).await.unwrap();
        assert!(!messages.is_empty(), "after {received:?}");
        received.extend(messages.iter().map(|message| {
            let (job_id, segment) = message::job_of(ROLE, &message.body).unwrap();
            (job_id.0.as_u128(), segment.unwrap())
        }));
    }
    received
}

#[tokio::test]
async fn a_later_small_job_starts_before_a_long_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let queue = queue(&folder).await;
    send(&*queue, job(1), 200).await;
    assert_eq!(receive(&*queue, 3).await, [(1, 0), (1, 1), (1, 2)]);
    send(&*queue, job(2), 2).await;
    send(&*queue, job(3), 1).await;
    assert_eq!(receive(&*queue, 5).await, [(1, 3), (2, 0), (3, 0), (1, 4), (2, 1)]);
    assert_eq!(receive(&*queue, 2).await, [(1, 5), (1, 6)]);
}

#[tokio::test]
async fn two_long_jobs_share_the_workers() {
    let folder = tempfile::tempdir().unwrap();
    let queue = queue(&folder).await;
    send(&*queue, job(1), 50).await;
    send(&*queue, job(2), 50).await;
    let received = receive(&*queue, 40).await;
    assert_eq!(received.iter().filter(|(job, _)| *job == 1).count(), 20, "{received:?}");
    // Neither runs ahead of the other at any time.
    for half in received.chunks(2) {
        assert_ne!(half[0].0, half[1].0, "{received:?}");
    }
}

#[tokio::test]
async fn a_new_job_does_not_catch_up_with_what_another_had_while_it_was_alone() {
    let folder = tempfile::tempdir().unwrap();
    let queue = queue(&folder).await;
    send(&*queue, job(1), 20).await;
    // All of the first job's are in work, none is ready.
    receive(&*queue, 20).await;
    send(&*queue, job(2), 10).await;
    send(&*queue, job(1), 10).await;
    let received = receive(&*queue, 10).await;
    assert!(received.iter().filter(|(job, _)| *job == 1).count() >= 4, "{received:?}");
}
