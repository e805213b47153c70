//! A running control plane over the in-memory backend, with time as the test turns it.

use std::net::SocketAddr;
use std::time::Duration;

use stereospot_api::Client;
use stereospot_api::view::Snapshot;
use stereospot_api::wire::{Applied, Apply};
use stereospot_controlplane::{Config, Platform, Server};
use stereospot_domain::event::Unread;
use stereospot_domain::plan::{Action, Plan};
use stereospot_domain::{
    Event, EventKind, Job, JobId, JobOptions, JobStatus, Payload, QueueName, QueueRole, SegmentCompletion, Stage,
    Timestamp, keys,
};
use stereospot_ports::job_store::{Transition, Transitioned};
use stereospot_ports::memory::{self, ManualClock};
use stereospot_ports::work_queue::{Receive, Stats};
use stereospot_ports::{Backend, Clock, objects};
use uuid::Uuid;

/// How long a test waits for a state before it fails.
const DEADLINE: Duration = Duration::from_secs(20);

/// A running control plane.
pub(crate) struct Plane {
    pub(crate) client: Client,
    pub(crate) backend: Backend,
    pub(crate) clock: ManualClock,
    pub(crate) config: Config,
    platform: Platform,
    server: Option<Server>,
    _dir: tempfile::TempDir,
}

impl Plane {
    /// One that reconciles.
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// One that repairs nothing by itself.
    pub(crate) async fn passive() -> Self {
        Self::with(|config| config.reconcile = Duration::from_secs(3600)).await
    }

