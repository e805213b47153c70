//! Deleting what an ended job has.

use object_store::ObjectStoreExt;
use stereospot_domain::plan::{Action, Outcome, RefusalCode};
use stereospot_domain::{JobId, JobStatus, QueueName, QueueRole, keys, message};
use stereospot_ports::objects;
use stereospot_ports::work_queue::Outgoing;

use crate::harness::Plane;

const DEAD: QueueName = QueueName { role: QueueRole::Chunking, is_dead_letter: true };

async fn write(plane: &Plane, job_id: JobId) {
    let keys = [keys::source(job_id), keys::manifest(job_id), keys::output_segment(job_id, 0), keys::result(job_id)];
    for key in keys {
        let bucket = if key.starts_with("jobs/") { &plane.backend.output } else { &plane.backend.input };
        bucket.store.put(&objects::path(&key).unwrap(), "four".into()).await.unwrap();
    }
}

async fn left(plane: &Plane, job_id: JobId) -> usize {
    stereospot_ports::deletion::remains(&plane.backend, job_id).await.unwrap().objects
}

#[tokio::test]
async fn an_ended_job_is_deleted_with_its_dead_letters_and_no_other() {
    let plane = Plane::passive().await;
    let (job_id, other) = (plane.job(JobStatus::Failed, None).await, plane.job(JobStatus::Completed, Some(1)).await);
    for job_id in [job_id, other] {
        write(&plane, job_id).await;
    }
    let dead = plane.backend.queue_named(DEAD).unwrap();
    for job_id in [job_id, other] {
        dead.send(&[Outgoing::now(message::object_created("input", &keys::source(job_id)))]).await.unwrap();
    }
    plane.findings(job_id, &["source-dead-lettered"]).await;

    let (plan, applied) = plane.act(Action::Delete { job_id }).await;
    assert_eq!(plan.confirm.unwrap(), format!("delete {}", job_id.short()));
    assert_eq!(plan.command, format!("stereospot jobs delete {job_id}"));
    assert_eq!(plan.items[0].what, "delete 4 objects (16 B), 0 completions");
    let ends: Vec<Outcome> = applied.results.iter().map(|result| result.outcome).collect();
    assert_eq!(ends, [Outcome::Done, Outcome::Done], "{applied:#?}");
    plane.status(job_id, JobStatus::Deleted).await;
    assert_eq!((left(&plane, job_id).await, left(&plane, other).await), (0, 4));
    let bodies: Vec<String> = dead.peek(10).await.unwrap().into_iter().map(|message| message.body).collect();
    assert_eq!(bodies, [message::object_created("input", &keys::source(other))]);
    plane.snapshot("a quiet list", |now| now.attention.iter().all(|line| line.job_id != Some(job_id))).await;

    let again = plane.client.plan(Action::Delete { job_id }, None).await.unwrap().refused.unwrap();
    assert_eq!(again.why, "the job is deleted, and nothing of it is left");
    // What a late write leaves behind can be deleted too.
    write(&plane, job_id).await;
    plane.act(Action::Delete { job_id }).await;
    assert_eq!(left(&plane, job_id).await, 0);
}

#[tokio::test]
async fn a_job_that_goes_on_is_not_deleted() {
    let plane = Plane::passive().await;
    let job_id = plane.job(JobStatus::ChunkingInProgress, None).await;
    write(&plane, job_id).await;
    let refused = plane.client.plan(Action::Delete { job_id }, None).await.unwrap().refused.unwrap();
    assert_eq!(refused.code, RefusalCode::JobState);
    assert!(
        refused.why.ends_with(&format!("give it up first, with `stereospot jobs fail {job_id}`")),
        "{}",
        refused.why
    );
    assert_eq!(left(&plane, job_id).await, 4);
}
