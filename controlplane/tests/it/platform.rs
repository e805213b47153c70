//! What a platform offers beside the backend: services, logs, an alarm; and what was found of it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stereospot_api::client::Error;
use stereospot_api::wire::Apply;
use stereospot_controlplane::{Platform, PlatformFacts, StuckJobsAlarm};
use stereospot_domain::plan::{Action, Outcome, Target};
use stereospot_domain::{BackendKind, JobId, JobStatus, QueueName, QueueRole, Timestamp, Topology, keys, message};
use stereospot_ports::Backend;
use stereospot_ports::fleet::memory::MemoryFleet;
use stereospot_ports::fleet::{Fleet, Limits, Scaling, Service};
use stereospot_ports::log_source::memory::MemoryLogs;
use stereospot_ports::log_source::{Found, Line, LogSource, Progress, Search};
use stereospot_ports::memory::{self, ManualClock};
use tokio::sync::{Notify, watch};

use crate::harness::{Plane, Side};

const INFERENCE: QueueName = QueueName { role: QueueRole::Inference, is_dead_letter: false };

/// An existing deployment's, over queues in memory.
pub(crate) fn platform(clock: &ManualClock) -> Platform {
    let facts = PlatformFacts {
        region: Some("eu-central-1".into()),
        prefix: Some("stereo-spot".into()),
        topology: Some(Topology::JobWorker),
        is_provisioned: None,
        queues: [(INFERENCE, "stereo-spot-video-worker".to_owned())].into(),
        missing: vec!["the queue stereo-spot-ingest does not exist".into()],
    };
    Platform { facts, ..Platform::from(Backend { kind: BackendKind::Aws, ..memory::backend(clock) }) }
}

/// A control plane over it that repairs nothing by itself.
pub(crate) async fn passive(platform: Platform, clock: ManualClock) -> Plane {
    Plane::over(platform, clock, |config| config.reconcile = Duration::from_secs(3600)).await
}

fn service(name: &str, desired: u32, scaling: Scaling) -> Service {
    Service { name: name.into(), desired, running: desired, pending: 0, scaling, note: None }
}

async fn with_fleet(services: Vec<Service>) -> (Plane, Arc<MemoryFleet>) {
    let clock = ManualClock::default();
    let fleet = Arc::new(MemoryFleet::of(services));
    let platform = Platform { fleet: Some(fleet.clone()), ..platform(&clock) };
    (passive(platform, clock).await, fleet)
}

fn scale(service: &str, desired: u32) -> Action {
    Action::Scale { service: service.into(), desired }
}

#[tokio::test]
async fn a_service_is_scaled_by_a_plan_that_says_what_may_change_it_again() {
    let limits = Limits { min: 1, max: 8, is_suspended: false };
    let (plane, fleet) =
        with_fleet(vec![service("video-worker", 2, Scaling::Within(limits)), service("web-ui", 1, Scaling::Off)]).await;
    let snapshot = plane.snapshot("both services", |snapshot| snapshot.services.len() == 2).await;
    let view = &snapshot.services[0];
    assert_eq!((view.name.as_str(), view.desired, view.min, view.max), ("video-worker", 2, Some(1), Some(8)));
    let (plan, applied) = plane.act(scale("video-worker", 12)).await;
    assert_eq!(plan.effect, "video-worker desired 2 → 12");
    let warning =
        "scaling keeps video-worker between 1 and 8 tasks: it may change 12 again soon, as it lies outside them";
    assert!(plan.assumptions.iter().any(|assumption| assumption == warning), "{plan:#?}");
    assert_eq!(plan.command, "stereospot services scale video-worker 12");
    assert_eq!(applied.results[0].note, format!("desired 2 → 12; {warning}"));
    assert_eq!(fleet.services().await.unwrap()[0].desired, 12);
    plane.snapshot("the new number", |snapshot| snapshot.services[0].desired == 12).await;
    let log = plane.client.actions(1).await.unwrap();
    assert_eq!((log[0].plan.action.name(), log[0].undo_until), ("scale", None));

    let (plan, _) = plane.act(scale("web-ui", 0)).await;
    assert_eq!(plan.confirm.as_deref(), Some("scale web-ui 0"));
    assert!(plan.effect.ends_with("; 1 task of 1 running stop"), "{plan:#?}");
    // Only tasks of ours are protected while they work.
    assert!(plan.assumptions.iter().any(|told| told.contains("another's work is cut off")), "{plan:#?}");
}

