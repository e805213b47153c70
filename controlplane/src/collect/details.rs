//! Reads single jobs (row, completions, lock, objects), then diagnoses them.
//!
//! A scheduled reading asks only for what can still change; a request by an operator or a repair reads everything.

use std::time::Duration;

use stereospot_core::watch::schedule::ReadOutcome;
use stereospot_core::watch::spending::units_of_completions;
use stereospot_core::world::{Entry, KEEP_PROGRESS, Seen, Truth};
use stereospot_domain::diagnosis::{Fact, Finding, FindingCode};
use stereospot_domain::{Job, JobId, JobStatus, QueueRole, Timestamp};
use stereospot_ports::Result;

use super::job_events;
use super::summary::Summary;
use crate::app::App;
use crate::truth;

/// Entries in one page of completions, or of a list of objects.
const PAGE: u32 = 1_000;
/// Time between two lists of a job's outputs where calls cost money and nothing seems lost: a list costs twelve times as much as
/// any other call.
const LIST_AGAIN: Duration = Duration::from_secs(1_800);
/// Most segments of one job whose objects are looked for.
const MAX_LOOKS: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// Read what may have changed.
    Due,
    /// Read everything.
    All,
}

/// What is known of a job before it is read.
struct Known {
    job: Job,
    last_activity_at: Timestamp,
    has_source: bool,
    source_read_at: Option<Timestamp>,
    completions: usize,
    outputs_listed_at: Option<Timestamp>,
}

impl Known {
    fn of(entry: &Entry) -> Self {
        Self {
            job: entry.job.clone(),
            last_activity_at: entry.last_activity_at(),
            has_source: entry.has_source(),
            source_read_at: entry.truth.source.as_ref().map(|source| source.observed_at),
            completions: entry.truth.completed.as_ref().map_or(0, |done| done.value.len()),
            outputs_listed_at: entry.truth.outputs.as_ref().map(|outputs| outputs.observed_at),
        }
    }

    fn is_whole(&self, completions: usize) -> bool {
        self.job.total_segments.is_some_and(|total| completions >= total as usize)
    }
}

/// Reads a job that the schedule says is due. Its row is read only `with_row`, or when the job is unknown.
pub(super) async fn due(app: &App, job_id: JobId, with_row: bool) -> Result<Summary> {
    let is_known = app.live.at_revision(|world, _| world.jobs.contains_key(&job_id));
    let mut is_changed = false;
    let mut calls = 0;
    if with_row || !is_known {
        calls += 1;
        let Some(seen) = row(app, job_id).await? else { return Ok(Summary::new(true, calls)) };
        is_changed |= seen != Seen::Same;
    }
    let summary = read(app, job_id, Depth::Due).await?;
    watch(app, job_id);
    Ok(Summary::new(is_changed || summary.outcome == ReadOutcome::Changed, calls + summary.calls))
}

/// The most calls that [`due`] may take where calls are charged. Elsewhere, looking for dead segments adds up to `MAX_LOOKS`.
pub(super) fn cost(app: &App, job_id: JobId, with_row: bool) -> u32 {
    let most = |total: u32| {
        let pages = 1 + total / PAGE;
        // Completions, lock, result, outputs; or completions and source.
        pages * 2 + 2
    };
    app.live.at_revision(|world, _| {
        let Some(entry) = world.jobs.get(&job_id) else { return 1 + most(0) };
        let of_details = match entry.job.status {
            _ if with_row => most(entry.job.total_segments.unwrap_or(0)),
            JobStatus::Created | JobStatus::Ingesting => u32::from(!entry.has_source()),
            JobStatus::Deleted => 0,
            JobStatus::ChunkingInProgress => 2,
            _ => most(entry.job.total_segments.unwrap_or(0)),
        };
        u32::from(with_row) + of_details
    })
}

/// Reads everything about one job, its row included. A job without a row is forgotten.
pub(crate) async fn refresh(app: &App, job_id: JobId) -> Result<()> {
    if row(app, job_id).await?.is_none() {
        app.polls.charge(1);
        return Ok(());
    }
    let summary = read(app, job_id, Depth::All).await?;
    app.polls.charge(1 + summary.calls);
    watch(app, job_id);
    Ok(())
}

