//! Each known way of losing a job: the state is made through the ports, then the repair is awaited or asked for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use object_store::ObjectStoreExt as _;
use stereospot_domain::attention::{Step, Subject};
use stereospot_domain::diagnosis::FindingCode;
use stereospot_domain::plan::{Action, Outcome};
use stereospot_domain::{EventKind, JobId, JobStatus, QueueName, QueueRole, Timestamp, Topology, keys, message};
use stereospot_ports::memory::ManualClock;
use stereospot_ports::work_queue::Receive;
use stereospot_ports::{JobStore, objects};

use crate::foreign;
use crate::harness::{Plane, Side};

const CHUNKING: QueueName = QueueName { role: QueueRole::Chunking, is_dead_letter: false };
const INFERENCE: QueueName = QueueName { role: QueueRole::Inference, is_dead_letter: false };
const REASSEMBLY: QueueName = QueueName { role: QueueRole::Reassembly, is_dead_letter: false };
const STEP: Duration = Duration::from_secs(61);

/// Waits until the queue holds exactly this one message.
async fn message_comes(plane: &Plane, name: QueueName, body: &str) {
    plane
        .eventually(&format!("{body} on {name}"), async |plane| {
            let peeked = plane.backend.queues[&name].peek(10).await.unwrap();
            (peeked.len() == 1 && peeked[0].body == body).then_some(())
        })
        .await;
}

async fn joined_soon(plane: &Plane, job_id: JobId) {
    message_comes(plane, REASSEMBLY, &message::reassemble(job_id)).await;
    plane.status(job_id, JobStatus::Reassembling).await;
}

async fn told(plane: &Plane, job_id: JobId, kind: EventKind) {
    plane
        .eventually(&format!("event {kind}"), async |plane| {
            let events = plane.client.job_events(job_id, 100).await.unwrap();
            events.into_iter().find(|event| event.kind() == kind && event.source == "controlplane/reconciler")
        })
        .await;
}

#[tokio::test]
async fn one_the_reassembly_message_was_lost() {
    let plane = Plane::start().await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(2)).await;
    plane.complete(job_id, [0, 1]).await;
    assert!(plane.backend.jobs.create_lock(job_id, plane.now()).await.unwrap());
    plane.depth_is_read(REASSEMBLY, 0).await;
    assert_eq!(plane.stats(REASSEMBLY).await.ready, 0, "it may still be under way");
    plane.after(job_id, STEP).await;
    joined_soon(&plane, job_id).await;
    told(&plane, job_id, EventKind::ReassemblyTriggered).await;
}

#[tokio::test]
async fn two_a_completion_was_lost() {
    let plane = Plane::start().await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(2)).await;
    plane.complete(job_id, [0]).await;
    plane.put_silently(Side::Output, &keys::output_segment(job_id, 1)).await;
    plane.after(job_id, STEP).await;
    joined_soon(&plane, job_id).await;
    told(&plane, job_id, EventKind::JobRepaired).await;
    assert_eq!(plane.backend.jobs.count_completions(job_id).await.unwrap(), 2);
}

#[tokio::test]
async fn three_and_twelve_not_triggered() {
    let plane = Plane::start().await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(3)).await;
    plane.complete(job_id, [0, 1, 2]).await;
    joined_soon(&plane, job_id).await;
    told(&plane, job_id, EventKind::ReassemblyTriggered).await;
    let kept = plane
        .eventually("the repair in the action log", async |plane| plane.client.actions(9).await.unwrap().pop())
        .await;
    assert_eq!((kept.applied_by.as_str(), &kept.plan.action), ("reconciler", &Action::Trigger { job_id }));
    assert_eq!(kept.results[0].note, "the lock was made and reassembly asked for", "{kept:#?}");
}

