//! What is deleted by age and by size: by plan, and automatically.

use std::time::Duration;

use object_store::ObjectStoreExt;
use stereospot_controlplane::{Config, Error, Platform, PlatformFacts, Server};
use stereospot_domain::plan::{Action, Outcome};
use stereospot_domain::retention::Keep;
use stereospot_domain::{BackendKind, JobId, JobStatus, QueueName, QueueRole, keys, message};
use stereospot_ports::memory::{self, ManualClock};
use stereospot_ports::work_queue::Outgoing;
use stereospot_ports::{Backend, deletion, objects};

use crate::harness::Plane;

const DAY: Duration = Duration::from_secs(24 * 3600);
const DEAD: QueueName = QueueName { role: QueueRole::Inference, is_dead_letter: true };

/// An ended job with two objects of these sizes.
async fn ended(plane: &Plane, status: JobStatus, bytes: usize) -> JobId {
    let job_id = plane.job(status, Some(1)).await;
    for (bucket, key) in [(&plane.backend.input, keys::manifest(job_id)), (&plane.backend.output, keys::result(job_id))]
    {
        bucket.store.put(&objects::path(&key).unwrap(), vec![0_u8; bytes / 2].into()).await.unwrap();
    }
    // The server knows it: from now on its age counts.
    plane.after(job_id, Duration::ZERO).await;
    job_id
}

async fn left(plane: &Plane, job_id: JobId) -> u64 {
    deletion::remains(&plane.backend, job_id).await.unwrap().bytes
}

fn older_than(age: Duration) -> Action {
    Action::Prune { older_than_secs: Some(age.as_secs()), keep_bytes: None }
}

async fn planned(plane: &Plane, action: Action) -> Vec<JobId> {
    let plan = plane.client.plan(action, None).await.unwrap();
    assert_eq!(plan.refused, None);
    plan.items.iter().filter_map(|item| item.job_id).collect()
}

#[tokio::test]
async fn a_plan_deletes_what_ended_long_ago_and_nothing_else() {
    let plane = Plane::passive().await;
    let old = [ended(&plane, JobStatus::Completed, 100).await, ended(&plane, JobStatus::Failed, 60).await];
    let at_work = plane.job(JobStatus::ChunkingComplete, Some(2)).await;
    plane.put_silently(crate::harness::Side::Input, &keys::manifest(at_work)).await;
    plane.clock.advance(10 * DAY);
    let new = ended(&plane, JobStatus::Completed, 10).await;
    plane.clock.advance(DAY);

    assert_eq!(planned(&plane, older_than(12 * DAY)).await, []);
    let (plan, applied) = plane.act(older_than(5 * DAY)).await;
    assert_eq!(plan.command, "stereospot jobs prune --older-than 5d");
    assert_eq!(plan.confirm.as_deref(), Some("prune 2"));
    assert!(plan.effect.starts_with("frees 160 B;"), "{}", plan.effect);
    assert!(plan.items[0].what.contains("it ended 11d00h ago"), "{}", plan.items[0].what);
    assert!(applied.results.iter().all(|result| result.outcome == Outcome::Done), "{applied:#?}");
    for job_id in old {
        plane.status(job_id, JobStatus::Deleted).await;
        assert_eq!(left(&plane, job_id).await, 0);
        assert_eq!(plane.backend.jobs.lock(job_id).await.unwrap(), None);
    }
    assert_eq!((left(&plane, new).await, left(&plane, at_work).await), (10, 4));
    assert_eq!(planned(&plane, older_than(5 * DAY)).await, [], "nothing is left to do");
}

#[tokio::test]
async fn a_plan_by_size_deletes_the_oldest_until_the_rest_fits() {
    let plane = Plane::passive().await;
    let mut jobs = Vec::new();
    for _ in 0..4 {
        jobs.push(ended(&plane, JobStatus::Completed, 100).await);
        plane.clock.advance(DAY);
    }
    let keep = |bytes| Action::Prune { older_than_secs: None, keep_bytes: Some(bytes) };
    assert_eq!(planned(&plane, keep(400)).await, []);
    assert_eq!(planned(&plane, keep(399)).await, jobs[..1]);
    assert_eq!(planned(&plane, keep(200)).await, jobs[..2]);
    let both = Action::Prune { older_than_secs: Some((3 * DAY).as_secs()), keep_bytes: Some(0) };
    assert_eq!(planned(&plane, both).await, jobs);
    let neither = Action::Prune { older_than_secs: None, keep_bytes: None };
    assert!(plane.client.plan(neither, None).await.unwrap().refused.is_some());
}

