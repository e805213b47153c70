//! A worker whose own folder is deleted or can't be used: no job is at fault.

use stereospot_domain::{JobStatus, QueueName, QueueRole};
use stereospot_ports::memory::{self, MAX_RECEIVES, ManualClock};
use stereospot_runtime::stage::Context;

use crate::crash_points::{Workers, submit};
use crate::fixture::{model, source};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_scratch_folder_is_made_again_and_one_that_cannot_be_fails_no_job() {
    let folder = tempfile::tempdir().unwrap();
    let content = std::fs::read(source(folder.path())).unwrap();
    let workers = Workers::new(folder.path(), model());
    let clock = ManualClock::default();
    let backend = memory::backend(&clock);
    let context = Context { patience: std::time::Duration::ZERO, ..workers.context(backend.clone()) };
    let scratch = folder.path().join("scratch");
    // A file in its place is in the way, even for root.
    std::fs::remove_dir_all(&scratch).unwrap();
    std::fs::write(&scratch, "").unwrap();
    let job_id = submit(&backend, &content).await;
    for _ in 0..=2 * MAX_RECEIVES {
        workers.work(&context, || false).await;
        clock.advance(std::time::Duration::from_secs(70));
    }
    let job = backend.jobs.get(job_id).await.unwrap().unwrap();
    assert_eq!((job.status, job.error), (JobStatus::ChunkingInProgress, None));
    let told = std::fs::read_dir(folder.path().join("spool")).unwrap();
    let told: String = told.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    let sentence = format!("this worker can't use {} (", scratch.display());
    assert!(told.contains(&sentence) && told.contains("): once it can, it goes on by itself"), "{told}");
    std::fs::remove_file(&scratch).unwrap();
    workers.work(&context, || false).await;
    assert_eq!(backend.jobs.get(job_id).await.unwrap().unwrap().status, JobStatus::Completed);
    for role in QueueRole::PIPELINE {
        let dead = backend.queue_named(QueueName::dead_letter(*role)).unwrap();
        assert_eq!(dead.stats().await.unwrap().ready, 0, "{role:?}");
    }
}
