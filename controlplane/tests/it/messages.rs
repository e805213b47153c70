//! Replay, purge, restore: as plans.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use stereospot_api::client::Error;
use stereospot_api::wire::Apply;
use stereospot_domain::attention::Subject;
use stereospot_domain::plan::{Action, Outcome, Target};
use stereospot_domain::{EventKind, JobId, JobStatus, QueueName, QueueRole, Stage, keys, message};
use stereospot_ports::job_store::Transition;
use stereospot_ports::memory::{self, ManualClock};
use stereospot_ports::work_queue::{Outgoing, Peeked, Receive};
use stereospot_ports::wrapped::WrappedQueue;
use stereospot_ports::{Result, WorkQueue};

use crate::harness::{Plane, Side, Worker};

const INFERENCE: QueueName = QueueName { role: QueueRole::Inference, is_dead_letter: false };
const INFERENCE_DLQ: QueueName = QueueName { role: QueueRole::Inference, is_dead_letter: true };
const REASSEMBLY: QueueName = QueueName { role: QueueRole::Reassembly, is_dead_letter: false };
const REASSEMBLY_DLQ: QueueName = QueueName { role: QueueRole::Reassembly, is_dead_letter: true };
const CHUNKING: QueueName = QueueName { role: QueueRole::Chunking, is_dead_letter: false };
const CHUNKING_DLQ: QueueName = QueueName { role: QueueRole::Chunking, is_dead_letter: true };

fn replay(queue: QueueName) -> Action {
    Action::Replay { queue, message_ids: None }
}

fn segment_key(job_id: JobId, index: u32, total: u32) -> String {
    keys::segment(keys::SegmentKey { job_id, index, total, mode: stereospot_domain::Mode::Sbs })
}

/// A job with these segments dead-lettered, all others waiting for nothing.
async fn job_with_dead_segments(plane: &Plane, total: u32, dead: &[u32]) -> JobId {
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(total)).await;
    for index in dead {
        let key = segment_key(job_id, *index, total);
        plane.put_silently(Side::Input, &key).await;
        let body = message::object_created("input", &key);
        plane.backend.queues[&INFERENCE].send(&[Outgoing::now(body)]).await.unwrap();
        plane.dead_letter(QueueRole::Inference).await;
    }
    job_id
}

