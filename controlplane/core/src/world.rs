//! The whole state, and which parts of it have changed since they were last shown.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use stereospot_api::view::{Attention, CollectorView, ServiceView};
use stereospot_domain::diagnosis::Fact;
use stereospot_domain::{Event, EventKind, Job, JobId, JobStatus, QueueName, QueueRole, Stage, Timestamp, Warning};
use uuid::Uuid;

use super::flow::Flow;
use super::known::WriteOutage;
pub use super::known::{Dirty, Entry, Fault, Outage, Polling, Seen, SeenDead, Truth};
use super::progress::JobProgress;
use super::worker::{BootCount, FORGOTTEN_AFTER, Worker};
use stereospot_domain::Collector;

/// Longest time that reading a list of rows may take: it is read page by page, within a budget.
const LONGEST_READING: Duration = Duration::from_secs(3600);
/// Most workers that are kept.
const MAX_WORKERS: usize = 2_000;
/// The source of this process's own events, alone or followed by `/` and a part's name.
pub const OWN_SOURCE: &str = "controlplane";
/// The source of inferred events; followed by `/` and a log's name for those inferred from its lines.
pub const OBSERVED_SOURCE: &str = "observed";

/// The state of the deployment, as far as it is known.
#[derive(Debug)]
pub struct World {
    pub jobs: HashMap<JobId, Entry>,
    pub order: BTreeSet<(Reverse<Timestamp>, JobId)>,
    /// Unfinished jobs, kept apart so that no one has to search them among 100,000 others.
    open: BTreeSet<JobId>,
    /// Jobs with findings.
    pub flagged: BTreeSet<JobId>,
    pub workers: BTreeMap<String, Worker>,
    pub queues: BTreeMap<QueueName, Flow>,
    pub dead: BTreeMap<QueueName, Vec<SeenDead>>,
    /// Queues that can't be read now.
    pub queue_faults: BTreeMap<QueueName, Fault>,
    /// True when this process repairs lost jobs automatically.
    pub reconciles: bool,
    pub services: Vec<ServiceView>,
    /// Services without a running task, and since when.
    pub(super) without_tasks: BTreeMap<String, Timestamp>,
    /// Set when the call budget holds readings back so much that an operator should know.
    pub polling: Option<Polling>,
    /// True when the call budget holds back any reading.
    pub is_held_back: bool,
    /// Jobs with inferred events that no one has reported yet.
    pub(super) with_unreported: BTreeSet<JobId>,
    pub collectors: BTreeMap<Collector, CollectorView>,
    /// When the last complete list of the completed jobs' rows began; 0 before the first.
    pub completed_listed_at: Timestamp,
    /// When each collector first ran.
    pub(super) first_ran: BTreeMap<Collector, Timestamp>,
    /// Collectors that can't read everything, and since when.
    pub(super) lacking_since: BTreeMap<Collector, Timestamp>,
    /// Set while neither queues nor rows answer.
    pub outage: Option<Outage>,
    /// The last time in which events could not be written.
    pub(super) write_outage: Option<WriteOutage>,
    /// Since when this machine's clock is wrong, and by how much, as a sentence.
    pub wrong_clock: Option<(Timestamp, String)>,
    /// Whether `provision` made the deployment; absent where that is not known.
    pub is_provisioned: Option<bool>,
    /// How far the wall clock is ahead of the time used here, in milliseconds, and since when.
    pub(crate) clock_jump: Option<(Timestamp, i64)>,
    /// True when writes are refused, so that none is proposed.
    pub is_read_only: bool,
    pub attention: Vec<Attention>,
    pub dirty: Dirty,
    /// Jobs that ended since this was last taken: how, and how long after their creation.
    pub ended: Vec<(JobStatus, Duration)>,
    /// Kinds of warnings reported since this was last taken, once for each matter of a job.
    pub warned: Vec<&'static str>,
}

