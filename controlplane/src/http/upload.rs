//! `PUT /v1/jobs/{id}/source`: the body goes into the input bucket part by part, never whole into memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::{Body, BodyDataStream};
use axum::extract::{Request, State};
use axum::http::header;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectStoreExt, WriteMultipart};
use stereospot_domain::event::JobFailed;
use stereospot_domain::{Job, JobId, JobStatus, Payload, keys};
use stereospot_ports::checksum::{Checksum, Sum};
use stereospot_ports::error::chain;
use stereospot_ports::job_store::{Transition, Transitioned};
use stereospot_ports::{Error, ErrorCode, objects};

use super::bodies;
use super::body::{self, InPath};
use super::jobs::{no_such_job, submitted};
use super::problem::{Answer, Failure};
use crate::app::App;
use crate::ingest::Source;

/// Parts on their way to the store at once: with the store's 5 MiB parts this bounds an upload's memory.
const PARTS: usize = 4;
/// How long the sender of a source may send nothing.
const STANDS_STILL: Duration = Duration::from_secs(60);
/// How often a long upload counts as a sign of life of its job.
const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// Stores a job's source. A source is never replaced: the same bytes sent again get the first answer; others, and any while an
/// upload runs, get 409.
#[utoipa::path(put, operation_id = "uploadSource", path = "/v1/jobs/{job_id}/source", params(("job_id" = JobId, Path)),
    request_body(content = bodies::Bytes, content_type = "application/octet-stream"), responses(
    (status = 200, body = Job)))]
pub(super) async fn source(State(app): State<Arc<App>>, InPath(job_id): InPath, request: Request) -> Answer<Json<Job>> {
    if app.config.is_read_only {
        return Err(Failure::read_only());
    }
    let job_id = body::job_id(&job_id)?;
    let announced = announced_length(&request)?;
    let Some(_claim) = app.claim_upload(job_id) else {
        // Often the same submitter, whose connection broke before this server noticed.
        return Err(Failure::uploading("this job's source is being uploaded already: try again in a moment"));
    };
    let mut job = app.backend.jobs.get(job_id).await?.ok_or_else(|| no_such_job(job_id))?;
    let key = keys::source(job_id);
    let present = objects::size(&*app.backend.input.store, &key).await?;
    if let Some(bytes) = present.filter(|bytes| Some(*bytes) == announced && job.status != JobStatus::Deleted) {
        return Ok(Json(again(&app, job, bytes, request.into_body().into_data_stream()).await?));
    }
    if job.status == JobStatus::Failed && present.is_none() && broke_off(&app, job_id).await? {
        job = take_back(&app, job_id).await?;
    }
    if job.status != JobStatus::Created {
        return Err(Failure::conflict(format!("the job is {}: make a new one for another source", job.status)));
    }
    if present.is_some() {
        return Err(another_source());
    }
    let bytes = match announced {
        Some(0) => 0,
        Some(bytes) if bytes > app.config.max_upload.0 => return Err(above_limit(&app, job_id).await?),
        _ => match store(&app, job_id, &key, announced, request.into_body().into_data_stream()).await {
            Ok(bytes) => bytes,
            Err(Broken::Sender(failure)) => return Err(failure),
            Err(Broken::AboveLimit) => return Err(above_limit(&app, job_id).await?),
            Err(Broken::Store(error)) => return Err(not_stored(&app, job_id, &key, error).await),
        },
    };
    if bytes == 0 {
        let why = "the source is empty: submit a video file";
        app.backend.jobs.transition(job_id, &Transition::failed(why)).await?;
        app.nudge.jobs(std::iter::once(job_id));
        return Err(Failure::invalid(why));
    }
    Ok(Json(arrived(&app, &job, bytes).await?))
}

/// Fails the job: its source is larger than the limit.
async fn above_limit(app: &App, job_id: JobId) -> Answer<Failure> {
    let most = app.config.max_upload;
    let why =
        format!("the source is larger than {most}, the limit (--max-upload): send a smaller one, or raise the limit");
    app.backend.jobs.transition(job_id, &Transition::failed(why.as_str())).await?;
    app.nudge.jobs(std::iter::once(job_id));
    Ok(Failure::too_large(why))
}

