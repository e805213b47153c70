//! Objects on S3 that flip or are deleted, after each stage: every job has the result of one that nothing happened to.

use stereospot_domain::keys::{self, SegmentKey};
use stereospot_domain::{JobId, JobStatus, Mode, QueueName, QueueRole};
use stereospot_ports::{Bucket, objects};
use stereospot_runtime::stage::Handler;
use stereospot_worker::outputs::Outputs;

use crate::world::{World, put};

async fn read(bucket: &Bucket, key: &str) -> Vec<u8> {
    objects::content(&*bucket.store, key).await.unwrap().unwrap()
}

async fn flip(bucket: &Bucket, key: &str) {
    let mut content = read(bucket, key).await;
    let middle = content.len() / 2;
    content[middle] ^= 1;
    put(bucket, key, content).await;
}

async fn delete(bucket: &Bucket, key: &str) {
    object_store::ObjectStoreExt::delete(&*bucket.store, &objects::path(key).unwrap()).await.unwrap();
}

/// Lets the stages work, and time pass on the queues, until it is so.
async fn work_until(world: &World, handlers: &[&dyn Handler], is_so: impl AsyncFn(&World) -> bool) {
    for _ in 0..8 {
        world.work(handlers).await;
        if is_so(world).await {
            return;
        }
        world.pass_secs(70);
    }
    panic!("it never came to that");
}

#[tokio::test]
#[ignore = "run with credentials by the test in main.rs"]
async fn what_flips_or_is_deleted_is_made_again() {
    let world = World::new("").await;
    let (input, output) = (&world.backend().input, &world.backend().output);
    let (chunking, inference, reassembly) = (world.chunking(), world.inference(), world.reassembly());
    let mut jobs = Vec::new();
    for _ in 0..4 {
        jobs.push(world.submit().await);
    }
    world.work(&[&*chunking]).await;
    let segment = |job_id: JobId| keys::segment(SegmentKey { job_id, index: 1, total: 2, mode: Mode::Sbs });
    flip(input, &segment(jobs[1])).await;
    delete(input, &segment(jobs[2])).await;
    delete(input, &keys::manifest(jobs[3])).await;
    work_until(&world, &[&*chunking, &*inference, &Outputs::default()], async |world| {
        let mut are_done = true;
        for job_id in &jobs {
            are_done &= world.completions(*job_id).await == 2;
        }
        are_done
    })
    .await;
    flip(output, &keys::output_segment(jobs[1], 1)).await;
    delete(output, &keys::output_segment(jobs[2], 1)).await;
    flip(output, &keys::output_checksum(jobs[3], 1)).await;
    work_until(&world, &[&*chunking, &*inference, &Outputs::default(), &*reassembly], async |world| {
        let mut are_completed = true;
        for job_id in &jobs {
            are_completed &= world.status(*job_id).await == JobStatus::Completed;
        }
        are_completed
    })
    .await;
    let right = read(output, &keys::result(jobs[0])).await;
    for job_id in &jobs[1..] {
        assert!(read(output, &keys::result(*job_id)).await == right, "another result of {job_id}");
    }
    for role in QueueRole::PIPELINE {
        let dead = world.backend().queue_named(QueueName::dead_letter(*role)).unwrap().stats().await.unwrap();
        assert_eq!(dead.ready, 0, "{role:?} dead-lettered");
    }
}
