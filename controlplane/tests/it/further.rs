//! Queues that only existing deployments have: watched, looked into, replayed, purged as the others; absent where they are.

use std::sync::Arc;

use stereospot_api::client::Error;
use stereospot_controlplane::Platform;
use stereospot_domain::attention::{Step, Subject};
use stereospot_domain::plan::{Action, Outcome, Target};
use stereospot_domain::{JobId, JobStatus, QueueName, QueueRole, keys, message};
use stereospot_ports::fleet::memory::MemoryFleet;
use stereospot_ports::fleet::{Fleet, Scaling, Service};
use stereospot_ports::job_store::Transition;
use stereospot_ports::memory::{self, ManualClock};
use stereospot_ports::work_queue::Outgoing;
use uuid::Uuid;

use crate::harness::{Plane, Side};
use crate::platform::{passive, platform};

/// A control plane over a deployment that has every queue, and whose job-worker has no task.
pub(crate) async fn whole() -> (Plane, Arc<MemoryFleet>) {
    let clock = ManualClock::default();
    let job_worker =
        Service { name: "job-worker".into(), desired: 0, running: 0, pending: 0, scaling: Scaling::Off, note: None };
    let fleet = Arc::new(MemoryFleet::of(vec![job_worker]));
    let backend = memory::backend_with(&clock, QueueRole::ALL);
    let platform = Platform { backend, fleet: Some(fleet.clone()), ..platform(&clock) };
    (passive(platform, clock).await, fleet)
}

async fn dead_letter(plane: &Plane, role: QueueRole, bodies: &[String]) {
    for body in bodies {
        plane.backend.queue(role).unwrap().send(&[Outgoing::now(body.clone())]).await.unwrap();
    }
    plane.dead_letter(role).await;
}

/// Makes the replay's plan, checks who is sent and why the others are left, applies it.
async fn replay(plane: &Plane, role: QueueRole, sent: usize, skipped: &[&str]) {
    let queue = QueueName::dead_letter(role);
    let (plan, applied) = plane.act(Action::Replay { queue, message_ids: None }).await;
    let messages = plan.items.iter().filter(|item| !matches!(item.target, Target::StartWorker { .. }));
    assert_eq!(messages.count(), sent, "{plan:#?}");
    let whys: Vec<&str> = plan.skips.iter().map(|skip| skip.what.as_str()).collect();
    assert!(
        whys.len() == skipped.len() && whys.iter().zip(skipped).all(|(why, begin)| why.starts_with(begin)),
        "{whys:?}"
    );
    assert!(applied.results.iter().all(|result| result.outcome == Outcome::Done), "{applied:#?}");
    assert_eq!(plane.stats(QueueName::main(role)).await.ready, sent as u64);
    assert_eq!(plane.stats(queue).await.ready, skipped.len() as u64);
}

fn notice(key: &str) -> String {
    message::object_created("output", key)
}

fn of_job(job_id: JobId) -> String {
    message::reassemble(job_id)
}

fn nobody() -> JobId {
    JobId(Uuid::new_v4())
}

