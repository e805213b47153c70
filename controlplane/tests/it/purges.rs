//! What a purge does to the jobs whose messages go, and what a restore puts back once they went on without.

use serde_json::Value;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use stereospot_domain::plan::{Action, Outcome, Target};
use stereospot_domain::{JobId, JobStatus, QueueName, QueueRole, keys, message};
use stereospot_ports::job_store::{Transition, Transitioned};
use stereospot_ports::work_queue::Outgoing;

use crate::harness::{Plane, Side};

const DEAD: QueueName = QueueName { role: QueueRole::Chunking, is_dead_letter: true };

/// A job that is being split, whose message is dead-lettered.
async fn job_with_dead_source(plane: &Plane) -> JobId {
    let job_id = plane.job(JobStatus::ChunkingInProgress, None).await;
    let key = keys::source(job_id);
    plane.put_silently(Side::Input, &key).await;
    let body = message::object_created("input", &key);
    plane.backend.queues[&QueueName::main(QueueRole::Chunking)].send(&[Outgoing::now(body)]).await.unwrap();
    plane.dead_letter(QueueRole::Chunking).await;
    plane.depth_is_read(DEAD, 1).await;
    plane.snapshot("the job", |snapshot| snapshot.jobs.iter().any(|view| view.job.job_id == job_id)).await;
    job_id
}

async fn set(plane: &Plane, job_id: JobId, statuses: &[JobStatus]) {
    for status in statuses {
        let total_segments = (*status == JobStatus::ChunkingComplete).then_some(1);
        let error = (*status == JobStatus::Failed).then(|| "it broke".to_owned());
        let step = Transition { total_segments, error, ..Transition::to(*status) };
        let done = plane.backend.jobs.transition(job_id, &step).await.unwrap();
        assert!(matches!(done, Transitioned::Changed(_)), "{done:?}");
    }
}

const TO_THE_END: [JobStatus; 3] = [JobStatus::ChunkingComplete, JobStatus::Reassembling, JobStatus::Completed];

async fn check_purge(repairs_by_itself: bool, effect: &str, assumption: &str) {
    let plane = Plane::with(|config| {
        config.repairs_by_itself = repairs_by_itself;
        config.reconcile = std::time::Duration::from_secs(3600);
    })
    .await;
    let job_id = job_with_dead_source(&plane).await;
    // Of a job that ended nothing is said.
    let ended = job_with_dead_source_of(&plane, JobStatus::Failed).await;
    let plan = plane.client.plan(Action::Purge { queue: DEAD, message_ids: None }, None).await.unwrap();
    assert_eq!(plan.items.len(), 2);
    assert_eq!(
        plan.effect,
        format!("chunking-dlq is empty; {effect}; copies are kept for 24 hours and can be restored")
    );
    let told = plan.assumptions.iter().find(|line| line.contains(&job_id.to_string()));
    assert!(told.is_some_and(|line| line.contains(assumption)), "{plan:#?}");
    assert!(!plan.assumptions.iter().any(|line| line.contains(&ended.to_string())), "{plan:#?}");
}

async fn job_with_dead_source_of(plane: &Plane, status: JobStatus) -> JobId {
    let job_id = plane.job(status, None).await;
    let key = keys::source(job_id);
    plane.put_silently(Side::Input, &key).await;
    plane.backend.queues[&DEAD].send(&[Outgoing::now(message::object_created("input", &key))]).await.unwrap();
    plane.depth_is_read(DEAD, 2).await;
    job_id
}

#[tokio::test]
async fn a_purge_says_which_jobs_are_sent_again_by_themselves() {
    check_purge(true, "1 job asked for again by the reconciler", "the reconciler (on) sends it again by itself").await;
}

#[tokio::test]
async fn a_purge_says_which_jobs_stay_stuck() {
    check_purge(false, "1 job stuck until repaired", "stays stuck: the reconciler is off").await;
}

#[tokio::test]
async fn what_was_done_without_the_message_is_not_put_back() {
    let plane = Plane::passive().await;
    let job_id = job_with_dead_source(&plane).await;
    let (purge, _) = plane.act(Action::Purge { queue: DEAD, message_ids: None }).await;
    let restore = Action::Restore { plan_id: purge.id };
    let early = plane.client.plan(restore.clone(), None).await.unwrap();
    assert_eq!((early.items.len(), early.skips.len(), early.refused), (1, 0, None));
    set(&plane, job_id, &TO_THE_END).await;
    // The plan was right when it was made.
    let applied = plane.client.apply(early.id, &Default::default()).await.unwrap();
    assert_eq!(
        (applied.results[0].outcome, applied.results[0].note.as_str()),
        (Outcome::Skipped, "job completed already")
    );
    let late = plane.client.plan(restore, None).await.unwrap();
    assert_eq!((late.items.len(), late.skips[0].what.as_str()), (0, "job completed already"));
    assert_eq!(
        late.refused.as_ref().map(|refused| refused.why.as_str()),
        Some("nothing to put back: 1 message no longer needed")
    );
    assert_eq!(plane.stats(DEAD).await.ready, 0);
}

