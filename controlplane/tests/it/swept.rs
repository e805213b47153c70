//! Queues as SQS has them: some can't be looked into, some only be gone through, long ones are moved whole.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use stereospot_api::wire::Apply;
use stereospot_controlplane::{Platform, Redrive, Redrives};
use stereospot_domain::plan::{Action, Outcome, Target};
use stereospot_domain::{JobId, JobStatus, QueueName, QueueRole, keys, message};
use stereospot_ports::memory::ManualClock;
use stereospot_ports::work_queue::{Message, Outgoing, Peeked, Receive, Stats};
use stereospot_ports::wrapped::WrappedQueue;
use stereospot_ports::{ErrorCode, WorkQueue};

use crate::harness::Plane;
use crate::platform::{passive, platform};

const INFERENCE: QueueName = QueueName { role: QueueRole::Inference, is_dead_letter: false };
const INFERENCE_DLQ: QueueName = QueueName { role: QueueRole::Inference, is_dead_letter: true };

/// As SQS's main queues: looking counts as a receiving, so it is refused.
#[derive(Debug)]
struct Unseen(Arc<dyn WorkQueue>);

#[async_trait]
impl WrappedQueue for Unseen {
    fn inner(&self) -> &dyn WorkQueue {
        &*self.0
    }

    async fn stats(&self) -> stereospot_ports::Result<Stats> {
        Ok(Stats { is_exact: false, ..self.0.stats().await? })
    }

    async fn peek(&self, _: usize) -> stereospot_ports::Result<Vec<Peeked>> {
        Err(stereospot_ports::Error::new(ErrorCode::Invalid, "can't look at the messages"))
    }

    async fn lease(&self, _: &[String], _: Duration) -> stereospot_ports::Result<Vec<Message>> {
        Err(stereospot_ports::Error::new(ErrorCode::Invalid, "can't lease by id"))
    }
}

#[tokio::test]
async fn a_queue_that_can_t_be_looked_into_is_purged_whole_and_once_a_minute() {
    let clock = ManualClock::default();
    let mut platform = platform(&clock);
    let queue = platform.backend.queues[&INFERENCE].clone();
    platform.backend.queues.insert(INFERENCE, Arc::new(Unseen(queue.clone())));
    let plane = passive(platform, clock).await;
    let purge = Action::Purge { queue: INFERENCE, message_ids: None };
    let empty = plane.client.plan(purge.clone(), None).await.unwrap();
    assert_eq!(
        empty.refused.as_ref().map(|refused| refused.why.as_str()),
        Some("inference is empty, as far as SQS counts")
    );
    for _ in 0..3 {
        queue.send(&[Outgoing::now("body")]).await.unwrap();
    }
    let (plan, applied) = plane.act(purge.clone()).await;
    assert!(plan.effect.contains("No copies can be kept: this can't be undone"), "{plan:#?}");
    assert_eq!((plan.items.len(), plan.confirm.as_deref()), (1, Some("purge inference")));
    assert_eq!(applied.results[0].outcome, Outcome::Done);
    assert_eq!(plane.stats(INFERENCE).await.ready, 0);
    let log = plane.client.actions(1).await.unwrap();
    assert_eq!(log[0].undo_until, None, "nobody may think that it can be restored");
    let undo = plane.client.plan(Action::Restore { plan_id: plan.id }, None).await.unwrap();
    assert_eq!(undo.refused.as_ref().map(|refused| refused.why.as_str()), Some("there is nothing left to put back"));

    queue.send(&[Outgoing::now("body")]).await.unwrap();
    plane.clock.advance(Duration::from_secs(20));
    let again = plane.client.plan(purge.clone(), None).await.unwrap();
    let wait = "inference was purged less than a minute ago: SQS does that once in 60 s; try again in 40 s";
    assert_eq!(again.refused.as_ref().map(|refused| refused.why.as_str()), Some(wait));
    plane.clock.advance(Duration::from_secs(40));
    plane.act(purge).await;
    assert_eq!(plane.stats(INFERENCE).await.ready, 0);
}

/// Moves as SQS does: everything, some at each look.
#[derive(Debug)]
struct SlowMoves {
    dead: Arc<dyn WorkQueue>,
    main: Arc<dyn WorkQueue>,
    clock: ManualClock,
    stands: Mutex<Option<Redrive>>,
    is_held: AtomicBool,
}

