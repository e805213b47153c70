//! How a job is cut: decided once and kept beside its segments.
//!
//! Invariant: the cut is never replaced. A second attempt at splitting, by another worker with another setting, cuts as the
//! first did, so a segment's file, its spec and its output always belong together. Only the files' checksums are those of
//! the last attempt.
//!
//! Without the manifest a segment looks like another service's, so it is kept twice. The second copy has a checksum: what is lost or
//! damaged of either is taken from the other.

use object_store::{PutMode, PutOptions};
use serde::{Deserialize, Serialize};
use stereospot_domain::keys::SegmentKey;
use stereospot_domain::{Job, JobId, keys};
use stereospot_media::Footage;
use stereospot_media::manifest::Manifest;
use stereospot_ports::{ErrorCode, objects};
use stereospot_runtime::stage::{Context, Failure};

use crate::checksum::Checksum;
use crate::files;

/// The object at [`keys::manifest`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The wanted length of a segment when the plan was made, in seconds.
    pub target_secs: f64,
    /// True when each segment also carries its part of the sound, for services that join the segments' sound.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_sound: bool,
    /// The segments' files as they were written, by index: a file that differs now was damaged since. Empty in plans of earlier
    /// versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub written: Vec<Checksum>,
    /// The source as it was split. Absent in plans of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Checksum>,
    /// The pictures in the segments' files, which decide what the conversion may take of a worker's memory. Absent in plans of
    /// earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footage: Option<Footage>,
    /// The segments, and what they have in common.
    #[serde(flatten)]
    pub manifest: Manifest,
}

impl Plan {
    /// The number of segments.
    #[must_use]
    pub fn total(&self) -> u32 {
        u32::try_from(self.manifest.segments.len()).expect("the number of segments fits the key's five digits")
    }
}

/// Loads the job's plan; none before it is made, and for jobs that another service split.
///
/// # Errors
/// When the plan can't be read.
pub async fn load(context: &Context, job_id: JobId) -> Result<Option<Plan>, Failure> {
    let Some(content) = content(context, job_id).await? else { return Ok(None) };
    serde_json::from_slice(&content).map(Some).map_err(|error| {
        Failure::Retry(ErrorCode::Corrupt, format!("the manifest of job_id={job_id} can't be read: {error}"))
    })
}

/// The manifest's text once more.
#[derive(Serialize, Deserialize)]
struct Copied {
    sha256: String,
    manifest: String,
}

/// Reads the manifest. If it is not as it was written, puts the copy in its place.
async fn content(context: &Context, job_id: JobId) -> Result<Option<Vec<u8>>, Failure> {
    let (input, key) = (&context.backend.input, keys::manifest(job_id));
    let stored = files::get(input, &key).await?;
    let copied = files::get(input, &keys::manifest_copy(job_id)).await?;
    let copied: Option<Copied> = copied.and_then(|copied| serde_json::from_slice(&copied).ok());
    let Some(Copied { sha256, manifest }) = copied else { return Ok(stored) };
    let is_whole = |content: &[u8]| Checksum::of(content).sha256 == sha256;
    if stored.as_deref().is_some_and(is_whole) || !is_whole(manifest.as_bytes()) {
        return Ok(stored);
    }
    tracing::warn!("job_id={job_id} the manifest was lost or damaged since it was written: its copy is used");
    let manifest = manifest.into_bytes();
    if let Err(error) = files::put(input, &key, manifest.clone()).await {
        tracing::warn!("job_id={job_id} the manifest can't be restored: {error}");
    }
    Ok(Some(manifest))
}

async fn put_copy(context: &Context, job_id: JobId, manifest: &[u8]) -> Result<(), Failure> {
    let sha256 = Checksum::of(manifest).sha256;
    let copied = Copied { sha256, manifest: String::from_utf8_lossy(manifest).into_owned() };
    let copied = serde_json::to_vec(&copied).expect("a copy always serialises");
    files::put(&context.backend.input, &keys::manifest_copy(job_id), copied).await
}

/// Who cut a segment.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// Our chunking.
    Ours(Box<Plan>),
    /// Another service, and that cut counts.
    Foreign,
    /// Two cuts were begun, ours and one with another number of segments. Which one counts is known when one is complete.
    Undecided,
}

/// Finds out who cut a segment of the job.
///
/// # Errors
/// When the plan can't be read.
pub async fn of_segment(context: &Context, job: &Job, key: SegmentKey) -> Result<Found, Failure> {
    let planned = load(context, job.job_id).await?;
    Ok(match planned {
        Some(plan) if plan.total() == key.total => Found::Ours(Box::new(plan)),
        Some(_) if job.total_segments.is_none() => Found::Undecided,
        _ => Found::Foreign,
    })
}

/// Loads the plan of a job whose cutting is complete, if our chunking cut it.
///
/// # Errors
/// When the plan can't be read.
pub async fn of_job(context: &Context, job: &Job) -> Result<Option<Plan>, Failure> {
    let planned = load(context, job.job_id).await?;
    Ok(planned.filter(|plan| job.total_segments.is_none_or(|total| total == plan.total())))
}

/// Keeps a plan, unless one with another cut exists; returns the one that counts.
///
/// # Errors
/// When the plan can't be written.
pub async fn keep(context: &Context, job_id: JobId, plan: Plan) -> Result<Plan, Failure> {
    let content = serde_json::to_vec(&plan).expect("a plan always serialises");
    let path = objects::path(&keys::manifest(job_id))?;
    let options = PutOptions::from(PutMode::Create);
    match context.backend.input.store.put_opts(&path, content.clone().into(), options).await {
        Ok(_) => {
            put_copy(context, job_id, &content).await?;
            return Ok(plan);
        }
        Err(error) => match stereospot_ports::Error::from(error) {
            error if error.code() == ErrorCode::Conflict => {}
            error => return Err(error.into()),
        },
    }
    let kept = load(context, job_id).await?;
    let kept = kept
        .ok_or_else(|| Failure::Retry(ErrorCode::NotFound, format!("the manifest of job_id={job_id} came and went")))?;
    if kept.manifest != plan.manifest {
        return Ok(kept);
    }
    // The cut is the same, and all its files are about to be written again. The copy first: it counts where the two differ.
    put_copy(context, job_id, &content).await?;
    files::put(&context.backend.input, &keys::manifest(job_id), content).await?;
    Ok(plan)
}
