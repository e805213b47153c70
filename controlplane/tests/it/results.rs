//! What becomes of jobs after their end: results that are lost, damaged or resized, rows that are gone, and what repairs them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use object_store::{ObjectStoreExt as _, PutPayload};
use stereospot_domain::check::Verdict;
use stereospot_domain::diagnosis::FindingCode;
use stereospot_domain::plan::{Action, Outcome, RefusalCode};
use stereospot_domain::{Job, JobId, JobStatus, QueueName, QueueRole, Timestamp, keys};
use stereospot_ports::checksum::Checksum;
use stereospot_ports::job_store::{Page, Transition, Transitioned};
use stereospot_ports::memory::{self, ManualClock};
use stereospot_ports::wrapped::WrappedJobStore;
use stereospot_ports::{Bucket, JobStore, Result, objects};

use crate::harness::Plane;

/// A job store that loses the row of one job, until it is written again.
#[derive(Debug)]
struct LosesRow {
    inner: Arc<dyn JobStore>,
    lost: Mutex<Option<JobId>>,
}

#[async_trait]
impl WrappedJobStore for LosesRow {
    fn inner(&self) -> &dyn JobStore {
        &*self.inner
    }

    async fn get(&self, job_id: JobId) -> Result<Option<Job>> {
        let is_lost = *self.lost.lock().unwrap() == Some(job_id);
        if is_lost { Ok(None) } else { self.inner.get(job_id).await }
    }

    async fn list(&self, status: JobStatus, cursor: Option<&str>, limit: usize) -> Result<Page<Job>> {
        let mut page = self.inner.list(status, cursor, limit).await?;
        let lost = *self.lost.lock().unwrap();
        page.items.retain(|job| Some(job.job_id) != lost);
        Ok(page)
    }

    async fn create(&self, job: &Job) -> Result<()> {
        let is_back = self.lost.lock().unwrap().take_if(|lost| *lost == job.job_id).is_some();
        if is_back { Ok(()) } else { self.inner.create(job).await }
    }
}

/// One that passes through the objects all the time, and compares no contents in the background.
async fn sweeping() -> Plane {
    Plane::with(|config| {
        (config.sweep, config.verify_bytes_per_sec) = (Some(Duration::ZERO), 0);
        config.reconcile = Duration::from_secs(3600);
    })
    .await
}

async fn put(bucket: &Bucket, key: &str, content: &[u8]) {
    bucket.store.put(&objects::path(key).unwrap(), PutPayload::from(content.to_vec())).await.unwrap();
}

async fn delete(bucket: &Bucket, key: &str) {
    bucket.store.delete(&objects::path(key).unwrap()).await.unwrap();
}

/// A completed job of two segments, with everything that our workers leave of it.
async fn completed(plane: &Plane) -> JobId {
    let (backend, now) = (&plane.backend, plane.now());
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(2)).await;
    let (input, output) = (&backend.input, &backend.output);
    put(input, &keys::source(job_id), b"source").await;
    Checksum::of(b"source").store(input, &keys::source_checksum(job_id)).await.unwrap();
    put(input, &keys::manifest(job_id), b"{}").await;
    for index in 0..2 {
        put(input, &segment(job_id, index), b"segment").await;
        Checksum::of(b"output").store(output, &keys::output_checksum(job_id, index)).await.unwrap();
        put(output, &keys::output_segment(job_id, index), b"output").await;
    }
    plane.complete(job_id, 0..2).await;
    backend.jobs.create_lock(job_id, now).await.unwrap();
    Checksum::of(b"result").store(output, &keys::result_checksum(job_id)).await.unwrap();
    put(output, &keys::result(job_id), b"result").await;
    let done = backend.jobs.transition(job_id, &Transition::completed(now)).await.unwrap();
    assert!(matches!(done, Transitioned::Changed(_)));
    for role in QueueRole::PIPELINE {
        backend.queue(*role).unwrap().purge().await.unwrap();
    }
    plane
        .snapshot("the completed job", |snapshot| {
            let view = snapshot.jobs.iter().find(|view| view.job.job_id == job_id);
            view.is_some_and(|view| view.job.status == JobStatus::Completed)
        })
        .await;
    // Only what ended before a pass began is missed by it.
    plane.clock.advance(Duration::from_secs(1));
    job_id
}