impl SlowMoves {
    fn of(platform: &Platform, clock: &ManualClock) -> Arc<Self> {
        let queue = |name| platform.backend.queues[&name].clone();
        let (dead, main) = (queue(INFERENCE_DLQ), queue(INFERENCE));
        Arc::new(Self { dead, main, clock: clock.clone(), stands: Mutex::default(), is_held: AtomicBool::new(false) })
    }

    async fn step(&self) -> u64 {
        let how = Receive { max: 10, wait: Duration::ZERO, visibility: None };
        let mut moved = 0;
        while let Some(messages) = Some(self.dead.receive(how).await.unwrap()).filter(|messages| !messages.is_empty()) {
            for message in messages {
                self.main.send(&[Outgoing::now(message.body)]).await.unwrap();
                self.dead.delete(&message.receipt).await.unwrap();
                moved += 1;
            }
        }
        moved
    }
}

#[async_trait]
impl Redrives for SlowMoves {
    async fn start(&self) -> stereospot_ports::Result<()> {
        let started_at = stereospot_ports::Clock::now(&self.clock);
        let total = Some(self.dead.stats().await?.ready);
        let begun = Redrive { is_running: true, moved: 0, total, started_at, failure: None };
        *self.stands.lock().unwrap() = Some(begun);
        Ok(())
    }

    async fn newest(&self) -> stereospot_ports::Result<Option<Redrive>> {
        let is_running = self.stands.lock().unwrap().as_ref().is_some_and(|stands| stands.is_running);
        let moved = if !is_running || self.is_held.load(Ordering::Relaxed) { 0 } else { self.step().await };
        let mut stands = self.stands.lock().unwrap();
        if let Some(stands) = stands.as_mut().filter(|_| moved > 0) {
            stands.moved += moved;
            stands.is_running = false;
        }
        Ok(stands.clone())
    }

    async fn stop(&self) -> stereospot_ports::Result<bool> {
        let mut stands = self.stands.lock().unwrap();
        let Some(stands) = stands.as_mut().filter(|stands| stands.is_running) else { return Ok(false) };
        (stands.is_running, stands.failure) = (false, Some("it was stopped".into()));
        Ok(true)
    }
}

/// A platform whose inference dead-letter queue can be moved, holding so many segments of a job.
async fn with_moves(segments: u32, status: JobStatus) -> (Plane, Arc<SlowMoves>, JobId) {
    let clock = ManualClock::default();
    let mut platform = platform(&clock);
    let moves = SlowMoves::of(&platform, &clock);
    platform.redrives.insert(INFERENCE_DLQ, moves.clone());
    let plane = passive(platform, clock).await;
    let job_id = plane.job(status, Some(segments)).await;
    for index in 0..segments {
        let key =
            keys::segment(keys::SegmentKey { job_id, index, total: segments, mode: stereospot_domain::Mode::Sbs });
        let path = stereospot_ports::objects::path(&key).unwrap();
        object_store::ObjectStoreExt::put(&*plane.backend.input.store, &path, "data".into()).await.unwrap();
        let body = message::object_created("input", &key);
        plane.backend.queues[&INFERENCE_DLQ].send(&[Outgoing::now(body)]).await.unwrap();
    }
    plane.backend.queues[&INFERENCE].purge().await.unwrap();
    (plane, moves, job_id)
}

fn replay() -> Action {
    Action::Replay { queue: INFERENCE_DLQ, message_ids: None }
}

#[tokio::test]
async fn messages_that_come_as_they_like_are_replayed_all_the_same() {
    let (plane, _, job_id) = with_moves(35, JobStatus::Failed).await;
    plane.complete(job_id, [7]).await;
    let (plan, applied) = plane.act(replay()).await;
    assert_eq!((plan.items.len(), plan.skips.len()), (34, 1));
    assert!(applied.results.iter().all(|result| result.outcome == Outcome::Done), "{applied:#?}");
    let targets: Vec<&Target> = plan.items.iter().map(|item| &item.target).collect();
    assert_eq!(applied.results.iter().map(|result| &result.target).collect::<Vec<_>>(), targets, "in the plan's order");
    assert_eq!((plane.stats(INFERENCE).await.ready, plane.stats(INFERENCE_DLQ).await.ready), (34, 1));
    plane.status(job_id, JobStatus::ChunkingComplete).await;
    let chosen = plane.client.peek(INFERENCE_DLQ, 1).await.unwrap().remove(0);
    let purge = plane.act(Action::Purge { queue: INFERENCE_DLQ, message_ids: None }).await;
    assert_eq!(purge.1.results[0].target.message_id(), Some(chosen.id.as_str()));
    assert_eq!(plane.stats(INFERENCE_DLQ).await.ready, 0);
}