/// Reads everything about one job, and returns it with its finding of this code, if that is still there. None when the job is
/// gone.
pub(crate) async fn refresh_finding(
    app: &App,
    job_id: JobId,
    code: FindingCode,
) -> Result<Option<(Job, Option<Finding>)>> {
    refresh(app, job_id).await?;
    Ok(app.live.with(|world| {
        let entry = world.jobs.get(&job_id)?;
        let finding = entry.findings.iter().find(|finding| finding.code == code).cloned();
        Some((entry.job.clone(), finding))
    }))
}

/// Reads a job's row; none when it no longer exists.
async fn row(app: &App, job_id: JobId) -> Result<Option<Seen>> {
    let at = app.now();
    let Some(job) = app.backend.jobs.get(job_id).await? else {
        app.live.with(|world| {
            world.row_is_gone(job_id, at);
            world.diagnose(job_id, at, app.config.patience);
        });
        app.polls.forget_job(job_id);
        return Ok(None);
    };
    Ok(Some(app.live.with(|world| world.set_job(job, at))))
}

/// Sets how often the schedule reads the job.
fn watch(app: &App, job_id: JobId) {
    let now = app.now();
    let watching = app.live.at_revision(|world, _| Some(world.jobs.get(&job_id)?.watching(now)));
    app.polls.watch_jobs(watching.map(|watching| (job_id, watching)));
}

async fn read(app: &App, job_id: JobId, depth: Depth) -> Result<Summary> {
    let known = app.live.at_revision(|world, _| world.jobs.get(&job_id).map(Known::of));
    let Some(known) = known else { return Ok(Summary::new(false, 0)) };
    let status = known.job.status;
    if !status.is_final() || app.now().since(known.last_activity_at) < KEEP_PROGRESS {
        job_events::load(app, job_id).await?;
    }
    let mut reader = Reader { app, known, is_all: depth == Depth::All, at: app.now(), calls: 0, is_changed: false };
    let has_dead_letters = reader.check_dead_segments().await?;
    if has_dead_letters || reader.must_look_for_source() {
        reader.source().await?;
    }
    reader.segments().await?;
    let now = app.now();
    app.live.with(|world| {
        world.diagnose(job_id, now, app.config.patience);
        world.infer(job_id, now);
    });
    Ok(Summary::new(reader.is_changed, reader.calls))
}

/// One reading of a job. Each answer goes into the shared state at once, so that a later failure loses nothing.
struct Reader<'a> {
    app: &'a App,
    known: Known,
    is_all: bool,
    at: Timestamp,
    calls: u32,
    is_changed: bool,
}