#[tokio::test]
async fn what_can_t_be_scaled_is_refused_with_the_reason() {
    let (plane, fleet) = with_fleet(vec![service("video-worker", 2, Scaling::Off)]).await;
    let check = async |action: Action, expected: &str| {
        let plan = plane.client.plan(action, None).await.unwrap();
        assert_eq!(plan.refused.as_ref().map(|refused| refused.why.as_str()), Some(expected));
    };
    check(scale("media-worker", 1), "there is no service media-worker in this deployment: there are video-worker")
        .await;
    check(scale("video-worker", 4000), "4000 tasks were hardly meant: at most 100 can be set from here").await;
    check(scale("video-worker", 2), "video-worker should have 2 tasks already").await;
    let plan = plane.client.plan(scale("video-worker", 3), None).await.unwrap();
    fleet.scale("video-worker", 5).await.unwrap();
    let applied = plane.client.apply(plan.id, &Apply::default()).await.unwrap();
    assert_eq!(applied.results[0].outcome, Outcome::Skipped, "{applied:#?}");
    assert_eq!(fleet.services().await.unwrap()[0].desired, 5);
    let local = Plane::passive().await;
    let plan = local.client.plan(scale("video-worker", 3), None).await.unwrap();
    assert_eq!(
        plan.refused.as_ref().map(|refused| refused.why.as_str()),
        Some("there are no services here: workers are started with `stereospot up`")
    );
}

#[tokio::test]
async fn a_repair_starts_a_task_where_there_is_none() {
    let (plane, fleet) =
        with_fleet(vec![service("media-worker", 0, Scaling::Off), service("video-worker", 0, Scaling::Off)]).await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(1)).await;
    plane.complete(job_id, [0]).await;
    let (plan, applied) = plane.act(Action::Trigger { job_id }).await;
    assert_eq!(plan.items[1].target, Target::StartWorker { service: "media-worker".into() });
    assert_eq!(applied.results[1].note, "desired 0 → 1");
    let desired: Vec<u32> = fleet.services().await.unwrap().iter().map(|service| service.desired).collect();
    assert_eq!(desired, [1, 0], "only the one that is needed");
}

#[tokio::test]
async fn a_job_s_log_lines_are_found() {
    let clock = ManualClock::default();
    let logs = Arc::new(MemoryLogs::default());
    let plane = passive(Platform { logs: Some(logs.clone()), ..platform(&clock) }, clock).await;
    let (job_id, other) = (plane.job(JobStatus::Created, None).await, plane.job(JobStatus::Created, None).await);
    for (job_id, text) in [(job_id, "probed"), (other, "not ours"), (job_id, "cut")] {
        let text = format!("2026-11-21T00:00:00Z [INFO] media: {text} job_id={job_id}");
        logs.push(Line { time: plane.now(), source: "media-worker".into(), stream: "s".into(), text });
    }
    let page = plane.client.logs(job_id, 100).await.unwrap();
    assert_eq!(page.lines.len(), 2);
    assert!(page.lines[0].text.contains("probed") && page.lines[1].text.contains("cut"), "{page:?}");
    assert_eq!(
        (page.is_whole, page.searched.as_slice(), page.bytes_scanned > 0),
        (true, &["memory".to_owned()][..], true)
    );
    let page = plane.client.logs(job_id, 1).await.unwrap();
    assert_eq!((page.lines.len(), page.is_whole), (1, false));
    let nobody = JobId(uuid::Uuid::new_v4());
    assert!(matches!(plane.client.logs(nobody, 1).await, Err(Error::Refused(problem)) if problem.status == 404));
    let without = Plane::passive().await;
    let job_id = without.job(JobStatus::Created, None).await;
    let refused = without.client.logs(job_id, 1).await.unwrap_err();
    assert_eq!(refused.to_string(), "this control plane was given no log lines to search");
}

/// Searches until no one waits any more.
#[derive(Debug, Default)]
struct EndlessLogs {
    begun: Notify,
    stopped: Arc<Notify>,
}

struct Stopped(Arc<Notify>);

