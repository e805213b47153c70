//! Everything known about the pipeline: a snapshot updated by changes, separate reads, and the age of each. It survives a lost
//! connection.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use stereospot_api::view::{
    Attention, Change, CollectorView, Environment, JobDetail, Observed, QueueView, ServiceView, Snapshot, WorkerView,
};
use stereospot_domain::diagnosis::Finding;
use stereospot_domain::plan::{Action, AppliedPlan};
use stereospot_domain::{Collector, EventKind, JobId, QueueName, QueueRole, Stage, Timestamp};

use super::deployment_reading::DeploymentReading;
use super::job_reading::JobReading;
use super::jobs::Jobs;
use super::log::Log;

/// Applied plans kept.
const MAX_ACTIONS: usize = 100;

/// Unfinished jobs on the landing screen.
pub(crate) const ACTIVE_JOBS: usize = 40;

/// A live value older than this is stale.
const LIVE_FOR: Duration = Duration::from_secs(3);

/// A collector with a longer interval sends a change after each run, even an empty one.
const SENT_EVERY_RUN: Duration = Duration::from_secs(5);

/// The state of the connection.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Link {
    Connecting { attempt: u32 },
    Live,
    Lost { attempt: u32, retry_at: Duration, reason: String },
}

/// Everything known.
#[derive(Debug)]
pub(crate) struct Model {
    pub environment: Option<Environment>,
    pub jobs: Jobs,
    pub jobs_total: u64,
    pub queues: Vec<QueueView>,
    pub workers: BTreeMap<String, WorkerView>,
    /// The platform's services, by name.
    pub services: Vec<ServiceView>,
    pub attention: Vec<Attention>,
    pub collectors: Vec<CollectorView>,
    pub log: Log,
    /// Newest first.
    pub actions: VecDeque<AppliedPlan>,
    /// Unfinished jobs for the landing screen: those with findings first.
    pub active: Vec<JobId>,
    active_is_old: bool,
    /// The job that is open, or was last.
    pub job_reading: Option<JobReading>,
    pub deployment: DeploymentReading,
    pub link: Link,
    /// Changes applied since the start.
    pub changes: u64,
    boot: Option<uuid::Uuid>,
    last_heard: Option<Duration>,
    /// The server's clock at one instant of ours.
    clock: Option<(Timestamp, Duration)>,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self {
            environment: None,
            jobs: Jobs::default(),
            jobs_total: 0,
            queues: Vec::new(),
            workers: BTreeMap::new(),
            services: Vec::new(),
            attention: Vec::new(),
            collectors: Vec::new(),
            log: Log::new(),
            actions: VecDeque::new(),
            active: Vec::new(),
            active_is_old: false,
            job_reading: None,
            deployment: DeploymentReading::default(),
            link: Link::Connecting { attempt: 1 },
            changes: 0,
            boot: None,
            last_heard: None,
            clock: None,
        }
    }

    /// Replaces the state by a snapshot.
    pub(crate) fn take(&mut self, snapshot: Snapshot, now: Duration) {
        self.link = Link::Live;
        self.last_heard = Some(now);
        self.clock = Some((snapshot.now, now));
        // A partial snapshot leaves out jobs that still exist; jobs missing from a whole one are gone.
        if snapshot.jobs.len() as u64 >= snapshot.jobs_total || self.boot != Some(snapshot.boot) {
            self.jobs.clear();
        }
        for job in snapshot.jobs {
            self.jobs.upsert(job);
        }
        self.boot = Some(snapshot.boot);
        self.jobs_total = snapshot.jobs_total;
        self.environment = Some(snapshot.environment);
        self.queues = snapshot.queues;
        self.workers = snapshot.workers.into_iter().map(|worker| (worker.name.clone(), worker)).collect();
        self.services = snapshot.services;
        self.attention = snapshot.attention;
        self.collectors = snapshot.collectors;
        self.jobs.rearrange();
        self.active_is_old = true;
        self.deployment.restart();
        if let Some(reading) = &mut self.job_reading {
            reading.restart();
        }
    }

    pub(crate) fn needs_arranging(&self) -> bool {
        self.active_is_old || self.jobs.needs_rearranging()
    }

    /// Sorts the lists.
    pub(crate) fn arrange(&mut self) {
        self.jobs.rearrange();
        if self.active_is_old {
            self.active = self.jobs.active(ACTIVE_JOBS);
            self.active_is_old = false;
        }
    }

    /// Applies a change. `keeps_order` leaves rows in place while the operator reads them. Returns whether more than an age
    /// changed: ages have their own tick, so an idle dashboard draws once a second.
    pub(crate) fn change(&mut self, change: Change, now: Duration, keeps_order: bool) -> bool {
        let was_stale = self.is_stale(now);
        self.last_heard = Some(now);
        self.changes += 1;
        let is_news = match &change {
            Change::Queue(view) => self.queue(view.name).is_none_or(|known| !has_same_numbers(known, view)),
            Change::Services { services } => !have_same_numbers(&self.services, services),
            Change::Worker(view) => self.workers.get(&view.name).is_none_or(|known| !does_the_same(known, view)),
            Change::Collector(view) => {
                let known = self.collectors.iter().find(|known| known.name == view.name);
                known.is_none_or(|known| {
                    known.error != view.error || known.lacks != view.lacks || self.collector_is_late(known, now)
                })
            }
            Change::Event(event) => event.kind() != EventKind::WorkerHeartbeat,
            _ => true,
        };
        if let Change::Event(event) = &change
            && let Some(reading) = event.job_id.and_then(|id| self.reading_of(id))
        {
            reading.push(event);
        }
        match change {
            Change::Job(view) => {
                self.active_is_old = true;
                if let Some(reading) = self.reading_of(view.job.job_id) {
                    reading.outdate();
                }
                self.jobs.upsert(*view);
                self.jobs_total = self.jobs_total.max(self.jobs.len() as u64 + self.jobs.dropped());
            }
            Change::Queue(view) => put(&mut self.queues, view, |queue| queue.name),
            Change::Worker(view) => {
                self.workers.insert(view.name.clone(), view);
            }
            Change::Services { services } => self.services = services,
            Change::Attention { mut attention } => {
                if keeps_order {
                    let place = |item: &Attention| self.attention.iter().position(|known| known.about == item.about);
                    attention.sort_by_key(|item| place(item).unwrap_or(usize::MAX));
                }
                self.attention = attention;
            }
            Change::Collector(view) => put(&mut self.collectors, view, |collector| collector.name),
            // The workers' screen shows heartbeats; in the log they would push out everything else.
            Change::Event(event) if event.kind() == EventKind::WorkerHeartbeat => {}
            Change::Event(event) => self.log.push(*event),
            Change::Action(applied) => {
                self.actions.retain(|known| known.plan.id != applied.plan.id);
                // One that has ended comes again: it keeps its place among those that began later.
                let at = self.actions.partition_point(|known| known.applied_at > applied.applied_at);
                self.actions.insert(at, *applied);
                self.actions.truncate(MAX_ACTIONS);
            }
            Change::Reset => {}
        }
        is_news || was_stale
    }

    /// The server's time now, as well as it is known; the epoch before the first answer.
    pub(crate) fn server_now(&self, now: Duration) -> Timestamp {
        self.clock.map_or(Timestamp(0), |(then, at)| then.plus(now.saturating_sub(at)))
    }

    /// Time since the last message from the server.
    pub(crate) fn silence(&self, now: Duration) -> Option<Duration> {
        self.last_heard.map(|at| now.saturating_sub(at))
    }

    /// True when the screen may lag behind the server.
    pub(crate) fn is_stale(&self, now: Duration) -> bool {
        // A healthy server reports each collector run, so its longest silence is the shortest interval.
        let shortest = self.collectors.iter().map(|collector| collector.interval_secs).fold(f32::INFINITY, f32::min);
        let allowed = LIVE_FOR.max(secs(shortest * 3.0)).min(LIVE_FOR.saturating_mul(10));
        self.link != Link::Live || self.silence(now).is_none_or(|silence| silence > allowed)
    }

    /// True when a polled value is older than three of its collector's intervals.
    pub(crate) fn is_old(&self, at: Timestamp, collector: Collector, now: Duration) -> bool {
        self.is_stale(now) || self.server_now(now).since(self.confirmed_at(at, collector)) > self.patience(collector)
    }

    /// When a value that was read at `at` was last confirmed. The stream sends only changed values, so a collector's later
    /// success confirms all that it didn't send.
    pub(crate) fn confirmed_at(&self, at: Timestamp, collector: Collector) -> Timestamp {
        let view = self.collectors.iter().find(|view| view.name == collector);
        view.and_then(|view| view.last_success_at).map_or(at, |success| success.max(at))
    }

    /// When a value was last read, as far as known. A value that is read every few seconds is sent only when it changes, and a
    /// later success confirms it; a value that is read less often is sent after every read.
    pub(crate) fn read_at(&self, at: Timestamp, collector: Collector) -> Timestamp {
        let view = self.collectors.iter().find(|view| view.name == collector);
        let is_sent_every_run = view.is_some_and(|view| secs(view.interval_secs) > SENT_EVERY_RUN);
        if is_sent_every_run { at } else { self.confirmed_at(at, collector) }
    }

    /// True when a collector's numbers have not been renewed for three intervals.
    pub(crate) fn collector_is_late(&self, view: &CollectorView, now: Duration) -> bool {
        view.last_success_at
            .is_none_or(|at| self.server_now(now).since(at) > secs(view.interval_secs * 3.0).max(LIVE_FOR))
    }

    /// True when a collector is overdue, so that a change could have been missed.
    pub(crate) fn is_behind(&self, collector: Collector, now: Duration) -> bool {
        let view = self.collectors.iter().find(|view| view.name == collector);
        self.is_stale(now) || view.is_some_and(|view| self.collector_is_late(view, now))
    }

    fn patience(&self, collector: Collector) -> Duration {
        let interval = self.collectors.iter().find(|view| view.name == collector).map(|view| view.interval_secs);
        secs(interval.unwrap_or(10.0) * 3.0).max(LIVE_FOR)
    }

    pub(crate) fn queue(&self, name: QueueName) -> Option<&QueueView> {
        self.queues.iter().find(|queue| queue.name == name)
    }

    /// A stage's queue and its dead-letter queue.
    pub(crate) fn stage(&self, stage: Stage) -> (Option<&QueueView>, Option<&QueueView>) {
        (self.queue(QueueName::main(stage.queue())), self.queue(QueueName::dead_letter(stage.queue())))
    }

    fn reading_of(&mut self, id: JobId) -> Option<&mut JobReading> {
        self.job_reading.as_mut().filter(|reading| reading.id == id)
    }

    /// A job's detail, if it is the job that was read.
    pub(crate) fn detail(&self, id: JobId) -> Option<&JobDetail> {
        self.job_reading.as_ref().filter(|reading| reading.id == id)?.data.as_deref()
    }

    /// A job's findings, as last read.
    pub(crate) fn findings(&self, id: JobId) -> &[Finding] {
        match self.detail(id) {
            Some(detail) => &detail.view.findings,
            None => self.jobs.get(id).map(|row| &*row.findings).unwrap_or_default(),
        }
    }

    /// True where each read of the platform is billed.
    pub(crate) fn is_paid(&self) -> bool {
        self.environment.as_ref().is_some_and(|environment| environment.backend.is_metered())
    }

    /// Dead-letter queues that can be opened: the pipeline's, and others that exist.
    pub(crate) fn roles(&self) -> Vec<QueueRole> {
        let is_there = |role: &QueueRole| role.is_in_pipeline() || self.queue(QueueName::dead_letter(*role)).is_some();
        QueueRole::ALL.iter().copied().filter(is_there).collect()
    }

    /// The last purge that can still be undone.
    pub(crate) fn undoable(&self, now: Duration) -> Option<&AppliedPlan> {
        let restored = |purge: &AppliedPlan| {
            self.actions.iter().any(|other| other.plan.action == Action::Restore { plan_id: purge.plan.id })
        };
        self.actions.iter().find(|applied| {
            matches!(applied.plan.action, Action::Purge { .. })
                && applied.undo_until.is_some_and(|until| until > self.server_now(now))
                && !restored(applied)
        })
    }
}

