//! All that is known at this moment, and which parts of it changed since they were last shown.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use stereospot_api::view::{Attention, CollectorView, ServiceView};
use stereospot_domain::diagnosis::Fact;
use stereospot_domain::{Event, EventKind, Job, JobId, JobStatus, QueueName, QueueRole, Stage, Timestamp};
use uuid::Uuid;

use super::attention::Outage;
use super::flow::Flow;
pub use super::known::{Dirty, Entry, Fault, Polling, Seen, SeenDead, Truth};
use super::observed::Untold;
use super::own_database::Deafness;
use super::progress::JobProgress;
use super::worker::{BootCount, FORGOTTEN_AFTER, Worker};
use stereospot_domain::Collector;

/// A list of rows is read page by page, within a budget.
const LONGEST_READING: Duration = Duration::from_secs(3600);
/// Workers that are remembered.
const MAX_WORKERS: usize = 2_000;
/// Sources of events that are this process itself.
pub const OWN_SOURCE: &str = "controlplane";
/// Source of events that were made of what was seen; with `/` and a log's name for those that its lines told.
pub const OBSERVED_SOURCE: &str = "observed";

/// Everything known.
#[derive(Debug)]
pub struct World {
    pub jobs: HashMap<JobId, Entry>,
    pub order: BTreeSet<(Reverse<Timestamp>, JobId)>,
    /// Jobs that are not at their end: with 100,000 that are, these few must not be searched for.
    open: BTreeSet<JobId>,
    /// Jobs with findings.
    pub flagged: BTreeSet<JobId>,
    pub workers: BTreeMap<String, Worker>,
    pub queues: BTreeMap<QueueName, Flow>,
    pub dead: BTreeMap<QueueName, Vec<SeenDead>>,
    /// Queues that can't be read now.
    pub queue_faults: BTreeMap<QueueName, Fault>,
    /// True while lost jobs are repaired by this process itself, and not only shown.
    pub reconciles: bool,
    /// The platform's services, by name.
    pub services: Vec<ServiceView>,
    /// Since when a service has no running task.
    pub(super) without_tasks: BTreeMap<String, Timestamp>,
    /// That the budget of calls holds readings back so much that it should be told.
    pub polling: Option<Polling>,
    /// That it holds any back.
    pub is_held_back: bool,
    /// Jobs of which something is untold.
    pub(super) with_untold: BTreeSet<JobId>,
    pub collectors: BTreeMap<Collector, CollectorView>,
    /// When each collector was first heard of.
    pub(super) first_ran: BTreeMap<Collector, Timestamp>,
    /// Since when a collector can't read all that it has to.
    pub(super) lacking_since: BTreeMap<Collector, Timestamp>,
    /// That neither queues nor rows answer.
    pub outage: Option<Outage>,
    /// When nothing could be heard of workers, because it could not be kept.
    pub(super) deafness: Option<Deafness>,
    /// Since when this machine's clock is wrong, and what is to be said of it.
    pub wrong_clock: Option<(Timestamp, String)>,
    /// Since when the wall clock is how far ahead, in milliseconds, of the time that all here goes by.
    pub(crate) clock_jump: Option<(Timestamp, i64)>,
    /// That no write is taken, so that none is to be proposed.
    pub is_read_only: bool,
    pub attention: Vec<Attention>,
    pub dirty: Dirty,
    /// Jobs that were seen to end since this was last taken: how, and how long after their submission.
    pub ended: Vec<(JobStatus, Duration)>,
}

impl World {
    /// Knows the queues' names and nothing else.
    pub fn new(queues: impl IntoIterator<Item = QueueName>) -> Self {
        Self {
            jobs: HashMap::new(),
            order: BTreeSet::new(),
            open: BTreeSet::new(),
            flagged: BTreeSet::new(),
            workers: BTreeMap::new(),
            queues: queues.into_iter().map(|name| (name, Flow::new(name))).collect(),
            dead: BTreeMap::new(),
            queue_faults: BTreeMap::new(),
            reconciles: true,
            services: Vec::new(),
            without_tasks: BTreeMap::new(),
            polling: None,
            is_held_back: false,
            with_untold: BTreeSet::new(),
            collectors: BTreeMap::new(),
            first_ran: BTreeMap::new(),
            lacking_since: BTreeMap::new(),
            outage: None,
            deafness: None,
            wrong_clock: None,
            clock_jump: None,
            is_read_only: false,
            attention: Vec::new(),
            dirty: Dirty::default(),
            ended: Vec::new(),
        }
    }

