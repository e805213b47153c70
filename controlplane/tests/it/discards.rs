//! A purge of chosen messages, on the embedded backend: those and no others, one by one, with undo.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use stereospot_api::client::Error;
use stereospot_api::wire::Apply;
use stereospot_domain::plan::{Action, Outcome, Plan};
use stereospot_domain::{JobStatus, QueueName, QueueRole, keys, message};
use stereospot_local::{LocalBackend, Options};
use stereospot_ports::memory::ManualClock;
use stereospot_ports::work_queue::{Outgoing, Peeked, Receipt, Receive, Stats};
use stereospot_ports::wrapped::WrappedQueue;
use stereospot_ports::{Backend, ErrorCode, Result, WorkQueue};

use crate::harness::Plane;

const MAIN: QueueName = QueueName { role: QueueRole::Chunking, is_dead_letter: false };
const DEAD: QueueName = QueueName { role: QueueRole::Chunking, is_dead_letter: true };

async fn embedded(dir: &Path, clock: &ManualClock) -> Backend {
    let options = Options { clock: Arc::new(clock.clone()), ..Options::default() };
    LocalBackend::open(dir, options).await.unwrap()
}

async fn plane_over(backend: Backend, clock: ManualClock) -> Plane {
    Plane::over(backend, clock, |config| config.reconcile = Duration::from_secs(3600)).await
}

/// A control plane whose chunking dead-letter queue holds these messages.
async fn with_dead(dir: &Path, bodies: &[&str]) -> Plane {
    let clock = ManualClock::default();
    let plane = plane_over(embedded(dir, &clock).await, clock).await;
    dead_letter(&plane, bodies).await;
    plane
}

async fn dead_letter(plane: &Plane, bodies: &[&str]) {
    for body in bodies {
        plane.backend.queues[&MAIN].send(&[Outgoing::now(*body)]).await.unwrap();
        plane.dead_letter(QueueRole::Chunking).await;
    }
}

fn purge(queue: QueueName, ids: &[&str]) -> Action {
    Action::Purge { queue, message_ids: Some(ids.iter().map(|id| (*id).to_owned()).collect()) }
}

async fn plan(plane: &Plane, action: Action) -> Plan {
    plane.client.plan(action, None).await.unwrap()
}

/// What lies on a queue: ids and bodies.
async fn on(plane: &Plane, name: QueueName) -> Vec<(String, String)> {
    let peeked = plane.backend.queues[&name].peek(100).await.unwrap();
    let mut all: Vec<(String, String)> = peeked.into_iter().map(|peeked| (peeked.id, peeked.body)).collect();
    all.sort_by(|one, other| one.1.cmp(&other.1));
    all
}

fn bodies(messages: &[(String, String)]) -> Vec<&str> {
    messages.iter().map(|(_, body)| body.as_str()).collect()
}

#[tokio::test]
async fn chosen_messages_go_and_come_back_and_all_others_stay() {
    let dir = tempfile::tempdir().unwrap();
    let plane = with_dead(dir.path(), &["a", "b", "c", "d"]).await;
    let before = on(&plane, DEAD).await;
    let ids = [before[1].0.as_str(), before[3].0.as_str()];
    let planned = plan(&plane, purge(DEAD, &ids)).await;
    assert_eq!(
        (planned.refused.as_ref().map(|refused| refused.why.as_str()), planned.scope.as_str()),
        (None, "2 messages of chunking-dlq")
    );
    assert_eq!(planned.command, format!("stereospot queues purge chunking-dlq --id {} --id {}", ids[0], ids[1]));
    assert!(planned.effect.starts_with("chunking-dlq holds 2; copies are kept for 24 hours"), "{}", planned.effect);
    assert_eq!(on(&plane, DEAD).await, before, "a plan takes nothing");
    let untyped = plane.client.apply(planned.id, &Apply::default()).await.unwrap_err();
    assert!(matches!(&untyped, Error::Refused(problem) if problem.status == 422), "{untyped:?}");
    // It came after the plan was made.
    dead_letter(&plane, &["e"]).await;
    let apply = Apply { confirm: Some("purge 2".into()), who: None };
    let applied = plane.client.apply(planned.id, &apply).await.unwrap();
    assert!(applied.results.iter().all(|result| result.outcome == Outcome::Done), "{applied:#?}");
    assert_eq!(bodies(&on(&plane, DEAD).await), ["a", "c", "e"]);
    let view = plane.client.queues().await.unwrap().into_iter().find(|view| view.name == DEAD).unwrap();
    assert_eq!(view.purged_at, None, "the queue itself was not purged");

    let (undo, restored) = plane.act(Action::Restore { plan_id: planned.id }).await;
    assert_eq!((undo.items.len(), undo.skips.len(), restored.results.len()), (2, 0, 2), "{undo:#?}");
    assert_eq!(bodies(&on(&plane, DEAD).await), ["a", "b", "c", "d", "e"]);
    let again = plan(&plane, Action::Restore { plan_id: planned.id }).await;
    assert_eq!(again.refused.as_ref().map(|refused| refused.why.as_str()), Some("there is nothing left to put back"));
}