fn segment(job_id: JobId, index: u32) -> String {
    keys::segment(keys::SegmentKey {
        job_id,
        index,
        total: 2,
        mode: stereospot_domain::JobOptions::default().format.mode(),
    })
}

async fn ready(plane: &Plane, role: QueueRole) -> u64 {
    plane.stats(QueueName::main(role)).await.ready
}

fn repair(job_id: JobId, code: FindingCode) -> Action {
    Action::Repair { job_id, code }
}

#[tokio::test]
async fn a_deleted_result_is_found_and_joined_again() {
    let plane = sweeping().await;
    let (job_id, whole) = (completed(&plane).await, completed(&plane).await);
    plane.findings(job_id, &[]).await;
    delete(&plane.backend.output, &keys::result(job_id)).await;
    plane.findings(job_id, &["result-missing"]).await;
    plane.findings(whole, &[]).await;
    plane.client.verify_job(job_id).await.unwrap();
    assert_eq!(plane.client.job(job_id).await.unwrap().check.unwrap().result, Some(Verdict::Missing));
    let attention = plane.client.snapshot().await.unwrap().attention;
    assert_eq!(attention.len(), 1, "{attention:#?}");
    let (plan, applied) = plane.act(repair(job_id, FindingCode::ResultMissing)).await;
    assert_eq!(plan.items[0].what, "join its segments again");
    assert_eq!(applied.results[0].outcome, Outcome::Done, "{applied:#?}");
    plane.status(job_id, JobStatus::Reassembling).await;
    assert_eq!(ready(&plane, QueueRole::Reassembly).await, 1);
    plane.findings(job_id, &[]).await;
    // As the worker ends it.
    put(&plane.backend.output, &keys::result(job_id), b"result").await;
    let later = plane.now().plus(Duration::from_millis(1));
    plane.backend.jobs.transition(job_id, &Transition::completed(later)).await.unwrap();
    plane.status(job_id, JobStatus::Completed).await;
    plane.findings(job_id, &[]).await;
    assert_eq!(plane.client.job(job_id).await.unwrap().check, None, "the check was of the result before");
}

#[tokio::test]
async fn what_is_lost_with_the_result_is_made_again_as_far_as_needed() {
    let plane = sweeping().await;
    for (lost, what, role, status) in [
        (vec![], "join its segments again", QueueRole::Reassembly, JobStatus::Reassembling),
        (
            vec![keys::output_segment as fn(JobId, u32) -> String],
            "convert 1 segment again, then join all",
            QueueRole::Inference,
            JobStatus::ChunkingComplete,
        ),
        (
            vec![keys::output_segment, segment],
            "split the source again, convert 1 segment, then join all",
            QueueRole::Chunking,
            JobStatus::Created,
        ),
    ] {
        let job_id = completed(&plane).await;
        for key in &lost {
            let key = key(job_id, 1);
            let bucket = if key.starts_with("jobs/") { &plane.backend.output } else { &plane.backend.input };
            delete(bucket, &key).await;
        }
        delete(&plane.backend.output, &keys::result(job_id)).await;
        plane.findings(job_id, &["result-missing"]).await;
        let (plan, applied) = plane.act(repair(job_id, FindingCode::ResultMissing)).await;
        assert_eq!(plan.items[0].what, what);
        assert_eq!(applied.results[0].outcome, Outcome::Done, "{applied:#?}");
        plane.status(job_id, status).await;
        assert_eq!(ready(&plane, role).await, 1, "{what}");
        for role in QueueRole::PIPELINE {
            plane.backend.queue(*role).unwrap().purge().await.unwrap();
        }
        let kept = if lost.is_empty() { 2 } else { 1 };
        assert_eq!(plane.backend.jobs.count_completions(job_id).await.unwrap(), kept, "{what}");
    }
}

#[tokio::test]
async fn without_its_source_a_result_is_gone_for_good() {
    let plane = sweeping().await;
    let job_id = completed(&plane).await;
    delete(&plane.backend.output, &keys::result(job_id)).await;
    delete(&plane.backend.input, &keys::source(job_id)).await;
    plane.findings(job_id, &["result-missing"]).await;
    let plan = plane.client.plan(repair(job_id, FindingCode::ResultMissing), None).await.unwrap();
    let refused = plan.refused.unwrap();
    assert_eq!(refused.code, RefusalCode::SourceGone);
    assert_eq!(refused.why, "the result can't be made again, because the source is gone, too: submit the video again");
    assert_eq!(plane.backend.jobs.get(job_id).await.unwrap().unwrap().status, JobStatus::Completed);
}

