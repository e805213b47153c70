//! Splits a source into segments.

use std::path::PathBuf;
use std::time::Instant;

use async_trait::async_trait;
use stereospot_domain::event::ChunkingCompleted;
use stereospot_domain::keys::{self, SegmentKey};
use stereospot_domain::message::Request;
use stereospot_domain::{Job, JobId, JobStatus, Payload, QueueRole, Stage};
use stereospot_media::soundtrack::add_part_of_sound;
use stereospot_media::split::{Choices, Split};
use stereospot_media::{Cancel, Manifest};
use stereospot_ports::ErrorCode;
use stereospot_ports::job_store::{Transition, Transitioned};
use stereospot_runtime::job;
use stereospot_runtime::stage::{Asked, Context, Failure, Handler, Task};
use stereospot_telemetry::record;
use tokio_util::sync::CancellationToken;

use crate::plan::{self, Plan};
use crate::scratch::Scratch;
use crate::{checksum, damaged, files, media_failure};

/// The chunking stage.
#[derive(Debug)]
pub struct Chunking {
    pub scratch: Scratch,
    /// Wanted length of a segment in seconds, unless the job sets one.
    pub segment_secs: f64,
    /// Whether segments carry their part of the sound. Our reassembly takes the sound from the source; that of existing
    /// deployments joins the segments' sound.
    pub with_sound: bool,
}

#[async_trait]
impl Handler for Chunking {
    fn role(&self) -> QueueRole {
        QueueRole::Chunking
    }

    async fn handle(&self, context: &Context, task: &Task) -> Result<(), Failure> {
        let Asked::Known(Request::Chunk(job_id)) = task.asked else { return Ok(()) };
        let Some(job) = begin(context, job_id).await? else { return Ok(()) };
        let started = Instant::now();
        context.events.emit(Payload::ChunkingStarted, &task.about);
        let folder = self.scratch.folder()?;
        let source = folder.path().join("source.mp4");
        let kept = plan::load(context, job_id).await?;
        let split_before = kept.as_ref().and_then(|plan| plan.source.as_ref());
        let source_checksum = damaged::fetch_source(context, job_id, &source, split_before, &task.cancel).await?;
        let target_secs = kept.map_or(job.options.segment_secs.unwrap_or(self.segment_secs), |plan| plan.target_secs);
        let choices = Choices {
            target_secs,
            deinterlace: job.options.deinterlace.unwrap_or_default(),
            from: job.options.from,
            strict_streams: job.options.strict_streams,
            for_others: self.with_sound,
        };
        let (split, mut paths) = split(source.clone(), folder.path().to_owned(), choices, task.cancel.clone()).await?;
        let mut has_sound = false;
        if self.with_sound {
            (has_sound, paths) = with_sound(source, split.manifest().clone(), paths, task.cancel.clone()).await?;
        }
        // Write the manifest before the segments: a reader of a segment needs it.
        let manifest = split.manifest().clone();
        let written = checksum::of_files(paths.clone()).await?;
        let plan = Plan { target_secs, has_sound, written, source: Some(source_checksum), manifest };
        let plan = plan::keep(context, job_id, plan).await?;
        let manifest = &plan.manifest;
        if manifest != split.manifest() {
            return Err(Failure::Retry(
                ErrorCode::Conflict,
                format!("job_id={job_id} was cut otherwise before, by another version perhaps: submit the video again"),
            ));
        }
        let total = u32::try_from(paths.len()).expect("the number of segments fits the key's five digits");
        for (index, path) in (0..).zip(&paths) {
            let key = keys::segment(SegmentKey { job_id, index, total, mode: job.mode });
            files::upload(path, &context.backend.input, &key, &task.cancel).await?;
        }
        let transition = Transition { total_segments: Some(total), ..Transition::to(JobStatus::ChunkingComplete) };
        let changed = context.backend.jobs.transition(job_id, &transition).await?;
        for warning in split.warnings() {
            tracing::warn!("job_id={job_id} {warning}");
        }
        if matches!(changed, Transitioned::Changed(_)) {
            record::frames(Stage::Chunking.as_str(), manifest.frames);
            let completed = ChunkingCompleted {
                segments: Some(total),
                frames: Some(manifest.frames),
                duration_secs: Some(manifest.duration_secs()),
                reencoded: Some(split.is_recut()),
                warnings: Some(split.warnings().to_vec()),
                wall_secs: Some(started.elapsed().as_secs_f64()),
            };
            context.events.emit(Payload::ChunkingCompleted(completed), &task.about);
        }
        // If all completions are there already, no later event leads to another check.
        job::check_trigger(context, job_id).await?;
        Ok(())
    }
}

/// Takes the job, unless it is over or was split before.
async fn begin(context: &Context, job_id: JobId) -> Result<Option<Job>, Failure> {
    match context.backend.jobs.transition(job_id, &Transition::to(JobStatus::ChunkingInProgress)).await? {
        Transitioned::Changed(job) => Ok(Some(job)),
        Transitioned::Refused(JobStatus::Ingesting) => Err(Failure::Later {
            why: format!("the job {job_id} is still being ingested"),
            after: std::time::Duration::from_secs(15),
        }),
        Transitioned::Refused(status) => {
            tracing::info!("job_id={job_id} is {status} already: nothing to split");
            job::check_trigger(context, job_id).await?;
            Ok(None)
        }
        Transitioned::Missing => {
            let why = format!("no job row exists for job_id={job_id}, though its source arrived");
            Err(Failure::Retry(ErrorCode::NotFound, why))
        }
    }
}

async fn split(
    source: PathBuf,
    folder: PathBuf,
    choices: Choices,
    cancel: CancellationToken,
) -> Result<(Split, Vec<PathBuf>), Failure> {
    let work = tokio::task::spawn_blocking(move || {
        let is_cancelled = || cancel.is_cancelled();
        let cancel = Cancel::when(&is_cancelled);
        let mut split = Split::plan_as(&source, &choices, cancel)?;
        let mut paths = Vec::new();
        let path_of = |index, _total| folder.join(format!("segment-{index}.mp4"));
        split.write(path_of, |_, path| paths.push(path.to_owned()), cancel)?;
        Ok::<_, stereospot_media::Error>((split, paths))
    });
    work.await.expect("splitting does not panic").map_err(|error| media_failure(&error))
}

/// Adds to each segment its part of the sound; returns whether the source has any.
async fn with_sound(
    source: PathBuf,
    manifest: Manifest,
    silent: Vec<PathBuf>,
    cancel: CancellationToken,
) -> Result<(bool, Vec<PathBuf>), Failure> {
    let work = tokio::task::spawn_blocking(move || {
        let is_cancelled = || cancel.is_cancelled();
        let cancel = Cancel::when(&is_cancelled);
        let (mut has_sound, mut paths) = (false, Vec::new());
        for (spec, segment) in manifest.segments.iter().zip(silent) {
            let out = segment.with_file_name(format!("sound-{}.mp4", spec.index));
            if add_part_of_sound(&source, &manifest, spec, &segment, &out, cancel)? {
                has_sound = true;
                // A source may fill half a disk, so remove the silent file now. If that fails, it goes with the folder.
                let _ = std::fs::remove_file(segment);
                paths.push(out);
            } else {
                paths.push(segment);
            }
        }
        Ok::<_, stereospot_media::Error>((has_sound, paths))
    });
    work.await.expect("adding sound does not panic").map_err(|error| media_failure(&error))
}

#[cfg(test)]
pub(crate) mod tests;
