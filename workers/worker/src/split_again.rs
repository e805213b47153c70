//! Has the source of a job split again, because a stored segment is damaged or gone.
//!
//! Splitting again writes every segment once more, at the same cuts, so nothing of what is converted is lost. The job goes back to
//! `created` first, because workers skip a source that is split already. A crash in between leaves a source without a message: the
//! segment's own message comes back and sends it, and so does the control plane's reconciler.

use std::time::Duration;

use stereospot_domain::event::StepFailed;
use stereospot_domain::{ErrorCode, JobId, JobStatus, Payload, QueueRole, keys, message};
use stereospot_ports::job_store::{Transition, Transitioned};
use stereospot_ports::work_queue::Outgoing;
use stereospot_runtime::stage::{Context, Failure, Task};

use crate::files;

/// More than this points to a storage that damages what it stores.
const MOST: u32 = 3;
/// How long the segment's message waits for the split.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// What became of the request.
enum Asked {
    /// The source is, or will be, split again.
    Yes,
    /// It was split again often enough.
    Enough,
    /// This worker may not ask for it.
    Denied,
}

/// Asks for the split, unless one is under way. Returns the failure of the segment's message; `why` says what is wrong with which
/// segment.
pub(crate) async fn ask(context: &Context, task: &Task, job_id: JobId, why: &str) -> Failure {
    match request(context, job_id).await {
        Ok(Asked::Yes) => {
            let why = format!("{why}, so the source is split again");
            let failed = StepFailed {
                error: Some(why.clone()),
                code: Some(ErrorCode::Corrupt),
                is_final: Some(false),
                is_damaged: Some(true),
                ..StepFailed::default()
            };
            context.events.emit(Payload::SegmentFailed(failed), &task.about);
            Failure::Later { why: format!("job_id={job_id}: {why}"), after: LOOK_AGAIN }
        }
        Ok(Asked::Denied) => Failure::Damaged(format!("{why}: replay its message, which has the source split again")),
        Ok(Asked::Enough) => Failure::Refused(format!(
            "{why}, and splitting the source again {MOST} times did not help: check the storage, then submit the video again"
        )),
        Err(failure) => failure,
    }
}

async fn request(context: &Context, job_id: JobId) -> Result<Asked, Failure> {
    let (input, counter) = (&context.backend.input, keys::split_again(job_id));
    let counted = files::get(input, &counter).await?;
    let times = counted.and_then(|text| String::from_utf8(text).ok()?.parse::<u32>().ok()).unwrap_or(0);
    let from = vec![JobStatus::ChunkingComplete, JobStatus::Reassembling];
    if times >= MOST {
        // Count afresh, should an operator take the job back.
        files::put(input, &counter, b"0".to_vec()).await?;
        return Ok(Asked::Enough);
    }
    // In an existing deployment the role of this stage may not write there: find out before the status changes.
    match files::put(input, &counter, times.to_string().into_bytes()).await {
        Err(Failure::Hindered(ErrorCode::Denied, _)) => return Ok(Asked::Denied),
        written => written?,
    }
    let queue = context.backend.queue(QueueRole::Chunking)?;
    let is_wanted = match context
        .backend
        .jobs
        .transition(job_id, &Transition { from, ..Transition::to(JobStatus::Created) })
        .await?
    {
        Transitioned::Changed(_) => {
            files::put(input, &counter, (times + 1).to_string().into_bytes()).await?;
            true
        }
        // Another segment's worker was faster. If it died before it sent the message, no message is there.
        Transitioned::Refused(JobStatus::Created | JobStatus::ChunkingInProgress) => {
            let stats = queue.stats().await?;
            stats.ready + stats.in_flight + stats.delayed == 0
        }
        Transitioned::Refused(status) => {
            return Err(Failure::Retry(ErrorCode::Conflict, format!("job_id={job_id} is {status} meanwhile")));
        }
        Transitioned::Missing => {
            return Err(Failure::Retry(ErrorCode::NotFound, format!("the row of job_id={job_id} is gone")));
        }
    };
    if is_wanted {
        queue.send(&[Outgoing::now(message::object_created(&input.name, &keys::source(job_id)))]).await?;
    }
    Ok(Asked::Yes)
}