#[tokio::test]
async fn each_chosen_message_has_its_own_end() {
    let dir = tempfile::tempdir().unwrap();
    let plane = with_dead(dir.path(), &["gone", "held", "here"]).await;
    let ids: Vec<String> = on(&plane, DEAD).await.into_iter().map(|(id, _)| id).collect();
    let planned = plan(&plane, purge(DEAD, &[&ids[0], &ids[1], &ids[2], "never-there"])).await;
    assert_eq!((planned.items.len(), planned.skips.len()), (3, 1), "{planned:#?}");
    assert_eq!(planned.skips[0].what, "no longer on the queue");
    let queue = &plane.backend.queues[&DEAD];
    let gone = queue.lease(&ids[..1], Duration::from_secs(60)).await.unwrap().remove(0);
    queue.delete(&gone.receipt).await.unwrap();
    let held = queue.lease(&ids[1..2], Duration::from_secs(60)).await.unwrap().remove(0);
    let apply = Apply { confirm: planned.confirm, who: None };
    let applied = plane.client.apply(planned.id, &apply).await.unwrap();
    let ends: Vec<(&str, Outcome, &str)> =
        applied.results.iter().map(|end| (end.target.message_id().unwrap(), end.outcome, end.note.as_str())).collect();
    let within = queue.settings().await.unwrap().visibility.as_secs();
    let stays = format!("somebody else holds it, so it stays: try again in {within} s");
    let by_id = |id: &String| *ends.iter().find(|end| end.0 == id).unwrap();
    assert_eq!(by_id(&ids[0]), (ids[0].as_str(), Outcome::Skipped, "gone already"));
    assert_eq!(by_id(&ids[1]), (ids[1].as_str(), Outcome::Failed, stays.as_str()));
    assert_eq!(by_id(&ids[2]), (ids[2].as_str(), Outcome::Done, "copied and removed"));
    queue.release(&held.receipt, Duration::ZERO).await.unwrap();
    let (_, again) = plane.act(purge(DEAD, &[&ids[1]])).await;
    assert_eq!(again.results[0].outcome, Outcome::Done, "{again:#?}");
    assert_eq!(on(&plane, DEAD).await, []);
}

#[tokio::test]
async fn without_a_message_that_is_there_the_plan_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let plane = with_dead(dir.path(), &["a"]).await;
    let refused = plan(&plane, purge(DEAD, &["never-there"])).await.refused;
    assert_eq!(
        refused.as_ref().map(|refused| refused.why.as_str()),
        Some("nothing to remove: 1 message no longer on the queue")
    );
    let refused = plan(&plane, purge(DEAD, &[])).await.refused;
    assert_eq!(refused.as_ref().map(|refused| refused.why.as_str()), Some("no message is named"), "none is not all");
    assert_eq!(on(&plane, DEAD).await.len(), 1);
}

#[tokio::test]
async fn the_plan_names_only_the_jobs_that_need_the_removed_messages() {
    let dir = tempfile::tempdir().unwrap();
    let plane = with_dead(dir.path(), &[]).await;
    let mut jobs = Vec::new();
    for _ in 0..2 {
        let job_id = plane.job(JobStatus::ChunkingInProgress, None).await;
        dead_letter(&plane, &[&message::object_created("input", &keys::source(job_id))]).await;
        jobs.push(job_id.to_string());
    }
    plane.snapshot("both jobs", |snapshot| snapshot.jobs.len() == 2).await;
    let dead = on(&plane, DEAD).await;
    let of = |job: &String| dead.iter().find(|(_, body)| body.contains(job)).unwrap().0.as_str();
    let planned = plan(&plane, purge(DEAD, &[of(&jobs[0])])).await;
    let told = planned.assumptions.iter().find(|told| told.contains("unfinished job")).unwrap();
    assert!(told.contains(&jobs[0]) && !told.contains(&jobs[1]), "{planned:#?}");
}

#[tokio::test]
async fn a_message_is_taken_off_a_main_queue_without_counting_as_a_receiving() {
    let dir = tempfile::tempdir().unwrap();
    let plane = with_dead(dir.path(), &[]).await;
    let queue = &plane.backend.queues[&MAIN];
    for body in ["a", "b"] {
        queue.send(&[Outgoing::now(body)]).await.unwrap();
    }
    let id = on(&plane, MAIN).await.remove(0).0;
    let (_, applied) = plane.act(purge(MAIN, &[&id])).await;
    assert_eq!(applied.results[0].outcome, Outcome::Done);
    let left = queue.peek(10).await.unwrap();
    assert_eq!((left.len(), left[0].body.as_str(), left[0].receive_count), (1, "b", 0));
}

