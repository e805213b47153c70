//! What a job's row, completions and lock say has happened, and which of it nobody has told.
//!
//! Invariant: it is level-triggered: what is untold follows from what is known now, not from what changed just now. So nothing is
//! missed by a reading that failed, or by a process that was not there.

use std::collections::BTreeMap;
use std::time::Duration;

use stereospot_domain::event::{
    ChunkingCompleted, JobFailed, JobSubmitted, ReassemblyCompleted, SegmentCompleted, StepFailed, Triggered,
};
use stereospot_domain::{EventKind, JobId, JobStatus, Payload, Stage, Timestamp};

use super::World;
use super::progress::JobProgress;
use super::world::Entry;

/// How long what was seen waits for somebody to tell it, where nobody who tells was heard of lately.
const SETTLE: Duration = Duration::from_secs(15);
/// As above, where workers of the stage tell: what they tell may wait on their disks for a while.
const WORKERS_TELL: Duration = Duration::from_secs(600);
/// Clocks differ, and AWS keeps whole seconds: so far apart, two tellings are of the same.
const SAME: Duration = Duration::from_secs(60);
/// A job that ended so long ago is history at the start.
const RECENT: Duration = Duration::from_secs(3600);

/// What was seen, by kind and segment: since when.
pub type Untold = BTreeMap<(EventKind, Option<u32>), (Timestamp, Implied)>;

/// Something that must have happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Implied {
    pub payload: Payload,
    /// The segment it is about.
    pub segment_index: Option<u32>,
    /// The stage it comes from.
    pub stage: Option<Stage>,
    /// When; where nothing says so, when it was seen.
    pub time: Timestamp,
    /// Tells one happening of this kind from another; empty where there is one in a job's life.
    pub which: String,
}

impl World {
    /// Notes what was seen of a job and nobody has told. Only where its events are loaded: else nobody knows what was told.
    pub fn notice(&mut self, job_id: JobId, now: Timestamp) {
        let Some(entry) = self.jobs.get_mut(&job_id) else { return };
        let Some(progress) = &entry.progress else { return };
        let implied = implied(entry);
        let untold: Vec<Implied> = implied.into_iter().filter(|one| !is_told(progress, one)).collect();
        let mut before = std::mem::take(&mut entry.untold);
        entry.untold = untold
            .into_iter()
            .map(|one| {
                let key = (one.payload.kind(), one.segment_index);
                (key, before.remove(&key).unwrap_or((now, one)))
            })
            .collect();
        match entry.untold.is_empty() {
            true => self.with_untold.remove(&job_id),
            false => self.with_untold.insert(job_id),
        };
    }

    /// As [`World::notice`], for a job that ended a short while ago or has not ended.
    pub fn notice_if_recent(&mut self, job_id: JobId, now: Timestamp) {
        let is_recent = |entry: &Entry| !entry.job.status.is_final() || now.since(entry.last_activity_at()) < RECENT;
        if self.jobs.get(&job_id).is_some_and(is_recent) {
            self.notice(job_id, now);
        }
    }

    /// What has waited long enough for somebody else to tell it. It is taken once.
    pub fn take_untold(&mut self, now: Timestamp) -> Vec<(JobId, Implied)> {
        let mut due = Vec::new();
        let hears = Stage::ALL.iter().map(|stage| Some(*stage)).chain([None]);
        let hears: Vec<(Option<Stage>, bool)> = hears.map(|stage| (stage, self.hears(stage))).collect();
        let patience = |stage: Option<Stage>| {
            let is_heard = hears.iter().any(|(of, is_heard)| *of == stage && *is_heard);
            if is_heard { WORKERS_TELL } else { SETTLE }
        };
        let Self { jobs, with_untold, .. } = self;
        with_untold.retain(|job_id| {
            let Some(entry) = jobs.get_mut(job_id) else { return false };
            let progress = entry.progress.as_ref();
            entry.untold.retain(|_, (since, one)| {
                if progress.is_some_and(|progress| is_told(progress, one)) {
                    return false;
                }
                let is_due = now.since(*since) >= patience(one.stage);
                if is_due {
                    due.push((*job_id, one.clone()));
                }
                !is_due
            });
            !entry.untold.is_empty()
        });
        due
    }

    /// True when what a log line tells of a job was told already, or will be by the worker that wrote it.
    pub fn is_told_of(&self, job_id: JobId, derived: &Implied, is_ours: bool, now: Timestamp) -> bool {
        if is_ours && self.hears(derived.stage) {
            return true;
        }
        let Some(progress) = self.jobs.get(&job_id).and_then(|entry| entry.progress.as_ref()) else {
            return false;
        };
        let is_near = |time: Timestamp| derived.time.since(time).max(time.since(derived.time)) < SAME;
        let segment = derived.segment_index.and_then(|index| progress.segments.get(&index));
        // What lies ahead of us is told by a clock that is wrong: as of now.
        let is_ahead = derived.time.since(now) > SAME;
        let kind = derived.payload.kind();
        use EventKind::*;
        is_ahead
            || match kind {
                SegmentCompleted => segment.is_some_and(|segment| segment.completed_at.is_some()),
                SegmentStarted => segment.and_then(|segment| segment.started_at).is_some_and(is_near),
                SegmentFailed => segment.and_then(|segment| segment.error.time()).is_some_and(is_near),
                JobSubmitted | JobCompleted => progress.told.contains_key(&kind),
                JobFailed | JobRepaired | ChunkingStarted | ChunkingCompleted | ChunkingFailed | SegmentProgress
                | LeaseExtended | LeaseLost | ReassemblyTriggered | ReassemblyStarted | ReassemblyCompleted
                | ReassemblyFailed | WorkerStarted | WorkerHeartbeat | WorkerDraining | WorkerStopped
                | SpoolDropped | Unknown => progress.told.get(&kind).copied().is_some_and(is_near),
            }
    }