#[tokio::test]
async fn nothing_is_repaired_unasked_where_that_is_off() {
    let plane = Plane::with(|config| config.repairs_by_itself = false).await;
    assert!(!plane.client.snapshot().await.unwrap().environment.repairs_by_itself);
    let untriggered = plane.job(JobStatus::ChunkingComplete, Some(1)).await;
    plane.complete(untriggered, [0]).await;
    let lacking = plane.job(JobStatus::ChunkingComplete, Some(2)).await;
    plane.complete(lacking, [0]).await;
    plane.put_silently(Side::Output, &keys::output_segment(lacking, 1)).await;
    let ignored = plane.job(JobStatus::Created, None).await;
    plane.put_silently(Side::Input, &keys::source(ignored)).await;
    for job_id in [untriggered, lacking, ignored] {
        plane.after(job_id, STEP).await;
    }
    let all = [(untriggered, "trigger-missed"), (lacking, "completion-lost"), (ignored, "source-ignored")];
    for (job_id, code) in all {
        plane.findings(job_id, &[code]).await;
    }
    let revision = plane.client.snapshot().await.unwrap().revision;
    plane.snapshot("some runs later", |snapshot| snapshot.revision > revision + 20).await;
    for name in [CHUNKING, INFERENCE, REASSEMBLY] {
        assert_eq!(plane.stats(name).await.ready, 0, "{name}");
    }
    let jobs = &plane.backend.jobs;
    assert_eq!(jobs.lock(untriggered).await.unwrap(), None);
    assert_eq!(jobs.count_completions(lacking).await.unwrap(), 1);
    assert_eq!(jobs.get(ignored).await.unwrap().unwrap().uploaded_at, None);
    assert!(plane.client.actions(9).await.unwrap().is_empty());
    // Asked for, it is done.
    plane.act(Action::Repair { job_id: lacking, code: "completion-lost".parse().unwrap() }).await;
    assert_eq!(jobs.count_completions(lacking).await.unwrap(), 2);
}

#[tokio::test]
async fn a_foreign_join_is_left_alone_as_long_as_its_message_is_hidden() {
    let clock = ManualClock::default();
    let (platform, _) = foreign::platform(&clock, Topology::VideoWorker, None);
    let plane = Plane::over(platform, clock, |config| config.repairs_by_itself = false).await;
    let job_id = plane.job(JobStatus::Reassembling, Some(1)).await;
    plane.complete(job_id, [0]).await;
    let jobs = plane.backend.jobs.clone();
    assert!(jobs.create_lock(job_id, plane.now()).await.unwrap());
    plane.depth_is_read(REASSEMBLY, 0).await;
    // The message was sent long ago; the worker took the lock just now.
    plane.clock.advance(STEP);
    jobs.acquire_lock(job_id, "theirs", plane.now(), Duration::from_secs(1)).await.unwrap();
    let hidden = QueueRole::Reassembly.default_visibility();
    plane.clock.advance(hidden - Duration::from_secs(10));
    let plan = plane.client.plan(Action::Trigger { job_id }, None).await.unwrap();
    let refused = plan.refused.unwrap().why;
    assert!(refused.contains("gave no lease") && refused.contains("possible in 10s"), "{refused}");
    let detail = plane.client.job(job_id).await.unwrap();
    assert!(!detail.can_trigger && detail.trigger_note.contains("gave no lease"), "{}", detail.trigger_note);
    plane.clock.advance(Duration::from_secs(11));
    plane.act(Action::Trigger { job_id }).await;
    assert_eq!(jobs.lock(job_id).await.unwrap().unwrap().reassembly_started_at, None);
    joined_soon(&plane, job_id).await;
}

