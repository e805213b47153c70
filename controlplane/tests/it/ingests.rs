//! Sources that an existing deployment's service fetches from an address: what becomes of those that it lost.

use std::time::Duration;

use stereospot_domain::attention::Step;
use stereospot_domain::diagnosis::{Finding, Severity};
use stereospot_domain::plan::{Action, Outcome};
use stereospot_domain::{JobId, JobStatus, QueueName, QueueRole, Topology, keys, message};
use stereospot_ports::memory::{self, ManualClock};
use stereospot_ports::work_queue::Outgoing;

use crate::foreign;
use crate::further::whole;
use crate::harness::{Plane, Side};

const INGEST: QueueName = QueueName { role: QueueRole::Ingest, is_dead_letter: false };
const CHUNKING: QueueName = QueueName { role: QueueRole::Chunking, is_dead_letter: false };
const HOUR: Duration = Duration::from_secs(3600);
/// Why a deployment that has no such queue has lost it.
const NO_QUEUE: &str = "this deployment has no ingest queue";

fn asked_for(job_id: JobId) -> String {
    format!(r#"{{"source_type":"youtube","job_id":"{job_id}","source_url":"https://a/b"}}"#)
}

async fn ask_for(plane: &Plane, job_id: JobId) {
    plane.backend.queues[&INGEST].send(&[Outgoing::now(asked_for(job_id))]).await.unwrap();
}

/// Two jobs that say `ingesting`: one whose source came, and one whose source did not.
async fn two(plane: &Plane) -> (JobId, JobId) {
    let (there, missing) = (plane.job(JobStatus::Ingesting, None).await, plane.job(JobStatus::Ingesting, None).await);
    plane.put_silently(Side::Input, &keys::source(there)).await;
    (there, missing)
}

async fn findings(plane: &Plane, job_id: JobId) -> Vec<Finding> {
    let snapshot = plane.client.snapshot().await.unwrap();
    snapshot.jobs.into_iter().find(|view| view.job.job_id == job_id).map_or(Vec::new(), |view| view.findings)
}

fn repair(job_id: JobId, code: &str) -> Action {
    Action::Repair { job_id, code: code.parse().unwrap() }
}

/// Waits until the source's notification lies on the chunking queue, and the job says `created`.
async fn split_soon(plane: &Plane, job_id: JobId) {
    plane.status(job_id, JobStatus::Created).await;
    let body = message::object_created("input", &keys::source(job_id));
    plane
        .eventually("the source's notification", async |plane| {
            let sent = plane.backend.queues[&CHUNKING].peek(10).await.unwrap();
            (sent.len() == 1 && sent[0].body == body).then_some(())
        })
        .await;
}

#[tokio::test]
async fn an_abandoned_ingest_is_found_and_repaired_or_failed() {
    let (plane, _) = whole().await;
    let (there, missing) = two(&plane).await;
    ask_for(&plane, missing).await;
    plane.depth_is_read(INGEST, 1).await;
    for job_id in [there, missing] {
        plane.after(job_id, HOUR).await;
    }
    let revision = plane.client.snapshot().await.unwrap().revision;
    plane.snapshot("some readings", |snapshot| snapshot.revision > revision + 40).await;
    for job_id in [there, missing] {
        assert_eq!(findings(&plane, job_id).await, [], "its message may still wait");
    }
    plane.backend.queues[&INGEST].purge().await.unwrap();
    for job_id in [there, missing] {
        plane.findings(job_id, &["ingest-lost"]).await;
    }

    let plan = plane.client.plan(repair(missing, "ingest-lost"), None).await.unwrap();
    let refused = plan.refused.unwrap().why;
    assert!(refused.contains("no source object exists") && refused.contains("submit it again"), "{refused}");
    let line = plane
        .snapshot("its line", |snapshot| snapshot.attention.iter().any(|line| line.job_id == Some(missing)))
        .await
        .attention
        .into_iter()
        .find(|line| line.job_id == Some(missing))
        .unwrap();
    assert_eq!(line.next, [Step::ShowJob { job_id: missing }, Step::GiveUp { job_id: missing }]);
    plane.act(Action::Fail { job_id: missing, reason: None, discard: false }).await;
    plane.status(missing, JobStatus::Failed).await;
    plane.findings(missing, &[]).await;

    let (plan, applied) = plane.act(repair(there, "ingest-lost")).await;
    assert_eq!(plan.items[0].what, "give its job back to created, and send its notification again");
    assert_eq!((applied.results.len(), applied.results[0].outcome), (1, Outcome::Done), "{applied:#?}");
    split_soon(&plane, there).await;
    plane.findings(there, &[]).await;
}

#[tokio::test]
async fn a_fetched_source_is_split_unasked_where_that_is_on() {
    let clock = ManualClock::default();
    let plane = Plane::over(memory::backend_with(&clock, QueueRole::ALL), clock, |_| {}).await;
    let (there, missing) = two(&plane).await;
    for job_id in [there, missing] {
        plane.after(job_id, HOUR).await;
    }
    split_soon(&plane, there).await;
    plane.findings(missing, &["ingest-lost"]).await;
    assert_eq!(plane.backend.jobs.get(missing).await.unwrap().unwrap().status, JobStatus::Ingesting);
}

#[tokio::test]
async fn a_source_that_could_not_be_fetched_is_asked_for_again() {
    let (plane, _) = whole().await;
    let job_id = plane.job(JobStatus::Ingesting, None).await;
    ask_for(&plane, job_id).await;
    plane.dead_letter(QueueRole::Ingest).await;
    plane.findings(job_id, &["ingest-dead-lettered"]).await;
    plane.after(job_id, HOUR).await;
    plane.findings(job_id, &["ingest-dead-lettered"]).await;
    let (plan, applied) = plane.act(repair(job_id, "ingest-dead-lettered")).await;
    assert_eq!(plan.items[0].job_id, Some(job_id), "{plan:#?}");
    assert_eq!(applied.results[0].outcome, Outcome::Done, "{applied:#?}");
    assert_eq!(plane.backend.queues[&INGEST].peek(10).await.unwrap()[0].body, asked_for(job_id));
    plane.findings(job_id, &[]).await;
}

#[tokio::test]
async fn a_job_that_says_ingesting_costs_a_call_only_when_that_takes_too_long() {
    let clock = ManualClock::default();
    let (platform, calls) = foreign::platform(&clock, Topology::JobWorker, None);
    let plane = Plane::over(platform, clock, |config| {
        (config.poll, config.poll_budget_per_minute) = (Duration::from_millis(2), Some(1_000_000));
        config.reconcile = HOUR;
    })
    .await;
    let job_id = plane.job(JobStatus::Ingesting, None).await;
    plane.after(job_id, Duration::ZERO).await;
    let before = calls.of("s3.HEAD");
    let looks = async |passed: u64, expected: u64| {
        let expected = before + expected;
        plane.after(job_id, Duration::from_secs(passed)).await;
        plane.eventually("a look at its source", async |_| (calls.of("s3.HEAD") >= expected).then_some(())).await;
        let revision = plane.client.snapshot().await.unwrap().revision;
        plane.snapshot("some readings", |snapshot| snapshot.revision > revision + 60).await;
        assert_eq!(calls.of("s3.HEAD"), expected);
    };
    looks(1199, 0).await;
    looks(1, 1).await;
    looks(299, 1).await;
    looks(1, 2).await;
    assert_eq!(findings(&plane, job_id).await, []);
    looks(4500, 3).await;
    plane.findings(job_id, &["ingest-lost"]).await;
    let found = findings(&plane, job_id).await;
    assert_eq!((found[0].severity, found[0].evidence[1].as_str()), (Severity::Warning, NO_QUEUE), "{found:#?}");
}
