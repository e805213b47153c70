//! Infers the events that a job's row, completions and lock imply and that no worker reported.
//!
//! Invariant: unreported events are inferred from the current state, not from changes. So a failed poll or a restart hides nothing.

use std::time::Duration;

use stereospot_domain::event::{
    ChunkingCompleted, JobFailed, JobSubmitted, ReassemblyCompleted, SegmentCompleted, StepFailed, Triggered,
};
use stereospot_domain::{EventKind, JobId, JobStatus, Payload, Stage, Timestamp};

use super::World;
use super::known::Entry;
use super::progress::JobProgress;

mod inferred;

pub use inferred::{Inferred, Unreported};

/// Wait this long for a worker's event before inferring one, where no worker reported on the stage lately.
const SETTLE: Duration = Duration::from_secs(15);
/// Wait this long where workers report on the stage: their events may be held up in a spool on their disks.
const WORKERS_REPORT: Duration = Duration::from_secs(600);
/// Two reports of one kind this close together are the same event: clocks differ, and AWS keeps whole seconds.
const SAME: Duration = Duration::from_secs(60);
/// When the process starts, no events are inferred for ended jobs with no activity for this long.
const RECENT: Duration = Duration::from_secs(3600);

impl World {
    /// Notes the events of a job that its state implies and no one has reported. Does nothing until the job's events are loaded:
    /// before that it is unknown which were reported.
    pub fn infer(&mut self, job_id: JobId, now: Timestamp) {
        let Some(entry) = self.jobs.get_mut(&job_id) else { return };
        let Some(progress) = &entry.progress else { return };
        let unreported = all_inferred(entry).into_iter().filter(|one| !is_reported(progress, one)).collect::<Vec<_>>();
        let mut before = std::mem::take(&mut entry.unreported);
        entry.unreported = unreported
            .into_iter()
            .map(|one| {
                let key = (one.payload.kind(), one.segment_index);
                (key, before.remove(&key).unwrap_or((now, one)))
            })
            .collect();
        match entry.unreported.is_empty() {
            true => self.with_unreported.remove(&job_id),
            false => self.with_unreported.insert(job_id),
        };
    }

    /// Does what [`World::infer`] does, for a job that has not ended or ended a short while ago.
    pub fn infer_if_recent(&mut self, job_id: JobId, now: Timestamp) {
        let is_recent = |entry: &Entry| !entry.job.status.is_final() || now.since(entry.last_activity_at()) < RECENT;
        if self.jobs.get(&job_id).is_some_and(is_recent) {
            self.infer(job_id, now);
        }
    }

    /// Removes and returns the inferred events whose wait for a worker's report is over.
    pub fn take_unreported(&mut self, now: Timestamp) -> Vec<(JobId, Inferred)> {
        let mut due = Vec::new();
        let stages = Stage::ALL.iter().map(|stage| Some(*stage)).chain([None]);
        let reported: Vec<(Option<Stage>, bool)> = stages.map(|stage| (stage, self.has_reporter(stage))).collect();
        let patience = |stage: Option<Stage>| {
            let has_reporter = reported.iter().any(|(of, has_reporter)| *of == stage && *has_reporter);
            if has_reporter { WORKERS_REPORT } else { SETTLE }
        };
        let Self { jobs, with_unreported, .. } = self;
        with_unreported.retain(|job_id| {
            let Some(entry) = jobs.get_mut(job_id) else { return false };
            let progress = entry.progress.as_ref();
            entry.unreported.retain(|_, (since, one)| {
                if progress.is_some_and(|progress| is_reported(progress, one)) {
                    return false;
                }
                let is_due = now.since(*since) >= patience(one.stage);
                if is_due {
                    due.push((*job_id, one.clone()));
                }
                !is_due
            });
            !entry.unreported.is_empty()
        });
        due
    }