#[tokio::test]
async fn a_result_of_another_size_is_found_also_after_a_restart() {
    let mut plane = sweeping().await;
    let job_id = completed(&plane).await;
    plane.findings(job_id, &[]).await;
    put(&plane.backend.output, &keys::result(job_id), b"resul").await;
    plane.findings(job_id, &["result-damaged"]).await;
    let detail = plane.client.job(job_id).await.unwrap();
    assert_eq!(detail.view.findings[0].evidence, ["final.mp4 has 5 bytes, and its worker wrote 6"]);
    plane.restart().await;
    plane.findings(job_id, &["result-damaged"]).await;
    let (_, applied) = plane.act(repair(job_id, FindingCode::ResultDamaged)).await;
    assert_eq!(applied.results[0].outcome, Outcome::Done, "{applied:#?}");
    assert!(!objects::exists(&*plane.backend.output.store, &keys::result(job_id)).await.unwrap());
    plane.status(job_id, JobStatus::Reassembling).await;
}

#[tokio::test]
async fn a_result_that_is_whole_is_not_made_again() {
    let plane = sweeping().await;
    let job_id = completed(&plane).await;
    put(&plane.backend.output, &keys::result(job_id), b"resul").await;
    plane.findings(job_id, &["result-damaged"]).await;
    let plan = plane.client.plan(repair(job_id, FindingCode::ResultDamaged), None).await.unwrap();
    assert_eq!(plan.refused, None);
    // It is put back before the plan is applied.
    put(&plane.backend.output, &keys::result(job_id), b"result").await;
    let applied = plane.client.apply(plan.id, &Default::default()).await.unwrap();
    assert_ne!(applied.results[0].outcome, Outcome::Done, "{applied:#?}");
    assert_eq!(plane.backend.jobs.get(job_id).await.unwrap().unwrap().status, JobStatus::Completed);
}

#[tokio::test]
async fn verifying_finds_each_kind_of_damage_and_keeps_what_it_found() {
    let plane = Plane::with(|config| {
        (config.sweep, config.verify_bytes_per_sec) = (Some(Duration::from_secs(3600)), 0);
        config.reconcile = Duration::from_secs(3600);
    })
    .await;
    let job_id = completed(&plane).await;
    assert_eq!(plane.client.job(job_id).await.unwrap().check, None);
    let verdicts = async || {
        let check = plane.client.verify_job(job_id).await.unwrap();
        let bad = check.objects.iter().filter(|object| object.verdict.is_bad());
        bad.map(|object| (object.key.clone(), object.verdict)).collect::<Vec<_>>()
    };
    let check = plane.client.verify_job(job_id).await.unwrap();
    let of = |key: &str| check.objects.iter().find(|object| object.key == key).map(|object| object.verdict);
    assert_eq!(of(&keys::source(job_id)), Some(Verdict::Ok));
    assert_eq!(of(&keys::result(job_id)), Some(Verdict::Ok));
    assert_eq!(of(&segment(job_id, 1)), Some(Verdict::Unverified), "the manifest has no checksum of it");
    assert_eq!(verdicts().await, []);
    // The same length, another byte.
    let (input, output) = (&plane.backend.input, &plane.backend.output);
    put(input, &keys::source(job_id), b"sourcf").await;
    assert_eq!(verdicts().await, [(keys::source(job_id), Verdict::Damaged)]);
    plane.findings(job_id, &[]).await;
    put(output, &keys::output_segment(job_id, 1), b"outpuu").await;
    put(output, &keys::result(job_id), b"resulu").await;
    let damaged = [keys::source(job_id), keys::result(job_id), keys::output_segment(job_id, 1)];
    let mut damaged = damaged.map(|key| (key, Verdict::Damaged));
    damaged.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(verdicts().await, damaged);
    plane.findings(job_id, &["result-damaged"]).await;
    let check = plane.client.job(job_id).await.unwrap().check.unwrap();
    assert_eq!((check.damaged, check.result), (3, Some(Verdict::Damaged)));
    // What was restored is no finding any more.
    put(output, &keys::result(job_id), b"result").await;
    assert_eq!(verdicts().await.len(), 2);
    plane.findings(job_id, &[]).await;
    delete(output, &keys::result(job_id)).await;
    assert!(verdicts().await.contains(&(keys::result(job_id), Verdict::Missing)));
    plane.findings(job_id, &["result-missing"]).await;
    let nothing = plane.client.verify_job(JobId(uuid::Uuid::nil())).await.unwrap_err();
    assert!(nothing.to_string().starts_with("there is no job"), "{nothing}");
}