/// A queue as it is on SQS.
#[derive(Debug)]
struct AsOnSqs {
    inner: Arc<dyn WorkQueue>,
    /// True for a main queue, where looking counts as a receiving.
    is_main: bool,
}

#[async_trait]
impl WrappedQueue for AsOnSqs {
    fn inner(&self) -> &dyn WorkQueue {
        &*self.inner
    }

    async fn stats(&self) -> Result<Stats> {
        Ok(Stats { is_exact: false, ..self.inner.stats().await? })
    }

    async fn peek(&self, max: usize) -> Result<Vec<Peeked>> {
        match self.is_main {
            true => Err(stereospot_ports::Error::new(ErrorCode::Invalid, "can't look at the messages")),
            false => self.inner.peek(max).await,
        }
    }

    async fn purge(&self) -> Result<u64> {
        panic!("chosen messages are not taken by a purge of the whole queue")
    }
}

async fn with_dead_as_on_sqs(dir: &Path, bodies: &[&str]) -> Plane {
    let clock = ManualClock::default();
    let mut backend = embedded(dir, &clock).await;
    for (name, queue) in &mut backend.queues {
        *queue = Arc::new(AsOnSqs { inner: Arc::clone(queue), is_main: !name.is_dead_letter });
    }
    let plane = plane_over(backend, clock).await;
    dead_letter(&plane, bodies).await;
    plane
}

#[tokio::test]
async fn where_looking_does_harm_no_single_message_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let plane = with_dead_as_on_sqs(dir.path(), &[]).await;
    let ids = plane.backend.queues[&MAIN].send(&[Outgoing::now("a")]).await.unwrap();
    let refused = plan(&plane, purge(MAIN, &[&ids[0]])).await.refused.unwrap().why;
    assert!(refused.starts_with("no single message can be taken off chunking: "), "{refused}");
    assert!(refused.contains("wait until it is on chunking-dlq"), "{refused}");
    assert_eq!(plane.stats(MAIN).await.ready, 1);
}

#[tokio::test]
async fn with_other_consumers_hidden_gone_and_held_messages_are_not_guessed() {
    let dir = tempfile::tempdir().unwrap();
    let plane = with_dead_as_on_sqs(dir.path(), &["a", "b"]).await;
    let ids: Vec<String> = on(&plane, DEAD).await.into_iter().map(|(id, _)| id).collect();
    let queue = &plane.backend.queues[&DEAD];
    let planned = plan(&plane, purge(DEAD, &[&ids[0]])).await;
    assert!(planned.effect.starts_with("chunking-dlq holds about 1;"), "{}", planned.effect);
    let held = queue.lease(&ids[..1], Duration::from_secs(60)).await.unwrap().remove(0);
    let apply = Apply { confirm: planned.confirm, who: None };
    let end = plane.client.apply(planned.id, &apply).await.unwrap().results.remove(0);
    assert_eq!(end.outcome, Outcome::Failed);
    assert!(end.note.starts_with("somebody else holds it, or it is gone: look again in "), "{}", end.note);

    let second = plan(&plane, purge(DEAD, &[&ids[0]])).await;
    queue.delete(&held.receipt).await.unwrap();
    let apply = Apply { confirm: second.confirm, who: None };
    let end = plane.client.apply(second.id, &apply).await.unwrap().results.remove(0);
    assert_eq!((end.outcome, end.note.as_str()), (Outcome::Skipped, "gone already"));
    assert_eq!(bodies(&on(&plane, DEAD).await), ["b"]);
}

/// A queue at whose second deletion the process dies: nothing after it is done.
#[derive(Debug)]
struct Dying {
    inner: Arc<dyn WorkQueue>,
    deletions: AtomicUsize,
}

#[async_trait]
impl WrappedQueue for Dying {
    fn inner(&self) -> &dyn WorkQueue {
        &*self.inner
    }

    async fn delete(&self, receipt: &Receipt) -> Result<()> {
        match self.deletions.fetch_add(1, Ordering::SeqCst) {
            1 => panic!("the process dies here"),
            _ => self.inner.delete(receipt).await,
        }
    }
}