/// Why an upload ended early.
enum Broken {
    /// It is larger than the limit, and did not announce it.
    AboveLimit,
    /// The sender stopped, or sent another length than announced, or this process stops.
    Sender(Failure),
    /// The bytes can't be stored.
    Store(Error),
}

impl From<object_store::Error> for Broken {
    fn from(error: object_store::Error) -> Self {
        Self::Store(error.into())
    }
}

/// True for a failed job whose upload could not be stored: its source may be sent again, unless the job was given up since.
async fn broke_off(app: &App, job_id: JobId) -> Answer<bool> {
    let history = app.store.job_history(job_id).await?;
    let failures = history.iter().filter_map(|event| match &event.payload {
        Payload::JobFailed(failed) => Some((event.time, failed)),
        _ => None,
    });
    // Others only repeat what the row says.
    let causes = failures.filter(|(_, failed)| failed.is_upload == Some(true) || failed.by.is_some());
    Ok(causes.max_by_key(|(time, _)| *time).is_some_and(|(_, failed)| failed.is_upload == Some(true)))
}

/// Takes back a job whose upload could not be stored: its source is sent again.
async fn take_back(app: &App, job_id: JobId) -> Answer<Job> {
    let transition = Transition { from: vec![JobStatus::Failed], ..Transition::to(JobStatus::Created) };
    match app.backend.jobs.transition(job_id, &transition).await? {
        Transitioned::Changed(job) => Ok(job),
        Transitioned::Refused(status) => Err(Failure::conflict(format!("the job is {status} meanwhile"))),
        Transitioned::Missing => Err(no_such_job(job_id)),
    }
}

/// The source could not be stored. The sender repeats what only takes time. Otherwise the job fails with the reason, since the
/// sender may not come back.
async fn not_stored(app: &App, job_id: JobId, key: &str, error: Error) -> Failure {
    let why = chain(&error);
    tracing::warn!(%job_id, error = %why, "a source could not be stored");
    let is_passing = matches!(error.code(), ErrorCode::Throttled | ErrorCode::Unavailable);
    // The object may be there with only its notification unsent: then the job goes on.
    let may_be_there = objects::exists(&*app.backend.input.store, key).await.unwrap_or(true);
    if is_passing || may_be_there {
        return error.into();
    }
    let hint = if error.code() == ErrorCode::Full { " and submit again" } else { ": submit again" };
    let reason = format!("the upload broke off: {error}{hint}");
    let failed = Transition { from: vec![JobStatus::Created], ..Transition::failed(reason.clone()) };
    match app.backend.jobs.transition(job_id, &failed).await {
        Ok(Transitioned::Changed(_)) => {
            let (error, code) = (Some(reason.clone()), Some(error.code()));
            let failed = JobFailed { error, code, is_upload: Some(true), ..JobFailed::default() };
            app.ingest.emit(Source::Server, Payload::JobFailed(failed), job_id, None).await;
            app.nudge.jobs(std::iter::once(job_id));
        }
        Ok(_) => {}
        Err(error) => {
            let error = chain(&error);
            tracing::warn!(%job_id, error, "a job whose source could not be stored could not be failed either");
        }
    }
    Failure::from(Error::new(error.code(), reason))
}

/// Records that the source is there.
async fn arrived(app: &App, job: &Job, bytes: u64) -> Answer<Job> {
    let (job_id, at) = (job.job_id, app.now());
    app.backend.jobs.set_uploaded(job_id, at, bytes).await?;
    submitted(app, job, bytes).await;
    app.live.with(|world| world.touch(job_id, at));
    app.backend.jobs.get(job_id).await?.ok_or_else(|| no_such_job(job_id))
}

/// The source is there already, with the announced length: mostly the submitter did not get the answer to its first upload. The
/// body is read to its end and compared: if we closed the connection in the middle, the submitter would not get this answer either.
async fn again(app: &App, job: Job, bytes: u64, mut source: BodyDataStream) -> Answer<Job> {
    let path = objects::path(&keys::source(job.job_id))?;
    let mut stored = app.backend.input.store.get(&path).await.map_err(Error::from)?.into_stream();
    let (mut kept, mut is_same) = (Bytes::new(), true);
    loop {
        let mut part = match next_part(app, &mut source).await? {
            Some(Ok(part)) => part,
            Some(Err(_)) => return Err(Failure::malformed("the upload broke off, but the source was there before it")),
            None => break,
        };
        while is_same && !part.is_empty() {
            if kept.is_empty() {
                kept = stored.try_next().await.map_err(Error::from)?.unwrap_or_default();
            }
            let length = kept.len().min(part.len());
            is_same = length > 0 && kept.split_to(length) == part.split_to(length);
        }
    }
    if !is_same {
        return Err(another_source());
    }
    match (job.uploaded_at, job.status) {
        (None, JobStatus::Created) => arrived(app, &job, bytes).await,
        _ => Ok(job),
    }
}

