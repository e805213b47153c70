//! A byte of a stored object flips, or the object is deleted, for each kind of object after each stage: the job has the right result,
//! or ends with the true reason.

use object_store::{ObjectStoreExt, PutPayload};
use stereospot_domain::{JobId, JobStatus, Mode, QueueName, QueueRole, Topology, keys};
use stereospot_ports::checksum::Checksum;
use stereospot_ports::memory::{self, ManualClock};
use stereospot_ports::{Backend, Bucket, objects};
use stereospot_runtime::stage::{Context, step};

use crate::crash_points::{Workers, recover, submit};
use crate::damaged::{ended, try_all};
use crate::fixture::{model, source};

pub(crate) struct Scene {
    folder: tempfile::TempDir,
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
        // As the control plane stores it with the upload.
        Checksum::of(&content).store(&backend.input, &keys::source_checksum(job_id)).await.unwrap();
        Self { folder, workers, clock, backend, context, job_id }
    }

    /// Lets the first `count` stages work.
    async fn run(&self, count: usize) {
        for handler in &self.workers.handlers()[..count] {
            while step(&self.context, &**handler).await.unwrap() {}
        }
    }

    async fn result(&self) -> Vec<u8> {
        read(&self.backend.output, &keys::result(self.job_id)).await.unwrap()
    }

    /// The object of this kind, of the second segment where there is one for each.
    fn place(&self, kind: Kind) -> (&Bucket, String) {
        let (input, output, job_id) = (&self.backend.input, &self.backend.output, self.job_id);
        match kind {
            Kind::Source => (input, keys::source(job_id)),
            Kind::SourceChecksum => (input, keys::source_checksum(job_id)),
            Kind::Manifest => (input, keys::manifest(job_id)),
            Kind::ManifestCopy => (input, keys::manifest_copy(job_id)),
            Kind::Segment => (input, keys::segment(keys::SegmentKey { job_id, index: 1, total: 2, mode: Mode::Sbs })),
            Kind::Output => (output, keys::output_segment(job_id, 1)),
            Kind::Checksum => (output, keys::output_checksum(job_id, 1)),
            Kind::Result => (output, keys::result(job_id)),
            Kind::ResultChecksum => (output, keys::result_checksum(job_id)),
            Kind::DoneMark => (output, keys::done_mark(job_id)),
        }
    }

    /// Harms an object. False if there is none of this kind yet, or nothing in it that could flip.
    async fn harm(&self, kind: Kind, harm: Harm) -> bool {
        let (bucket, key) = self.place(kind);
        let path = objects::path(&key).unwrap();
        let Some(mut content) = read(bucket, &key).await else { return false };
        match harm {
            Harm::Deleted => bucket.store.delete(&path).await.unwrap(),
            Harm::Flipped(_) if content.is_empty() => return false,
            Harm::Flipped(part) => {
                let place = (content.len() - 1) * part / 100;
                content[place] ^= 1;
                bucket.store.put(&path, PutPayload::from(content)).await.unwrap();
            }
        }
        true
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Source,
    SourceChecksum,
    Manifest,
    ManifestCopy,
    Segment,
    Output,
    Checksum,
    Result,
    ResultChecksum,
    DoneMark,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Source,
        Self::SourceChecksum,
        Self::Manifest,
        Self::ManifestCopy,
        Self::Segment,
        Self::Output,
        Self::Checksum,
        Self::Result,
        Self::ResultChecksum,
        Self::DoneMark,
    ];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Harm {
    Deleted,
    /// The lowest bit of the byte at so many percent of the object.
    Flipped(usize),
}

async fn read(bucket: &Bucket, key: &str) -> Option<Vec<u8>> {
    objects::content(&*bucket.store, key).await.unwrap()
}

/// The result of a run in which nothing is harmed. Every run of these workers writes the same bytes.
async fn right_result() -> Vec<u8> {
    let scene = Scene::set().await;
    scene.run(4).await;
    assert_eq!(ended(&scene.backend, scene.job_id).await, (JobStatus::Completed, String::new()));
    scene.result().await
}

/// What a job says at its end when its source was harmed while it was still needed.
fn reason(stages: usize, harm: Harm) -> &'static str {
    match (harm, stages) {
        (Harm::Deleted, _) => "the stored source is gone: submit the video again",
        (Harm::Flipped(_), 0) => {
            "the stored source was damaged or replaced since it was uploaded: submit the video again"
        }
        (Harm::Flipped(_), _) => "the stored source was damaged or replaced since it was split: submit the video again",
    }
}

