//! Splits a source into segments.

use std::time::Instant;

use async_trait::async_trait;
use stereospot_domain::event::ChunkingCompleted;
use stereospot_domain::keys::{self, SegmentKey};
use stereospot_domain::message::Request;
use stereospot_domain::{Job, JobId, JobStatus, Payload, QueueRole, Stage};
use stereospot_media::probe::Terms;
use stereospot_media::split::Choices;
use stereospot_ports::ErrorCode;
use stereospot_ports::job_store::{Transition, Transitioned};
use stereospot_runtime::job;
use stereospot_runtime::stage::{Asked, Context, Failure, Handler, Task};
use stereospot_telemetry::record;

use crate::inference::target;
use crate::plan::{self, Plan};
use crate::sandbox::{Cuts, Sandbox, SplitSource};
use crate::scratch::Scratch;
use crate::{checksum, damaged, files, video_failure};

/// The chunking stage.
#[derive(Debug)]
pub struct Chunking {
    pub scratch: Scratch,
    pub sandbox: Sandbox,
    /// Wanted length of a segment in seconds, unless the job sets one.
    pub segment_secs: f64,
    /// Whether segments carry their part of the sound. Our reassembly takes the sound from the source; that of existing
    /// deployments joins the segments' sound.
    pub with_sound: bool,
    /// The largest source, and what this worker may use. A source whose conversion doesn't fit in the same budget is refused.
    pub terms: Terms,
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
            terms: self.terms,
            target: Some(target(&job)),
        };
        let split =
            SplitSource { source, folder: self.scratch.for_output(&folder)?, choices, with_sound: self.with_sound };
        let cuts = self.sandbox.run(split.clone(), &task.cancel).await.map_err(|error| video_failure(&error))?;
        let paths = split.segments(&cuts);
        let Cuts { manifest, warnings, is_recut, has_sound, footage } = cuts;
        // Write the manifest before the segments: a reader of a segment needs it.
        let written = checksum::of_files(paths.clone()).await?;
        let plan = Plan {
            target_secs,
            has_sound,
            written,
            source: Some(source_checksum),
            footage: Some(footage),
            manifest: manifest.clone(),
        };
        let plan = plan::keep(context, job_id, plan).await?;
        if plan.manifest != manifest {
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
        for warning in &warnings {
            tracing::warn!("job_id={job_id} {warning}");
        }
        if matches!(changed, Transitioned::Changed(_)) {
            record::frames(Stage::Chunking.as_str(), manifest.frames);
            let completed = ChunkingCompleted {
                segments: Some(total),
                frames: Some(manifest.frames),
                duration_secs: Some(manifest.duration_secs()),
                reencoded: Some(is_recut),
                warnings: Some(warnings),
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

#[cfg(test)]
pub(crate) mod tests;