    /// One with other settings.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let clock = ManualClock::default();
        Self::over(memory::backend(&clock), clock, change).await
    }

    /// One over a backend, or a whole platform.
    pub(crate) async fn over(
        platform: impl Into<Platform>,
        clock: ManualClock,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let platform = platform.into();
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::new(dir.path().to_owned(), SocketAddr::from(([127, 0, 0, 1], 0)));
        (config.poll, config.reconcile) = (Duration::from_millis(20), Duration::from_millis(20));
        change(&mut config);
        let server = Server::start(platform.clone(), config.clone(), None).await.unwrap();
        let client = Client::new(&server.url()).unwrap();
        let backend = platform.backend.clone();
        Self { client, backend, clock, config, platform, server: Some(server), _dir: dir }
    }

    /// Stops it in order and starts it again on the same data.
    pub(crate) async fn restart(&mut self) {
        self.server.take().unwrap().stop().await;
        // A program that another test is just starting has a copy of the data directory's lock until it has begun.
        let server = self
            .eventually("the data directory", async |plane| {
                Server::start(plane.platform.clone(), plane.config.clone(), None).await.ok()
            })
            .await;
        self.client = Client::new(&server.url()).unwrap();
        self.server = Some(server);
    }

    /// Stops it in order.
    pub(crate) async fn stop(mut self) {
        self.server.take().unwrap().stop().await;
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Waits until `look` finds something.
    pub(crate) async fn eventually<T>(&self, what: &str, look: impl AsyncFn(&Self) -> Option<T>) -> T {
        let wait = async {
            let mut tick = tokio::time::interval(Duration::from_millis(10));
            loop {
                tick.tick().await;
                if let Some(found) = look(self).await {
                    return found;
                }
            }
        };
        tokio::time::timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("never came: {what}"))
    }

    /// Waits until the job has this status in the store.
    pub(crate) async fn status(&self, job_id: JobId, status: JobStatus) -> Job {
        self.eventually(&format!("status {status}"), async |plane| {
            plane.backend.jobs.get(job_id).await.unwrap().filter(|job| job.status == status)
        })
        .await
    }

    /// Waits until a snapshot is as wanted.
    pub(crate) async fn snapshot(&self, what: &str, is_wanted: impl Fn(&Snapshot) -> bool) -> Snapshot {
        self.eventually(what, async |plane| Some(plane.client.snapshot().await.unwrap()).filter(&is_wanted)).await
    }

    /// Waits until a job's findings are exactly these.
    pub(crate) async fn findings(&self, job_id: JobId, codes: &[&str]) {
        self.snapshot(&format!("findings {codes:?}"), |snapshot| {
            let view = snapshot.jobs.iter().find(|view| view.job.job_id == job_id);
            view.is_some_and(|view| view.findings.iter().map(|finding| finding.code.as_str()).eq(codes.iter().copied()))
        })
        .await;
    }

    /// Turns the clock once the server has seen the job as it is: what it sees later would count as a sign of life.
    pub(crate) async fn after(&self, job_id: JobId, silence: Duration) {
        let row = self.backend.jobs.get(job_id).await.unwrap();
        self.snapshot("the job as it is", |snapshot| snapshot.jobs.iter().any(|view| Some(&view.job) == row.as_ref()))
            .await;
        self.clock.advance(silence);
    }

    /// Waits until the reconciler has looked at every job that is there now, at least once from beginning to end. It does so by
    /// jobs whose rows it sets right: each is made after the one before it was seen.
    pub(crate) async fn reconciled(&self) {
        for _ in 0..3 {
            let job_id = self.job(JobStatus::Created, None).await;
            self.put_silently(Side::Input, &keys::source(job_id)).await;
            self.eventually("the reconciler's run", async |plane| {
                plane.backend.jobs.get(job_id).await.unwrap().unwrap().uploaded_at
            })
            .await;
        }
    }

    /// Waits until the server has read a queue that holds so many messages.
    pub(crate) async fn depth_is_read(&self, name: QueueName, depth: u64) {
        self.snapshot(&format!("{depth} on {name}"), |snapshot| {
            let queue = snapshot.queues.iter().find(|queue| queue.name == name).unwrap();
            queue.ready.is_some_and(|ready| ready.value == depth)
        })
        .await;
    }

    pub(crate) async fn stats(&self, name: QueueName) -> Stats {
        self.backend.queues[&name].stats().await.unwrap()
    }

    /// Makes a plan that can be applied, and applies it.
    pub(crate) async fn act(&self, action: Action) -> (Plan, Applied) {
        let plan = self.client.plan(action, Some("tester".into())).await.unwrap();
        assert_eq!(plan.refused, None, "{plan:#?}");
        let apply = Apply { confirm: plan.confirm.clone(), who: None };
        let applied = self.client.apply(plan.id, &apply).await.unwrap();
        (plan, applied)
    }

    /// A job, whatever is set of it.
    pub(crate) async fn job(&self, status: JobStatus, total: Option<u32>) -> JobId {
        let job = Job::new(JobId(Uuid::new_v4()), JobOptions::default(), Some("clip".into()), self.now());
        self.backend.jobs.create(&job).await.unwrap();
        let steps = match (status, total) {
            (JobStatus::Created, _) => vec![],
            (JobStatus::Ingesting, _) => vec![JobStatus::Ingesting],
            (_, Some(_)) => vec![JobStatus::ChunkingInProgress, JobStatus::ChunkingComplete],
            _ => vec![JobStatus::ChunkingInProgress],
        };
        for to in steps {
            let total_segments = total.filter(|_| to == JobStatus::ChunkingComplete);
            self.move_to(job.job_id, Transition { total_segments, ..Transition::to(to) }).await;
        }
        if matches!(status, JobStatus::Reassembling | JobStatus::Completed | JobStatus::Failed) {
            let error = (status == JobStatus::Failed).then(|| "it broke".to_owned());
            self.move_to(job.job_id, Transition { error, ..Transition::to(status) }).await;
        }
        job.job_id
    }

    async fn move_to(&self, job_id: JobId, transition: Transition) {
        let moved = self.backend.jobs.transition(job_id, &transition).await.unwrap();
        assert!(matches!(moved, Transitioned::Changed(_)), "{moved:?}");
    }

    pub(crate) async fn complete(&self, job_id: JobId, segments: impl IntoIterator<Item = u32>) {
        for segment_index in segments {
            let output_uri = self.backend.output.uri(&keys::output_segment(job_id, segment_index));
            let completed_at = self.now();
            let completion = SegmentCompletion { job_id, segment_index, output_uri, completed_at };
            self.backend.jobs.put_completion(&completion).await.unwrap();
        }
    }

    /// Puts an object without its notification.
    pub(crate) async fn put_silently(&self, side: Side, key: &str) {
        use stereospot_ports::notifying;
        let (bucket, notified) = match side {
            Side::Input => (&self.backend.input, notifying::Side::Input),
            Side::Output => (&self.backend.output, notifying::Side::Output),
        };
        let path = objects::path(key).unwrap();
        object_store::ObjectStoreExt::put(&*bucket.store, &path, "data".into()).await.unwrap();
        if let Some(role) = notifying::recipient(notified, key) {
            self.backend.queue(role).unwrap().purge().await.unwrap();
        }
    }

    /// Has the only message of a queue fail until it is dead-lettered.
    pub(crate) async fn dead_letter(&self, role: QueueRole) {
        let queue = self.backend.queue(role).unwrap();
        let how = Receive { max: 10, wait: Duration::ZERO, visibility: None };
        for _ in 0..memory::MAX_RECEIVES {
            for message in queue.receive(how).await.unwrap() {
                queue.release(&message.receipt, Duration::ZERO).await.unwrap();
            }
        }
        assert!(queue.receive(how).await.unwrap().is_empty());
    }
}

/// Which bucket.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Side {
    Input,
    Output,
}

/// A worker that sends events.
pub(crate) struct Worker {
    pub(crate) name: &'static str,
    pub(crate) boot: Uuid,
    pub(crate) seq: u64,
    pub(crate) stage: Stage,
}

impl Worker {
    pub(crate) fn new(name: &'static str, stage: Stage) -> Self {
        Self { name, boot: Uuid::new_v4(), seq: 0, stage }
    }

    /// Its next event.
    pub(crate) fn event(
        &mut self,
        kind: EventKind,
        time: Timestamp,
        about: Option<(JobId, Option<u32>)>,
        data: serde_json::Value,
    ) -> Event {
        self.seq += 1;
        let (payload, data) = Payload::read(kind.as_str(), data.as_object().cloned().unwrap_or_default());
        Event {
            v: 1,
            id: Uuid::now_v7(),
            source: self.name.into(),
            boot: self.boot,
            seq: self.seq,
            time,
            job_id: about.map(|(job_id, _)| job_id),
            segment_index: about.and_then(|(_, index)| index),
            stage: Some(self.stage),
            attempt: Some(1),
            traceparent: None,
            payload,
            unread: Unread { data, ..Unread::default() },
        }
    }
}