impl Drop for Stopped {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[async_trait]
impl LogSource for EndlessLogs {
    async fn lines(&self, _: &Search, _: &watch::Sender<Progress>) -> stereospot_ports::Result<Found> {
        let _stopped = Stopped(self.stopped.clone());
        self.begun.notify_one();
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_log_search_ends_when_its_client_leaves() {
    let clock = ManualClock::default();
    let logs = Arc::new(EndlessLogs::default());
    let plane = passive(Platform { logs: Some(logs.clone()), ..platform(&clock) }, clock).await;
    let job_id = plane.job(JobStatus::Created, None).await;
    let client = plane.client.clone();
    let asking = tokio::spawn(async move { client.logs(job_id, 1).await });
    let within = Duration::from_secs(20);
    tokio::time::timeout(within, logs.begun.notified()).await.expect("the search begins");
    asking.abort();
    tokio::time::timeout(within, logs.stopped.notified()).await.expect("the search ends with its request");
}

#[tokio::test]
async fn the_deployment_is_shown_as_found() {
    let clock = ManualClock::default();
    let plane = passive(platform(&clock), clock).await;
    let view = plane.client.deployment().await.unwrap();
    assert_eq!((view.backend, view.topology), (BackendKind::Aws, Some(Topology::JobWorker)));
    assert_eq!((view.region.as_deref(), view.prefix.as_deref()), (Some("eu-central-1"), Some("stereo-spot")));
    assert_eq!(view.missing, ["the queue stereo-spot-ingest does not exist"]);
    assert_eq!(view.queues.len(), 8);
    let inference = view.queues.iter().find(|queue| queue.name == INFERENCE).unwrap();
    assert_eq!((inference.physical.as_str(), inference.exists), ("stereo-spot-video-worker", true));
    assert_eq!(view.started_at, plane.now());
    plane.clock.advance(Duration::from_secs(90));
    plane
        .eventually("the age of what is known", async |plane| {
            let view = plane.client.deployment().await.unwrap();
            assert_eq!(plane.now().since(view.started_at), Duration::from_secs(90));
            view.queues.iter().all(|queue| queue.read_at == Some(plane.now())).then_some(())
        })
        .await;
    let environment = plane.client.snapshot().await.unwrap().environment;
    assert_eq!(environment.topology, Some(Topology::JobWorker));
    assert_eq!(
        (environment.region.as_deref(), environment.prefix.as_deref()),
        (Some("eu-central-1"), Some("stereo-spot"))
    );
}

#[tokio::test]
async fn in_topology_a_the_job_worker_writes_the_lost_completion() {
    let clock = ManualClock::default();
    let backend = memory::backend_with(&clock, QueueRole::ALL);
    let plane = passive(Platform { backend, ..platform(&clock) }, clock).await;
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(2)).await;
    plane.complete(job_id, [0]).await;
    plane.put_silently(Side::Output, &keys::output_segment(job_id, 1)).await;
    plane.after(job_id, Duration::from_secs(61)).await;
    plane.findings(job_id, &["completion-lost"]).await;
    let (plan, applied) = plane.act(Action::Repair { job_id, code: "completion-lost".parse().unwrap() }).await;
    assert_eq!(plan.items[0].what, "send the notice of its output to the job-worker again");
    assert_eq!(applied.results[0].outcome, Outcome::Done, "{applied:#?}");
    let sent = plane.backend.queue(QueueRole::JobStatusEvents).unwrap().peek(10).await.unwrap();
    assert_eq!(sent[0].body, message::object_created("output", &keys::output_segment(job_id, 1)));
    assert_eq!(plane.backend.jobs.count_completions(job_id).await.unwrap(), 1, "the row is the job-worker's");
}

/// Keeps what is reported to it.
#[derive(Debug)]
struct Told(watch::Sender<Option<u32>>);

#[async_trait]
impl StuckJobsAlarm for Told {
    async fn report(&self, count: u32, _: Timestamp) -> stereospot_ports::Result<()> {
        self.0.send_replace(Some(count));
        Ok(())
    }
}

#[tokio::test]
async fn the_alarm_metric_gets_the_number_of_stuck_jobs() {
    let clock = ManualClock::default();
    let (told, mut heard) = watch::channel(None);
    let platform = Platform { alarm: Some(Arc::new(Told(told))), ..platform(&clock) };
    let plane = Plane::over(platform, clock, |config| {
        config.reconcile = Duration::from_secs(3600);
        config.alarm = Duration::from_millis(20);
    })
    .await;
    let within = Duration::from_secs(20);
    tokio::time::timeout(within, heard.wait_for(|told| *told == Some(0))).await.expect("none at first").unwrap();
    let job_id = plane.job(JobStatus::ChunkingComplete, Some(1)).await;
    plane.complete(job_id, [0]).await;
    plane.after(job_id, Duration::from_secs(61)).await;
    tokio::time::timeout(within, heard.wait_for(|told| *told == Some(1))).await.expect("then one").unwrap();
}