impl Reader<'_> {
    fn set(&mut self, change: impl FnOnce(&mut Truth)) {
        self.is_changed |= self.app.live.with(|world| world.set_truth(self.known.job.job_id, change));
    }

    /// Looks for the objects of segments whose messages are dead-lettered, to know whether a replay can help. Returns whether any
    /// message of the job is dead-lettered. Where calls are charged, only a full reading does this, which an operator or a repair
    /// asks for.
    async fn check_dead_segments(&mut self) -> Result<bool> {
        if !self.is_all && self.app.polls.is_metered() {
            return Ok(false);
        }
        let Some(dead) = dead_lettered_segments(self.app, self.known.job.job_id) else { return Ok(false) };
        let gone = truth::gone_segments(&self.app.backend, &self.known.job, &dead).await?;
        self.calls += dead.len() as u32;
        let at = self.at;
        self.set(|truth| truth.gone = Some(Fact::exact(gone, at)));
        Ok(true)
    }

    fn must_look_for_source(&self) -> bool {
        match self.known.job.status {
            JobStatus::Created | JobStatus::ChunkingInProgress => self.is_all || !self.known.has_source,
            JobStatus::Ingesting => self.is_all || !self.known.has_source && self.may_look_for_source(),
            _ => false,
        }
    }

    async fn source(&mut self) -> Result<()> {
        let bytes = truth::source_bytes(&self.app.backend, self.known.job.job_id).await?;
        self.calls += 1;
        let at = self.at;
        self.set(|truth| truth.source = Some(Fact::exact(bytes, at)));
        Ok(())
    }

    /// Reads what there is once a job is split: completions, lock, result, outputs.
    async fn segments(&mut self) -> Result<()> {
        let (backend, at) = (&self.app.backend, self.at);
        let Job { job_id, status, total_segments, .. } = self.known.job;
        let is_split = total_segments.is_some();
        if !is_split && status != JobStatus::ChunkingInProgress || status == JobStatus::Deleted && !self.is_all {
            return Ok(());
        }
        let mut is_whole = self.known.is_whole(self.known.completions);
        if self.is_all || !is_whole || status.is_final() {
            let done = truth::completions(backend, job_id).await?;
            self.calls += 1 + done.len() as u32 / PAGE;
            self.app.polls.queried(units_of_completions(done.len()));
            is_whole = self.known.is_whole(done.len());
            self.set(|truth| truth.set_completions(&done, at));
        }
        // No one creates the lock before every segment is complete.
        let mut has_lock = false;
        if is_split && (self.is_all || is_whole) {
            let lock = backend.jobs.lock(job_id).await?;
            self.calls += 1;
            has_lock = lock.is_some();
            self.set(|truth| truth.lock = Some(Fact::exact(lock, at)));
        }
        let may_have_result = has_lock || status == JobStatus::Reassembling || status.is_final();
        if is_split && (is_whole || status.is_final()) && (self.is_all || may_have_result) {
            let result = truth::result_bytes(backend, job_id).await?;
            self.calls += 1;
            self.set(|truth| truth.result = Some(Fact::exact(result, at)));
        }
        let is_quiet = at.since(self.known.last_activity_at) >= self.app.config.patience.step / 2;
        if !is_whole && is_quiet && is_split && !status.is_final() && (self.is_all || self.may_list_outputs()) {
            let outputs = truth::outputs(backend, job_id).await?;
            self.calls += 1 + outputs.len() as u32 / PAGE;
            self.set(|truth| truth.outputs = Some(Fact::exact(outputs, at)));
        }
        Ok(())
    }

    /// Where calls are charged, list only when the inference queue is empty or the last list is old.
    fn may_list_outputs(&self) -> bool {
        let is_drained = || {
            let depth = self.app.live.at_revision(|world, _| world.depth(QueueRole::Inference));
            depth.is_some_and(|depth| depth.value == 0)
        };
        let is_old = self.known.outputs_listed_at.is_none_or(|listed_at| self.at.since(listed_at) >= LIST_AGAIN);
        !self.app.polls.is_metered() || is_old || is_drained()
    }

    /// Whether to look for a source that is still being fetched. Where looking costs money: only once the fetch takes too long,
    /// then each time it has taken a quarter longer.
    fn may_look_for_source(&self) -> bool {
        let presumed = self.app.live.at_revision(|world, _| world.fetch_presumed());
        let active_at = self.known.last_activity_at;
        let is_too_long = self.at.since(active_at) >= presumed;
        let is_longer =
            self.known.source_read_at.is_none_or(|read_at| self.at.since(read_at) >= read_at.since(active_at) / 4);
        !self.app.polls.is_metered() || is_too_long && is_longer
    }
}

/// Up to `MAX_LOOKS` segments with dead-lettered messages, sorted. None when no message of the job is dead-lettered.
fn dead_lettered_segments(app: &App, job_id: JobId) -> Option<Vec<u32>> {
    let letters = app.live.at_revision(|world, _| world.jobs.get(&job_id).map(|entry| world.dead_letters(entry)))?;
    let mut segments: Vec<u32> = letters.iter().filter_map(|letter| letter.segment_index).collect();
    segments.sort_unstable();
    segments.dedup();
    segments.truncate(MAX_LOOKS);
    (!letters.is_empty()).then_some(segments)
}
