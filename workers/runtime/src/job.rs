//! Job changes that every stage makes, in the job store and as events.

use stereospot_domain::event::{JobFailed, StepFailed, Triggered};
use stereospot_domain::trigger::Decision;
use stereospot_domain::{ErrorCode, JobId, JobStatus, Payload, SegmentCompletion, Stage, Topology, keys};
use stereospot_ports::job_store::{Transition, Transitioned};

use crate::context::Context;
use crate::events::About;
use crate::failure::Failure;

/// True when this worker may mark the job failed. Before the segments are cut, only the workers know of a job, so chunking
/// always may.
pub(crate) fn may_fail(context: &Context, about: &About) -> bool {
    context.topology == Topology::VideoWorker || about.stage == Some(Stage::Chunking)
}

/// Marks the job failed, with the reason, and emits an event if this call changed it. Does nothing when the deployment's
/// job-worker writes statuses.
///
/// # Errors
/// When the job store can't be reached.
pub async fn fail_job(
    context: &Context,
    about: &About,
    reason: &str,
    code: Option<ErrorCode>,
) -> stereospot_ports::Result<()> {
    let Some(job_id) = about.job_id.filter(|_| may_fail(context, about)) else { return Ok(()) };
    if let Transitioned::Changed(_) = context.backend.jobs.transition(job_id, &Transition::failed(reason)).await? {
        let about = About { job_id: Some(job_id), ..About::default() };
        let failed = JobFailed { error: Some(reason.to_owned()), code, ..JobFailed::default() };
        context.events.emit(Payload::JobFailed(failed), &about);
    }
    Ok(())
}

/// Marks a job completed, and emits an event if this call changed it. Does nothing when the deployment's job-worker writes
/// statuses.
///
/// # Errors
/// When the job store can't be reached.
pub async fn complete_job(context: &Context, job_id: JobId) -> stereospot_ports::Result<()> {
    if context.topology == Topology::JobWorker {
        return Ok(());
    }
    if stereospot_ports::reassembly::mark_completed(&context.backend, job_id).await? {
        let about = About { job_id: Some(job_id), ..About::default() };
        context.events.emit(Payload::JobCompleted(Triggered::default()), &about);
    }
    Ok(())
}

/// Records that a segment's output exists, then runs the trigger check. Does nothing when the deployment's job-worker writes
/// completions.
///
/// # Errors
/// When the backend can't be reached.
pub async fn record_completion(context: &Context, job_id: JobId, segment_index: u32) -> stereospot_ports::Result<()> {
    if context.topology == Topology::JobWorker {
        return Ok(());
    }
    let completion = SegmentCompletion {
        job_id,
        segment_index,
        output_uri: context.backend.output.uri(&keys::output_segment(job_id, segment_index)),
        completed_at: context.backend.clock.now(),
    };
    context.backend.jobs.put_completion(&completion).await?;
    check_trigger(context, job_id).await
}

/// Runs the trigger check, and emits an event if this call triggered. Does nothing when the deployment's job-worker triggers.
///
/// # Errors
/// When the backend can't be reached.
pub async fn check_trigger(context: &Context, job_id: JobId) -> stereospot_ports::Result<()> {
    if context.topology == Topology::JobWorker {
        return Ok(());
    }
    let checked = stereospot_ports::reassembly::check(&context.backend, job_id).await?;
    if let Some(checked) = checked
        && checked.has_acted
    {
        let about = About { job_id: Some(job_id), stage: Some(Stage::Reassembly), ..About::default() };
        match checked.decision {
            Decision::CreateLockAndSend | Decision::SendAgain => {
                let triggered = Triggered { by: Some(context.events.source().to_owned()), ..Triggered::default() };
                context.events.emit(Payload::ReassemblyTriggered(triggered), &about);
            }
            Decision::MarkCompleted => context.events.emit(Payload::JobCompleted(Triggered::default()), &about),
            Decision::MarkReassembling | Decision::Wait(_) => {}
        }
    }
    Ok(())
}

/// True when a completion of this segment is of use: its job has not ended, and has such a segment as far as is known. A late output of
/// an earlier cut must not become a completion, which would make an existing media-worker refuse the job.
///
/// # Errors
/// When the job store can't be reached.
pub async fn wants(context: &Context, job_id: JobId, segment_index: u32) -> stereospot_ports::Result<bool> {
    let Some(job) = context.backend.jobs.get(job_id).await? else { return Ok(false) };
    let has_segment = job.total_segments.is_none_or(|total| segment_index < total);
    if !has_segment {
        tracing::warn!("job_id={job_id} has no segment {segment_index}: its output is left aside");
    }
    Ok(has_segment && !matches!(job.status, JobStatus::Completed | JobStatus::Failed | JobStatus::Deleted))
}

/// Emits the event that an attempt at a stage failed.
pub(crate) fn emit_failed(context: &Context, about: &About, failure: &Failure, is_final: bool) {
    let failed = StepFailed {
        error: Some(failure.to_string()),
        code: failure.code(),
        is_final: Some(is_final),
        is_damaged: matches!(failure, Failure::Damaged(_)).then_some(true),
        ..StepFailed::default()
    };
    let payload = match about.stage {
        Some(Stage::Chunking) => Payload::ChunkingFailed(failed),
        Some(Stage::Inference) => Payload::SegmentFailed(failed),
        Some(Stage::Reassembly) => Payload::ReassemblyFailed(failed),
        None => return tracing::warn!("an output notification could not be acted on: {failure}"),
    };
    context.events.emit(payload, about);
}
