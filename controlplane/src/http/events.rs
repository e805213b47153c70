//! `/v1/events`: takes in events, and lists the newest.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::Uri;
use stereospot_api::wire::{EventBatch, EventsAccepted, MAX_EVENTS};
use stereospot_domain::Event;
use stereospot_telemetry::catalogue::RejectReason;
use stereospot_telemetry::record;

use super::body;
use super::jobs::EventsQuery;
use super::problem::{Answer, Failure};
use crate::app::App;

/// Largest batch in bytes.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// Takes in events. They are durable when it answers.
#[utoipa::path(post, operation_id = "sendEvents", path = "/v1/events", request_body = EventBatch, responses(
    (status = 200, body = EventsAccepted)))]
pub(super) async fn accept(State(app): State<Arc<App>>, request: Request) -> Answer<Json<EventsAccepted>> {
    let batch: EventBatch = body::exact_json(request, MAX_BYTES).await.inspect_err(|_| {
        record::events_rejected(RejectReason::Invalid, 1);
    })?;
    if batch.events.len() > MAX_EVENTS {
        record::events_rejected(RejectReason::TooLarge, batch.events.len() as u64);
        return Err(Failure::too_large(format!(
            "{} events are more than {MAX_EVENTS}: send fewer",
            batch.events.len()
        )));
    }
    Ok(Json(app.ingest.accept(batch.events).await?))
}

/// The newest events of all jobs and workers, in order of arrival, without progress, extended leases and heartbeats.
#[utoipa::path(get, operation_id = "newestEvents", path = "/v1/events", params(EventsQuery), responses(
    (status = 200, body = Vec<Event>)))]
pub(super) async fn newest(State(app): State<Arc<App>>, uri: Uri) -> Answer<Json<Vec<Event>>> {
    let limit = body::query::<EventsQuery>(&uri)?.limit()?;
    Ok(Json(app.store.newest_events(limit).await?))
}