#[tokio::test]
async fn a_foreign_join_goes_on_when_its_job_is_taken_back_from_failed() {
    let clock = ManualClock::default();
    let (platform, _) = foreign::platform(&clock, Topology::VideoWorker, None);
    let plane = Plane::over(platform, clock, |config| config.repairs_by_itself = false).await;
    let job_id = plane.job(JobStatus::Failed, Some(1)).await;
    plane.complete(job_id, [0]).await;
    let jobs = plane.backend.jobs.clone();
    assert!(jobs.create_lock(job_id, plane.now()).await.unwrap());
    jobs.acquire_lock(job_id, "theirs", plane.now(), Duration::from_secs(1)).await.unwrap();
    let started = plane.now();
    plane.clock.advance(Duration::from_secs(5));
    plane.act(Action::Trigger { job_id }).await;
    plane.status(job_id, JobStatus::Reassembling).await;
    assert_eq!(jobs.lock(job_id).await.unwrap().unwrap().reassembly_started_at, Some(started));
    assert_eq!(plane.stats(REASSEMBLY).await.ready, 0, "two joins would write the same result");
}

#[tokio::test]
async fn four_reassembly_died_with_a_lease() {
    let plane = Plane::start().await;
    let job_id = plane.job(JobStatus::Reassembling, Some(1)).await;
    plane.complete(job_id, [0]).await;
    let jobs = &plane.backend.jobs;
    assert!(jobs.create_lock(job_id, plane.now()).await.unwrap());
    jobs.acquire_lock(job_id, "reassembly-1", plane.now(), Duration::from_secs(30)).await.unwrap();
    plane.after(job_id, STEP).await;
    joined_soon(&plane, job_id).await;
}

#[tokio::test]
async fn five_the_source_was_ignored() {
    let plane = Plane::start().await;
    // Objects have the machine's time.
    let wall = Timestamp(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap());
    plane.clock.advance(wall.since(plane.now()) + Duration::from_secs(3600));
    let job_id = plane.job(JobStatus::Created, None).await;
    plane.put_silently(Side::Input, &keys::source(job_id)).await;
    let key = objects::path(&keys::source(job_id)).unwrap();
    let written = plane.backend.input.store.head(&key).await.unwrap().last_modified;
    let uploaded_at = plane
        .eventually("the row knows of the source", async |plane| {
            plane.backend.jobs.get(job_id).await.unwrap().unwrap().uploaded_at
        })
        .await;
    assert_eq!(uploaded_at.as_millis(), written.timestamp_millis(), "when it came, not when that was seen");
    plane.after(job_id, STEP).await;
    message_comes(&plane, CHUNKING, &message::object_created("input", &keys::source(job_id))).await;
    told(&plane, job_id, EventKind::JobRepaired).await;
}

#[tokio::test]
async fn six_completed_was_never_said() {
    let plane = Plane::start().await;
    let job_id = plane.job(JobStatus::Reassembling, Some(1)).await;
    plane.complete(job_id, [0]).await;
    plane.backend.jobs.create_lock(job_id, plane.now()).await.unwrap();
    plane.put_silently(Side::Output, &keys::result(job_id)).await;
    let job = plane.status(job_id, JobStatus::Completed).await;
    assert_eq!(job.completed_at, Some(plane.now()));
    told(&plane, job_id, EventKind::JobCompleted).await;
}

#[tokio::test]
async fn seven_a_segment_was_lost() {
    let mut plane = Plane::start().await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(2)).await;
    plane.complete(job_id, [0]).await;
    let key = keys::segment(keys::SegmentKey { job_id, index: 1, total: 2, mode: stereospot_domain::Mode::Sbs });
    plane.put_silently(Side::Input, &key).await;
    plane.after(job_id, STEP).await;
    let body = message::object_created("input", &key);
    message_comes(&plane, INFERENCE, &body).await;
    told(&plane, job_id, EventKind::JobRepaired).await;
    // The next life of the server knows that it was just done: it takes another silence to do it again.
    plane.backend.queues[&INFERENCE].purge().await.unwrap();
    plane.restart().await;
    plane.depth_is_read(INFERENCE, 0).await;
    plane.clock.advance(Duration::from_secs(30));
    plane.snapshot("some runs later", |snapshot| snapshot.revision > 20).await;
    assert_eq!(plane.stats(INFERENCE).await.ready, 0);
    plane.after(job_id, STEP).await;
    message_comes(&plane, INFERENCE, &body).await;
}

