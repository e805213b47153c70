//! `GET /v1/snapshot`: the whole state at once.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Deserialize;
use stereospot_api::view::Snapshot;
use utoipa::IntoParams;

use super::body;
use super::problem::Answer;
use crate::app::App;

/// How many jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SnapshotQuery {
    /// At most this many jobs, 1 to 100000.
    #[serde(default = "usual_jobs")]
    #[param(minimum = 1, maximum = 100_000)]
    jobs: usize,
}

fn usual_jobs() -> usize {
    1000
}

/// The whole state, and the position in the stream from which it goes on.
#[utoipa::path(get, operation_id = "snapshot", path = "/v1/snapshot", params(SnapshotQuery), responses(
    (status = 200, body = Snapshot)))]
pub(super) async fn snapshot(State(app): State<Arc<App>>, uri: Uri) -> Answer<Json<Snapshot>> {
    let query: SnapshotQuery = body::query(&uri)?;
    let jobs = body::within("jobs", query.jobs, 1..=100_000)?;
    let now = app.now();
    let (boot, environment) = (app.live.boot(), app.environment());
    Ok(Json(app.live.at_revision(|world, revision| {
        let (ids, _) = world.page(None, None, jobs);
        Snapshot {
            revision,
            boot,
            now,
            environment,
            jobs: ids.into_iter().filter_map(|job_id| world.job_view(job_id, now)).collect(),
            jobs_total: world.jobs.len() as u64,
            queues: world.queue_views(now),
            workers: world.worker_views(now),
            services: world.services.clone(),
            attention: world.attention_list(now),
            collectors: world.collectors.values().cloned().collect(),
        }
    })))
}
