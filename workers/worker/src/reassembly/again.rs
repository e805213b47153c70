//! Segments whose outputs are lost or don't fit: they are converted again, and reassembly waits for them.

use std::collections::HashSet;

use object_store::ObjectStoreExt as _;
use stereospot_domain::event::StepFailed;
use stereospot_domain::keys::{self, SegmentKey};
use stereospot_domain::{ErrorCode, Job, JobId, Payload, QueueRole, Topology, message};
use stereospot_ports::job_store::all_completions;
use stereospot_ports::objects;
use stereospot_ports::work_queue::{MAX_BATCH, Outgoing};
use stereospot_runtime::stage::{Context, Failure, Task, one_line};

use super::{AGAIN_AFTER, MOST_AGAIN};
use crate::checksum::Checksum;
use crate::files;

/// How many lost segments an error names.
const MOST_NAMED: usize = 8;

/// Requests every lost output again, all at once; does nothing when none is lost.
///
/// # Errors
/// [`Failure::Later`] while any is lost.
pub(super) async fn lost(context: &Context, task: &Task, job: &Job, total: u32) -> Result<(), Failure> {
    let lost = missing(context, job.job_id, total).await?;
    if lost.is_empty() {
        return Ok(());
    }
    let asked = if is_idle(context).await? {
        // Earlier requests are gone too: the queue is empty, and no worker is converting.
        lost.clone()
    } else if task.about.attempt == Some(1) {
        not_asked_for(context, job.job_id, &lost).await?
    } else {
        Vec::new()
    };
    convert_again(context, job, total, &asked).await?;
    let why = words(&lost);
    // Reported each time, so that operators see what the job waits for.
    let failed = StepFailed {
        error: Some(why.clone()),
        code: Some(ErrorCode::NotFound),
        is_final: Some(false),
        ..StepFailed::default()
    };
    context.events.emit(Payload::ReassemblyFailed(failed), &task.about);
    Err(Failure::Later { why: format!("job_id={}: {why}", job.job_id), after: AGAIN_AFTER })
}

/// Throws an output away that can't be joined, and requests its segment again. Returns the failure of the message.
///
/// # Errors
/// When the backend can't be reached.
pub(super) async fn in_place_of(
    context: &Context,
    job: &Job,
    total: u32,
    index: u32,
    why: String,
) -> Result<Failure, Failure> {
    if !may_convert_again(context, job.job_id, index).await? {
        return Ok(Failure::Refused(format!(
            "{why}; it was converted again {MOST_AGAIN} times: let one kind of worker convert all segments of a job"
        )));
    }
    let key = objects::path(&keys::output_segment(job.job_id, index))?;
    context.backend.output.store.delete(&key).await?;
    convert_again(context, job, total, &[index]).await?;
    Ok(Failure::Retry(ErrorCode::Conflict, format!("{why}; it is converted again")))
}

/// Requests segments to be converted again. Their completions are deleted first, if our workers write them, so that lost
/// outputs are not counted. A crash in between leaves segments that were not requested; the next look requests them.
async fn convert_again(context: &Context, job: &Job, total: u32, segments: &[u32]) -> Result<(), Failure> {
    let Job { job_id, mode, .. } = *job;
    for index in segments {
        // Another service's worker may convert it now, and stores no checksum.
        Checksum::forget(&context.backend.output, &keys::output_checksum(job_id, *index)).await?;
    }
    if context.topology == Topology::VideoWorker {
        for index in segments {
            if let Err(error) = context.backend.jobs.delete_completion(job_id, *index).await {
                let error = one_line(&error);
                tracing::warn!("job_id={job_id} segment_index={index} is counted as done, though it is not: {error}");
            }
        }
    }
    let queue = context.backend.queue(QueueRole::Inference)?;
    for batch in segments.chunks(MAX_BATCH) {
        let asked = batch.iter().map(|&index| {
            let key = keys::segment(SegmentKey { job_id, index, total, mode });
            Outgoing::now(message::object_created(&context.backend.input.name, &key))
        });
        queue.send(&asked.collect::<Vec<_>>()).await?;
    }
    Ok(())
}

/// Counts how often an output that doesn't fit was thrown away, in an object beside the outputs; false when that is enough.
/// Then the count starts again, for an operator's next try.
async fn may_convert_again(context: &Context, job_id: JobId, index: u32) -> Result<bool, Failure> {
    let (output, key) = (&context.backend.output, format!("jobs/{job_id}/.converted-again/{index}"));
    let counted = files::get(output, &key).await?;
    let times = counted.and_then(|text| String::from_utf8(text).ok()?.parse::<u32>().ok()).unwrap_or(0);
    let may = times < MOST_AGAIN;
    files::put(output, &key, if may { times + 1 } else { 0 }.to_string().into_bytes()).await?;
    Ok(may)
}

/// The segments without an output.
async fn missing(context: &Context, job_id: JobId, total: u32) -> Result<Vec<u32>, Failure> {
    let folder = format!("jobs/{job_id}/segments");
    let there: HashSet<String> =
        objects::keys_below(&*context.backend.output.store, &folder).await?.into_iter().collect();
    Ok((0..total).filter(|index| !there.contains(&keys::output_segment(job_id, *index))).collect())
}

/// True when no segment waits to be converted or is being converted by a worker with a lease.
async fn is_idle(context: &Context) -> Result<bool, Failure> {
    let stats = context.backend.queue(QueueRole::Inference)?.stats().await?;
    Ok(stats.ready + stats.in_flight + stats.delayed == 0)
}

/// The lost segments that were not requested yet: their completions still exist. All of them when the job-worker writes
/// completions, since then this can't be known.
async fn not_asked_for(context: &Context, job_id: JobId, lost: &[u32]) -> Result<Vec<u32>, Failure> {
    if context.topology == Topology::JobWorker {
        return Ok(lost.to_vec());
    }
    let completions = all_completions(&*context.backend.jobs, job_id).await?;
    let recorded: HashSet<u32> = completions.into_iter().map(|completion| completion.segment_index).collect();
    Ok(lost.iter().copied().filter(|index| recorded.contains(index)).collect())
}

fn words(lost: &[u32]) -> String {
    let [one] = lost else {
        let named: Vec<String> = lost.iter().take(MOST_NAMED).map(u32::to_string).collect();
        let more = lost.len() - named.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        return format!("the outputs of segments {}{more} are gone, so they are converted again", named.join(", "));
    };
    format!("the output of segment {one} is gone, so it is converted again")
}
