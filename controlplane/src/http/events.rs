//! `/v1/events`: takes in events, and lists the newest.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{Uri, header};
use stereospot_api::wire::{EventBatch, EventsAccepted, MAX_EVENTS};
use stereospot_domain::Event;
use stereospot_telemetry::catalogue::RejectReason;
use stereospot_telemetry::record;
use tokio::sync::OwnedSemaphorePermit;

use super::body;
use super::jobs::EventsQuery;
use super::problem::{Answer, Failure};
use crate::app::App;
use crate::ingest;

/// Largest batch in bytes.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// KiB of batches that may be read, parsed and written at once. Others wait unread, so that many senders cost no memory.
pub(crate) const ARRIVING_KIB: usize = 64 * 1024;
/// How long a batch waits for its place.
const PATIENCE: Duration = Duration::from_secs(5);

/// Waits for a place for a batch of so many bytes.
async fn admit(app: &App, bytes: usize) -> Answer<OwnedSemaphorePermit> {
    let kib = u32::try_from(bytes.div_ceil(1024).max(1)).expect("a batch is small");
    match tokio::time::timeout(PATIENCE, Arc::clone(&app.arriving).acquire_many_owned(kib)).await {
        Ok(place) => Ok(place.expect("it is never closed")),
        Err(_) => {
            record::events_rejected(RejectReason::Unavailable, 1);
            Err(ingest::Error::Overloaded.into())
        }
    }
}

/// Takes in events. They are durable when it answers.
#[utoipa::path(post, operation_id = "sendEvents", path = "/v1/events", request_body = EventBatch, responses(
    (status = 200, body = EventsAccepted)))]
pub(super) async fn accept(State(app): State<Arc<App>>, request: Request) -> Answer<Json<EventsAccepted>> {
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let _place = admit(&app, announced.map_or(MAX_BYTES, |bytes: usize| bytes.min(MAX_BYTES))).await?;
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
