//! A deployment with 100,000 jobs, most of them settled: watching it costs what the few active ones cost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use object_store::ObjectStoreExt as _;
use stereospot_domain::{
    Job, JobId, JobOptions, JobStatus, Lock, QueueRole, SegmentCompletion, Timestamp, Topology, keys,
};
use stereospot_ports::job_store::{Acquired, Page, Transition, Transitioned};
use stereospot_ports::memory::ManualClock;
use stereospot_ports::{Clock, Error, ErrorCode, JobStore, Result, objects};
use uuid::Uuid;

use crate::foreign;
use crate::harness::Plane;

const JOBS: usize = 100_000;
const ACTIVE: usize = 300;
/// Segments of an active job, and how many of them are done.
const SEGMENTS: (u32, u32) = (40, 10);

/// Rows that no one changes.
#[derive(Debug)]
struct Crowd {
    by_status: BTreeMap<JobStatus, Vec<Job>>,
    by_id: BTreeMap<JobId, Job>,
    /// Jobs whose details were asked for.
    asked: Mutex<BTreeSet<JobId>>,
}

impl Crowd {
    fn new(now: Timestamp) -> Self {
        let mut by_status: BTreeMap<JobStatus, Vec<Job>> = BTreeMap::new();
        let mut by_id = BTreeMap::new();
        for number in 0..JOBS {
            let made = now.minus(Duration::from_secs(60 * number as u64 + 60));
            let mut job = Job::new(JobId(Uuid::from_u128(number as u128 + 1)), JobOptions::default(), None, made);
            (job.status, job.total_segments) = match number {
                _ if number < ACTIVE => (JobStatus::ChunkingComplete, Some(SEGMENTS.0)),
                _ if number % 50 == 0 => (JobStatus::Failed, None),
                _ if number % 10 == 0 => (JobStatus::Deleted, Some(SEGMENTS.0)),
                _ => (JobStatus::Completed, Some(SEGMENTS.0)),
            };
            by_status.entry(job.status).or_default().push(job.clone());
            by_id.insert(job.job_id, job);
        }
        Self { by_status, by_id, asked: Mutex::default() }
    }

    fn ask(&self, job_id: JobId) {
        self.asked.lock().unwrap().insert(job_id);
    }
}

fn nobody_writes<T>() -> Result<T> {
    Err(Error::new(ErrorCode::Internal, "nobody writes here"))
}

#[async_trait]
impl JobStore for Crowd {
    async fn create(&self, _: &Job) -> Result<()> {
        nobody_writes()
    }
    async fn get(&self, job_id: JobId) -> Result<Option<Job>> {
        self.ask(job_id);
        Ok(self.by_id.get(&job_id).cloned())
    }
    async fn list(&self, status: JobStatus, cursor: Option<&str>, limit: usize) -> Result<Page<Job>> {
        let all = self.by_status.get(&status).map_or(&[][..], Vec::as_slice);
        let from = cursor.map_or(0, |cursor| cursor.parse().unwrap());
        let until = (from + limit).min(all.len());
        Ok(Page { items: all[from..until].to_vec(), next: (until < all.len()).then(|| until.to_string()) })
    }
    async fn transition(&self, _: JobId, _: &Transition) -> Result<Transitioned> {
        nobody_writes()
    }
    async fn delete_row(&self, _: JobId) -> Result<bool> {
        nobody_writes()
    }
    async fn set_uploaded(&self, _: JobId, _: Timestamp, _: u64) -> Result<()> {
        nobody_writes()
    }
    async fn put_completion(&self, _: &SegmentCompletion) -> Result<()> {
        nobody_writes()
    }
    async fn count_completions(&self, _: JobId) -> Result<u32> {
        Ok(SEGMENTS.1)
    }
    async fn list_completions(&self, job_id: JobId, _: Option<&str>, _: usize) -> Result<Page<SegmentCompletion>> {
        self.ask(job_id);
        let completed_at = self.by_id[&job_id].created_at;
        let of = |segment_index| SegmentCompletion { job_id, segment_index, output_uri: String::new(), completed_at };
        Ok(Page { items: (0..SEGMENTS.1).map(of).collect(), next: None })
    }
    async fn delete_completions(&self, _: JobId) -> Result<u32> {
        nobody_writes()
    }
    async fn delete_completion(&self, _: JobId, _: u32) -> Result<()> {
        nobody_writes()
    }
    async fn lock(&self, job_id: JobId) -> Result<Option<Lock>> {
        self.ask(job_id);
        Ok(None)
    }
    async fn create_lock(&self, _: JobId, _: Timestamp) -> Result<bool> {
        nobody_writes()
    }
    async fn retrigger_lock(&self, _: JobId, _: Timestamp, _: Timestamp) -> Result<bool> {
        nobody_writes()
    }
    async fn acquire_lock(&self, _: JobId, _: &str, _: Timestamp, _: Duration) -> Result<Acquired> {
        nobody_writes()
    }
    async fn renew_lock(&self, _: JobId, _: &str, _: Timestamp, _: Duration) -> Result<bool> {
        nobody_writes()
    }
    async fn release_lock(&self, _: JobId, _: &str) -> Result<bool> {
        nobody_writes()
    }
    async fn reset_lock(&self, _: JobId, _: Timestamp) -> Result<bool> {
        nobody_writes()
    }
    async fn delete_lock(&self, _: JobId) -> Result<bool> {
        nobody_writes()
    }
}