    /// Takes in an event that has just been made durable.
    pub fn apply(&mut self, event: &Event, received_at: Timestamp) {
        self.apply_to_worker(event, received_at);
        self.apply_to_job(event);
        use EventKind::*;
        let stage = match event.kind() {
            ChunkingCompleted => Stage::Chunking,
            SegmentCompleted => Stage::Inference,
            ReassemblyCompleted => Stage::Reassembly,
            JobSubmitted | JobCompleted | JobFailed | JobRepaired | ChunkingStarted | ChunkingFailed
            | SegmentStarted | SegmentProgress | SegmentFailed | LeaseExtended | LeaseLost | ReassemblyTriggered
            | ReassemblyStarted | ReassemblyFailed | WorkerStarted | WorkerHeartbeat | WorkerDraining
            | WorkerStopped | SpoolDropped | Unknown => return,
        };
        // At the first sight of a deployment much is told that happened long ago: it is no part of the present rate.
        let is_history = is_observed(&event.source) && received_at.since(event.time) > HISTORY_AFTER;
        if let Some(flow) = self.queues.get_mut(&QueueName::main(stage.queue())).filter(|_| !is_history) {
            flow.step_done(received_at);
        }
    }

    /// The part of [`World::apply`] that concerns its sender.
    pub fn apply_to_worker(&mut self, event: &Event, received_at: Timestamp) {
        if is_own(&event.source) {
            return;
        }
        if !self.workers.contains_key(&event.source) && self.workers.len() >= MAX_WORKERS {
            let stalest = self.workers.iter().min_by_key(|(_, worker)| worker.heard_at()).map(|(name, _)| name.clone());
            stalest.and_then(|name| self.workers.remove(&name));
        }
        self.workers.entry(event.source.clone()).or_default().apply(event, received_at);
        self.dirty.workers.insert(event.source.clone());
    }

    /// The part of [`World::apply`] that concerns its job.
    pub fn apply_to_job(&mut self, event: &Event) {
        let Some(job_id) = event.job_id else { return };
        // The events of a job whose row isn't known yet, or whose events aren't loaded, are read from the store in time.
        if let Some(entry) = self.jobs.get_mut(&job_id) {
            if let Some(progress) = &mut entry.progress {
                progress.apply(event);
            }
            self.dirty.jobs.insert(job_id);
        }
    }

    /// Takes in what the store counted of one life of a source.
    pub fn set_count(&mut self, source: &str, boot: Uuid, count: BootCount) {
        if let Some(worker) = self.workers.get_mut(source) {
            worker.set_count(boot, count);
        }
    }

    /// Takes in a job's row, read at a time.
    pub fn set_job(&mut self, job: Job, at: Timestamp) -> Seen {
        let job_id = job.job_id;
        let Some(entry) = self.jobs.get_mut(&job_id) else {
            if !job.status.is_final() {
                self.open.insert(job_id);
            }
            self.order.insert((Reverse(job.created_at), job_id));
            let entry = Entry {
                job,
                observed_at: at,
                touched_at: Timestamp(0),
                progress: None,
                truth: Truth::default(),
                findings: Vec::new(),
                unmended: None,
                shown: None,
                untold: Untold::new(),
            };
            self.jobs.insert(job_id, entry);
            self.dirty.jobs.insert(job_id);
            return Seen::New;
        };
        // No reading takes that long: one from so far ahead was dated before the clock was set back.
        if entry.observed_at > at && entry.observed_at.since(at) < LONGEST_READING {
            return Seen::Same;
        }
        entry.observed_at = at;
        if entry.job != job {
            if entry.job.created_at != job.created_at {
                self.order.remove(&(Reverse(entry.job.created_at), job_id));
                self.order.insert((Reverse(job.created_at), job_id));
            }
            if job.status.is_final() && !entry.job.status.is_final() {
                let took = job.completed_at.unwrap_or(at).since(job.created_at);
                self.ended.push((job.status, took));
            }
            match job.status.is_final() {
                true => self.open.remove(&job_id),
                false => self.open.insert(job_id),
            };
            entry.job = job;
            entry.touched_at = at;
            self.dirty.jobs.insert(job_id);
            return Seen::Changed;
        } else if !entry.job.status.is_final() && entry.shown.is_none_or(|(_, shown)| at.since(shown) >= SHOW_AGAIN) {
            self.dirty.jobs.insert(job_id);
        }
        Seen::Same
    }

    /// Forgets a job whose row is gone.
    pub fn forget_job(&mut self, job_id: JobId) {
        if let Some(entry) = self.jobs.remove(&job_id) {
            self.order.remove(&(Reverse(entry.job.created_at), job_id));
        }
        self.open.remove(&job_id);
        self.flagged.remove(&job_id);
        self.with_untold.remove(&job_id);
    }

