//! What the backend says of single jobs: row, completions, lock, objects. Then the diagnosis.
//!
//! A reading at its time asks only for what can still change as far as is known; an operator, or a repair, has all of it read.

use std::time::Duration;

use futures::TryStreamExt;
use stereospot_core::watch::schedule::Outcome;
use stereospot_core::watch::spending::units_of_completions;
use stereospot_core::world::{Entry, KEEP_PROGRESS, Seen};
use stereospot_domain::diagnosis::Fact;
use stereospot_domain::{Job, JobId, JobStatus, QueueRole, Timestamp, keys};
use stereospot_ports::{Error, ErrorCode, Result, job_store, objects};

use super::{Brought, Read};
use crate::actions::mend;
use crate::app::App;

/// Entries in one page of completions, or of a list of objects.
const PAGE: u32 = 1_000;
/// A list of objects is twelve times as dear as any other reading: where it is paid for, and nothing seems lost, it is asked for
/// once in so long.
const LIST_AGAIN: Duration = Duration::from_secs(1_800);

/// Segments of one job that are looked for at most.
const MAX_LOOKS: usize = 64;

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// What may have changed.
    Due,
    /// Everything.
    All,
}

/// What is known of a job before it is read.
struct Known {
    job: Job,
    last_activity_at: Timestamp,
    has_source: bool,
    /// When its source was last looked for.
    source_read_at: Option<Timestamp>,
    /// Completions.
    done: usize,
    /// When its outputs were last listed.
    listed_at: Option<Timestamp>,
}

impl Known {
    fn of(entry: &Entry) -> Self {
        Self {
            job: entry.job.clone(),
            last_activity_at: entry.last_activity_at(),
            has_source: knows_source(entry),
            source_read_at: entry.truth.source.as_ref().map(|source| source.observed_at),
            done: entry.truth.completed.as_ref().map_or(0, |done| done.value.len()),
            listed_at: entry.truth.outputs.as_ref().map(|outputs| outputs.observed_at),
        }
    }
}

/// Reads a job at its time; its row too, where it was heard of.
pub(super) async fn due(app: &App, job_id: JobId, with_row: bool) -> Read {
    let is_known = app.live.at_revision(|world, _| world.jobs.contains_key(&job_id));
    let mut is_changed = false;
    let mut calls = 0;
    if with_row || !is_known {
        calls += 1;
        let Some(seen) = row(app, job_id).await? else { return Ok(Brought::of(true, calls)) };
        is_changed |= seen != Seen::Same;
    }
    let brought = read(app, job_id, Depth::Due).await?;
    watch(app, job_id);
    Ok(Brought::of(is_changed || brought.outcome == Outcome::Changed, calls + brought.calls))
}

/// Calls that a reading of the job at its time takes at most.
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
            JobStatus::Created | JobStatus::Ingesting => u32::from(!knows_source(entry)),
            JobStatus::Deleted => 0,
            JobStatus::ChunkingInProgress => 2,
            _ => most(entry.job.total_segments.unwrap_or(0)),
        };
        u32::from(with_row) + of_details
    })
}

/// Reads one job whole, its row included. A job without a row is forgotten.
pub(crate) async fn refresh(app: &App, job_id: JobId) -> Result<()> {
    if row(app, job_id).await?.is_none() {
        app.polls.charge(1);
        return Ok(());
    }
    let brought = read(app, job_id, Depth::All).await?;
    app.polls.charge(1 + brought.calls);
    watch(app, job_id);
    Ok(())
}

/// Reads a job's row; none when there is none any more.
async fn row(app: &App, job_id: JobId) -> Result<Option<Seen>> {
    let at = app.now();
    let Some(job) = app.backend.jobs.get(job_id).await? else {
        app.live.with(|world| world.forget_job(job_id));
        app.polls.forget_job(job_id);
        return Ok(None);
    };
    Ok(Some(app.live.with(|world| world.set_job(job, at))))
}