#[tokio::test]
async fn a_death_between_copying_and_removing_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::default();
    let mut backend = embedded(dir.path(), &clock).await;
    let inner = Arc::clone(&backend.queues[&DEAD]);
    backend.queues.insert(DEAD, Arc::new(Dying { inner, deletions: AtomicUsize::default() }));
    let mut plane = plane_over(backend, clock).await;
    dead_letter(&plane, &["a", "b", "c"]).await;
    let before = on(&plane, DEAD).await;
    let planned = plan(&plane, purge(DEAD, &[&before[0].0, &before[1].0])).await;
    let apply = Apply { confirm: planned.confirm.clone(), who: None };
    plane.client.apply(planned.id, &apply).await.unwrap_err();
    plane.restart().await;
    let left = on(&plane, DEAD).await;
    let removed: Vec<&(String, String)> = before.iter().filter(|message| !left.contains(message)).collect();
    assert_eq!((left.len(), removed.len()), (2, 1), "one was removed, the other not yet");
    let log = plane.client.actions(1).await.unwrap().remove(0);
    assert_eq!((log.plan.id, log.finished_at), (planned.id, None));
    assert!(log.undo_until.is_some(), "what is gone can be put back: {log:#?}");

    let (undo, _) = plane.act(Action::Restore { plan_id: planned.id }).await;
    assert_eq!((undo.items.len(), undo.items[0].target.message_id().unwrap()), (1, removed[0].0.as_str()), "{undo:#?}");
    assert_eq!(undo.skips[0].what, "still on chunking-dlq: it was not removed");
    assert_eq!(bodies(&on(&plane, DEAD).await), ["a", "b", "c"]);
    // The dead process's lease ends by itself.
    plane.clock.advance(Duration::from_secs(61));
    let how = Receive { max: 10, wait: Duration::ZERO, visibility: None };
    assert_eq!(plane.backend.queues[&DEAD].receive(how).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_job_is_given_up_with_its_dead_letter_or_without_as_the_operator_chooses() {
    let dir = tempfile::tempdir().unwrap();
    let plane = with_dead(dir.path(), &[]).await;
    let job_id = plane.job(JobStatus::ChunkingInProgress, None).await;
    let body = message::object_created("input", &keys::source(job_id));
    dead_letter(&plane, &[&body, "other"]).await;
    plane.findings(job_id, &["source-dead-lettered"]).await;
    let title = |state: &str| format!("job {} {state}", job_id.short());
    plane.snapshot("a stuck job", |now| now.attention.iter().any(|line| line.title == title("stuck"))).await;

    let fail = |discard| Action::Fail { job_id, reason: None, discard };
    let without = plan(&plane, fail(false)).await;
    assert_eq!((without.items.len(), without.skips.len()), (1, 1), "{without:#?}");
    assert_eq!(without.skips[0].what, "the job's dead letter stays on its queue unless --discard (tab) is chosen");
    let (with, applied) = plane.act(fail(true)).await;
    assert_eq!(with.command, format!("stereospot jobs fail {job_id} --discard"));
    let ends: Vec<Outcome> = applied.results.iter().map(|result| result.outcome).collect();
    assert_eq!(ends, [Outcome::Done, Outcome::Done], "{applied:#?}");
    plane.status(job_id, JobStatus::Failed).await;
    let left: Vec<String> = on(&plane, DEAD).await.into_iter().map(|(_, body)| body).collect();
    assert_eq!(left, ["other"]);
    plane.snapshot("a quiet list", |now| now.attention.iter().all(|line| line.job_id != Some(job_id))).await;
    // The purge stands beside it, and is undone as any other.
    let log = plane.client.actions(10).await.unwrap();
    let purge = log.iter().find(|log| matches!(log.plan.action, Action::Purge { .. })).unwrap();
    assert!(applied.results[1].note.ends_with(&format!("stereospot queues restore {}", purge.plan.id)), "{applied:#?}");
}

#[tokio::test]
async fn a_failed_job_is_not_stuck_and_its_dead_letter_can_still_be_discarded() {
    let dir = tempfile::tempdir().unwrap();
    let plane = with_dead(dir.path(), &[]).await;
    let job_id = plane.job(JobStatus::Failed, None).await;
    let body = message::object_created("input", &keys::source(job_id));
    dead_letter(&plane, &[&body]).await;
    let title = format!("job {} failed", job_id.short());
    plane.snapshot("a failed job", |now| now.attention.iter().any(|line| line.title == title)).await;
    let without = plan(&plane, Action::Fail { job_id, reason: None, discard: false }).await.refused.unwrap();
    assert_eq!(without.why, "the job is failed already; --discard takes its dead letters off their queues");
    let (plan, _) = plane.act(Action::Fail { job_id, reason: None, discard: true }).await;
    assert_eq!(plan.effect, "1 dead letter discarded, and kept to be restored");
    assert!(on(&plane, DEAD).await.is_empty());
}