    /// Begins to project a job's events: from now on none is missed, while the earlier ones are read from the store. False
    /// when that was begun before, or there is no such job.
    pub fn begin_progress(&mut self, job_id: JobId) -> bool {
        let Some(entry) = self.jobs.get_mut(&job_id).filter(|entry| entry.progress.is_none()) else { return false };
        entry.progress = Some(JobProgress::default());
        true
    }

    /// The earlier events of a job, or none when they can't be read: then the projection is begun again later.
    pub fn join_progress(&mut self, job_id: JobId, history: Option<&[Event]>) {
        let Some(entry) = self.jobs.get_mut(&job_id) else { return };
        match (history, &mut entry.progress) {
            (Some(history), Some(progress)) => history.iter().for_each(|event| progress.apply(event)),
            (None, progress) => *progress = None,
            (Some(_), None) => {}
        }
        self.dirty.jobs.insert(job_id);
    }

    /// Changes what was read of a job; true when it is another than before.
    pub fn set_truth(&mut self, job_id: JobId, change: impl FnOnce(&mut Truth)) -> bool {
        let Some(entry) = self.jobs.get_mut(&job_id) else { return false };
        let before = entry.truth.clone();
        change(&mut entry.truth);
        let is_changed = !before.says_the_same(&entry.truth);
        if is_changed {
            self.dirty.jobs.insert(job_id);
        }
        is_changed
    }

    /// Something is going on with the job that no event tells: an upload, a repair.
    pub fn touch(&mut self, job_id: JobId, at: Timestamp) {
        if let Some(entry) = self.jobs.get_mut(&job_id) {
            entry.touched_at = entry.touched_at.max(at);
        }
    }

    /// Forgets workers that ended long ago.
    pub fn forget_workers(&mut self, now: Timestamp) {
        self.workers.retain(|_, worker| now.since(worker.heard_at()) < FORGOTTEN_AFTER);
    }

    /// Marks workers that have gone silent since the last call.
    pub fn mark_silent_workers(&mut self, now: Timestamp) {
        let heard_until = self.heard_until(now);
        for (name, worker) in &mut self.workers {
            if worker.turns_silent(heard_until) {
                self.dirty.workers.insert(name.clone());
            }
        }
    }

    /// Forgets the events' projection of jobs that ended a day ago: the store has it.
    pub fn forget_progress(&mut self, now: Timestamp) {
        for entry in self.jobs.values_mut() {
            if entry.job.status.is_final() && now.since(entry.last_activity_at()) > KEEP_PROGRESS {
                entry.progress = None;
            }
        }
    }

    /// Jobs that are not at their end.
    pub fn unfinished(&self) -> Vec<JobId> {
        self.open.iter().copied().collect()
    }

    /// How many jobs stand so.
    pub fn count_by_status(&self) -> BTreeMap<JobStatus, u64> {
        let mut counts: BTreeMap<JobStatus, u64> = JobStatus::ALL.iter().map(|status| (*status, 0)).collect();
        for entry in self.jobs.values() {
            *counts.entry(entry.job.status).or_default() += 1;
        }
        counts
    }

    /// Messages, in whatever state, on the main queue of a role. Where numbers are approximate, an empty queue is one that has
    /// been seen empty for longer than they lag: until then it is not known.
    pub fn depth(&self, role: QueueRole) -> Option<Fact<u64>> {
        let name = QueueName::main(role);
        let flow = self.queues.get(&name)?;
        let (stats, at) = flow.stats()?;
        if self.queue_faults.contains_key(&name) || (super::flow::total(stats) == 0 && !flow.is_surely_empty()) {
            return None;
        }
        Some(Fact { value: super::flow::total(stats), observed_at: at, is_exact: stats.is_exact })
    }
}

/// How long the projection of an ended job's events is kept.
pub const KEEP_PROGRESS: Duration = Duration::from_secs(24 * 3600);
/// An unchanged unfinished job is shown again after so long, so that its age stays true.
pub const SHOW_AGAIN: Duration = Duration::from_secs(5);

/// What was observed of a time before this is history.
const HISTORY_AFTER: Duration = Duration::from_secs(600);
/// True for events that this process itself makes, those of others that it saw among them.
pub fn is_own(source: &str) -> bool {
    is_observed(source) || is_named(source, OWN_SOURCE)
}

/// True for events that were made of what was seen.
pub fn is_observed(source: &str) -> bool {
    is_named(source, OBSERVED_SOURCE)
}

fn is_named(source: &str, name: &str) -> bool {
    source.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests;
