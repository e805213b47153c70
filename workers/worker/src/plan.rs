//! How a job is cut, decided once and kept beside its segments.
//!
//! Invariant: the object is created once and never replaced. A second attempt at splitting, by another worker with another
//! setting, cuts as the first did; so a segment's file, its spec and its output always belong together.

use object_store::{PutMode, PutOptions, PutPayload};
use serde::{Deserialize, Serialize};
use stereospot_domain::{JobId, keys};
use stereospot_media::manifest::Manifest;
use stereospot_ports::{Code, objects};
use stereospot_runtime::stage::{Context, Failure};

use crate::files;

/// The object at [`keys::manifest`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The segments' wanted length when it was made, in seconds.
    pub target_secs: f64,
    /// The segments, and what they have in common.
    #[serde(flatten)]
    pub manifest: Manifest,
}

/// The job's plan; none before it was made, and for jobs that another service split.
///
/// # Errors
/// [`Failure::Retry`] when it can't be read.
pub async fn load(context: &Context, job_id: JobId) -> Result<Option<Plan>, Failure> {
    let Some(content) = files::get(&context.backend.input, &keys::manifest(job_id)).await? else { return Ok(None) };
    serde_json::from_slice(&content)
        .map(Some)
        .map_err(|error| Failure::Retry(format!("the manifest of job_id={job_id} can't be read: {error}")))
}

/// Keeps a plan, unless there is one; returns the one that counts.
///
/// # Errors
/// [`Failure::Retry`] when it can't be written.
pub async fn keep(context: &Context, job_id: JobId, plan: Plan) -> Result<Plan, Failure> {
    let content = serde_json::to_vec(&plan).expect("a plan always serialises");
    let path = objects::path(&keys::manifest(job_id))?;
    let options = PutOptions::from(PutMode::Create);
    match context.backend.input.store.put_opts(&path, PutPayload::from(content), options).await {
        Ok(_) => Ok(plan),
        Err(error) => match stereospot_ports::Error::from(error) {
            error if error.code() == Code::Conflict => load(context, job_id)
                .await?
                .ok_or_else(|| Failure::Retry(format!("the manifest of job_id={job_id} came and went"))),
            error => Err(error.into()),
        },
    }
}