/// Has the job watched as its status asks for.
fn watch(app: &App, job_id: JobId) {
    let now = app.now();
    let watching = app.live.at_revision(|world, _| {
        let entry = world.jobs.get(&job_id)?;
        Some(super::jobs::watching(entry, now))
    });
    app.polls.watch_jobs(watching.map(|watching| (job_id, watching)));
}

pub(super) fn knows_source(entry: &Entry) -> bool {
    entry.truth.source.as_ref().is_some_and(|source| source.value.is_some())
}

/// Loads a job's earlier events, once. Dropped half-way (a client went away), or failed, it has not begun: the next call does.
pub(crate) async fn load_events(app: &App, job_id: JobId) -> Result<()> {
    let Some(mut loading) = Loading::begin(app, job_id) else { return Ok(()) };
    let history = app.store.job_history(job_id).await;
    if let Ok(history) = &history {
        loading.is_joined = true;
        app.live.with(|world| world.join_progress(job_id, Some(history)));
    }
    drop(loading);
    history.map(drop).map_err(|error| Error::with(ErrorCode::Internal, "the stored events can't be read", error))
}

/// A job whose earlier events are being read; dropped before they are joined, the job is as if it had not begun.
struct Loading<'a> {
    app: &'a App,
    job_id: JobId,
    is_joined: bool,
}

impl<'a> Loading<'a> {
    /// None when it was begun before, or there is no such job.
    fn begin(app: &'a App, job_id: JobId) -> Option<Self> {
        let has_begun = app.live.with(|world| world.begin_progress(job_id));
        // Made only then: one that is made and dropped would undo what another has begun.
        has_begun.then(|| Self { app, job_id, is_joined: false })
    }
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        if !self.is_joined {
            self.app.live.with(|world| world.join_progress(self.job_id, None));
        }
    }
}

async fn read(app: &App, job_id: JobId, depth: Depth) -> Read {
    let known = app.live.at_revision(|world, _| world.jobs.get(&job_id).map(Known::of));
    let Some(known) = known else { return Ok(Brought::of(false, 0)) };
    let Known { job, last_activity_at, .. } = &known;
    let last_activity_at = *last_activity_at;
    if !job.status.is_final() || app.now().since(last_activity_at) < KEEP_PROGRESS {
        load_events(app, job_id).await?;
    }
    let backend = &app.backend;
    let at = app.now();
    let is_all = depth == Depth::All;
    let (mut calls, mut is_changed) = (0, false);
    let mut set = |change: &mut dyn FnMut(&mut stereospot_core::world::Truth)| {
        is_changed |= app.live.with(|world| world.set_truth(job_id, |truth| change(truth)));
    };
    // Whether the repair of a dead letter is of use: looked at when somebody looks at the job, and where looking is free.
    let dead = if is_all || !app.polls.is_metered() { dead_segments(app, job_id) } else { None };
    if let Some(dead) = &dead {
        let gone = mend::gone(backend, job, dead).await?;
        calls += dead.len() as u32;
        set(&mut |truth| truth.gone = Some(Fact::exact(gone.clone(), at)));
    }
    let may_lack_source = match job.status {
        JobStatus::Created | JobStatus::ChunkingInProgress => is_all || !known.has_source,
        JobStatus::Ingesting => is_all || !known.has_source && may_look(app, &known, at),
        _ => false,
    };
    if dead.is_some() || may_lack_source {
        let source = objects::size(&*backend.input.store, &keys::source(job_id)).await?;
        calls += 1;
        set(&mut |truth| truth.source = Some(Fact::exact(source, at)));
    }
    let is_split = job.total_segments.is_some();
    if (is_split || job.status == JobStatus::ChunkingInProgress) && (is_all || job.status != JobStatus::Deleted) {
        let is_whole = |done: usize| job.total_segments.is_some_and(|total| done >= total as usize);
        let mut is_all_there = is_whole(known.done);
        if is_all || !is_all_there || job.status.is_final() {
            let completions = job_store::all_completions(&*backend.jobs, job_id).await?;
            calls += 1 + completions.len() as u32 / PAGE;
            app.polls.queried(units_of_completions(completions.len()));
            is_all_there = is_whole(completions.len());
            let mut done: Vec<(u32, Timestamp)> =
                completions.iter().map(|completion| (completion.segment_index, completion.completed_at)).collect();
            done.sort_unstable();
            set(&mut |truth| truth.set_completions(&done, at));
        }
        // Before every segment is there nobody makes the lock.
        let mut has_lock = false;
        if is_split && (is_all || is_all_there) {
            let lock = backend.jobs.lock(job_id).await?;
            calls += 1;
            has_lock = lock.is_some();
            set(&mut |truth| truth.lock = Some(Fact::exact(lock.clone(), at)));
        }
        let may_have_result = has_lock || job.status == JobStatus::Reassembling || job.status.is_final();
        if is_split && (is_all_there || job.status.is_final()) && (is_all || may_have_result) {
            let result = objects::size(&*backend.output.store, &keys::result(job_id)).await?;
            calls += 1;
            set(&mut |truth| truth.result = Some(Fact::exact(result, at)));
        }
        let is_quiet = at.since(last_activity_at) >= app.config.patience.step / 2;
        if !is_all_there && is_quiet && is_split && !job.status.is_final() && (is_all || may_list(app, &known, at)) {
            let outputs = outputs(app, job_id).await?;
            calls += 1 + outputs.len() as u32 / PAGE;
            set(&mut |truth| truth.outputs = Some(Fact::exact(outputs.clone(), at)));
        }
    }
    let now = app.now();
    app.live.with(|world| {
        world.diagnose(job_id, now, app.config.patience);
        world.notice(job_id, now);
    });
    Ok(Brought::of(is_changed, calls))
}