#[tokio::test]
async fn the_dead_letter_of_a_failed_job_is_put_back_since_a_replay_takes_the_job_back() {
    let plane = Plane::passive().await;
    let job_id = job_with_dead_source(&plane).await;
    let (purge, _) = plane.act(Action::Purge { queue: DEAD, message_ids: None }).await;
    set(&plane, job_id, &[JobStatus::Failed]).await;
    let (_, applied) = plane.act(Action::Restore { plan_id: purge.id }).await;
    assert_eq!(applied.results[0].outcome, Outcome::Done, "{applied:#?}");
    assert_eq!(plane.stats(DEAD).await.ready, 1);
}

#[tokio::test]
async fn of_segments_only_those_without_a_completion_are_put_back() {
    let plane = Plane::passive().await;
    let queue = QueueName::main(QueueRole::Inference);
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(2)).await;
    for index in 0..2 {
        let segment = keys::SegmentKey { job_id, index, total: 2, mode: stereospot_domain::Mode::Sbs };
        plane.put_silently(Side::Input, &keys::segment(segment)).await;
    }
    for index in 0..2 {
        let segment = keys::SegmentKey { job_id, index, total: 2, mode: stereospot_domain::Mode::Sbs };
        let body = message::object_created("input", &keys::segment(segment));
        plane.backend.queues[&queue].send(&[Outgoing::now(body)]).await.unwrap();
    }
    let (purge, _) = plane.act(Action::Purge { queue, message_ids: None }).await;
    plane.complete(job_id, [1]).await;
    let (plan, applied) = plane.act(Action::Restore { plan_id: purge.id }).await;
    assert_eq!((plan.items.len(), plan.skips.len()), (1, 1), "{plan:#?}");
    assert_eq!((plan.items[0].segment_index, plan.skips[0].segment_index), (Some(0), Some(1)));
    assert_eq!(plan.skips[0].what, "segment already complete");
    assert_eq!((applied.results.len(), plane.stats(queue).await.ready), (1, 1));
}

/// A row of the plans' table as version 0.1 wrote it: items and results with a name in place of a target.
fn as_0_1_wrote_it(row: &str) -> String {
    let mut row: Value = serde_json::from_str(row).unwrap();
    let lists = ["/items", "/skips", "/plan/items", "/plan/skips", "/results"];
    for list in lists {
        for item in row.pointer_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let target = item.as_object_mut().unwrap().remove("target").unwrap();
            item["id"] = target["id"].clone();
        }
    }
    row.to_string()
}

#[tokio::test]
async fn a_purge_that_0_1_made_is_in_the_action_log_and_can_be_undone() {
    let plane = Plane::start().await;
    job_with_dead_source(&plane).await;
    let (purge, _) = plane.act(Action::Purge { queue: DEAD, message_ids: None }).await;
    let options = SqliteConnectOptions::new().filename(plane.config.data_dir.join("controlplane.db"));
    let mut database = options.connect().await.unwrap();
    let rows: (String, String) =
        sqlx::query_as("SELECT plan, applied FROM plans").fetch_one(&mut database).await.unwrap();
    sqlx::query("UPDATE plans SET plan = ?, applied = ?")
        .bind(as_0_1_wrote_it(&rows.0))
        .bind(as_0_1_wrote_it(&rows.1))
        .execute(&mut database)
        .await
        .unwrap();

    let kept = plane.client.actions(1).await.unwrap().remove(0);
    let name = purge.items[0].target.to_string();
    assert_eq!(kept.plan.items[0].target, Target::Named { name: name.clone() });
    assert_eq!((kept.results[0].target.to_string(), kept.results[0].outcome), (name, Outcome::Done));
    assert!(kept.undo_until.is_some());
    let (plan, applied) = plane.act(Action::Restore { plan_id: purge.id }).await;
    assert_eq!((plan.items.len(), plan.skips.len()), (1, 0), "{plan:#?}");
    assert_eq!(applied.results[0].outcome, Outcome::Done);
    assert_eq!(plane.stats(DEAD).await.ready, 1);
    assert_eq!(plane.client.actions(2).await.unwrap()[1].undo_until, None, "an undo is done once");
}