#[tokio::test]
async fn a_few_chosen_ones_of_many_are_found_and_the_others_given_back() {
    let (plane, ..) = with_moves(60, JobStatus::ChunkingComplete).await;
    let all = plane.client.peek(INFERENCE_DLQ, 100).await.unwrap();
    let message_ids = Some(vec![all[17].id.clone(), all[55].id.clone()]);
    let (_, applied) = plane.act(Action::Replay { queue: INFERENCE_DLQ, message_ids }).await;
    assert!(applied.results.iter().all(|result| result.outcome == Outcome::Done), "{applied:#?}");
    let stats = plane.stats(INFERENCE_DLQ).await;
    assert_eq!((stats.ready, stats.in_flight), (58, 0));
}

#[tokio::test]
async fn a_long_queue_is_moved_by_the_platform_and_followed_to_its_end() {
    let (plane, ..) = with_moves(1_100, JobStatus::ChunkingComplete).await;
    let (plan, applied) = plane.act(replay()).await;
    assert_eq!((plan.items.len(), plan.confirm.as_deref()), (1, Some("replay 1100")));
    assert_eq!(applied.results[0].outcome, Outcome::Done, "{applied:#?}");
    assert_eq!(applied.results[0].note, "1100 of about 1100 moved");
    assert_eq!((plane.stats(INFERENCE).await.ready, plane.stats(INFERENCE_DLQ).await.ready), (1_100, 0));
    let stop = plane.client.plan(Action::StopMove { queue: INFERENCE_DLQ }, None).await.unwrap();
    assert_eq!(stop.refused.as_ref().map(|refused| refused.why.as_str()), Some("no move of inference-dlq runs"));
}

#[tokio::test]
async fn a_running_move_is_shown_and_stopped() {
    let (plane, moves, _) = with_moves(1_100, JobStatus::ChunkingComplete).await;
    moves.is_held.store(true, Ordering::Relaxed);
    let plan = plane.client.plan(replay(), None).await.unwrap();
    let (client, apply) = (plane.client.clone(), Apply { confirm: plan.confirm.clone(), who: None });
    let applying = tokio::spawn(async move { client.apply(plan.id, &apply).await });
    plane
        .eventually("the move in the deployment's view", async |plane| {
            let view = plane.client.deployment().await.unwrap();
            let queue = view.queues.into_iter().find(|queue| queue.name == INFERENCE_DLQ).unwrap();
            queue.note.filter(|note| note == "it is being moved back: 0 of about 1100 moved")
        })
        .await;
    let again = plane.client.plan(replay(), None).await.unwrap();
    assert!(again.refused.unwrap().why.contains("stop it with `stereospot queues stop-move inference-dlq`"));
    let (_, stopped) = plane.act(Action::StopMove { queue: INFERENCE_DLQ }).await;
    assert_eq!(stopped.results[0].outcome, Outcome::Done);
    let applied = applying.await.unwrap().unwrap();
    assert_eq!(applied.results[0].note, "0 of about 1100 moved, then it ended: it was stopped");
}

#[tokio::test]
async fn a_failed_job_s_messages_are_never_moved_unseen() {
    let (plane, ..) = with_moves(1_100, JobStatus::Failed).await;
    let plan = plane.client.plan(replay(), None).await.unwrap();
    assert!(plan.items.len() >= 1_000, "{}", plan.items.len());
    assert!(plan.items[0].what.starts_with("the job is taken back from failed"), "{:?}", plan.items[0]);
    assert!(
        plan.assumptions.iter().any(|told| told == "about 100 more are left for the next plan"),
        "{:?}",
        plan.assumptions
    );
}