/// Harms one object of every kind after so many stages, each in a run of its own.
async fn check(stages: usize, harm: Harm) {
    let right = right_result().await;
    let mut harmed = Vec::new();
    for kind in Kind::ALL {
        let scene = Scene::set().await;
        scene.run(stages).await;
        if !scene.harm(kind, harm).await {
            continue;
        }
        harmed.push(kind);
        let status = recover(&scene.workers, &scene.backend, &scene.clock, scene.job_id).await;
        let case = format!("{kind:?} {harm:?} after {stages} stages");
        let error = ended(&scene.backend, scene.job_id).await.1;
        if kind == Kind::Source && stages < 4 {
            assert_eq!((status, &*error), (JobStatus::Failed, reason(stages, harm)), "{case}");
            continue;
        }
        assert_eq!((status, &*error), (JobStatus::Completed, ""), "{case}");
        let is_after_the_end = stages == 4 && kind == Kind::Result;
        assert!(is_after_the_end || scene.result().await == right, "{case}: another result");
        for role in QueueRole::PIPELINE {
            let dead = scene.backend.queue_named(QueueName::dead_letter(*role)).unwrap().stats().await.unwrap();
            assert_eq!(dead.ready, 0, "{case}: {role:?} dead-lettered");
        }
    }
    let expected = match stages {
        0 => 2,
        1 => 5,
        3 => 7,
        _ => 10 - usize::from(harm != Harm::Deleted),
    };
    assert_eq!(harmed.len(), expected, "after {stages} stages: {harmed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_before_the_split() {
    check(0, Harm::Deleted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_after_the_split() {
    check(1, Harm::Deleted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_after_the_conversion() {
    check(3, Harm::Deleted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_after_the_end() {
    check(4, Harm::Deleted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_flips_before_the_split() {
    for part in [0, 50] {
        check(0, Harm::Flipped(part)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_flips_after_the_split() {
    // At its beginning a document is no JSON any more, in its middle another number or name.
    for part in [0, 50, 100] {
        check(1, Harm::Flipped(part)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_flips_after_the_conversion() {
    for part in [0, 50, 100] {
        check(3, Harm::Flipped(part)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_flips_after_the_end() {
    check(4, Harm::Flipped(50)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_harmed_objects_of_one_job() {
    let right = right_result().await;
    // A lost output whose segment is damaged, a lost output whose segment is gone, a lost segment whose manifest is.
    for (first, second, stages) in [
        ((Kind::Output, Harm::Deleted), (Kind::Segment, Harm::Flipped(50)), 3),
        ((Kind::Output, Harm::Flipped(50)), (Kind::Segment, Harm::Deleted), 3),
        ((Kind::Segment, Harm::Deleted), (Kind::Manifest, Harm::Deleted), 1),
    ] {
        let scene = Scene::set().await;
        scene.run(stages).await;
        assert!(scene.harm(first.0, first.1).await && scene.harm(second.0, second.1).await);
        let status = recover(&scene.workers, &scene.backend, &scene.clock, scene.job_id).await;
        assert_eq!((status, ended(&scene.backend, scene.job_id).await.1), (JobStatus::Completed, String::new()));
        assert!(scene.result().await == right, "{first:?}, {second:?}: another result");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_that_is_damaged_before_its_job_is_completed_is_joined_again() {
    let right = right_result().await;
    let scene = Scene::set().await;
    scene.run(3).await;
    // What a worker leaves that dies after it published the result, and the disk after that.
    Checksum::of(&right).store(&scene.backend.output, &keys::result_checksum(scene.job_id)).await.unwrap();
    let mut content = right.clone();
    content[7] ^= 1;
    let path = objects::path(&keys::result(scene.job_id)).unwrap();
    scene.backend.output.store.put(&path, PutPayload::from(content)).await.unwrap();
    scene.backend.queue(QueueRole::OutputEvents).unwrap().purge().await.unwrap();
    assert!(step(&scene.context, &*scene.workers.handlers()[3]).await.unwrap());
    assert_eq!(ended(&scene.backend, scene.job_id).await, (JobStatus::Completed, String::new()));
    assert!(scene.result().await == right, "another result");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_is_split_again_a_few_times_only() {
    let scene = Scene::set().await;
    scene.run(1).await;
    for _ in 0..8 {
        scene.harm(Kind::Segment, Harm::Flipped(50)).await;
        // Inference meets the damage before chunking repairs it.
        scene.clock.advance(std::time::Duration::from_secs(20));
        step(&scene.context, &*scene.workers.handlers()[1]).await.unwrap();
        step(&scene.context, &*scene.workers.handlers()[1]).await.unwrap();
        while step(&scene.context, &*scene.workers.handlers()[0]).await.unwrap() {}
    }
    let (status, error) = ended(&scene.backend, scene.job_id).await;
    assert_eq!(status, JobStatus::Failed);
    let said = "segment 1 is damaged: its file is not as it was written, and splitting the source again 3 times did not help: \
                check the storage, then submit the video again";
    assert_eq!(error, said);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_job_worker_an_operator_decides_on_the_split() {
    let scene = Scene::set().await;
    scene.run(1).await;
    assert!(scene.harm(Kind::Segment, Harm::Deleted).await);
    let context = Context { topology: Topology::JobWorker, ..scene.context.clone() };
    try_all(&scene.workers, &context, &scene.clock).await;
    assert_eq!(ended(&scene.backend, scene.job_id).await.0, JobStatus::ChunkingComplete);
    let dead = scene.backend.queue_named(QueueName::dead_letter(QueueRole::Inference)).unwrap();
    assert_eq!(dead.stats().await.unwrap().ready, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_results_checksum_is_stored_beside_it() {
    let scene = Scene::set().await;
    scene.run(4).await;
    let stored = Checksum::load(&scene.backend.output, &keys::result_checksum(scene.job_id)).await.unwrap();
    assert_eq!(stored, Some(Checksum::of(&scene.result().await)));
    assert!(scene.folder.path().exists());
}
