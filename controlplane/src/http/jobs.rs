//! `/v1/jobs`: creates, lists and shows jobs and their events.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use serde::Deserialize;
use stereospot_api::view::{JobDetail, JobPage};
use stereospot_api::wire::{IDEMPOTENCY_KEY, NewJob};
use stereospot_core::progress::JobProgress;
use stereospot_domain::check::JobCheck;
use stereospot_domain::event::JobSubmitted;
use stereospot_domain::{Event, Job, JobId, JobStatus, Payload, Timestamp};
use stereospot_ports::error::chain;
use stereospot_ports::{Error, ErrorCode};
use utoipa::IntoParams;
use uuid::Uuid;

use super::body::{self, InPath, SMALL};
use super::problem::{Answer, Failure};
use crate::actions::repair_steps;
use crate::app::App;
use crate::collect::details;
use crate::ingest::Source;
use crate::verify;

/// Longest title.
const MAX_TITLE: usize = 200;

/// Which jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only jobs of this status.
    #[param(value_type = Option<JobStatus>)]
    status: Option<String>,
    /// At most this many, 1 to 1000.
    #[serde(default = "usual_limit")]
    #[param(minimum = 1, maximum = 1000)]
    limit: usize,
    /// Where the last page ended: its `next`.
    #[param(pattern = r"^-?[0-9]{1,15}\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    cursor: Option<String>,
}

/// How many events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// At most this many of the newest, 1 to 10000.
    #[serde(default = "usual_events")]
    #[param(minimum = 1, maximum = 10_000)]
    limit: u32,
}

impl EventsQuery {
    /// The limit, if it is in range.
    pub(super) fn limit(&self) -> Answer<u32> {
        body::within("limit", self.limit, 1..=10_000)
    }
}

fn usual_limit() -> usize {
    100
}

fn usual_events() -> u32 {
    1000
}

/// Creates a job. Its source follows. Repeating the request with the same `Idempotency-Key` makes no second job.
#[utoipa::path(post, operation_id = "createJob", path = "/v1/jobs", request_body = NewJob, params(
    ("idempotency-key" = Option<Uuid>, Header, description = "A new UUID for each job, which becomes its id")), responses(
    (status = 201, body = Job)))]
pub(super) async fn create(State(app): State<Arc<App>>, request: Request) -> Answer<(StatusCode, Json<Job>)> {
    if app.config.is_read_only {
        return Err(Failure::read_only());
    }
    let key = idempotency_key(&request)?;
    let new: NewJob = body::json(request, SMALL).await?;
    new.options.check().map_err(|error| Failure::invalid(error.to_string()))?;
    if new.title.as_ref().is_some_and(|title| title.chars().count() > MAX_TITLE) {
        return Err(Failure::invalid(format!("the title is longer than {MAX_TITLE} characters")));
    }
    // With the key as its id, a repeated request finds the job without any record of the first one.
    let job = Job::new(JobId(key.unwrap_or_else(Uuid::new_v4)), new.options, new.title, app.now());
    match app.backend.jobs.create(&job).await {
        Ok(()) => {}
        Err(error) if error.code() == ErrorCode::Conflict && key.is_some() => return made_before(&app, job).await,
        Err(error) if error.code() == ErrorCode::Full => {
            let why = format!("no job was made: {error} and submit again");
            return Err(Error::new(ErrorCode::Full, why).into());
        }
        Err(error) => return Err(error.into()),
    }
    app.live.with(|world| {
        world.set_job(job.clone(), job.created_at);
        // A new job has no earlier events, so none are loaded from the store.
        world.begin_progress(job.job_id);
    });
    Ok((StatusCode::CREATED, Json(job)))
}

/// The job that an earlier request with the same key made.
async fn made_before(app: &App, job: Job) -> Answer<(StatusCode, Json<Job>)> {
    let found = app.backend.jobs.get(job.job_id).await?.ok_or_else(|| no_such_job(job.job_id))?;
    if (&found.title, &found.options) != (&job.title, &job.options) {
        return Err(Failure::conflict(format!(
            "the {IDEMPOTENCY_KEY} names another job, {}: send a new key for a new job",
            job.job_id
        )));
    }
    Ok((StatusCode::CREATED, Json(found)))
}

fn idempotency_key(request: &Request) -> Answer<Option<Uuid>> {
    let Some(value) = request.headers().get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.to_str().ok().and_then(|text| text.parse().ok());
    key.map(Some)
        .ok_or_else(|| Failure::malformed(format!("{IDEMPOTENCY_KEY} is no UUID: make a new one for each job")))
}

/// Reports that a source was taken in.
pub(super) async fn submitted(app: &App, job: &Job, bytes: u64) {
    let submitted = JobSubmitted { title: job.title.clone(), bytes: Some(bytes) };
    app.ingest.emit(Source::Server, Payload::JobSubmitted(submitted), job.job_id, None).await;
}