/// A list is dear: it is asked for where a segment seems to be missing, and where it costs money only when nothing is queued any
/// more, or after a long time.
fn may_list(app: &App, known: &Known, at: Timestamp) -> bool {
    let is_drained = || {
        let depth = app.live.at_revision(|world, _| world.depth(QueueRole::Inference));
        depth.is_some_and(|depth| depth.value == 0)
    };
    let is_old = known.listed_at.is_none_or(|listed_at| at.since(listed_at) >= LIST_AGAIN);
    !app.polls.is_metered() || is_old || is_drained()
}

/// Whether the source of a job that waits for it to be fetched is looked for, where looking costs money: not before that takes too
/// long, and then whenever it has taken a quarter longer.
fn may_look(app: &App, known: &Known, at: Timestamp) -> bool {
    let presumed = app.live.at_revision(|world, _| world.fetch_presumed());
    let is_too_long = at.since(known.last_activity_at) >= presumed;
    let is_longer =
        known.source_read_at.is_none_or(|read_at| at.since(read_at) >= read_at.since(known.last_activity_at) / 4);
    !app.polls.is_metered() || is_too_long && is_longer
}

/// Segments of a job whose messages are dead-lettered, sorted: the first of them. None when no message of it is.
fn dead_segments(app: &App, job_id: JobId) -> Option<Vec<u32>> {
    let letters = app.live.at_revision(|world, _| world.jobs.get(&job_id).map(|entry| world.dead_letters(entry)))?;
    let mut segments: Vec<u32> = letters.iter().filter_map(|letter| letter.segment_index).collect();
    segments.sort_unstable();
    segments.dedup();
    segments.truncate(MAX_LOOKS);
    (!letters.is_empty()).then_some(segments)
}

/// Segments of a job whose output exists, sorted.
pub(crate) async fn outputs(app: &App, job_id: JobId) -> Result<Vec<u32>> {
    let prefix = objects::path(&format!("jobs/{job_id}/segments"))?;
    let listed = app.backend.output.store.list(Some(&prefix));
    let keys: Vec<String> = listed.map_ok(|meta| meta.location.to_string()).try_collect().await?;
    let mut outputs: Vec<u32> = keys
        .iter()
        .filter_map(|key| match keys::parse_output(key)? {
            keys::OutputKey::Segment(_, index) => Some(index),
            _ => None,
        })
        .collect();
    outputs.sort_unstable();
    Ok(outputs)
}

#[cfg(test)]
mod tests;