#[tokio::test]
async fn seven_a_segment_was_lost_with_its_object() {
    let plane = Plane::start().await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(2)).await;
    plane.complete(job_id, [0]).await;
    plane.put_silently(Side::Input, &keys::manifest(job_id)).await;
    plane.put_silently(Side::Input, &keys::source(job_id)).await;
    plane.after(job_id, STEP).await;
    message_comes(&plane, CHUNKING, &message::object_created("input", &keys::source(job_id))).await;
    plane.status(job_id, JobStatus::Created).await;
    told(&plane, job_id, EventKind::JobRepaired).await;
}

#[tokio::test]
async fn eight_failed_with_a_result_is_set_right_by_the_operator() {
    let plane = Plane::start().await;
    let job_id = plane.job(JobStatus::Failed, Some(1)).await;
    plane.complete(job_id, [0]).await;
    plane.put_silently(Side::Output, &keys::result(job_id)).await;
    plane.findings(job_id, &["status-contradicts-result"]).await;
    let (_, applied) = plane.act(Action::Repair { job_id, code: "status-contradicts-result".parse().unwrap() }).await;
    assert_eq!(applied.results[0].outcome, Outcome::Done, "{applied:?}");
    plane.status(job_id, JobStatus::Completed).await;
    plane.findings(job_id, &[]).await;
}

#[tokio::test]
async fn nine_failed_though_complete_is_triggered_by_the_operator() {
    let plane = Plane::start().await;
    let job_id = plane.job(JobStatus::Failed, Some(2)).await;
    plane.complete(job_id, [0, 1]).await;
    plane.findings(job_id, &["failed-but-complete"]).await;
    let detail = plane.client.job(job_id).await.unwrap();
    assert!(detail.can_trigger, "{}", detail.trigger_note);
    let (_, applied) = plane.act(Action::Trigger { job_id }).await;
    assert_eq!(applied.results[0].outcome, Outcome::Done, "{applied:?}");
    joined_soon(&plane, job_id).await;
}

#[tokio::test]
async fn eleven_too_many_completions_are_flagged_and_the_job_goes_on() {
    let plane = Plane::start().await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(2)).await;
    plane.complete(job_id, [0, 1, 2]).await;
    joined_soon(&plane, job_id).await;
    plane.findings(job_id, &["too-many-completions"]).await;
}

#[tokio::test]
async fn a_trigger_says_which_segments_are_missing() {
    let plane = Plane::passive().await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(5)).await;
    plane.complete(job_id, [0, 2, 4]).await;
    let plan = plane.client.plan(Action::Trigger { job_id }, None).await.unwrap();
    assert_eq!(plan.refused.as_ref().map(|refused| refused.why.as_str()), Some("2 of 5 segments missing: 1, 3"));
    assert!(plan.items.is_empty());
}

#[tokio::test]
async fn a_trigger_resets_a_lock_only_when_its_holder_is_dead() {
    let plane = Plane::passive().await;
    let job_id = plane.job(JobStatus::Reassembling, Some(1)).await;
    plane.complete(job_id, [0]).await;
    let jobs: &dyn JobStore = &*plane.backend.jobs;
    jobs.create_lock(job_id, plane.now()).await.unwrap();
    jobs.acquire_lock(job_id, "reassembly-1", plane.now(), Duration::from_secs(300)).await.unwrap();
    plane.after(job_id, STEP).await;
    let held = plane.client.plan(Action::Trigger { job_id }, None).await.unwrap();
    assert_eq!(held.refused.as_ref().map(|refused| refused.why.as_str()), Some("a worker is joining the segments now"));
    plane.clock.advance(Duration::from_secs(300));
    let (_, applied) = plane.act(Action::Trigger { job_id }).await;
    assert_eq!(applied.results[0].outcome, Outcome::Done, "{applied:?}");
    assert_eq!(jobs.lock(job_id).await.unwrap().unwrap().reassembly_started_at, None);
    joined_soon(&plane, job_id).await;
    let again = plane.client.plan(Action::Trigger { job_id }, None).await.unwrap();
    assert_eq!(
        again.refused.as_ref().map(|refused| refused.why.as_str()),
        Some("its message waits in reassembly; there is no worker")
    );
}