#[tokio::test]
async fn a_lost_completion_is_seen_and_sent_to_the_job_worker_again() {
    const SAID: &str = "6 messages: outputs that the job-worker did not record";
    let (plane, fleet) = whole().await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(3)).await;
    plane.complete(job_id, [1]).await;
    let done = plane.job(JobStatus::Completed, Some(1)).await;
    let bodies = [
        notice(&keys::output_segment(job_id, 0)),
        notice(&keys::output_segment(job_id, 1)),
        notice(&keys::result(done)),
        notice("sagemaker-async-responses/1.out"),
        notice(&keys::output_segment(nobody(), 0)),
        "nonsense".into(),
    ];
    dead_letter(&plane, QueueRole::JobStatusEvents, &bodies).await;
    let queue = QueueName::dead_letter(QueueRole::JobStatusEvents);
    let letters = Subject::DeadLetterQueue { queue: QueueName::dead_letter(QueueRole::JobStatusEvents) };
    let snapshot = plane
        .snapshot("the queue's line", |snapshot| {
            snapshot.attention.iter().any(|line| line.about == letters && line.evidence == SAID)
        })
        .await;
    assert_eq!(snapshot.queues.len(), 16);
    let view = snapshot.jobs.iter().find(|view| view.job.job_id == job_id).unwrap();
    assert_eq!(view.segments_dead, Some(2), "that a segment's notice is dead shows with the job");
    let peeked = plane.client.peek(queue, 10).await.unwrap();
    assert_eq!((peeked.len(), peeked[0].job_id, peeked[0].segment_index), (6, Some(job_id), Some(0)));
    let skipped = [
        "its completion is recorded already",
        "job completed already",
        "its job does not exist",
        "no worker can read it: the body is neither",
    ];
    replay(&plane, QueueRole::JobStatusEvents, 2, &skipped).await;
    assert_eq!(fleet.services().await.unwrap()[0].desired, 1, "somebody must be there to take them");
    assert_eq!(plane.backend.jobs.count_completions(job_id).await.unwrap(), 1, "the rows are the job-worker's");
}

#[tokio::test]
async fn a_deletion_is_asked_for_again_until_nothing_is_left() {
    let (plane, _) = whole().await;
    let mut jobs = Vec::new();
    for _ in 0..3 {
        jobs.push(plane.job(JobStatus::Completed, Some(1)).await);
    }
    let [gone, half_gone, waiting] = jobs[..] else { panic!() };
    plane.put_silently(Side::Output, &keys::result(half_gone)).await;
    for job_id in [gone, half_gone] {
        plane.backend.jobs.transition(job_id, &Transition::to(JobStatus::Deleted)).await.unwrap();
    }
    let bodies = [gone, half_gone, waiting, nobody()].map(of_job);
    dead_letter(&plane, QueueRole::Deletion, &bodies).await;
    let skipped = ["job deleted, and nothing of it is left", "its job does not exist"];
    replay(&plane, QueueRole::Deletion, 2, &skipped).await;
}