    /// True when a worker that tells of a stage was heard of lately.
    fn hears(&self, stage: Option<Stage>) -> bool {
        self.workers.values().any(|worker| worker.tells_of(stage))
    }
}

/// True when it was told, by whomever.
fn is_told(progress: &JobProgress, one: &Implied) -> bool {
    use EventKind::*;
    let kind = one.payload.kind();
    match kind {
        SegmentCompleted => one
            .segment_index
            .and_then(|index| progress.segments.get(&index))
            .is_some_and(|segment| segment.completed_at.is_some()),
        ReassemblyTriggered | ReassemblyStarted => {
            progress.told.get(&kind).is_some_and(|told| *told >= one.time.minus(SAME))
        }
        JobSubmitted | JobCompleted | JobFailed | JobRepaired | ChunkingStarted | ChunkingCompleted
        | ChunkingFailed | SegmentStarted | SegmentProgress | SegmentFailed | LeaseExtended | LeaseLost
        | ReassemblyCompleted | ReassemblyFailed | WorkerStarted | WorkerHeartbeat | WorkerDraining | WorkerStopped
        | SpoolDropped | Unknown => progress.told.contains_key(&kind),
    }
}

/// All that a job's state says has happened.
fn implied(entry: &Entry) -> Vec<Implied> {
    use JobStatus::*;
    let (job, truth) = (&entry.job, &entry.truth);
    let lock = truth.lock.as_ref().and_then(|lock| lock.value.as_ref());
    let first_done = truth.completed_at.iter().copied().min();
    // A change that was seen happened then; one that lay before our time, no later than what followed.
    let seen_at =
        if entry.touched_at > job.created_at { entry.touched_at } else { first_done.unwrap_or(job.created_at) };
    let is_split = job.total_segments.is_some();
    let has_result = truth.result.as_ref().is_some_and(|result| result.value.is_some());
    let mut all = Vec::new();
    let mut add = |payload, stage, time| {
        all.push(Implied { payload, segment_index: None, stage, time, which: String::new() });
    };
    let (chunking, reassembly) = (Some(Stage::Chunking), Some(Stage::Reassembly));
    // A job may fail, or wait, without its source ever having come.
    let has_source = job.uploaded_at.is_some() || is_split || matches!(job.status, ChunkingInProgress | Completed);
    if has_source {
        let submitted = JobSubmitted { title: job.title.clone(), bytes: job.source_file_size_bytes };
        add(Payload::JobSubmitted(submitted), None, job.uploaded_at.unwrap_or(job.created_at));
    }
    let split_at = seen_at.min(first_done.unwrap_or(seen_at));
    if is_split || job.status == ChunkingInProgress {
        add(Payload::ChunkingStarted, chunking, split_at);
    }
    if let Some(total) = job.total_segments {
        let completed = ChunkingCompleted { segments: Some(total), ..ChunkingCompleted::default() };
        add(Payload::ChunkingCompleted(completed), chunking, split_at);
    }
    let joined = || Payload::ReassemblyCompleted(ReassemblyCompleted::default());
    if job.status == Completed {
        let at = job.completed_at.unwrap_or(seen_at);
        add(joined(), reassembly, at);
        add(Payload::JobCompleted(Triggered::default()), None, at);
    } else if has_result {
        add(joined(), reassembly, seen_at);
    }
    if job.status == Failed {
        let error = Some(job.error.clone().unwrap_or_else(|| "the deployment's workers gave no reason".into()));
        let failed = StepFailed { error: error.clone(), is_final: Some(true), ..StepFailed::default() };
        let is_joining = lock.is_some_and(|lock| lock.reassembly_started_at.is_some());
        match (is_split, is_joining) {
            (false, _) if has_source => add(Payload::ChunkingFailed(failed), chunking, seen_at),
            (true, true) if !has_result => add(Payload::ReassemblyFailed(failed), reassembly, seen_at),
            _ => {}
        }
        add(Payload::JobFailed(JobFailed { error, ..JobFailed::default() }), None, seen_at);
    }
    if let Some(lock) = lock {
        let mut of_lock = |payload, time: Timestamp| {
            let which = time.as_secs().to_string();
            all.push(Implied { payload, segment_index: None, stage: reassembly, time, which });
        };
        of_lock(Payload::ReassemblyTriggered(Triggered::default()), lock.triggered_at);
        if let Some(started) = lock.reassembly_started_at {
            of_lock(Payload::ReassemblyStarted, started);
        }
    }
    all.extend(truth.completions().map(|(index, time)| Implied {
        payload: Payload::SegmentCompleted(SegmentCompleted::default()),
        segment_index: Some(index),
        stage: Some(Stage::Inference),
        time,
        which: String::new(),
    }));
    all
}

#[cfg(test)]
mod tests;