/// The next part of a body; none at its end.
///
/// # Errors
/// When this process stops, or the sender stands still: it may be gone without a sign.
async fn next_part(app: &App, source: &mut BodyDataStream) -> Answer<Option<Result<Bytes, axum::Error>>> {
    tokio::select! {
        () = app.stop.cancelled() => Err(stopping()),
        part = tokio::time::timeout(STANDS_STILL, source.next()) => part.map_err(|_| {
            let secs = STANDS_STILL.as_secs();
            Failure::malformed(format!("no byte of the source came for {secs} s: nothing was kept, send it again"))
        }),
    }
}

fn another_source() -> Failure {
    Failure::conflict("this job has its source already: make a new one for another source")
}

fn stopping() -> Failure {
    Failure::unavailable("the control plane is stopping: send it again later")
}

fn announced_length(request: &Request<Body>) -> Answer<Option<u64>> {
    let Some(value) = request.headers().get(header::CONTENT_LENGTH) else { return Ok(None) };
    let length = value.to_str().ok().and_then(|text| text.parse().ok());
    length.map(Some).ok_or_else(|| Failure::malformed("the content-length is no number"))
}

/// Writes the body; on any failure nothing is left. Returns its length; an empty body leaves no object.
async fn store(
    app: &App,
    job_id: JobId,
    key: &str,
    announced: Option<u64>,
    mut source: BodyDataStream,
) -> Result<u64, Broken> {
    let path = objects::path(key).map_err(Broken::Store)?;
    let mut upload = WriteMultipart::new(app.backend.input.store.put_multipart(&path).await?);
    let received = receive(app, job_id, &mut upload, &mut source).await;
    let received = received.and_then(|checksum| match (announced, checksum.bytes) {
        (Some(announced), bytes) if announced != bytes => Err(Broken::Sender(Failure::malformed(format!(
            "{announced} bytes were announced, {bytes} came: nothing was kept, send it again"
        )))),
        _ => Ok(checksum),
    });
    match received {
        Ok(checksum) if checksum.bytes > 0 => {
            // Before the source, whose notification starts the worker that compares them.
            let (input, key) = (&app.backend.input, keys::source_checksum(job_id));
            checksum.store(input, &key).await.map_err(Broken::Store)?;
            if let Err(error) = upload.finish().await {
                if let Err(error) = Checksum::forget(input, &key).await {
                    tracing::warn!(%job_id, %error, "the checksum of a broken upload was not removed");
                }
                return Err(error.into());
            }
            Ok(checksum.bytes)
        }
        empty_or_failed => {
            if let Err(error) = upload.abort().await {
                tracing::warn!(%job_id, %error, "the parts of a broken upload were not removed");
            }
            empty_or_failed.map(|checksum| checksum.bytes)
        }
    }
}

async fn receive(
    app: &App,
    job_id: JobId,
    upload: &mut WriteMultipart,
    source: &mut BodyDataStream,
) -> Result<Checksum, Broken> {
    let (mut sum, mut alive_at) = (Sum::default(), Instant::now());
    loop {
        let Some(part) = next_part(app, source).await.map_err(Broken::Sender)? else { return Ok(sum.finish()) };
        let part = part.map_err(|error| {
            let bytes = sum.bytes();
            tracing::info!(%job_id, bytes, error = %chain(&error), "an upload broke off");
            let why = format!("the upload broke off after {bytes} bytes: nothing was kept, send it again");
            Broken::Sender(Failure::malformed(why))
        })?;
        sum.add(&part);
        if sum.bytes() > app.config.max_upload.0 {
            return Err(Broken::AboveLimit);
        }
        upload.wait_for_capacity(PARTS).await?;
        upload.put(part);
        if alive_at.elapsed() >= ALIVE_EVERY {
            alive_at = Instant::now();
            let at = app.now();
            app.live.with(|world| world.touch(job_id, at));
        }
    }
}
