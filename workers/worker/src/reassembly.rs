//! Joins a job's converted segments into the result.

use std::path::Path;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use object_store::ObjectStoreExt;
use stereospot_domain::event::ReassemblyCompleted;
use stereospot_domain::keys;
use stereospot_domain::message::Request;
use stereospot_domain::{Job, JobId, Payload, QueueRole, Stage, Topology};
use stereospot_media::manifest::StereoLayout;
use stereospot_ports::job_store::Acquired;
use stereospot_ports::{ErrorCode, objects};
use stereospot_runtime::job;
use stereospot_runtime::stage::{Asked, Context, Failure, Handler, Task, chain};
use stereospot_telemetry::record;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::checksum::{self, Checksum};
use crate::convert::stereo_layout;
use crate::plan::{self, Plan};
use crate::sandbox::{Error, JoinParts, Joined, Sandbox};
use crate::scratch::Scratch;
use crate::{damaged, files, video_failure};

mod again;

/// How long the lock is held without renewal: a killed holder delays the job at most so long.
const LOCK_LEASE: Duration = Duration::from_secs(30);
/// How often a segment that doesn't fit the others is converted again.
const MOST_AGAIN: u32 = 2;
/// How long to wait for a segment that is converted again.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// The reassembly stage.
#[derive(Debug)]
pub struct Reassembly {
    pub scratch: Scratch,
    pub sandbox: Sandbox,
    /// The name of this process as the lock's holder.
    pub owner: String,
}

#[async_trait]
impl Handler for Reassembly {
    fn role(&self) -> QueueRole {
        QueueRole::Reassembly
    }

    async fn handle(&self, context: &Context, task: &Task) -> Result<(), Failure> {
        let Asked::Known(Request::Reassemble(job_id)) = task.asked else { return Ok(()) };
        let Some(job) = context.backend.jobs.get(job_id).await? else {
            tracing::warn!("no job row exists for job_id={job_id}: nothing to join");
            return Ok(());
        };
        if job.status.is_final() {
            tracing::info!("job_id={job_id} is {}: nothing to join", job.status);
            return Ok(());
        }
        if result_is_whole(context, job_id).await? {
            return finish(context, job_id).await;
        }
        let now = context.backend.clock.now();
        match context.backend.jobs.acquire_lock(job_id, &self.owner, now, LOCK_LEASE).await? {
            Acquired::Yes => {}
            Acquired::Held(until) => {
                let after = until.map_or(LOCK_LEASE, |until| until.since(now) + Duration::from_secs(1));
                return Err(Failure::Later { why: format!("another worker joins job_id={job_id}"), after });
            }
            Acquired::Missing if context.topology == Topology::JobWorker => {
                let why = format!("job_id={job_id} has no reassembly lock: the job-worker makes it before it sends");
                return Err(Failure::Retry(ErrorCode::NotFound, why));
            }
            Acquired::Missing => {
                // A message without a lock was replayed, or sent by another service. The check creates the lock and sends its
                // own message.
                job::check_trigger(context, job_id).await?;
                return Ok(());
            }
        }
        let lock = LockKeeper::start(context, job_id, &self.owner, &task.cancel);
        let joined = self.assemble(context, task, &job, &lock.lost).await;
        drop(lock);
        if joined.is_err() {
            // Release the lock now, so that the next attempt need not wait for its lease to run out.
            if let Err(error) = context.backend.jobs.release_lock(job_id, &self.owner).await {
                tracing::warn!("the lock of job_id={job_id} runs out by itself, since it can't be released: {error}");
            }
        }
        joined
    }
}

