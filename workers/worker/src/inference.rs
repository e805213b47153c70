//! Converts a segment.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use stereospot_domain::event::{SegmentCompleted, SegmentProgress, SegmentStarted};
use stereospot_domain::keys::{self, SegmentKey};
use stereospot_domain::message::Request;
use stereospot_domain::{ErrorCode, Job, JobOptions, Payload, QueueRole, Stage, Warning};
use stereospot_media::budget::Target;
use stereospot_media::manifest::{Manifest, SegmentSpec};
use stereospot_media::{Budget, Error, Footage};
use stereospot_ports::objects;
use stereospot_runtime::job;
use stereospot_runtime::stage::{Asked, Context, Failure, Handler, Task, chain};
use stereospot_stereo::{DepthModel, Layout, Options};
use stereospot_telemetry::catalogue::FramePart;
use stereospot_telemetry::record;

use crate::checksum;
use crate::convert::{self, Conversion, Converted, Progress, stereo_layout};
use crate::damaged::{self, Cut, Found};
use crate::plan;
use crate::sandbox::{Sandbox, SoundOf, WholeFile};
use crate::scratch::Scratch;
use crate::{files, media_failure, video_failure};

const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// When to look again whether the cutting of a job has ended.
const UNDECIDED: Duration = Duration::from_secs(15);

/// The inference stage.
pub struct Inference {
    pub scratch: Scratch,
    pub sandbox: Sandbox,
    pub budget: Budget,
    /// What this process takes before it converts anything, the model included.
    pub resident: u64,
    pub model: Model,
}

/// A worker's depth model, opened once.
pub struct Model {
    /// Taken out while a segment is converted, since a worker converts one at a time.
    pub model: Mutex<Option<DepthModel>>,
    /// The execution provider, for events.
    pub provider: &'static str,
    /// For events.
    pub name: String,
}

#[async_trait]
impl Handler for Inference {
    fn role(&self) -> QueueRole {
        QueueRole::Inference
    }

    async fn handle(&self, context: &Context, task: &Task) -> Result<(), Failure> {
        let Some((key, job)) = wanted(context, task).await? else { return Ok(()) };
        let started = Instant::now();
        let folder = self.scratch.folder()?;
        let (conversion, sound, cut) = self.prepare(context, task, key, &job, folder.path()).await?;
        let conversion = Arc::new(conversion);
        let frames = conversion.spec.frames;
        let begun = SegmentStarted { frames: Some(frames), ..SegmentStarted::default() };
        context.events.emit(Payload::SegmentStarted(begun), &task.about);
        let converted = match self.convert(context, task, &conversion).await? {
            Err(convert::Error::Media(Error::SegmentDamaged { index, why })) => {
                let found = Found { index, why, cut };
                return Err(damaged::failure(context, task, key, &conversion, found).await);
            }
            converted => converted.map_err(|error| conversion_failure(&error))?,
        };
        let warnings = match converted.repeated {
            0 => Vec::new(),
            repeated => {
                let why = format!("{repeated} of its frames can't be decoded");
                let found = Found { index: key.index, why, cut };
                damaged::accept(context, task, key, &conversion, found).await?;
                vec![Warning::FramesRepeated { segment: key.index, frames: repeated }]
            }
        };
        record_speed(&converted);
        let place = self.scratch.for_output(&folder)?;
        let output = match sound {
            Sound::None => conversion.output.clone(),
            Sound::Ours => self.with_sound(task, place, &conversion, Some(conversion.spec.clone())).await?,
            Sound::Foreign => self.with_sound(task, place, &conversion, None).await?,
        };
        let store = &context.backend.output;
        checksum::of_file(&output).await?.store(store, &keys::output_checksum(key.job_id, key.index)).await?;
        files::upload(&output, store, &keys::output_segment(key.job_id, key.index), &task.cancel).await?;
        let completed = SegmentCompleted {
            frames: Some(converted.frames),
            bytes: Some(converted.bytes),
            wall_secs: Some(started.elapsed().as_secs_f64()),
            decode_secs: Some(converted.decode.as_secs_f64()),
            depth_secs: Some(converted.depth.as_secs_f64()),
            warp_secs: Some(converted.warp.as_secs_f64()),
            encode_secs: Some(converted.encode.as_secs_f64()),
            provider: Some(self.model.provider.into()),
            warnings: (!warnings.is_empty()).then_some(warnings),
        };
        context.events.emit(Payload::SegmentCompleted(completed), &task.about);
        Ok(job::record_completion(context, key.job_id, key.index).await?)
    }
}