/// True when two reads of a queue differ in their times only.
fn has_same_numbers(one: &QueueView, other: &QueueView) -> bool {
    let seen = |value: Option<Observed<u64>>| value.map(|value| (value.value, value.is_exact));
    let numbers = |view: &QueueView| [seen(view.ready), seen(view.in_flight), seen(view.delayed)];
    numbers(one) == numbers(other) && one.history.len() == other.history.len() && one.consumers == other.consumers
}

/// True when a worker is still doing the same.
fn does_the_same(one: &WorkerView, other: &WorkerView) -> bool {
    let what = |view: &WorkerView| (view.state, view.job_id, view.segment_index, view.done, view.failed);
    what(one) == what(other)
}

/// True when two reads of the services differ in their times only.
fn have_same_numbers(one: &[ServiceView], other: &[ServiceView]) -> bool {
    let is_same =
        |one: &ServiceView, other: &ServiceView| *one == ServiceView { observed_at: one.observed_at, ..other.clone() };
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
}

fn put<T, K: PartialEq>(list: &mut Vec<T>, view: T, key: impl Fn(&T) -> K) {
    match list.iter_mut().find(|known| key(known) == key(&view)) {
        Some(known) => *known = view,
        None => list.push(view),
    }
}

fn secs(secs: f32) -> Duration {
    Duration::try_from_secs_f32(secs).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests;