impl Reassembly {
    async fn assemble(
        &self,
        context: &Context,
        task: &Task,
        job: &Job,
        cancel: &CancellationToken,
    ) -> Result<(), Failure> {
        let (job_id, started) = (job.job_id, Instant::now());
        context.events.emit(Payload::ReassemblyStarted, &task.about);
        let folder = self.scratch.folder()?;
        let cut = plan::of_job(context, job).await?;
        let total = cut.as_ref().map(Plan::total).or(job.total_segments);
        let total = total.filter(|total| *total > 0).ok_or_else(|| {
            let why = format!("job_id={job_id} has no number of segments: its cutting is not complete");
            Failure::Retry(ErrorCode::NotFound, why)
        })?;
        again::lost(context, task, job, total).await?;
        let source = folder.path().join("source.mp4");
        let split = cut.as_ref().and_then(|plan| plan.source.as_ref());
        damaged::fetch_source(context, job_id, &source, split, cancel).await?;
        let mut segments = Vec::new();
        for index in 0..total {
            let path = folder.path().join(format!("segment-{index}.mp4"));
            let key = keys::output_segment(job_id, index);
            files::download(&context.backend.output, &key, &path, cancel).await?;
            let stored = checksum::of_file(&path).await?;
            let written = Checksum::load(&context.backend.output, &keys::output_checksum(job_id, index)).await?;
            if written.is_some_and(|written| written != stored) {
                let why = format!("segment {index} was damaged since it was converted");
                return Err(again::in_place_of(context, job, total, index, why).await?);
            }
            segments.push(path);
        }
        let cut = cut.map(|plan| plan.manifest);
        let folder = self.scratch.for_output(&folder)?;
        let parts = JoinParts { source, cut, segments, folder, layout: layout(job) };
        let output = parts.output();
        let Joined { summary, foreign } = match self.sandbox.run(parts, cancel).await {
            Ok(joined) => joined,
            Err(Error::Media(error @ stereospot_media::Error::SegmentMismatch { index, .. })) if index < total => {
                return Err(again::in_place_of(context, job, total, index, chain(&error)).await?);
            }
            Err(error) => return Err(video_failure(&error)),
        };
        if let Some((index, why)) = foreign {
            tracing::info!("segment {index} is not as we would have made it ({why}): perhaps others did");
        }
        for warning in &summary.warnings {
            tracing::warn!("job_id={job_id} {warning}");
        }
        let checksum = checksum::of_file(&output).await?;
        checksum.store(&context.backend.output, &keys::result_checksum(job_id)).await?;
        let Some(bytes) = self.publish(context, job_id, &output, cancel).await? else {
            // Of another worker's result only its writer knows the checksum.
            if Checksum::of_object(&context.backend.output, &keys::result(job_id)).await?.as_ref() != Some(&checksum) {
                Checksum::forget(&context.backend.output, &keys::result_checksum(job_id)).await?;
            }
            return finish(context, job_id).await;
        };
        record::frames(Stage::Reassembly.as_str(), summary.frames);
        let completed = ReassemblyCompleted {
            frames: Some(summary.frames),
            duration_secs: Some(summary.duration_secs),
            bytes: Some(bytes),
            sha256: Some(checksum.sha256),
            warnings: Some(summary.warnings),
            wall_secs: Some(started.elapsed().as_secs_f64()),
        };
        context.events.emit(Payload::ReassemblyCompleted(completed), &task.about);
        finish(context, job_id).await
    }

    /// Publishes the file as the job's result, unless one exists already. The result appears whole or not at all. Returns its
    /// size, or none when a result existed.
    async fn publish(
        &self,
        context: &Context,
        job_id: JobId,
        file: &Path,
        cancel: &CancellationToken,
    ) -> Result<Option<u64>, Failure> {
        let output = &context.backend.output;
        // One name for all attempts: a killed attempt leaves nothing that the next one does not replace.
        let staged = format!("jobs/{job_id}/.final-staged");
        let bytes = files::upload(file, output, &staged, cancel).await?;
        let (from, to) = (objects::path(&staged)?, objects::path(&keys::result(job_id))?);
        let published = output.store.copy_if_not_exists(&from, &to).await.map_err(stereospot_ports::Error::from);
        if let Err(error) = output.store.delete(&from).await {
            tracing::warn!("job_id={job_id} the staged result stays behind: {error}");
        }
        match published {
            Ok(()) => Ok(Some(bytes)),
            Err(error) if error.code() == ErrorCode::Conflict => {
                tracing::info!("job_id={job_id} has a result already");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether the result exists, as its writer wrote it. A damaged one is removed, so that the segments are joined again.
async fn result_is_whole(context: &Context, job_id: JobId) -> Result<bool, Failure> {
    let (output, key) = (&context.backend.output, keys::result(job_id));
    if !objects::exists(&*output.store, &key).await? {
        return Ok(false);
    }
    let Some(written) = Checksum::load(output, &keys::result_checksum(job_id)).await? else { return Ok(true) };
    if Checksum::of_object(output, &key).await?.is_none_or(|stored| stored == written) {
        return Ok(true);
    }
    tracing::warn!("job_id={job_id} the result was damaged since it was written: the segments are joined again");
    output.store.delete(&objects::path(&key)?).await?;
    Ok(false)
}

/// The result exists: write the mark and complete the job.
async fn finish(context: &Context, job_id: JobId) -> Result<(), Failure> {
    files::put(&context.backend.output, &keys::done_mark(job_id), Vec::new()).await?;
    job::complete_job(context, job_id).await?;
    Ok(())
}

fn layout(job: &Job) -> StereoLayout {
    stereo_layout(job.options.format.as_str().parse().expect("every format is a layout"))
}

/// Renews the lock until it is dropped; cancels `lost` when another worker holds it.
struct LockKeeper {
    lost: CancellationToken,
    _task: AbortOnDropHandle<()>,
}

impl LockKeeper {
    fn start(context: &Context, job_id: JobId, owner: &str, parent: &CancellationToken) -> Self {
        let lost = parent.child_token();
        let (token, backend, owner) = (lost.clone(), context.backend.clone(), owner.to_owned());
        let task = tokio::spawn(async move {
            let mut misses = 0;
            loop {
                tokio::time::sleep(LOCK_LEASE / 3).await;
                match backend.jobs.renew_lock(job_id, &owner, backend.clock.now(), LOCK_LEASE).await {
                    Ok(true) => misses = 0,
                    Err(error) if misses < 2 => {
                        misses += 1;
                        tracing::warn!("the lock of job_id={job_id} was not renewed: {error}");
                    }
                    Ok(false) | Err(_) => {
                        tracing::warn!("the lock of job_id={job_id} is lost");
                        token.cancel();
                        return;
                    }
                }
            }
        });
        Self { lost, _task: AbortOnDropHandle::new(task) }
    }
}

#[cfg(test)]
mod tests;
