//! What stages say of a job: to the job store, and by events.

use serde_json::json;
use stereospot_domain::{EventKind, JobId, JobStatus, Stage};
use stereospot_ports::job_store::{Transition, Transitioned};

use crate::events::About;
use crate::stage::Context;

/// Marks a job failed, with the reason; tells so if this call did it.
///
/// # Errors
/// When the job store can't be asked.
pub async fn fail_job(context: &Context, job_id: JobId, reason: &str) -> stereospot_ports::Result<()> {
    if let Transitioned::Changed(_) = context.backend.jobs.transition(job_id, &Transition::failed(reason)).await? {
        let about = About { job_id: Some(job_id), ..About::default() };
        context.events.emit(EventKind::JobFailed, &about, [("error", json!(reason))]);
    }
    Ok(())
}

/// Marks a job completed; tells so if this call did it.
///
/// # Errors
/// When the job store can't be asked.
pub async fn complete_job(context: &Context, job_id: JobId) -> stereospot_ports::Result<()> {
    if stereospot_ports::reassembly::mark_completed(&context.backend, job_id).await? {
        context.events.emit(EventKind::JobCompleted, &About { job_id: Some(job_id), ..About::default() }, []);
    }
    Ok(())
}

/// Runs the trigger check; tells so if this call triggered.
///
/// # Errors
/// When the backend can't be asked.
pub async fn check_trigger(context: &Context, job_id: JobId) -> stereospot_ports::Result<()> {
    use stereospot_domain::trigger::Decision;
    let checked = stereospot_ports::reassembly::check(&context.backend, job_id).await?;
    if let Some(checked) = checked
        && checked.has_acted
    {
        let about = About { job_id: Some(job_id), stage: Some(Stage::Reassembly), ..About::default() };
        match checked.decision {
            Decision::CreateLockAndSend | Decision::SendAgain => {
                let by = json!(context.events.source());
                context.events.emit(EventKind::ReassemblyTriggered, &about, [("by", by)]);
            }
            Decision::MarkCompleted => context.events.emit(EventKind::JobCompleted, &about, []),
            Decision::MarkReassembling | Decision::Wait(_) => {}
        }
    }
    Ok(())
}

/// True when nothing more is to be done for a job: it ended, or there is no row of it.
///
/// # Errors
/// When the job store can't be asked.
pub async fn is_over(context: &Context, job_id: JobId) -> stereospot_ports::Result<bool> {
    let job = context.backend.jobs.get(job_id).await?;
    let status = job.map(|job| job.status);
    Ok(status.is_none_or(|status| matches!(status, JobStatus::Completed | JobStatus::Failed | JobStatus::Deleted)))
}

/// Tells that an attempt at a stage failed.
pub(crate) fn emit_failed(context: &Context, about: &About, error: &str, is_final: bool) {
    let kind = match about.stage {
        Some(Stage::Chunking) => EventKind::ChunkingFailed,
        Some(Stage::Inference) => EventKind::SegmentFailed,
        Some(Stage::Reassembly) => EventKind::ReassemblyFailed,
        None => return tracing::warn!("an output notification could not be acted on: {error}"),
    };
    context.events.emit(kind, about, [("error", json!(error)), ("is_final", json!(is_final))]);
}