/// Jobs, newest first.
#[utoipa::path(get, operation_id = "listJobs", path = "/v1/jobs", params(ListQuery), responses(
    (status = 200, body = JobPage)))]
pub(super) async fn list(State(app): State<Arc<App>>, uri: Uri) -> Answer<Json<JobPage>> {
    let query: ListQuery = body::query(&uri)?;
    let limit = body::within("limit", query.limit, 1..=1000)?;
    let status = query.status.map(|name| name.parse::<JobStatus>()).transpose();
    let status = status.map_err(|error| Failure::malformed(error.to_string()))?;
    let after = query.cursor.as_deref().map(place).transpose()?;
    let now = app.now();
    let page = app.live.at_revision(|world, _| {
        let (ids, next) = world.page(status, after, limit);
        JobPage {
            jobs: ids.into_iter().filter_map(|job_id| world.job_view(job_id, now)).collect(),
            next: next.map(|(at, job_id)| format!("{}.{job_id}", at.as_millis())),
        }
    });
    Ok(Json(page))
}

/// One job in full, read again now; where calls cost money, at most once in a few seconds.
#[utoipa::path(get, operation_id = "showJob", path = "/v1/jobs/{job_id}", params(("job_id" = JobId, Path)), responses(
    (status = 200, body = JobDetail)))]
pub(super) async fn show(State(app): State<Arc<App>>, InPath(job_id): InPath) -> Answer<Json<JobDetail>> {
    let job_id = body::job_id(&job_id)?;
    let is_known = app.live.with(|world| world.jobs.contains_key(&job_id));
    if (app.is_due(job_id) || !is_known)
        && let Err(error) = details::refresh(&app, job_id).await
    {
        // Show the last known state with its age.
        tracing::warn!(%job_id, error = %chain(&error), "a job can't be read now");
    }
    let is_loaded = app.live.with(|world| world.jobs.get(&job_id).is_some_and(|entry| entry.progress.is_some()));
    let progress = if is_loaded {
        None
    } else {
        let mut progress = JobProgress::default();
        app.store.job_history(job_id).await?.iter().for_each(|event| progress.apply(event));
        Some(progress)
    };
    let (waits, now) = (repair_steps::waits_as_read(&app, job_id).await, app.now());
    let detail = app.live.with(|world| world.job_detail(job_id, progress, waits, now));
    let detail = detail.ok_or_else(|| no_such_job(job_id))?;
    let completed_at = detail.view.job.completed_at;
    let check = app.store.check(job_id).await?;
    // An older check is of a result that was replaced since.
    let check = check.filter(|check| completed_at.is_none_or(|at| at <= check.checked_at));
    Ok(Json(JobDetail { check, ..detail }))
}

/// Reads every object of a job and compares it with the checksum that its writer recorded.
///
/// What it finds of the result is shown with the job from then on. Takes as long as reading the objects takes.
#[utoipa::path(post, operation_id = "verifyJob", path = "/v1/jobs/{job_id}/verify", params(("job_id" = JobId, Path)), responses(
    (status = 200, body = JobCheck)))]
pub(super) async fn verify(State(app): State<Arc<App>>, InPath(job_id): InPath) -> Answer<Json<JobCheck>> {
    let job_id = body::job_id(&job_id)?;
    details::refresh(&app, job_id).await?;
    let job = app.backend.jobs.get(job_id).await?.ok_or_else(|| no_such_job(job_id))?;
    Ok(Json(verify::check(&app, &job).await?))
}

/// A job's events, oldest first.
#[utoipa::path(get, operation_id = "jobEvents", path = "/v1/jobs/{job_id}/events", params(("job_id" = JobId, Path), EventsQuery), responses(
    (status = 200, body = Vec<Event>)))]
pub(super) async fn events(State(app): State<Arc<App>>, InPath(job_id): InPath, uri: Uri) -> Answer<Json<Vec<Event>>> {
    let (job_id, limit) = (body::job_id(&job_id)?, body::query::<EventsQuery>(&uri)?.limit()?);
    let events = app.store.job_events(job_id, limit).await?;
    if events.is_empty() && app.backend.jobs.get(job_id).await?.is_none() {
        return Err(no_such_job(job_id));
    }
    Ok(Json(events))
}

pub(super) fn no_such_job(job_id: JobId) -> Failure {
    Failure::not_found(format!("there is no job {job_id}: `stereospot jobs` lists those there are"))
}

/// Parses a cursor: the time and id of the last job on a page.
fn place(cursor: &str) -> Answer<(Timestamp, JobId)> {
    let parts = cursor.split_once('.').and_then(|(at, id)| Some((Timestamp(at.parse().ok()?), id.parse().ok()?)));
    parts.ok_or_else(|| Failure::malformed(format!("`{cursor}` is no cursor of an earlier page")))
}