    /// True if an event inferred from a log line must be dropped: it was reported, its worker will report it, or its time is in
    /// the future.
    pub fn is_log_event_reported(&self, job_id: JobId, inferred: &Inferred, is_ours: bool, now: Timestamp) -> bool {
        if is_ours && self.has_reporter(inferred.stage) {
            return true;
        }
        let Some(progress) = self.jobs.get(&job_id).and_then(|entry| entry.progress.as_ref()) else {
            return false;
        };
        let is_near = |time: Timestamp| inferred.time.since(time).max(time.since(inferred.time)) < SAME;
        let segment = inferred.segment_index.and_then(|index| progress.segments.get(&index));
        // A time in the future comes from a wrong clock: drop the event.
        let is_ahead = inferred.time.since(now) > SAME;
        let kind = inferred.payload.kind();
        use EventKind::*;
        is_ahead
            || match kind {
                SegmentCompleted => segment.is_some_and(|segment| segment.completed_at.is_some()),
                SegmentStarted => segment.and_then(|segment| segment.started_at).is_some_and(is_near),
                SegmentFailed => segment.and_then(|segment| segment.error.time()).is_some_and(is_near),
                JobSubmitted | JobCompleted => progress.reported.contains_key(&kind),
                JobFailed | JobRepaired | ChunkingStarted | ChunkingCompleted | ChunkingFailed | SegmentProgress
                | LeaseExtended | LeaseLost | ReassemblyTriggered | ReassemblyStarted | ReassemblyCompleted
                | ReassemblyFailed | WorkerStarted | WorkerHeartbeat | WorkerDraining | WorkerStopped
                | SpoolDropped | Unknown => progress.reported.get(&kind).copied().is_some_and(is_near),
            }
    }

    /// True when a worker that was heard of lately reports on a stage.
    fn has_reporter(&self, stage: Option<Stage>) -> bool {
        self.workers.values().any(|worker| worker.reports_on(stage))
    }
}

/// True when the event was reported, by any source.
fn is_reported(progress: &JobProgress, one: &Inferred) -> bool {
    use EventKind::*;
    let kind = one.payload.kind();
    match kind {
        SegmentCompleted => one
            .segment_index
            .and_then(|index| progress.segments.get(&index))
            .is_some_and(|segment| segment.completed_at.is_some()),
        ReassemblyTriggered | ReassemblyStarted => {
            progress.reported.get(&kind).is_some_and(|reported| *reported >= one.time.minus(SAME))
        }
        JobSubmitted | JobCompleted | JobFailed | JobRepaired | ChunkingStarted | ChunkingCompleted
        | ChunkingFailed | SegmentStarted | SegmentProgress | SegmentFailed | LeaseExtended | LeaseLost
        | ReassemblyCompleted | ReassemblyFailed | WorkerStarted | WorkerHeartbeat | WorkerDraining | WorkerStopped
        | SpoolDropped | Unknown => progress.reported.contains_key(&kind),
    }
}

/// All events that a job's state implies.
fn all_inferred(entry: &Entry) -> Vec<Inferred> {
    use JobStatus::*;
    let (job, truth) = (&entry.job, &entry.truth);
    let lock = truth.lock.as_ref().and_then(|lock| lock.value.as_ref());
    let first_done = truth.completed_at.iter().copied().min();
    // If we saw the row change, use that time. Otherwise use the first completion, or the creation.
    let seen_at =
        if entry.touched_at > job.created_at { entry.touched_at } else { first_done.unwrap_or(job.created_at) };
    let is_split = job.total_segments.is_some();
    let has_result = truth.result.as_ref().is_some_and(|result| result.value.is_some());
    let mut all = Vec::new();
    let mut add = |payload, stage, time| {
        all.push(Inferred { payload, segment_index: None, stage, time, which: String::new() });
    };
    let (chunking, reassembly) = (Some(Stage::Chunking), Some(Stage::Reassembly));
    // A failed or waiting job may never have had a source.
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
            all.push(Inferred { payload, segment_index: None, stage: reassembly, time, which });
        };
        of_lock(Payload::ReassemblyTriggered(Triggered::default()), lock.triggered_at);
        if let Some(started) = lock.reassembly_started_at {
            of_lock(Payload::ReassemblyStarted, started);
        }
    }
    all.extend(truth.completions().map(|(index, time)| Inferred {
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