impl World {
    /// Starts with the names of the queues and nothing else.
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
            with_unreported: BTreeSet::new(),
            collectors: BTreeMap::new(),
            completed_listed_at: Timestamp(0),
            first_ran: BTreeMap::new(),
            lacking_since: BTreeMap::new(),
            outage: None,
            write_outage: None,
            wrong_clock: None,
            is_provisioned: None,
            clock_jump: None,
            is_read_only: false,
            attention: Vec::new(),
            dirty: Dirty::default(),
            ended: Vec::new(),
            warned: Vec::new(),
        }
    }

    /// Takes in an event that was just committed.
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
        // At the start, events are inferred that happened long ago: they are no part of the current rate.
        let is_history = is_observed(&event.source) && received_at.since(event.time) > HISTORY_AFTER;
        if let Some(flow) = self.queues.get_mut(&QueueName::main(stage.queue())).filter(|_| !is_history) {
            flow.step_done(received_at);
        }
    }

    /// Applies an event to its sender only.
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

    /// Applies an event to its job only.
    pub fn apply_to_job(&mut self, event: &Event) {
        let Some(job_id) = event.job_id else { return };
        // Where the row is unknown or the events aren't loaded, this event is read later, from the store.
        if let Some(entry) = self.jobs.get_mut(&job_id) {
            if let Some(progress) = &mut entry.progress {
                let is_new = |warning: &&Warning| !progress.warnings.contains(warning);
                let new: BTreeSet<&Warning> = event.payload.warnings().iter().filter(is_new).collect();
                self.warned.extend(new.into_iter().map(Warning::kind));
                progress.apply(event);
            }
            self.dirty.jobs.insert(job_id);
        }
    }

    /// Takes in the store's counts of one boot of a source.
    pub fn set_count(&mut self, source: &str, boot: Uuid, count: BootCount) {
        if let Some(worker) = self.workers.get_mut(source) {
            worker.set_count(boot, count);
        }
    }

    /// Takes in a job's row, read at this time.
    pub fn set_job(&mut self, job: Job, at: Timestamp) -> Seen {
        let job_id = job.job_id;
        let Some(entry) = self.jobs.get_mut(&job_id) else {
            if !job.status.is_final() {
                self.open.insert(job_id);
            }
            self.order.insert((Reverse(job.created_at), job_id));
            self.jobs.insert(job_id, Entry::new(job, at));
            self.dirty.jobs.insert(job_id);
            return Seen::New;
        };
        // No reading takes that long: one from so far ahead was dated before the clock was set back.
        if entry.observed_at > at && entry.observed_at.since(at) < LONGEST_READING {
            return Seen::Same;
        }
        entry.observed_at = at;
        if entry.row_gone_since.take().is_some() {
            self.dirty.jobs.insert(job_id);
        }
        if entry.job != job {
            if entry.job.created_at != job.created_at {
                self.order.remove(&(Reverse(entry.job.created_at), job_id));
                self.order.insert((Reverse(job.created_at), job_id));
            }
            if entry.job.status == JobStatus::Deleted && job.status != JobStatus::Deleted {
                entry.deleted_before = Some(at);
            }
            if job.status != JobStatus::Completed {
                // It is joined again, or gone.
                entry.truth.damage = None;
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
        } else if !entry.job.status.is_final()
            && entry.shown.as_ref().is_none_or(|(_, shown_at)| at.since(*shown_at) >= SHOW_AGAIN)
        {
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
        self.with_unreported.remove(&job_id);
    }

    /// Starts to project a job's events: none is missed from now on, while the earlier ones are read from the store. False when
    /// it was started before, or there is no such job.
    pub fn begin_progress(&mut self, job_id: JobId) -> bool {
        let Some(entry) = self.jobs.get_mut(&job_id).filter(|entry| entry.progress.is_none()) else { return false };
        entry.progress = Some(JobProgress::default());
        true
    }

    /// Takes in the earlier events of a job. `None`: they can't be read, and the projection starts over later.
    pub fn join_progress(&mut self, job_id: JobId, history: Option<&[Event]>) {
        let Some(entry) = self.jobs.get_mut(&job_id) else { return };
        match (history, &mut entry.progress) {
            (Some(history), Some(progress)) => history.iter().for_each(|event| progress.apply(event)),
            (None, progress) => *progress = None,
            (Some(_), None) => {}
        }
        self.dirty.jobs.insert(job_id);
    }

    /// Changes what was read of a job; true when that makes a difference beyond times of reading.
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

    /// Notes activity of the job that no event reports: an upload, a repair.
    pub fn touch(&mut self, job_id: JobId, at: Timestamp) {
        if let Some(entry) = self.jobs.get_mut(&job_id) {
            entry.touched_at = entry.touched_at.max(at);
        }
    }

    /// Forgets workers without events for a long time.
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

    /// Frees the memory of jobs that ended a day ago: the store has their events, and they rarely change.
    pub fn forget_progress(&mut self, now: Timestamp) {
        for entry in self.jobs.values_mut() {
            if entry.job.status.is_final() && now.since(entry.last_activity_at()) > KEEP_PROGRESS {
                (entry.progress, entry.shown) = (None, None);
            }
        }
    }

    /// The ids of all unfinished jobs.
    pub fn unfinished(&self) -> Vec<JobId> {
        self.open.iter().copied().collect()
    }

    /// The number of jobs in each status.
    pub fn count_by_status(&self) -> BTreeMap<JobStatus, u64> {
        let mut counts: BTreeMap<JobStatus, u64> = JobStatus::ALL.iter().map(|status| (*status, 0)).collect();
        for entry in self.jobs.values() {
            *counts.entry(entry.job.status).or_default() += 1;
        }
        counts
    }

    /// Messages on the main queue of a role, in any state. Where counts are approximate, a count of 0 is unknown until the queue was
    /// seen empty for longer than counts lag.
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

/// How long the projection of an ended job's events is kept in memory.
pub const KEEP_PROGRESS: Duration = Duration::from_secs(24 * 3600);
/// An unchanged unfinished job is shown again after this long, so that its age stays true.
pub const SHOW_AGAIN: Duration = Duration::from_secs(5);

/// Inferred events older than this are history.
const HISTORY_AFTER: Duration = Duration::from_secs(600);
/// True for sources of events that this process makes, inferred events included.
pub fn is_own(source: &str) -> bool {
    is_observed(source) || is_named(source, OWN_SOURCE)
}

/// True for sources of inferred events.
pub fn is_observed(source: &str) -> bool {
    is_named(source, OBSERVED_SOURCE)
}

fn is_named(source: &str, name: &str) -> bool {
    source.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests;