/// Time runs fifty times as fast here: pauses of ten seconds are a fifth of one. The budget is less than what the active jobs
/// would like.
#[tokio::test]
async fn a_hundred_thousand_jobs_cost_what_the_active_ones_cost() {
    const FASTER: u32 = 50;
    const BUDGET: u32 = 6_000;
    let clock = ManualClock::default();
    let crowd = Arc::new(Crowd::new(clock.now()));
    let (platform, calls) = foreign::platform(&clock, Topology::VideoWorker, Some(crowd.clone()));
    // The pass through the objects finds every result, and looks no closer.
    for job in &crowd.by_status[&JobStatus::Completed] {
        let path = objects::path(&keys::result(job.job_id)).unwrap();
        platform.backend.output.store.put(&path, "v".into()).await.unwrap();
    }
    platform.backend.queue(QueueRole::OutputEvents).unwrap().purge().await.unwrap();
    let put = calls.all();
    let plane = Plane::over(platform, clock, |config| {
        config.poll = Duration::from_secs(1) / FASTER;
        config.poll_budget_per_minute = Some(BUDGET);
        config.is_read_only = true;
    })
    .await;
    let began = Instant::now();
    plane.snapshot("all jobs", |snapshot| snapshot.jobs_total == JOBS as u64).await;
    let is_read = |snapshot: &stereospot_api::view::Snapshot| {
        snapshot.jobs.iter().filter(|view| view.segments_done == SEGMENTS.1).count() == ACTIVE
    };
    plane.snapshot("the active ones in full", is_read).await;
    let pages = JOBS.div_ceil(1_000) as u64;
    assert!(calls.of("dynamodb.Query jobs") >= pages);
    // Four minutes of its time, by the readings of eight queues that are read every thirty seconds at least.
    let before = calls.of("sqs.GetQueueAttributes");
    plane
        .eventually("some minutes", async |_| (calls.of("sqs.GetQueueAttributes") >= before + 8 * 8).then_some(()))
        .await;
    let minutes = began.elapsed().as_secs_f64() * f64::from(FASTER) / 60.0;
    // A fifth at once, the rest evenly; what runs just now may be counted, and not be granted to the end.
    let allowed = f64::from(BUDGET) * (0.2 + 0.8 * began.elapsed().as_secs_f64() / 60.0) + 50.0;
    let made = calls.all() - put;
    assert!((made as f64) <= allowed, "{made} calls of {allowed:.0}");
    // All rows were listed once; from then on only those that can change.
    let listed = calls.of("dynamodb.Query jobs") - pages;
    assert!((listed as f64) < 40.0 * (minutes + 1.0), "{listed} lists in {minutes:.1} minutes");
    let asked = crowd.asked.lock().unwrap().clone();
    let settled = asked.iter().filter(|job_id| crowd.by_id[job_id].status.is_final());
    let failed = settled.clone().filter(|job_id| crowd.by_id[job_id].status == JobStatus::Failed).count();
    assert_eq!(settled.count(), failed, "a job that has its result is never asked for again");
    assert!(failed <= 200, "{failed}");
    plane.stop().await;
}
