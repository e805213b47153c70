//! One byte of a stored object flips, in each kind of object: the job has the right result, or says what is wrong.

use object_store::{ObjectStoreExt, PutPayload};
use stereospot_domain::{JobId, JobStatus, Mode, keys};
use stereospot_ports::memory::{self, ManualClock};
use stereospot_ports::{Backend, Bucket, objects};
use stereospot_runtime::stage::{Context, step};
use stereospot_worker::checksum::Checksum;

use crate::crash_points::{Workers, recover, submit};
use crate::damaged::{ended, split_again, try_all};
use crate::fixture::{model, source};

struct Scene {
    _folder: tempfile::TempDir,
    workers: Workers,
    clock: ManualClock,
    backend: Backend,
    context: Context,
    job_id: JobId,
}

impl Scene {
    async fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let content = std::fs::read(source(folder.path())).unwrap();
        let workers = Workers::new(folder.path(), model());
        let clock = ManualClock::default();
        let backend = memory::backend(&clock);
        let context = workers.context(backend.clone());
        let job_id = submit(&backend, &content).await;
        Self { _folder: folder, workers, clock, backend, context, job_id }
    }

    /// Lets the first `count` stages work.
    async fn run(&self, count: usize) {
        for handler in &self.workers.handlers()[..count] {
            while step(&self.context, &**handler).await.unwrap() {}
        }
    }

    async fn result(&self) -> Vec<u8> {
        read(&self.backend.output, &keys::result(self.job_id)).await
    }

    fn segment(&self) -> String {
        keys::segment(keys::SegmentKey { job_id: self.job_id, index: 1, total: 2, mode: Mode::Sbs })
    }

    fn checksum(&self) -> String {
        format!("jobs/{}/.checksums/1.json", self.job_id)
    }
}

async fn read(bucket: &Bucket, key: &str) -> Vec<u8> {
    bucket.store.get(&objects::path(key).unwrap()).await.unwrap().bytes().await.unwrap().to_vec()
}

/// Flips the lowest bit of the byte in the middle.
async fn flip(bucket: &Bucket, key: &str) {
    let mut content = read(bucket, key).await;
    let middle = content.len() / 2;
    content[middle] ^= 1;
    bucket.store.put(&objects::path(key).unwrap(), PutPayload::from(content)).await.unwrap();
}

/// The result of a run in which nothing is damaged. Every run of these workers writes the same bytes.
async fn right_result() -> Vec<u8> {
    let scene = Scene::set().await;
    scene.run(4).await;
    assert_eq!(ended(&scene.backend, scene.job_id).await, (JobStatus::Completed, String::new()));
    scene.result().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_of_a_segment_is_found_before_it_is_converted() {
    let scene = Scene::set().await;
    scene.run(1).await;
    flip(&scene.backend.input, &scene.segment()).await;
    try_all(&scene.workers, &scene.context, &scene.clock).await;
    let (status, error) = ended(&scene.backend, scene.job_id).await;
    assert_eq!(status, JobStatus::Failed);
    assert!(error.contains("segment 1 is damaged: its file is not as it was written: replay its message"), "{error}");
    split_again(&scene.workers, &scene.context, scene.job_id).await;
    assert_eq!(ended(&scene.backend, scene.job_id).await, (JobStatus::Completed, String::new()));
    assert!(scene.result().await == right_result().await, "another result");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_of_an_output_has_its_segment_converted_again() {
    let scene = Scene::set().await;
    scene.run(3).await;
    flip(&scene.backend.output, &keys::output_segment(scene.job_id, 1)).await;
    assert_eq!(recover(&scene.workers, &scene.backend, &scene.clock, scene.job_id).await, JobStatus::Completed);
    assert!(scene.result().await == right_result().await, "another result");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_of_a_checksum_costs_a_conversion_at_most() {
    for is_deleted in [false, true] {
        let scene = Scene::set().await;
        scene.run(3).await;
        match is_deleted {
            false => flip(&scene.backend.output, &scene.checksum()).await,
            true => scene.backend.output.store.delete(&objects::path(&scene.checksum()).unwrap()).await.unwrap(),
        }
        assert_eq!(recover(&scene.workers, &scene.backend, &scene.clock, scene.job_id).await, JobStatus::Completed);
        assert!(scene.result().await == right_result().await, "another result");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_of_the_source_ends_the_job_with_that_reason() {
    for stages in [1, 3] {
        let scene = Scene::set().await;
        scene.run(stages).await;
        flip(&scene.backend.input, &keys::source(scene.job_id)).await;
        match stages {
            // The segments are split from it once more.
            1 => split_again(&scene.workers, &scene.context, scene.job_id).await,
            _ => drop(recover(&scene.workers, &scene.backend, &scene.clock, scene.job_id).await),
        }
        let reason = "the stored source was damaged or replaced since it was split: submit the video again";
        assert_eq!(ended(&scene.backend, scene.job_id).await, (JobStatus::Failed, reason.into()), "after {stages}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_results_checksum_is_stored_beside_it() {
    let scene = Scene::set().await;
    scene.run(4).await;
    let file = scene._folder.path().join("result.mp4");
    std::fs::write(&file, scene.result().await).unwrap();
    let stored: Checksum = serde_json::from_slice(
        &read(&scene.backend.output, &format!("jobs/{}/.checksums/final.json", scene.job_id)).await,
    )
    .unwrap();
    assert_eq!(Checksum::of(&file).await.unwrap(), stored);
}
