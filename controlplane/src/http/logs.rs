//! `GET /v1/jobs/{id}/logs`: searches a job's log lines.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Deserialize;
use stereospot_api::view::{LogLine, LogPage};
use stereospot_domain::JobId;
use stereospot_ports::log_source::{Found, MAX_LINES, Progress, Search, USUAL_LINES};
use tokio::sync::watch;
use utoipa::IntoParams;

use super::body::{self, InPath};
use super::jobs::no_such_job;
use super::problem::{Answer, Failure};
use crate::app::App;

/// How many lines.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LogsQuery {
    /// At most this many, the oldest first, 1 to 10000.
    #[serde(default = "usual_limit")]
    #[param(minimum = 1, maximum = 10_000)]
    limit: usize,
}

fn usual_limit() -> usize {
    USUAL_LINES
}

/// Counts the bytes of a search however it ends: one that the client gave up costs money too.
struct Bill {
    app: Arc<App>,
    progress: watch::Receiver<Progress>,
}

impl Drop for Bill {
    fn drop(&mut self) {
        self.app.polls.log_bytes(self.progress.borrow().bytes_scanned);
    }
}

/// A job's log lines, oldest first. On CloudWatch a search may take half a minute, and costs by the bytes read; closing the request
/// stops it.
#[utoipa::path(get, operation_id = "jobLogs", path = "/v1/jobs/{job_id}/logs", params(("job_id" = JobId, Path), LogsQuery), responses(
    (status = 200, body = LogPage)))]
pub(super) async fn lines(State(app): State<Arc<App>>, InPath(job_id): InPath, uri: Uri) -> Answer<Json<LogPage>> {
    let (job_id, query) = (body::job_id(&job_id)?, body::query::<LogsQuery>(&uri)?);
    let limit = body::within("limit", query.limit, 1..=MAX_LINES)?;
    let Some(logs) = &app.platform.logs else {
        return Err(Failure::not_found("this control plane was given no log lines to search"));
    };
    let job = app.backend.jobs.get(job_id).await?.ok_or_else(|| no_such_job(job_id))?;
    let search = Search { limit, ..Search::of(&job, app.now()) };
    let (progress, watched) = watch::channel(Progress::default());
    let _bill = Bill { app: app.clone(), progress: watched };
    let found = tokio::select! {
        found = logs.lines(&search, &progress) => found?,
        () = app.stop.cancelled() => return Err(Failure::unavailable("the control plane is stopping: ask again later")),
    };
    let Found { lines, is_whole, searched, missing, bytes_scanned } = found;
    progress.send_modify(|progress| progress.bytes_scanned = bytes_scanned);
    let lines = lines
        .into_iter()
        .map(|line| LogLine { time: line.time, source: line.source, stream: line.stream, text: line.text })
        .collect();
    Ok(Json(LogPage { lines, is_whole, searched, missing, bytes_scanned }))
}
