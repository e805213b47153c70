//! `/healthz`, `/readyz`, `/metrics`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use stereospot_api::wire::Health;
use stereospot_domain::Collector;

use super::problem::{Answer, Failure};
use crate::app::App;

/// The process answers.
#[utoipa::path(get, operation_id = "healthz", path = "/healthz", responses((status = 200, body = Health)))]
pub(super) async fn healthz(State(app): State<Arc<App>>) -> Json<Health> {
    Json(health(&app))
}

/// Ready: the database is writable, and queues and jobs were read once.
///
/// It stays ready when the backend stops answering later: events are still taken in, and what was last read is shown with its age.
/// The `status` then says what can't be read, and why.
#[utoipa::path(get, operation_id = "readyz", path = "/readyz", responses((status = 200, body = Health)))]
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Answer<Json<Health>> {
    let unwritable =
        app.live.with(|world| world.collectors.get(&Collector::OwnDatabase).and_then(|view| view.error.clone()));
    if let Some(why) = unwritable {
        return Err(Failure::unavailable(format!("the control plane can't write its own database: {why}")));
    }
    let missing = app.live.with(|world| {
        let is_unread = |one: &Collector| world.collectors.get(one).is_none_or(|view| view.last_success_at.is_none());
        [Collector::Queues, Collector::Jobs].into_iter().find(is_unread)
    });
    match missing {
        None => Ok(Json(Health { status: status(&app), ..health(&app) })),
        Some(name) => Err(Failure::unavailable(format!("{name} were not read yet: try again in a moment"))),
    }
}

/// All metrics, for Prometheus.
#[utoipa::path(get, operation_id = "metrics", path = "/metrics", responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Answer<Response> {
    let Some(recorder) = &app.recorder else {
        return Err(Failure::unavailable("this process records no metrics"));
    };
    Ok(([(header::CONTENT_TYPE, stereospot_telemetry::CONTENT_TYPE)], recorder.render()).into_response())
}

/// `ok`, or what can't be read.
fn status(app: &App) -> String {
    let now = app.now();
    let not_read = app.live.at_revision(|world, _| world.not_read(now));
    let lines: Vec<String> = not_read.iter().map(|(name, why)| format!("{name} not read: {why}")).collect();
    if lines.is_empty() { "ok".into() } else { lines.join("; ") }
}

fn health(app: &App) -> Health {
    Health { status: "ok".into(), version: crate::VERSION.into(), time: app.now() }
}