#[tokio::test]
async fn a_job_with_a_message_that_can_still_be_sent_again_stays() {
    let plane = Plane::passive().await;
    let (dead, purged) = (ended(&plane, JobStatus::Failed, 10).await, ended(&plane, JobStatus::Failed, 10).await);
    let letters = plane.backend.queue_named(DEAD).unwrap();
    for job_id in [dead, purged] {
        let key = keys::segment(keys::SegmentKey { job_id, index: 0, total: 1, mode: stereospot_domain::Mode::Sbs });
        letters.send(&[Outgoing::now(message::object_created("input", &key))]).await.unwrap();
    }
    plane.depth_is_read(DEAD, 2).await;
    plane.clock.advance(10 * DAY);
    plane
        .eventually("both to be held", async |plane| {
            let plan = plane.client.plan(older_than(DAY), None).await.unwrap();
            (plan.items.is_empty() && plan.skips.iter().all(|skip| skip.what.contains("can still be replayed")))
                .then_some(plan.skips.len())
                .filter(|skips| *skips == 2)
        })
        .await;
    // Discarded, a message can be restored for a day.
    let ids = letters.peek(10).await.unwrap();
    let id = ids.iter().find(|message| message.body.contains(&purged.to_string())).unwrap().id.clone();
    plane.act(Action::Purge { queue: DEAD, message_ids: Some(vec![id]) }).await;
    plane.depth_is_read(DEAD, 1).await;
    let plan = plane.client.plan(older_than(DAY), None).await.unwrap();
    assert!(plan.skips.iter().any(|skip| skip.job_id == Some(purged) && skip.what.contains("restored")), "{plan:#?}");
    assert_eq!(plan.items, []);
    plane.clock.advance(2 * DAY);
    plane
        .eventually("the copies to be forgotten", async |plane| {
            let items = planned(plane, older_than(DAY)).await;
            (items == [purged]).then_some(())
        })
        .await;
}

#[tokio::test]
async fn what_is_asked_for_at_the_start_happens_automatically_and_is_in_the_action_log() {
    let plane = Plane::with(|config| config.retention.jobs = Keep { age: Some(5 * DAY), bytes: None }).await;
    let (old, at_work) = (ended(&plane, JobStatus::Completed, 100).await, plane.job(JobStatus::Created, None).await);
    plane.clock.advance(6 * DAY);
    plane.status(old, JobStatus::Deleted).await;
    let log = plane
        .eventually("the entry in the action log", async |plane| {
            let log = plane.client.actions(10).await.unwrap();
            log.into_iter().find(|applied| matches!(applied.plan.action, Action::Prune { .. }))
        })
        .await;
    assert_eq!((log.applied_by.as_str(), log.results.len()), ("retention", 1));
    assert_eq!(log.plan.command, "stereospot jobs prune --older-than 5d");
    assert_eq!(left(&plane, old).await, 0);
    assert!(plane.backend.jobs.get(at_work).await.unwrap().is_some());
    // The row goes later, and with it what is remembered of the job.
    plane.clock.advance(100 * DAY);
    plane
        .eventually("the row to go", async |plane| plane.backend.jobs.get(old).await.unwrap().is_none().then_some(()))
        .await;
    plane.snapshot("the job to be forgotten", |now| now.jobs.iter().all(|view| view.job.job_id != old)).await;
}

#[tokio::test]
async fn nothing_goes_unasked_where_nothing_was_asked_for_or_the_deployment_is_only_watched() {
    let watched = Plane::with(|config| {
        config.repairs_by_itself = false;
        config.retention.rows = Duration::ZERO;
    })
    .await;
    let plain = Plane::start().await;
    for plane in [&watched, &plain] {
        let job_id = ended(plane, JobStatus::Completed, 100).await;
        plane.clock.advance(400 * DAY);
        // Cleaning and many runs of every task.
        plane.snapshot("another reading", |now| now.jobs.iter().any(|view| view.job.job_id == job_id)).await;
        assert_eq!(left(plane, job_id).await, 100);
    }
    let job_id = ended(&watched, JobStatus::Failed, 2).await;
    watched.act(Action::Delete { job_id }).await;
    watched.clock.advance(400 * DAY);
    watched.snapshot("another reading", |_| true).await;
    assert!(watched.backend.jobs.get(job_id).await.unwrap().is_some(), "its row stays");

    let mut config = watched.config.clone();
    config.retention.jobs.age = Some(DAY);
    let start = async |config: &Config, kind, is_provisioned| {
        let backend = Backend { kind, ..memory::backend(&ManualClock::default()) };
        let facts = PlatformFacts { is_provisioned, ..PlatformFacts::default() };
        let dir = tempfile::tempdir().unwrap();
        let config = Config { data_dir: dir.path().to_owned(), ..config.clone() };
        match Server::start(Platform { facts, ..Platform::from(backend) }, config, None).await {
            Ok(server) => {
                server.stop().await;
                true
            }
            Err(Error::OnlyWatched) => false,
            Err(other) => panic!("{other}"),
        }
    };
    assert!(!start(&config, BackendKind::Memory, None).await, "it does not act unasked");
    config.repairs_by_itself = true;
    assert!(start(&config, BackendKind::Local, None).await);
    assert!(start(&config, BackendKind::Aws, Some(true)).await);
    assert!(!start(&config, BackendKind::Aws, Some(false)).await, "others made it");
    assert!(!start(&config, BackendKind::Aws, None).await, "it is not known who made it");
}