#[tokio::test]
async fn a_repair_of_what_is_not_wrong_is_refused() {
    let plane = Plane::passive().await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(1)).await;
    let plan = plane.client.plan(Action::Repair { job_id, code: "segment-lost".parse().unwrap() }, None).await.unwrap();
    assert_eq!(
        plan.refused.as_ref().map(|refused| refused.why.as_str()),
        Some("nothing of the kind `segment-lost` is found with this job now")
    );
}

#[tokio::test]
async fn the_operator_can_do_what_the_reconciler_would() {
    let plane = Plane::passive().await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(2)).await;
    plane.complete(job_id, [0]).await;
    plane.put_silently(Side::Output, &keys::output_segment(job_id, 1)).await;
    plane.after(job_id, STEP).await;
    plane.findings(job_id, &["completion-lost"]).await;
    let (plan, applied) = plane.act(Action::Repair { job_id, code: "completion-lost".parse().unwrap() }).await;
    assert_eq!(plan.items[0].segment_index, Some(1));
    assert_eq!(applied.results[0].outcome, Outcome::Done, "{applied:?}");
    joined_soon(&plane, job_id).await;
}

#[tokio::test]
async fn what_cannot_be_repaired_stays_on_the_screen() {
    let plane = Plane::start().await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(1)).await;
    plane.after(job_id, STEP).await;
    plane.findings(job_id, &["segment-lost"]).await;
    let revision = plane.client.snapshot().await.unwrap().revision;
    let later = plane.snapshot("some runs later", |snapshot| snapshot.revision > revision + 20).await;
    assert_eq!(later.jobs[0].findings.len(), 1, "a repair that fails is no sign of life");
    assert!(later.attention.iter().any(|line| line.code == "segment-lost"));
    assert_eq!(plane.stats(INFERENCE).await.ready, 0);
}

#[tokio::test]
async fn a_message_that_waits_in_the_queue_is_not_sent_again() {
    let plane = Plane::start().await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(1)).await;
    plane.complete(job_id, [0]).await;
    joined_soon(&plane, job_id).await;
    for _ in 0..5 {
        plane.after(job_id, STEP).await;
        plane.reconciled().await;
    }
    assert_eq!(plane.stats(REASSEMBLY).await.ready, 1);
}

#[tokio::test]
async fn a_dead_lettered_message_is_not_sent_again() {
    let plane = Plane::start().await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(1)).await;
    plane.complete(job_id, [0]).await;
    joined_soon(&plane, job_id).await;
    plane.dead_letter(QueueRole::Reassembly).await;
    plane.findings(job_id, &["reassembly-dead-lettered"]).await;
    plane.after(job_id, Duration::from_secs(20 * 60)).await;
    plane.reconciled().await;
    assert_eq!(plane.stats(REASSEMBLY).await.ready, 0);
}