async fn refusal(plane: &Plane, plan: uuid::Uuid, confirm: Option<&str>) -> (u16, String) {
    let apply = Apply { confirm: confirm.map(Into::into), who: None };
    match plane.client.apply(plan, &apply).await.unwrap_err() {
        Error::Refused(problem) => (problem.status, problem.code),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn replay_sends_what_is_still_needed_and_leaves_the_rest() {
    let plane = Plane::passive().await;
    let job_id = job_with_dead_segments(&plane, 3, &[0, 1]).await;
    plane.complete(job_id, [1]).await;
    let queue = &plane.backend.queues[&INFERENCE];
    let gone = segment_key(JobId(uuid::Uuid::new_v4()), 0, 1);
    for body in [message::object_created("input", &gone), "nonsense".into()] {
        queue.send(&[Outgoing::now(body)]).await.unwrap();
        plane.dead_letter(QueueRole::Inference).await;
    }
    let mut worker = Worker::new("inference-1", Stage::Inference);
    let failed =
        worker.event(EventKind::SegmentFailed, plane.now(), Some((job_id, Some(0))), json!({"error": "out of memory"}));
    plane.client.send_events(vec![failed]).await.unwrap();
    plane.findings(job_id, &["segment-dead-lettered"]).await;
    let letters = Subject::DeadLetterQueue { queue: INFERENCE_DLQ };
    let snapshot = plane
        .snapshot("the queue's line with its errors", |snapshot| {
            snapshot.attention.iter().any(|line| line.about == letters && line.evidence.contains("out of memory"))
        })
        .await;
    let view = snapshot.jobs.iter().find(|view| view.job.job_id == job_id).unwrap();
    assert_eq!(view.segments_dead, Some(2));
    let peeked = plane.client.peek(INFERENCE_DLQ, 10).await.unwrap();
    assert_eq!(peeked.len(), 4);
    assert_eq!(peeked[0].error.as_deref(), Some("out of memory"));

    let plan = plane.client.plan(replay(INFERENCE_DLQ), Some("alice".into())).await.unwrap();
    assert_eq!((plan.items.len(), plan.skips.len(), plan.confirm.as_deref()), (1, 3, None), "{plan:#?}");
    assert_eq!(plan.effect, "inference ready 0 → 1");
    let whys: Vec<&str> = plan.skips.iter().map(|skip| skip.what.as_str()).collect();
    assert!(whys.contains(&"segment already complete") && whys.contains(&"its job does not exist"), "{whys:?}");
    assert_eq!(plane.stats(INFERENCE).await.ready, 0, "a plan sends nothing");
    let applied = plane.client.apply(plan.id, &Apply::default()).await.unwrap();
    assert_eq!(applied.results.iter().map(|result| result.outcome).collect::<Vec<_>>(), [Outcome::Done]);
    assert_eq!((plane.stats(INFERENCE).await.ready, plane.stats(INFERENCE_DLQ).await.ready), (1, 3));
    assert_eq!(refusal(&plane, plan.id, None).await, (409, "conflict".into()));

    let log = plane.client.actions(10).await.unwrap();
    assert_eq!((log.len(), log[0].plan.id, log[0].applied_by.as_str()), (1, plan.id, "alice"));
    assert_eq!(log[0].count(Outcome::Done), 1);
}

#[tokio::test]
async fn what_changed_between_plan_and_application_is_skipped() {
    let plane = Plane::passive().await;
    let job_id = job_with_dead_segments(&plane, 3, &[0, 1, 2]).await;
    let plan = plane.client.plan(replay(INFERENCE_DLQ), None).await.unwrap();
    assert_eq!(plan.items.len(), 3);
    plane.complete(job_id, [0]).await;
    // Somebody else holds the second one.
    let held = [plan.items[1].target.to_string()];
    let held = plane.backend.queues[&INFERENCE_DLQ].lease(&held, Duration::from_secs(60)).await.unwrap();
    assert_eq!(held.len(), 1);
    let applied = plane.client.apply(plan.id, &Apply::default()).await.unwrap();
    let outcomes: Vec<Outcome> = applied.results.iter().map(|result| result.outcome).collect();
    assert_eq!(outcomes, [Outcome::Skipped, Outcome::Skipped, Outcome::Done]);
    assert_eq!(plane.stats(INFERENCE).await.ready, 1);
}

#[tokio::test]
async fn a_chosen_unreadable_message_is_sent() {
    let plane = Plane::passive().await;
    plane.backend.queues[&INFERENCE].send(&[Outgoing::now("nonsense")]).await.unwrap();
    plane.dead_letter(QueueRole::Inference).await;
    let id = plane.client.peek(INFERENCE_DLQ, 1).await.unwrap().remove(0).id;
    let all = plane.client.plan(replay(INFERENCE_DLQ), None).await.unwrap();
    assert!(all.refused.unwrap().why.starts_with("nothing to send"));
    assert_eq!(refusal(&plane, all.id, None).await, (409, "refused".into()));
    let message_ids = Some(vec![id, "not-there".into()]);
    let (plan, applied) = plane.act(Action::Replay { queue: INFERENCE_DLQ, message_ids }).await;
    assert_eq!((plan.items.len(), plan.skips.len()), (1, 1));
    assert_eq!(applied.results[0].outcome, Outcome::Done);
    assert_eq!((plane.stats(INFERENCE).await.ready, plane.stats(INFERENCE_DLQ).await.ready), (1, 0));
}

#[tokio::test]
async fn a_failed_job_whose_message_is_replayed_goes_on() {
    // 10 in the list of failures: a bad source is dead-lettered.
    let plane = Plane::passive().await;
    let job_id = plane.job(JobStatus::Failed, None).await;
    plane.put_silently(Side::Input, &keys::source(job_id)).await;
    let body = message::object_created("input", &keys::source(job_id));
    plane.backend.queues[&CHUNKING].send(&[Outgoing::now(body)]).await.unwrap();
    plane.dead_letter(QueueRole::Chunking).await;
    plane.findings(job_id, &["source-dead-lettered"]).await;
    let (plan, applied) = plane.act(Action::Repair { job_id, code: "source-dead-lettered".parse().unwrap() }).await;
    assert!(plan.items[0].what.contains("taken back from failed to created"), "{plan:#?}");
    assert_eq!(applied.results[0].outcome, Outcome::Done);
    let job = plane.status(job_id, JobStatus::Created).await;
    assert_eq!(job.error, None);
    assert_eq!((plane.stats(CHUNKING).await.ready, plane.stats(CHUNKING_DLQ).await.ready), (1, 0));
}

#[tokio::test]
async fn replay_of_reassembly_takes_a_dead_holders_mark_off_the_lock() {
    let plane = Plane::passive().await;
    let job_id = plane.job(JobStatus::Reassembling, Some(2)).await;
    plane.complete(job_id, [0, 1]).await;
    let jobs = &plane.backend.jobs;
    assert!(jobs.create_lock(job_id, plane.now()).await.unwrap());
    jobs.acquire_lock(job_id, "reassembly-1", plane.now(), Duration::from_secs(30)).await.unwrap();
    plane.backend.queues[&REASSEMBLY].send(&[Outgoing::now(message::reassemble(job_id))]).await.unwrap();
    plane.dead_letter(QueueRole::Reassembly).await;
    let busy = plane.client.plan(replay(REASSEMBLY_DLQ), None).await.unwrap();
    assert_eq!(busy.skips[0].what, "a worker is joining the segments now");
    plane.clock.advance(Duration::from_secs(31));
    let (plan, applied) = plane.act(replay(REASSEMBLY_DLQ)).await;
    assert!(plan.items[0].what.contains("mark is taken off"), "{plan:#?}");
    assert_eq!(applied.results[0].outcome, Outcome::Done);
    assert_eq!(jobs.lock(job_id).await.unwrap().unwrap().reassembly_started_at, None);
    assert_eq!((plane.stats(REASSEMBLY).await.ready, plane.stats(REASSEMBLY_DLQ).await.ready), (1, 0));
}

#[tokio::test]
async fn a_purge_must_be_typed_and_can_be_undone() {
    let plane = Plane::passive().await;
    let queue = &plane.backend.queues[&INFERENCE];
    let bodies: Vec<String> = (0..12).map(|index| format!("body {index}")).collect();
    for body in &bodies {
        queue.send(&[Outgoing::now(body.clone())]).await.unwrap();
    }
    let how = Receive { max: 1, wait: Duration::ZERO, visibility: Some(Duration::from_secs(600)) };
    assert_eq!(queue.receive(how).await.unwrap().len(), 1);
    let plan =
        plane.client.plan(Action::Purge { queue: INFERENCE, message_ids: None }, Some("bob".into())).await.unwrap();
    assert_eq!(plan.confirm.as_deref(), Some("purge 12"));
    assert_eq!(refusal(&plane, plan.id, None).await, (422, "invalid".into()));
    assert_eq!(refusal(&plane, plan.id, Some("purge 11")).await, (422, "invalid".into()));
    let apply = Apply { confirm: plan.confirm.clone(), who: None };
    let applied = plane.client.apply(plan.id, &apply).await.unwrap();
    let done = applied.results.iter().filter(|result| result.outcome == Outcome::Done).count();
    assert_eq!((done, applied.results.len()), (11, 12), "the one in flight stays: {applied:#?}");
    let stats = plane.stats(INFERENCE).await;
    assert_eq!((stats.ready, stats.in_flight), (0, 1));
    let log = plane.client.actions(1).await.unwrap();
    assert!(log[0].undo_until.is_some());

    let (undo, restored) = plane.act(Action::Restore { plan_id: plan.id }).await;
    assert_eq!((undo.items.len(), restored.results.len()), (11, 11));
    let mut back: Vec<String> = queue.peek(100).await.unwrap().into_iter().map(|peeked| peeked.body).collect();
    back.sort();
    let mut all = bodies.clone();
    all.sort();
    assert_eq!(back, all);
    let again = plane.client.plan(Action::Restore { plan_id: plan.id }, None).await.unwrap();
    assert_eq!(again.refused.as_ref().map(|refused| refused.why.as_str()), Some("there is nothing left to put back"));
    let log = plane.client.actions(10).await.unwrap();
    let purge = log.iter().find(|applied| applied.plan.id == plan.id).unwrap();
    assert_eq!(purge.undo_until, None, "what was put back can't be put back again");
}

#[tokio::test]
async fn a_plan_ends_after_a_minute() {
    let plane = Plane::passive().await;
    plane.backend.queues[&INFERENCE].send(&[Outgoing::now("body")]).await.unwrap();
    let plan = plane.client.plan(Action::Purge { queue: INFERENCE, message_ids: None }, None).await.unwrap();
    plane.clock.advance(Duration::from_secs(61));
    assert_eq!(refusal(&plane, plan.id, Some("purge 1")).await, (410, "expired".into()));
    assert_eq!(plane.stats(INFERENCE).await.ready, 1);
}

#[tokio::test]
async fn many_messages_must_be_typed() {
    let plane = Plane::passive().await;
    let all: Vec<u32> = (0..11).collect();
    job_with_dead_segments(&plane, 11, &all).await;
    let plan = plane.client.plan(replay(INFERENCE_DLQ), None).await.unwrap();
    assert_eq!(plan.confirm.as_deref(), Some("replay 11"));
    assert_eq!(refusal(&plane, plan.id, None).await, (422, "invalid".into()));
    let apply = Apply { confirm: plan.confirm, who: None };
    let applied = plane.client.apply(plan.id, &apply).await.unwrap();
    assert!(applied.results.iter().all(|result| result.outcome == Outcome::Done));
    assert_eq!((plane.stats(INFERENCE).await.ready, plane.stats(INFERENCE_DLQ).await.ready), (11, 0));
}

#[tokio::test]
async fn an_empty_queue_and_a_main_queue_are_refused() {
    let plane = Plane::passive().await;
    let empty = plane.client.plan(replay(INFERENCE_DLQ), None).await.unwrap();
    assert_eq!(empty.refused.as_ref().map(|refused| refused.why.as_str()), Some("inference-dlq is empty"));
    let main = plane.client.plan(replay(INFERENCE), None).await.unwrap();
    assert_eq!(
        main.refused.as_ref().map(|refused| refused.why.as_str()),
        Some("inference is no dead-letter queue: name inference-dlq")
    );
}

/// As on SQS: what others hold can't be seen.
#[derive(Debug)]
struct Held(Arc<dyn WorkQueue>);

#[async_trait]
impl WrappedQueue for Held {
    fn inner(&self) -> &dyn WorkQueue {
        &*self.0
    }

    async fn peek(&self, _: usize) -> Result<Vec<Peeked>> {
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn a_queue_whose_messages_others_hold_is_not_called_empty() {
    let clock = ManualClock::default();
    let mut backend = memory::backend(&clock);
    let dead = Arc::clone(&backend.queues[&INFERENCE_DLQ]);
    backend.queues.insert(INFERENCE_DLQ, Arc::new(Held(Arc::clone(&dead))));
    let plane = Plane::over(backend, clock, |config| config.repairs_by_itself = false).await;
    plane.backend.queues[&INFERENCE].send(&[Outgoing::now("body")]).await.unwrap();
    plane.dead_letter(QueueRole::Inference).await;
    let how = Receive { max: 1, wait: Duration::ZERO, visibility: None };
    assert_eq!(dead.receive(how).await.unwrap().len(), 1);
    for action in [replay(INFERENCE_DLQ), Action::Purge { queue: INFERENCE_DLQ, message_ids: None }] {
        let refused = plane.client.plan(action, None).await.unwrap().refused;
        let held = "1 message of inference-dlq is held by somebody who looks at it, for up to 30 s: try again then";
        assert_eq!(refused.as_ref().map(|refused| refused.why.as_str()), Some(held));
    }
}

#[tokio::test]
async fn an_unreadable_message_has_a_cause_and_is_sent_only_when_named_alone() {
    let plane = Plane::passive().await;
    let bodies = ["this is not json".to_owned(), "x".repeat(100_000), r#"{"Event":"s3:TestEvent"}"#.to_owned()];
    for body in &bodies {
        plane.backend.queues[&INFERENCE].send(&[Outgoing::now(body.clone())]).await.unwrap();
    }
    plane.dead_letter(QueueRole::Inference).await;
    let peeked = plane.client.peek(INFERENCE_DLQ, 10).await.unwrap();
    let unreadable: Vec<_> = peeked.iter().filter(|message| message.error.is_some()).collect();
    assert_eq!(unreadable.len(), 2, "{peeked:#?}");
    let cause = unreadable[0].error.as_deref().unwrap();
    assert!(cause.starts_with("not a notification"), "{cause}");
    let ids: Vec<String> = unreadable.iter().map(|message| message.id.clone()).collect();
    // A group of them, as the triage screen names it.
    let group = Action::Replay { queue: INFERENCE_DLQ, message_ids: Some(ids.clone()) };
    let plan = plane.client.plan(group, None).await.unwrap();
    assert_eq!((plan.items.len(), plan.skips.len()), (0, 2), "{plan:#?}");
    let one = Action::Replay { queue: INFERENCE_DLQ, message_ids: Some(ids[..1].to_vec()) };
    let (_, applied) = plane.act(one).await;
    assert_eq!(applied.results[0].outcome, Outcome::Done, "{applied:#?}");
}

#[tokio::test]
async fn a_read_only_server_plans_but_changes_nothing() {
    let plane = Plane::with(|config| config.is_read_only = true).await;
    plane.backend.queues[&INFERENCE].send(&[Outgoing::now("body")]).await.unwrap();
    let plan = plane.client.plan(Action::Purge { queue: INFERENCE, message_ids: None }, None).await.unwrap();
    assert!(plan.refused.unwrap().why.contains("read-only"));
    assert_eq!(refusal(&plane, plan.id, Some("purge 1")).await, (403, "read-only".into()));
    match plane.client.create_job(&stereospot_api::wire::NewJob { title: None, options: Default::default() }).await {
        Err(Error::Refused(problem)) => assert_eq!((problem.status, problem.code.as_str()), (403, "read-only")),
        other => panic!("{other:?}"),
    }
    assert!(plane.client.snapshot().await.unwrap().environment.is_read_only);
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(1)).await;
    plane.complete(job_id, [0]).await;
    plane.after(job_id, Duration::from_secs(61)).await;
    plane.findings(job_id, &["trigger-missed"]).await;
    assert_eq!(plane.stats(REASSEMBLY).await.ready, 0, "a read-only server repairs nothing");
}

/// A failed job of six segments: 0 dead-lettered, 1 done, 2 converted without a completion, 3 and 5 dropped, 4 gone.
async fn failed_job_with_dropped_messages(plane: &Plane) -> JobId {
    let job_id = job_with_dead_segments(plane, 6, &[0]).await;
    plane.complete(job_id, [1]).await;
    plane.put_silently(Side::Output, &keys::output_segment(job_id, 2)).await;
    for index in [3, 5] {
        plane.put_silently(Side::Input, &segment_key(job_id, index, 6)).await;
    }
    let failed = Transition::failed("segment 0 failed 5 times: out of memory");
    plane.backend.jobs.transition(job_id, &failed).await.unwrap();
    plane.findings(job_id, &["segment-dead-lettered"]).await;
    job_id
}

async fn check_that_dropped_messages_are_sent_again(action: impl FnOnce(JobId) -> Action) {
    let plane = Plane::passive().await;
    let job_id = failed_job_with_dropped_messages(&plane).await;
    let (plan, applied) = plane.act(action(job_id)).await;
    let whats: Vec<&str> = plan.items.iter().map(|item| item.what.as_str()).collect();
    assert_eq!(
        whats,
        [
            "the job is taken back from failed to chunking_complete; then send to inference",
            "send it again: its message was dropped when the job failed",
            "send it again: its message was dropped when the job failed",
        ]
    );
    let segments: Vec<&Target> = plan.items[1..].iter().chain(&plan.skips).map(|item| &item.target).collect();
    let expected = [3, 5, 4].map(|index| Target::Segment { job_id, index });
    assert_eq!(segments, expected.each_ref(), "{plan:#?}");
    assert_eq!(plan.skips[0].what, "its segment is gone, and the source is gone: submit the video again");
    assert!(applied.results.iter().all(|result| result.outcome == Outcome::Done), "{applied:#?}");
    assert_eq!(applied.results.len(), 3);
    plane.status(job_id, JobStatus::ChunkingComplete).await;
    let mut bodies: Vec<String> =
        plane.backend.queues[&INFERENCE].peek(10).await.unwrap().into_iter().map(|peeked| peeked.body).collect();
    bodies.sort();
    assert_eq!(bodies, [0, 3, 5].map(|index| message::object_created("input", &segment_key(job_id, index, 6))));
}

#[tokio::test]
async fn a_replay_that_takes_a_job_back_asks_for_its_dropped_segments_too() {
    check_that_dropped_messages_are_sent_again(|_| replay(INFERENCE_DLQ)).await;
}

#[tokio::test]
async fn a_repair_that_takes_a_job_back_asks_for_its_dropped_segments_too() {
    check_that_dropped_messages_are_sent_again(|job_id| Action::Repair {
        job_id,
        code: "segment-dead-lettered".parse().unwrap(),
    })
    .await;
}

#[tokio::test]
async fn dropped_segments_are_left_alone_when_the_job_was_not_taken_back() {
    let plane = Plane::passive().await;
    failed_job_with_dropped_messages(&plane).await;
    let plan = plane.client.plan(replay(INFERENCE_DLQ), None).await.unwrap();
    let held = [plan.items[0].target.to_string()];
    let held = plane.backend.queues[&INFERENCE_DLQ].lease(&held, Duration::from_secs(60)).await.unwrap();
    assert_eq!(held.len(), 1);
    let applied = plane.client.apply(plan.id, &Apply::default()).await.unwrap();
    assert!(applied.results.iter().all(|result| result.outcome == Outcome::Skipped), "{applied:#?}");
    assert_eq!(plane.stats(INFERENCE).await.ready, 0);
}

/// A failed job of three segments: 0 done, 1 gone with its message dead-lettered, 2 gone too. With its manifest.
async fn failed_job_with_a_gone_segment(plane: &Plane) -> JobId {
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(3)).await;
    plane.complete(job_id, [0]).await;
    plane.put_silently(Side::Input, &keys::manifest(job_id)).await;
    for index in [1, 2] {
        let body = message::object_created("input", &segment_key(job_id, index, 3));
        plane.backend.queues[&INFERENCE].send(&[Outgoing::now(body)]).await.unwrap();
        plane.dead_letter(QueueRole::Inference).await;
    }
    let failed = Transition::failed("segment 1 failed 5 times: its file is gone");
    plane.backend.jobs.transition(job_id, &failed).await.unwrap();
    plane.findings(job_id, &["segment-dead-lettered"]).await;
    job_id
}

async fn check_that_a_gone_segment_is_split_again(action: impl FnOnce(JobId) -> Action) {
    let plane = Plane::passive().await;
    let job_id = failed_job_with_a_gone_segment(&plane).await;
    plane.put_silently(Side::Input, &keys::source(job_id)).await;
    let (plan, applied) = plane.act(action(job_id)).await;
    assert_eq!((plan.items.len(), plan.skips.len()), (2, 0), "{plan:#?}");
    assert_eq!(plan.effect, "inference ready 0 → 0; 1 source split again");
    assert!(applied.results.iter().all(|result| result.outcome == Outcome::Done), "{applied:#?}");
    let job = plane.status(job_id, JobStatus::Created).await;
    assert_eq!((job.error, job.total_segments), (None, Some(3)));
    let sent = plane.backend.queues[&CHUNKING].peek(10).await.unwrap();
    let bodies: Vec<&str> = sent.iter().map(|peeked| peeked.body.as_str()).collect();
    assert_eq!(bodies, [message::object_created("input", &keys::source(job_id))], "once, for both");
    assert_eq!((plane.stats(INFERENCE).await.ready, plane.stats(INFERENCE_DLQ).await.ready), (0, 0));
}

#[tokio::test]
async fn a_replay_of_a_message_whose_segment_is_gone_has_the_source_split_again() {
    check_that_a_gone_segment_is_split_again(|_| replay(INFERENCE_DLQ)).await;
}

#[tokio::test]
async fn a_repair_of_a_gone_segment_has_the_source_split_again() {
    let code = "segment-dead-lettered".parse().unwrap();
    check_that_a_gone_segment_is_split_again(|job_id| Action::Repair { job_id, code }).await;
}

#[tokio::test]
async fn a_replay_of_a_message_whose_segment_is_damaged_has_the_source_split_again() {
    let mut plane = Plane::passive().await;
    let job_id = job_with_dead_segments(&plane, 2, &[1]).await;
    plane.complete(job_id, [0]).await;
    plane.put_silently(Side::Input, &keys::manifest(job_id)).await;
    plane.put_silently(Side::Input, &keys::source(job_id)).await;
    let why = "segment 1 is damaged: 3 of its frames can't be decoded";
    let mut worker = Worker::new("inference-1", Stage::Inference);
    let about = Some((job_id, Some(1)));
    let data = json!({"error": why, "is_final": true, "is_damaged": true});
    let told = vec![
        worker.event(EventKind::SegmentStarted, plane.now(), about, json!({"frames": 25})),
        worker.event(EventKind::SegmentFailed, plane.now(), about, data),
    ];
    plane.client.send_events(told).await.unwrap();
    plane.backend.jobs.transition(job_id, &Transition::failed(why)).await.unwrap();
    plane.findings(job_id, &["segment-dead-lettered"]).await;
    let detail = plane.client.job(job_id).await.unwrap();
    let evidence = detail.view.findings[0].evidence.join("; ");
    assert!(evidence.ends_with("a stored segment is damaged: the source can be split again"), "{evidence}");
    // What is known of it outlives the process.
    plane.restart().await;
    plane.depth_is_read(INFERENCE_DLQ, 1).await;
    let (plan, applied) = plane.act(replay(INFERENCE_DLQ)).await;
    assert!(plan.items[0].what.starts_with("its segment is damaged: split the source again"), "{plan:#?}");
    assert_eq!(plan.effect, "inference ready 0 → 0; 1 source split again");
    assert!(applied.results.iter().all(|result| result.outcome == Outcome::Done), "{applied:#?}");
    plane.status(job_id, JobStatus::Created).await;
    let sent = plane.backend.queues[&CHUNKING].peek(10).await.unwrap();
    let bodies: Vec<&str> = sent.iter().map(|peeked| peeked.body.as_str()).collect();
    assert_eq!(bodies, [message::object_created("input", &keys::source(job_id))]);
    assert_eq!((plane.stats(INFERENCE).await.ready, plane.stats(INFERENCE_DLQ).await.ready), (0, 0));
}

#[tokio::test]
async fn a_segment_whose_source_is_gone_too_can_only_be_submitted_again() {
    let plane = Plane::passive().await;
    let job_id = failed_job_with_a_gone_segment(&plane).await;
    let plan = plane.client.plan(replay(INFERENCE_DLQ), None).await.unwrap();
    assert!(plan.items.is_empty() && plan.refused.is_some(), "{plan:#?}");
    assert_eq!(plan.skips[0].what, "its segment is gone, and the source is gone: submit the video again");
    assert_eq!(plane.stats(INFERENCE_DLQ).await.ready, 2);
    let detail = plane.client.job(job_id).await.unwrap();
    let finding = &detail.view.findings[0];
    assert_eq!(finding.repair, None, "{finding:?}");
    assert!(finding.evidence.last().unwrap().ends_with("submit the video again"), "{finding:?}");
    let code = "segment-dead-lettered".parse().unwrap();
    let repair = plane.client.plan(Action::Repair { job_id, code }, None).await.unwrap();
    assert!(repair.refused.unwrap().why.ends_with("submit the video again"));
    // The source comes back, from a backup perhaps.
    plane.put_silently(Side::Input, &keys::source(job_id)).await;
    let detail = plane.client.job(job_id).await.unwrap();
    assert!(detail.view.findings[0].repair.is_some(), "{detail:?}");
}

#[tokio::test]
async fn a_job_is_not_cut_again_without_the_manifest_that_says_how() {
    let plane = Plane::passive().await;
    let job_id = failed_job_with_a_gone_segment(&plane).await;
    plane.put_silently(Side::Input, &keys::source(job_id)).await;
    let manifest = stereospot_ports::objects::path(&keys::manifest(job_id)).unwrap();
    object_store::ObjectStoreExt::delete(&*plane.backend.input.store, &manifest).await.unwrap();
    let plan = plane.client.plan(replay(INFERENCE_DLQ), None).await.unwrap();
    assert!(plan.refused.is_some(), "{plan:#?}");
    assert!(plan.skips[0].what.contains("manifest"), "{plan:#?}");
    assert_eq!(plane.stats(CHUNKING).await.ready, 0);
}

#[tokio::test]
async fn a_purged_reassembly_message_is_not_under_way() {
    let plane = Plane::passive().await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(1)).await;
    plane.complete(job_id, [0]).await;
    plane.act(Action::Trigger { job_id }).await;
    let under_way = plane.client.plan(Action::Trigger { job_id }, None).await.unwrap();
    assert_eq!(
        under_way.refused.as_ref().map(|refused| refused.why.as_str()),
        Some("its message waits in reassembly; there is no worker")
    );
    plane.act(Action::Purge { queue: REASSEMBLY, message_ids: None }).await;
    let detail = plane.client.job(job_id).await.unwrap();
    assert!(detail.can_trigger, "{}", detail.trigger_note);
    plane.act(Action::Trigger { job_id }).await;
    assert_eq!(plane.stats(REASSEMBLY).await.ready, 1);
    let again = plane.client.plan(Action::Trigger { job_id }, None).await.unwrap();
    assert_eq!(
        again.refused.as_ref().map(|refused| refused.why.as_str()),
        Some("its message waits in reassembly; there is no worker")
    );
}
