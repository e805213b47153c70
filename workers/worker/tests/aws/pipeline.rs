//! A clip through our stages.

use stereospot_domain::{JobStatus, QueueName, QueueRole, keys};
use stereospot_media::{Cancel, probe};
use stereospot_worker::outputs::Outputs;

use crate::fixture::FRAMES;
use crate::world::World;

#[tokio::test]
#[ignore = "run with credentials by the test in main.rs"]
async fn all_three_stages_make_the_result_where_no_job_worker_is() {
    let world = World::new("").await;
    let job_id = world.submit().await;
    let (chunking, inference, reassembly) = (world.chunking(), world.inference(), world.reassembly());
    world.work(&[&*chunking, &*inference, &Outputs::default(), &*reassembly]).await;
    let job = world.job(job_id).await;
    assert_eq!((job.status, job.total_segments), (JobStatus::Completed, Some(2)), "{:?}", job.error);
    assert!(job.completed_at.is_some());
    assert_eq!(world.completions(job_id).await, 2);
    let output = &world.backend().output;
    assert!(world.exists(output, &keys::done_mark(job_id)).await);
    let result = probe(&world.fetch(output, &keys::result(job_id)).await, Cancel::never()).unwrap();
    assert_eq!((result.width, result.height, result.frames), (256, 96, u64::from(FRAMES)));
    for role in QueueRole::PIPELINE {
        for name in [QueueName::main(*role), QueueName::dead_letter(*role)] {
            let stats = world.backend().queue_named(name).unwrap().stats().await.unwrap();
            assert_eq!(stats.ready + stats.in_flight + stats.delayed, 0, "{name}");
        }
    }
    let calls = world.connections.calls.snapshot();
    assert!(calls[&("sqs".into(), "ReceiveMessage".into())].attempts > 4, "{calls:?}");
}

#[tokio::test]
#[ignore = "run with credentials by the test in main.rs"]
async fn inference_writes_outputs_and_nothing_else_where_a_job_worker_keeps_the_books() {
    let world = World::with_job_worker("").await;
    let job_id = world.submit().await;
    let (chunking, inference, reassembly) = (world.chunking(), world.inference(), world.reassembly());
    world.work(&[&*chunking, &*inference, &Outputs::default(), &*reassembly]).await;
    let jobs = &world.backend().jobs;
    assert_eq!(world.status(job_id).await, JobStatus::ChunkingComplete);
    assert_eq!((world.completions(job_id).await, jobs.lock(job_id).await.unwrap()), (0, None));
    let output = &world.backend().output;
    for index in 0..2 {
        assert!(world.exists(output, &keys::output_segment(job_id, index)).await);
    }
    // The job-worker does this now. Then our workers go on, with the result and its mark.
    jobs.create_lock(job_id, world.backend().clock.now()).await.unwrap();
    let body = stereospot_domain::message::reassemble(job_id);
    let sent = [stereospot_ports::work_queue::Outgoing::now(body)];
    world.backend().queue(QueueRole::Reassembly).unwrap().send(&sent).await.unwrap();
    world.work(&[&*reassembly, &Outputs::default()]).await;
    assert!(world.exists(output, &keys::result(job_id)).await && world.exists(output, &keys::done_mark(job_id)).await);
    assert_eq!(world.status(job_id).await, JobStatus::ChunkingComplete, "completed is the job-worker's to say");
    assert!(jobs.lock(job_id).await.unwrap().unwrap().reassembly_started_at.is_some(), "acquired");
}