#[tokio::test]
async fn other_services_results_are_unverified() {
    let plane = sweeping().await;
    let job_id = completed(&plane).await;
    Checksum::forget(&plane.backend.output, &keys::result_checksum(job_id)).await.unwrap();
    let check = plane.client.verify_job(job_id).await.unwrap();
    let result = check.objects.iter().find(|object| object.key == keys::result(job_id)).unwrap();
    assert_eq!(result.verdict, Verdict::Unverified);
    plane.findings(job_id, &[]).await;
}

#[tokio::test]
async fn a_flipped_byte_of_a_result_is_found_in_the_background() {
    let plane = Plane::with(|config| {
        (config.sweep, config.verify_bytes_per_sec) = (Some(Duration::from_secs(3600)), 1 << 30);
        config.reconcile = Duration::from_secs(3600);
    });
    // The first round begins at once: what is wrong must be there before it.
    let mut plane = plane.await;
    let job_id = completed(&plane).await;
    put(&plane.backend.output, &keys::result(job_id), b"resulu").await;
    plane.restart().await;
    plane.findings(job_id, &["result-damaged"]).await;
}

#[tokio::test]
async fn the_row_of_a_completed_job_is_written_again() {
    let clock = ManualClock::default();
    let mut backend = memory::backend(&clock);
    let losing = Arc::new(LosesRow { inner: backend.jobs.clone(), lost: Mutex::default() });
    backend.jobs = losing.clone();
    let plane = Plane::over(backend, clock, |config| {
        (config.sweep, config.verify_bytes_per_sec) = (Some(Duration::ZERO), 0);
        config.reconcile = Duration::from_secs(3600);
        // All rows of completed jobs are listed every 600 polls.
        config.poll = Duration::from_millis(5);
    })
    .await;
    let job_id = completed(&plane).await;
    let row = plane.backend.jobs.get(job_id).await.unwrap().unwrap();
    *losing.lost.lock().unwrap() = Some(job_id);
    plane.clock.advance(Duration::from_secs(1));
    plane.findings(job_id, &["row-missing"]).await;
    let (_, applied) = plane.act(repair(job_id, FindingCode::RowMissing)).await;
    assert_eq!(applied.results[0].outcome, Outcome::Done, "{applied:#?}");
    assert_eq!(plane.backend.jobs.get(job_id).await.unwrap(), Some(row));
    plane.findings(job_id, &[]).await;
}

#[tokio::test]
async fn a_deleted_job_that_is_back_is_found_and_deleted_again() {
    let plane = sweeping().await;
    let job_id = completed(&plane).await;
    plane.act(Action::Delete { job_id }).await;
    plane.snapshot("deleted", |snapshot| snapshot.jobs.iter().any(|view| view.job.status == JobStatus::Deleted)).await;
    // Another service writes late.
    let late = Transition { from: vec![JobStatus::Deleted], ..Transition::completed(Timestamp(9)) };
    plane.backend.jobs.transition(job_id, &late).await.unwrap();
    plane.client.job(job_id).await.unwrap();
    plane
        .eventually("the finding", async |plane| {
            let findings = plane.client.job(job_id).await.unwrap().view.findings;
            findings.iter().any(|finding| finding.code == FindingCode::DeletedCameBack).then_some(())
        })
        .await;
    let (_, applied) = plane.act(repair(job_id, FindingCode::DeletedCameBack)).await;
    assert_eq!(applied.results[0].outcome, Outcome::Done, "{applied:#?}");
    plane.status(job_id, JobStatus::Deleted).await;
    plane.findings(job_id, &[]).await;
}
