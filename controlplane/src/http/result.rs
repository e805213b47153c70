//! `GET /v1/jobs/{id}/result`: downloads a result.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use object_store::ObjectStoreExt;
use stereospot_domain::{JobId, JobStatus, keys};
use stereospot_ports::objects;

use super::bodies::Bytes;
use super::body::{self, InPath};
use super::jobs::no_such_job;
use super::problem::{Answer, Failure};
use crate::app::App;

/// A completed job's video.
#[utoipa::path(get, operation_id = "downloadResult", path = "/v1/jobs/{job_id}/result", params(("job_id" = JobId, Path)), responses(
    (status = 200, body = Bytes, content_type = "video/mp4")))]
pub(super) async fn download(State(app): State<Arc<App>>, InPath(job_id): InPath) -> Answer<Response> {
    let job_id = body::job_id(&job_id)?;
    let job = app.backend.jobs.get(job_id).await?.ok_or_else(|| no_such_job(job_id))?;
    match job.status {
        JobStatus::Completed => {}
        JobStatus::Failed => {
            let why = job.error.as_deref().unwrap_or("no reason was given");
            return Err(Failure::conflict(format!("the job failed: {why}")));
        }
        JobStatus::Deleted => return Err(Failure::not_found("the job was deleted, and its result with it")),
        status => return Err(Failure::conflict(format!("the job is {status}: there is no result yet"))),
    }
    let found = app.backend.output.store.get(&objects::path(&keys::result(job_id))?).await;
    let found = match found {
        Ok(found) => found,
        Err(object_store::Error::NotFound { .. }) => {
            return Err(Failure::not_found("the job is completed, but its result is gone"));
        }
        Err(error) => return Err(stereospot_ports::Error::from(error).into()),
    };
    let bytes = found.meta.size;
    let mut response = Body::from_stream(found.into_stream()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("video/mp4"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    Ok(response)
}