#[tokio::test]
async fn a_source_is_fetched_again_only_while_it_is_wanted_and_missing() {
    let (plane, _) = whole().await;
    let (missing, there) = (plane.job(JobStatus::Created, None).await, plane.job(JobStatus::Created, None).await);
    let split = plane.job(JobStatus::ChunkingComplete, Some(2)).await;
    plane.put_silently(Side::Input, &keys::source(there)).await;
    let body = |job_id: JobId| format!(r#"{{"source_type":"youtube","job_id":"{job_id}","source_url":"https://a/b"}}"#);
    let mut bodies = [missing, there, split].map(body).to_vec();
    bodies.push(of_job(missing));
    dead_letter(&plane, QueueRole::Ingest, &bodies).await;
    let skipped = [
        "its source is there already",
        "the job is chunking_complete: it waits for no source",
        "no worker can read it: the body is neither",
    ];
    replay(&plane, QueueRole::Ingest, 1, &skipped).await;
}

#[tokio::test]
async fn changes_of_rows_go_to_the_screens_again_whatever_became_of_the_job() {
    let (plane, _) = whole().await;
    let record = format!(r#"{{"dynamodb":{{"Keys":{{"job_id":{{"S":"{}"}}}}}}}}"#, nobody());
    dead_letter(&plane, QueueRole::JobEvents, &[record, "nonsense".into()]).await;
    replay(&plane, QueueRole::JobEvents, 1, &["no worker can read it"]).await;
}

#[tokio::test]
async fn a_purge_of_such_a_queue_can_be_undone() {
    let (plane, _) = whole().await;
    let job_id = plane.job(JobStatus::Completed, Some(1)).await;
    dead_letter(&plane, QueueRole::Deletion, &[of_job(job_id)]).await;
    let queue = QueueName::dead_letter(QueueRole::Deletion);
    let (plan, _) = plane.act(Action::Purge { queue, message_ids: None }).await;
    assert_eq!((plan.items[0].job_id, plane.stats(queue).await.ready), (Some(job_id), 0));
    plane.act(Action::Restore { plan_id: plan.id }).await;
    assert_eq!(plane.client.peek(queue, 10).await.unwrap()[0].body, of_job(job_id));
}

#[tokio::test]
async fn a_purge_names_the_jobs_whose_source_will_not_be_fetched() {
    let (plane, _) = whole().await;
    let job_id = plane.job(JobStatus::Created, None).await;
    let body = format!(r#"{{"source_type":"youtube","job_id":"{job_id}","source_url":"https://a/b"}}"#);
    dead_letter(&plane, QueueRole::Ingest, &[body]).await;
    plane.snapshot("the job", |snapshot| snapshot.jobs.iter().any(|view| view.job.job_id == job_id)).await;
    let queue = QueueName::dead_letter(QueueRole::Ingest);
    let plan = plane.client.plan(Action::Purge { queue, message_ids: None }, None).await.unwrap();
    let told = format!("stays stuck: nothing else says where its source is: {job_id}");
    assert!(plan.assumptions.iter().any(|line| line.ends_with(&told)), "{plan:#?}");
    assert!(plan.effect.contains("1 job stuck until repaired"), "{}", plan.effect);
}

#[tokio::test]
async fn a_queue_whose_service_has_no_task_is_said() {
    let (plane, _) = whole().await;
    for role in [QueueRole::JobStatusEvents, QueueRole::JobEvents] {
        plane.backend.queue(role).unwrap().send(&[Outgoing::now("{}")]).await.unwrap();
        plane.depth_is_read(QueueName::main(role), 1).await;
    }
    plane.snapshot("the services", |snapshot| snapshot.services.len() == 1).await;
    plane.clock.advance(std::time::Duration::from_secs(601));
    let snapshot = plane
        .snapshot("both lines", |snapshot| {
            snapshot.attention.iter().filter(|line| matches!(line.about, Subject::Service { .. })).count() == 2
        })
        .await;
    let line = |name: &str, role| {
        let about = Subject::Service { name: name.into(), role };
        snapshot.attention.iter().find(|line| line.about == about).unwrap()
    };
    let line_of_worker = line("job-worker", QueueRole::JobStatusEvents);
    assert_eq!(line_of_worker.evidence, "queue job-status-events 1, 0 running of 0 desired");
    assert_eq!(line_of_worker.next, [Step::Scale { service: "job-worker".into(), desired: 1 }]);
    assert_eq!(line("web-ui", QueueRole::JobEvents).evidence, "queue job-events 1, the cluster has no such service");
    assert_eq!(line_of_worker.code, "queue-unserved");
}

#[tokio::test]
async fn where_there_is_no_such_queue_nothing_is_shown_of_it() {
    let plane = Plane::passive().await;
    let snapshot =
        plane.snapshot("the queues", |snapshot| snapshot.queues.iter().all(|queue| queue.ready.is_some())).await;
    let names: Vec<QueueName> = snapshot.queues.iter().map(|queue| queue.name).collect();
    assert_eq!(names, QueueName::pipeline().collect::<Vec<_>>());
    assert_eq!(plane.client.deployment().await.unwrap().queues.len(), 8);
    let queue = QueueName::dead_letter(QueueRole::Ingest);
    let said = |error: Error| match error {
        Error::Refused(problem) => (problem.status, problem.detail),
        other => panic!("{other:?}"),
    };
    let expected = (404, "this deployment has no queue ingest-dlq".to_owned());
    assert_eq!(said(plane.client.peek(queue, 10).await.unwrap_err()), expected);
    for action in [
        Action::Replay { queue, message_ids: None },
        Action::Purge { queue, message_ids: None },
        Action::StopMove { queue },
    ] {
        let refused = plane.client.plan(action, None).await;
        let said = refused.map_or_else(said, |plan| (404, plan.refused.map_or(String::new(), |refused| refused.why)));
        assert_eq!(said, expected);
    }
}
