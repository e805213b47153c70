//! Reads the current state of a job from the backend. Collectors, plans and the reconciler all read it here.

use std::collections::HashSet;

use futures::{TryStreamExt, future};
use stereospot_domain::trigger::{self, Facts};
use stereospot_domain::{Job, JobId, Timestamp, keys};
use stereospot_ports::{Backend, Result, job_store, objects};

/// Objects looked for at once.
const AT_ONCE: usize = 16;

/// The completed segments of a job, each with its time, sorted.
pub(crate) async fn completions(backend: &Backend, job_id: JobId) -> Result<Vec<(u32, Timestamp)>> {
    let completions = job_store::all_completions(&*backend.jobs, job_id).await?;
    let mut done: Vec<(u32, Timestamp)> =
        completions.iter().map(|completion| (completion.segment_index, completion.completed_at)).collect();
    done.sort_unstable();
    Ok(done)
}

/// The segments of a job whose output object exists, sorted.
pub(crate) async fn outputs(backend: &Backend, job_id: JobId) -> Result<Vec<u32>> {
    let prefix = objects::path(&format!("jobs/{job_id}/segments"))?;
    let listed = backend.output.store.list(Some(&prefix));
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

/// The segments that need no more work: they have a completion, or only their completion is missing.
pub(crate) async fn converted(backend: &Backend, job_id: JobId) -> Result<HashSet<u32>> {
    let completed = completions(backend, job_id).await?;
    let outputs = outputs(backend, job_id).await?;
    Ok(completed.into_iter().map(|(index, _)| index).chain(outputs).collect())
}

/// The size of a job's source object; none when there is no such object.
pub(crate) async fn source_bytes(backend: &Backend, job_id: JobId) -> Result<Option<u64>> {
    objects::size(&*backend.input.store, &keys::source(job_id)).await
}

/// The size of a job's result object; none when there is no such object.
pub(crate) async fn result_bytes(backend: &Backend, job_id: JobId) -> Result<Option<u64>> {
    objects::size(&*backend.output.store, &keys::result(job_id)).await
}

/// Those of a job's segments whose object is gone.
pub(crate) async fn gone_segments(backend: &Backend, job: &Job, segments: &[u32]) -> Result<Vec<u32>> {
    let Some(total) = job.total_segments else { return Ok(Vec::new()) };
    let mut gone = Vec::new();
    for segments in segments.chunks(AT_ONCE) {
        let looks = segments.iter().map(async |index| {
            let key = keys::segment(keys::SegmentKey { job_id: job.job_id, index: *index, total, mode: job.mode });
            objects::exists(&*backend.input.store, &key).await
        });
        let looked = future::try_join_all(looks).await?;
        gone.extend(segments.iter().zip(looked).filter(|(_, is_there)| !is_there).map(|(index, _)| *index));
    }
    Ok(gone)
}

/// A job's facts for the trigger rule, whatever its status, and its completed segments; none when there is no such job.
pub(crate) async fn trigger_facts(backend: &Backend, job_id: JobId) -> Result<Option<(Facts, Vec<u32>)>> {
    let Some(job) = backend.jobs.get(job_id).await? else { return Ok(None) };
    let completed: Vec<u32> = completions(backend, job_id).await?.into_iter().map(|(index, _)| index).collect();
    let surplus = match job.total_segments {
        Some(total) => backend.jobs.surplus_completions(job_id, total).await?,
        None => Vec::new(),
    };
    let facts = Facts {
        completions: trigger::within(job.total_segments, &completed).0,
        surplus,
        job,
        lock: backend.jobs.lock(job_id).await?,
        result_exists: result_bytes(backend, job_id).await?.is_some(),
    };
    Ok(Some((facts, completed)))
}
