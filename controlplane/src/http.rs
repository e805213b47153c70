//! The HTTP interface: its routes, and what applies to all of them.
//!
//! Invariant: every error is answered with `application/problem+json` and one sentence that says what to do.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post, put};
use stereospot_telemetry::{names_loopback, record};

use crate::app::App;

mod actions;
mod bodies;
mod body;
mod deployment;
mod events;
mod health;
mod jobs;
mod logs;
mod openapi;
mod problem;
mod queues;
mod result;
mod snapshot;
mod stream;
mod upload;

pub(crate) use events::ARRIVING_KIB;
use problem::Failure;

/// All routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .route("/v1/openapi.json", get(openapi::show))
        .route("/v1/events", get(events::newest).post(events::accept))
        .route("/v1/jobs", get(jobs::list).post(jobs::create))
        .route("/v1/jobs/{job_id}", get(jobs::show))
        .route("/v1/jobs/{job_id}/events", get(jobs::events))
        .route("/v1/jobs/{job_id}/logs", get(logs::lines))
        .route("/v1/jobs/{job_id}/verify", post(jobs::verify))
        .route("/v1/jobs/{job_id}/source", put(upload::source))
        .route("/v1/jobs/{job_id}/result", get(result::download))
        .route("/v1/queues", get(queues::list))
        .route("/v1/queues/{name}/messages", get(queues::messages))
        .route("/v1/workers", get(queues::workers))
        .route("/v1/deployment", get(deployment::show))
        .route("/v1/plans", post(actions::plan))
        .route("/v1/plans/{plan_id}", get(actions::show))
        .route("/v1/plans/{plan_id}/apply", post(actions::apply))
        .route("/v1/actions", get(actions::list))
        .route("/v1/snapshot", get(snapshot::snapshot))
        .route("/v1/stream", get(stream::stream))
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::wrong_method)
        .layer(middleware::from_fn(guard_and_measure))
        .with_state(app)
}

/// What connections beyond the limit are served.
pub(crate) fn spare_router(app: Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(health::healthz))
        .fallback(problem::no_room)
        .layer(middleware::from_fn(guard_and_measure))
        .with_state(app)
}

/// Counts and times each request, and refuses those whose Host is not loopback: a web page may have sent them (DNS rebinding).
async fn guard_and_measure(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or("none".to_owned(), |path| path.as_str().to_owned());
    let method = request.method().clone();
    let response = match names_loopback(request.headers()) {
        true => next.run(request).await,
        false => axum::response::IntoResponse::into_response(Failure::misdirected()),
    };
    record::http_request(&route, method.as_str(), response.status().as_u16(), began.elapsed());
    response
}