#[tokio::test]
async fn a_job_that_cannot_be_repaired_says_why_and_can_be_failed() {
    let plane = Plane::start().await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(2)).await;
    plane.complete(job_id, [0]).await;
    plane.after(job_id, STEP).await;
    // Segment, source and message are gone: the reconciler's repair is refused.
    let why = "its segment is gone, and the source is gone: submit the video again";
    let snapshot = plane
        .snapshot("why it is not repaired", |snapshot| {
            snapshot.attention.iter().any(|line| line.evidence.contains(why))
        })
        .await;
    let line = snapshot.attention.iter().find(|line| line.job_id == Some(job_id)).unwrap();
    let code = FindingCode::SegmentLost;
    assert_eq!(line.about, Subject::Job { job_id, code });
    assert_eq!(line.next, [Step::ShowJob { job_id }, Step::Repair { job_id, code }, Step::GiveUp { job_id }]);

    let reason = Some("the source was deleted".to_owned());
    let (plan, applied) = plane.act(Action::Fail { job_id, reason: reason.clone(), discard: false }).await;
    assert_eq!(plan.confirm.unwrap(), format!("fail {}", &job_id.to_string()[..8]));
    assert_eq!(plan.command, format!("stereospot jobs fail {job_id} --reason 'the source was deleted'"));
    assert_eq!((applied.results.len(), applied.results[0].outcome), (1, Outcome::Done), "{applied:#?}");
    let job = plane.status(job_id, JobStatus::Failed).await;
    assert_eq!(job.error.unwrap(), "given up by tester: the source was deleted");
    plane.snapshot("a quiet list", |snapshot| snapshot.attention.iter().all(|line| line.job_id != Some(job_id))).await;
    let events = plane.client.job_events(job_id, 100).await.unwrap();
    assert!(events.iter().any(|event| event.kind() == EventKind::JobFailed), "{events:?}");

    let again = plane.client.plan(Action::Fail { job_id, reason, discard: false }, None).await.unwrap();
    assert_eq!(again.refused.unwrap().why, "the job is failed already");
}

#[tokio::test]
async fn a_message_that_waits_without_a_worker_is_named_and_no_other_is_sent() {
    let plane = Plane::start().await;
    let mut jobs = Vec::new();
    for _ in 0..2 {
        let job_id = plane.job(JobStatus::ChunkingComplete, Some(1)).await;
        plane.complete(job_id, [0]).await;
        plane.status(job_id, JobStatus::Reassembling).await;
        jobs.push(job_id);
    }
    let [waiting, lost] = jobs[..] else { unreachable!() };
    plane.depth_is_read(REASSEMBLY, 2).await;
    // However long it waits: an hour is longer than any patience.
    plane.after(waiting, 60 * STEP).await;
    plane.reconciled().await;
    plane.depth_is_read(REASSEMBLY, 2).await;
    let words = "its message waits in reassembly; there is no worker";
    let detail = plane.client.job(waiting).await.unwrap();
    assert_eq!((detail.can_trigger, detail.trigger_note.as_str()), (false, words));
    for action in [
        Action::Trigger { job_id: waiting },
        Action::Repair { job_id: waiting, code: FindingCode::ReassemblyMessageLost },
    ] {
        let plan = plane.client.plan(action, None).await.unwrap();
        assert!(plan.items.is_empty() && plan.refused.is_some(), "{plan:#?}");
    }
    let plan = plane.client.plan(Action::Trigger { job_id: waiting }, None).await.unwrap();
    assert_eq!(plan.refused.unwrap().why, words);

    // Another's message that waits does not hide that this job's is lost: it is sent again at once.
    let queue = plane.backend.queue(QueueRole::Reassembly).unwrap();
    let receive = Receive { max: 10, wait: Duration::ZERO, visibility: None };
    for message in queue.receive(receive).await.unwrap() {
        match message.body == message::reassemble(lost) {
            true => queue.delete(&message.receipt).await.unwrap(),
            false => queue.release(&message.receipt, Duration::ZERO).await.unwrap(),
        }
    }
    plane
        .eventually("the lost message to be sent again", async |plane| {
            let bodies: Vec<String> = plane.backend.queues[&REASSEMBLY]
                .peek(10)
                .await
                .unwrap()
                .into_iter()
                .map(|peeked| peeked.body)
                .collect();
            (bodies.len() == 2 && bodies.contains(&message::reassemble(lost))).then_some(())
        })
        .await;
}