/// The segment that a message asks to convert, with its job; none when nothing is left to do for it.
///
/// # Errors
/// When the backend can't be reached.
pub async fn wanted(context: &Context, task: &Task) -> Result<Option<(SegmentKey, Job)>, Failure> {
    let Asked::Known(Request::Convert(key)) = task.asked else { return Ok(None) };
    let Some(job) = context.backend.jobs.get(key.job_id).await? else {
        tracing::warn!("no job row exists for job_id={}: its segment is left alone", key.job_id);
        return Ok(None);
    };
    if job.status.is_final() {
        tracing::info!("job_id={} is {}: nothing to convert", job.job_id, job.status);
        return Ok(None);
    }
    if job.total_segments.is_some_and(|total| total != key.total) {
        tracing::warn!("job_id={} was cut otherwise in the end: its segment {key:?} is left alone", job.job_id);
        return Ok(None);
    }
    if objects::exists(&*context.backend.output.store, &keys::output_segment(key.job_id, key.index)).await? {
        // Another delivery was faster, or this one's worker died after its work: only the completion may be missing. Reassembly
        // verifies the output.
        tracing::info!("job_id={} segment_index={} is converted already", key.job_id, key.index);
        job::record_completion(context, key.job_id, key.index).await?;
        return Ok(None);
    }
    Ok(Some((key, job)))
}

impl Inference {
    /// Runs the conversion on its own threads and reports its progress.
    async fn convert(
        &self,
        context: &Context,
        task: &Task,
        conversion: &Arc<Conversion>,
    ) -> Result<Result<Converted, convert::Error>, Failure> {
        let model = self.model.model.lock().unwrap_or_else(PoisonError::into_inner).take();
        let model = model.ok_or_else(|| Failure::Broken("its depth model was lost in an earlier failure".into()))?;
        let frames = conversion.spec.frames;
        let frames_done = Arc::new(Progress::default());
        let (conversion, counter, cancel) = (Arc::clone(conversion), Arc::clone(&frames_done), task.cancel.clone());
        let sandbox = self.sandbox.clone();
        let mut work =
            tokio::task::spawn_blocking(move || convert::convert(model, &conversion, &sandbox, &counter, &cancel));
        let mut ticks = tokio::time::interval(PROGRESS_EVERY);
        ticks.tick().await;
        let ended = loop {
            tokio::select! {
                ended = &mut work => break ended,
                _ = ticks.tick() => {
                    let frames_done = Some(frames_done.frames_done());
                    let progress = SegmentProgress { frames_done, frames: Some(frames) };
                    context.events.emit(Payload::SegmentProgress(progress), &task.about);
                }
            }
        };
        let (model, converted) =
            ended.map_err(|error| Failure::Retry(ErrorCode::Internal, format!("the conversion broke off: {error}")))?;
        *self.model.model.lock().unwrap_or_else(PoisonError::into_inner) = Some(model);
        Ok(converted)
    }
}

fn conversion_failure(error: &convert::Error) -> Failure {
    match error {
        convert::Error::Media(error) => media_failure(error),
        convert::Error::Video(error) => video_failure(error),
        convert::Error::Depth(error) => Failure::Retry(ErrorCode::Internal, chain(error)),
        convert::Error::Cancelled => Failure::Cancelled,
    }
}

fn record_speed(converted: &Converted) {
    record::frames(Stage::Inference.as_str(), converted.frames);
    let frames = u32::try_from(converted.frames).unwrap_or(u32::MAX).max(1);
    for (part, took) in [
        (FramePart::Decode, converted.decode),
        (FramePart::Depth, converted.depth),
        (FramePart::Warp, converted.warp),
        (FramePart::Encode, converted.encode),
    ] {
        record::frame_part(part, took / frames);
    }
}

/// The sound in a segment's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sound {
    None,
    /// The segment's part of the sound, put there by our chunking.
    Ours,
    /// Whatever the file of another service's cut contains.
    Foreign,
}

