//! Keys of the objects in the input and output buckets: making and parsing them.

use crate::job::JobId;
use crate::options::Mode;

/// Prefix in the output bucket where SageMaker asynchronous inference writes its results.
pub const INVOCATION_RESPONSES: &str = "sagemaker-async-responses/";
/// Prefix in the output bucket where SageMaker asynchronous inference writes its failures.
pub const INVOCATION_FAILURES: &str = "sagemaker-async-failures/";

/// The object that a key of the input bucket names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputKey {
    /// A submitted source.
    Source(JobId),
    /// One segment of a source.
    Segment(SegmentKey),
}

/// The parts of a segment's key. Workers of existing deployments know nothing else of the segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentKey {
    pub job_id: JobId,
    /// From 0.
    pub index: u32,
    /// Number of the job's segments; `index < total`.
    pub total: u32,
    pub mode: Mode,
}

/// The object that a key of the output bucket names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKey {
    /// One converted segment.
    Segment(JobId, u32),
    /// The result.
    Final(JobId),
    /// The marker that reassembly is done.
    Done(JobId),
}

/// `input/{job}/source.mp4`. Existing deployments fix the name; the file may be in any container format.
#[must_use]
pub fn source(job_id: JobId) -> String {
    format!("input/{job_id}/source.mp4")
}

/// `segments/{job}/{index:05}_{total:05}_{mode}.mp4`.
#[must_use]
pub fn segment(key: SegmentKey) -> String {
    let SegmentKey { job_id, index, total, mode } = key;
    format!("segments/{job_id}/{index:05}_{total:05}_{mode}.mp4")
}

/// `segments/{job}/manifest.json`: each segment's display range. Ours; no notification rule matches its suffix.
#[must_use]
pub fn manifest(job_id: JobId) -> String {
    format!("segments/{job_id}/manifest.json")
}

/// `input/{job}/.checksums/source.json`: the checksum of the source as it was uploaded. Ours, like all keys of checksums: no
/// notification rule matches them, and deleting the job deletes them.
#[must_use]
pub fn source_checksum(job_id: JobId) -> String {
    format!("input/{job_id}/.checksums/source.json")
}

/// `segments/{job}/.manifest-copy.json`: the manifest once more, with its checksum.
#[must_use]
pub fn manifest_copy(job_id: JobId) -> String {
    format!("segments/{job_id}/.manifest-copy.json")
}

/// `segments/{job}/.split-again`: how often the source was split again without an operator.
#[must_use]
pub fn split_again(job_id: JobId) -> String {
    format!("segments/{job_id}/.split-again")
}

/// `jobs/{job}/.checksums/{index}.json`: the checksum of a converted segment.
#[must_use]
pub fn output_checksum(job_id: JobId, index: u32) -> String {
    format!("jobs/{job_id}/.checksums/{index}.json")
}

/// `jobs/{job}/.checksums/final.json`: the checksum of the result.
#[must_use]
pub fn result_checksum(job_id: JobId) -> String {
    format!("jobs/{job_id}/.checksums/final.json")
}

/// `jobs/{job}/segments/{index}.mp4`; unlike in [`segment`], the index is not padded.
#[must_use]
pub fn output_segment(job_id: JobId, index: u32) -> String {
    format!("jobs/{job_id}/segments/{index}.mp4")
}

/// `jobs/{job}/final.mp4`.
#[must_use]
pub fn result(job_id: JobId) -> String {
    format!("jobs/{job_id}/final.mp4")
}

/// `jobs/{job}/.reassembly-done`.
#[must_use]
pub fn done_mark(job_id: JobId) -> String {
    format!("jobs/{job_id}/.reassembly-done")
}

/// Parses a key of the input bucket; `None` if the pipeline makes no such key.
#[must_use]
pub fn parse_input(key: &str) -> Option<InputKey> {
    if let Some(rest) = key.strip_prefix("input/") {
        return Some(InputKey::Source(rest.strip_suffix("/source.mp4")?.parse().ok()?));
    }
    let (job, name) = key.strip_prefix("segments/")?.split_once('/')?;
    let mut parts = name.strip_suffix(".mp4")?.split('_');
    let (index, total, mode) = (number(parts.next()?)?, number(parts.next()?)?, parts.next()?.parse().ok()?);
    let is_whole = parts.next().is_none() && index < total;
    is_whole.then_some(InputKey::Segment(SegmentKey { job_id: job.parse().ok()?, index, total, mode }))
}

/// Parses a key of the output bucket; `None` if the pipeline makes no such key.
#[must_use]
pub fn parse_output(key: &str) -> Option<OutputKey> {
    let (job, name) = key.strip_prefix("jobs/")?.split_once('/')?;
    let job_id = job.parse().ok()?;
    match name {
        "final.mp4" => Some(OutputKey::Final(job_id)),
        ".reassembly-done" => Some(OutputKey::Done(job_id)),
        _ => Some(OutputKey::Segment(job_id, number(name.strip_prefix("segments/")?.strip_suffix(".mp4")?)?)),
    }
}

/// The job to which a key of either bucket belongs; `None` if it belongs to none.
#[must_use]
pub fn job_of(key: &str) -> Option<JobId> {
    let (_, rest) = key.split_once('/').filter(|(top, _)| matches!(*top, "input" | "segments" | "jobs"))?;
    rest.split_once('/')?.0.parse().ok()
}

/// True for keys of the output bucket that report the end of a SageMaker invocation. The key does not name the job.
#[must_use]
pub fn is_invocation_end(key: &str) -> bool {
    [INVOCATION_RESPONSES, INVOCATION_FAILURES].iter().any(|prefix| key.len() > prefix.len() && key.starts_with(prefix))
}

fn number(text: &str) -> Option<u32> {
    // `parse` alone would accept a sign.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
