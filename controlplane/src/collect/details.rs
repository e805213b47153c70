//! What the backend says of single jobs: row, completions, lock, objects. Then the diagnosis.

use futures::TryStreamExt;
use stereospot_domain::diagnosis::Fact;
use stereospot_domain::{JobId, JobStatus, keys};
use stereospot_ports::{Code, Error, Result, job_store, objects};

use crate::core::world::KEEP_PROGRESS;
use crate::shared::Shared;

/// Jobs read in one run; the others wait for the next.
const MAX_JOBS: usize = 500;
/// Failed jobs that are looked at again.
const MAX_FAILED: usize = 200;

/// Reads unfinished jobs, those first that were read longest ago.
pub(super) async fn unfinished(shared: &Shared) -> Result<()> {
    let mut jobs = shared.live.with(|world| {
        let unfinished = world.unfinished();
        unfinished
            .into_iter()
            .map(|job_id| (world.jobs.get(&job_id).map(crate::core::world::Entry::read_at), job_id))
            .collect::<Vec<_>>()
    });
    jobs.sort_unstable();
    for (_, job_id) in jobs.into_iter().take(MAX_JOBS) {
        read(shared, job_id).await?;
    }
    Ok(())
}

/// Reads the newest failed jobs: one may have a result all the same.
pub(super) async fn failed(shared: &Shared) -> Result<()> {
    let (failed, _) = shared.live.with(|world| world.page(Some(JobStatus::Failed), None, MAX_FAILED));
    for job_id in failed {
        read(shared, job_id).await?;
    }
    Ok(())
}

/// Reads one job, its row included. A job without a row is forgotten.
pub(crate) async fn refresh(shared: &Shared, job_id: JobId) -> Result<()> {
    let at = shared.now();
    let Some(job) = shared.backend.jobs.get(job_id).await? else {
        shared.live.with(|world| world.forget_job(job_id));
        return Ok(());
    };
    shared.live.with(|world| world.set_job(job, at));
    read(shared, job_id).await
}

/// Loads a job's earlier events, once. Dropped half-way (a client went away), or failed, it has not begun: the next call does.
pub(crate) async fn load_events(shared: &Shared, job_id: JobId) -> Result<()> {
    let Some(mut loading) = Loading::begin(shared, job_id) else { return Ok(()) };
    let history = shared.store.job_history(job_id).await;
    if let Ok(history) = &history {
        loading.is_joined = true;
        shared.live.with(|world| world.join_progress(job_id, Some(history)));
    }
    drop(loading);
    history.map(drop).map_err(|error| Error::with(Code::Internal, "the stored events can't be read", error))
}

/// A job whose earlier events are being read; dropped before they are joined, the job is as if it had not begun.
struct Loading<'a> {
    shared: &'a Shared,
    job_id: JobId,
    is_joined: bool,
}

impl<'a> Loading<'a> {
    /// None when it was begun before, or there is no such job.
    fn begin(shared: &'a Shared, job_id: JobId) -> Option<Self> {
        let has_begun = shared.live.with(|world| world.begin_progress(job_id));
        // Made only then: one that is made and dropped would undo what another has begun.
        has_begun.then(|| Self { shared, job_id, is_joined: false })
    }
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        if !self.is_joined {
            self.shared.live.with(|world| world.join_progress(self.job_id, None));
        }
    }
}

async fn read(shared: &Shared, job_id: JobId) -> Result<()> {
    let known =
        shared.live.with(|world| world.jobs.get(&job_id).map(|entry| (entry.job.clone(), entry.last_activity_at())));
    let Some((job, last_activity_at)) = known else { return Ok(()) };
    if !job.status.is_final() || shared.now().since(last_activity_at) < KEEP_PROGRESS {
        load_events(shared, job_id).await?;
    }
    let backend = &shared.backend;
    let at = shared.now();
    if job.status == JobStatus::Created {
        let source = objects::size(&*backend.input.store, &keys::source(job_id)).await?;
        shared.live.with(|world| world.set_truth(job_id, |truth| truth.source = Some(Fact::exact(source, at))));
    }
    if job.total_segments.is_some() || job.status == JobStatus::ChunkingInProgress {
        let completions = job_store::all_completions(&*backend.jobs, job_id).await?;
        let mut done: Vec<u32> = completions.iter().map(|completion| completion.segment_index).collect();
        done.sort_unstable();
        let is_all_there = job.total_segments.is_some_and(|total| done.len() >= total as usize);
        shared.live.with(|world| world.set_truth(job_id, |truth| truth.completed = Some(Fact::exact(done, at))));
        let lock = backend.jobs.lock(job_id).await?;
        shared.live.with(|world| world.set_truth(job_id, |truth| truth.lock = Some(Fact::exact(lock, at))));
        if is_all_there || job.status == JobStatus::Completed {
            let result = objects::size(&*backend.output.store, &keys::result(job_id)).await?;
            shared.live.with(|world| world.set_truth(job_id, |truth| truth.result = Some(Fact::exact(result, at))));
        }
        // A list is dear: it is asked for only where a segment seems to be missing.
        let is_quiet = at.since(last_activity_at) >= shared.config.patience.step / 2;
        if !is_all_there && is_quiet && job.total_segments.is_some() && !job.status.is_final() {
            let outputs = outputs(shared, job_id).await?;
            shared.live.with(|world| world.set_truth(job_id, |truth| truth.outputs = Some(Fact::exact(outputs, at))));
        }
    }
    let now = shared.now();
    shared.live.with(|world| world.diagnose(job_id, now, shared.config.patience));
    Ok(())
}

/// Segments of a job whose output exists, sorted.
pub(crate) async fn outputs(shared: &Shared, job_id: JobId) -> Result<Vec<u32>> {
    let prefix = objects::path(&format!("jobs/{job_id}/segments"))?;
    let listed = shared.backend.output.store.list(Some(&prefix));
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