impl Inference {
    /// Fetches everything that the conversion needs. Also returns which sound to add, and who cut the segment.
    async fn prepare(
        &self,
        context: &Context,
        task: &Task,
        key: SegmentKey,
        job: &Job,
        folder: &Path,
    ) -> Result<(Conversion, Sound, Cut), Failure> {
        let input = folder.join("segment.mp4");
        let found = plan::of_segment(context, job, key).await?;
        let is_ours = matches!(found, plan::Found::Ours(_));
        damaged::fetch(context, task, key, key.index, &input, is_ours).await?;
        let (manifest, sound, written, footage) = match found {
            plan::Found::Ours(plan) => {
                let sound = if plan.has_sound { Sound::Ours } else { Sound::None };
                let known = plan.footage.unwrap_or_else(|| Footage::unknown(plan.manifest.width, plan.manifest.height));
                (plan.manifest, sound, plan.written, known)
            }
            // Another service split the source: then a segment is exactly what its file contains.
            plan::Found::Foreign => {
                let (manifest, footage) = self.whole_file(&input, key, task).await?;
                (manifest, Sound::Foreign, Vec::new(), footage)
            }
            plan::Found::Undecided => {
                let why = format!("it is not known yet which of two cuts of job_id={} counts", key.job_id);
                return Err(Failure::Later { why, after: UNDECIDED });
            }
        };
        let spec = manifest.segments.iter().find(|spec| spec.index == key.index).cloned().ok_or_else(|| {
            let why = format!("the manifest of job_id={} knows no segment {}", key.job_id, key.index);
            Failure::Retry(ErrorCode::NotFound, why)
        })?;
        let previous = match manifest.segments.iter().find(|previous| previous.index + 1 == key.index) {
            Some(previous) if sound != Sound::Foreign && !spec.starts_at_scene_cut => {
                let path = folder.join("previous.mp4");
                damaged::fetch(context, task, key, previous.index, &path, is_ours).await?;
                Some((previous.clone(), path))
            }
            _ => None,
        };
        let options = options(&job.options);
        options
            .check()
            .map_err(|error| Failure::Refused(format!("{error}: submit the video again with that changed")))?;
        let layout = layout(job, key);
        let settings = self.budget.converting(&footage, &target_of(job, layout), self.resident);
        let settings = settings.map_err(|error| media_failure(&error))?;
        tracing::info!("job_id={} segment_index={} fits: {settings:?}", key.job_id, key.index);
        let conversion = Conversion {
            manifest,
            spec,
            input,
            previous,
            output: folder.join("output.mp4"),
            layout,
            options,
            crf: job.options.crf.and_then(|crf| u8::try_from(crf).ok()).unwrap_or(20),
            preset: preset(job),
            settings,
            is_strict: job.options.strict,
        };
        let cut = match sound {
            Sound::Foreign => Cut::Foreign,
            _ if damaged::verify(context, task, key, &conversion, &written).await? => Cut::Verified,
            _ => Cut::Unverified,
        };
        Ok((conversion, sound, cut))
    }

    async fn whole_file(&self, file: &Path, key: SegmentKey, task: &Task) -> Result<(Manifest, Footage), Failure> {
        let whole = WholeFile { file: file.to_owned(), budget: self.budget };
        let (mut manifest, footage) =
            self.sandbox.run(whole, &task.cancel).await.map_err(|error| video_failure(&error))?;
        manifest.segments =
            manifest.segments.into_iter().take(1).map(|spec| SegmentSpec { index: key.index, ..spec }).collect();
        Ok((manifest, footage))
    }

    /// Copies everything but the picture from the segment's file beside the converted picture, for services that join the
    /// segments' sound.
    async fn with_sound(
        &self,
        task: &Task,
        folder: PathBuf,
        conversion: &Conversion,
        spec: Option<SegmentSpec>,
    ) -> Result<PathBuf, Failure> {
        let sound = SoundOf {
            segment: conversion.input.clone(),
            spec,
            converted: conversion.output.clone(),
            folder,
            layout: stereo_layout(conversion.layout),
        };
        let whole = sound.output();
        for warning in self.sandbox.run(sound, &task.cancel).await.map_err(|error| video_failure(&error))? {
            tracing::warn!("a segment's sound: {warning}");
        }
        Ok(whole)
    }
}

/// The job's format. When another service created the job, only the key knows the mode.
fn layout(job: &Job, key: SegmentKey) -> Layout {
    let format = if job.options.format.mode() == key.mode { job.options.format } else { key.mode.into() };
    format.as_str().parse().expect("every format is a layout, see the test")
}

/// What a job's pictures are converted to.
pub(crate) fn target(job: &Job) -> Target {
    target_of(job, job.options.format.as_str().parse().expect("every format is a layout, see the test"))
}

fn target_of(job: &Job, layout: Layout) -> Target {
    // The half-size layouts add at most two pixels.
    let (width, height) = layout.output_size(64, 64);
    let resolution = options(&job.options).resolution;
    Target { wider: (width / 64) as u32, higher: (height / 64) as u32, preset: preset(job), resolution }
}

fn preset(job: &Job) -> String {
    job.options.preset.clone().unwrap_or_else(|| "medium".into())
}

/// The job's choices over the defaults.
fn options(chosen: &JobOptions) -> Options {
    let defaults = Options::default();
    Options {
        divergence: chosen.divergence.unwrap_or(defaults.divergence),
        convergence: chosen.convergence.unwrap_or(defaults.convergence),
        foreground_scale: chosen.foreground_scale.unwrap_or(defaults.foreground_scale),
        resolution: chosen.resolution.unwrap_or(defaults.resolution),
        ..defaults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stereospot_domain::Format;

    #[test]
    fn every_format_is_a_layout() {
        for format in Format::ALL {
            assert_eq!(format.as_str().parse::<Layout>().unwrap().as_str(), format.as_str());
        }
    }

    #[test]
    fn what_a_job_may_choose_the_conversion_takes() {
        for resolution in [112, 2048] {
            let chosen = JobOptions { resolution: Some(resolution), ..JobOptions::default() };
            chosen.check().unwrap();
            options(&chosen).check().unwrap();
        }
    }
}
