//! `GET /v1/stream`: changes as server-sent events.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use stereospot_telemetry::record;
use tokio::sync::{OwnedSemaphorePermit, watch};
use utoipa::IntoParams;
use uuid::Uuid;

use super::bodies::{Revision, StreamEvent};
use super::body;
use super::problem::{Answer, Failure};
use crate::app::App;
use crate::live::Read;

/// Bytes handed to the connection at once: what a client that doesn't read costs, beside its buffers.
const AT_ONCE: usize = 8 * 1024;

/// Where the stream begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StreamQuery {
    /// The revision of the snapshot or of the last change seen; absent: from now on.
    #[serde(default, deserialize_with = "revision")]
    #[param(value_type = Option<Revision>, inline)]
    after: Option<u64>,
    /// The snapshot's boot: revisions of another run of the server are not valid here.
    boot: Option<Uuid>,
}

/// Reads a revision of any size: one that is larger than any can be is unknown here, like others of another run.
fn revision<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(revision) => Ok(Some(revision)),
        Err(_) if is_number => Ok(Some(u64::MAX)),
        Err(_) => Err(D::Error::custom(format!("`{text}` is no revision"))),
    }
}

struct Follower {
    app: Arc<App>,
    place: u64,
    revisions: watch::Receiver<u64>,
    is_over: bool,
    _counted: record::StreamClient,
    _place: OwnedSemaphorePermit,
}

/// Changes after a snapshot. A client that is too far behind, or whose snapshot is from another run of the server, gets one `reset`
/// and must take a new snapshot.
#[utoipa::path(get, operation_id = "stream", path = "/v1/stream", params(StreamQuery), responses(
    (status = 200, body = StreamEvent, content_type = "text/event-stream")))]
pub(super) async fn stream(State(app): State<Arc<App>>, uri: Uri) -> Answer<Response> {
    let query: StreamQuery = body::query(&uri)?;
    let Ok(place_on_stream) = Arc::clone(&app.streams).try_acquire_owned() else {
        return Err(Failure::unavailable("too many dashboards follow the stream: close some, or try again later"));
    };
    let revisions = app.live.revisions();
    let now = *revisions.borrow();
    let is_known = query.boot.is_none_or(|boot| boot == app.live.boot());
    // A position that can't exist yields a reset.
    let place = if is_known { query.after.unwrap_or(now) } else { u64::MAX };
    let follower =
        Follower { app, place, revisions, is_over: false, _counted: record::stream_client(), _place: place_on_stream };
    let body = Body::from_stream(stream::unfold(follower, |mut follower| async move {
        let part = follower.next().await?;
        Some((Ok::<_, std::convert::Infallible>(part), follower))
    }));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

impl Follower {
    /// The next part of the stream; none at its end.
    async fn next(&mut self) -> Option<Bytes> {
        while !self.is_over {
            self.revisions.borrow_and_update();
            match self.app.live.read_after(self.place, AT_ONCE) {
                Read::Lost(revision) => {
                    self.is_over = true;
                    record::stream_reset();
                    return Some(Bytes::from(format!("id: {revision}\ndata: {{\"change\":\"reset\"}}\n\n")));
                }
                Read::Frames(frames, place) if !frames.is_empty() => {
                    self.place = place;
                    return Some(Bytes::from(frames.concat()));
                }
                Read::Frames(..) => {}
            }
            tokio::select! {
                () = self.app.stop.cancelled() => self.is_over = true,
                changed = self.revisions.changed() => self.is_over = changed.is_err(),
                () = tokio::time::sleep(self.app.config.keep_alive) => {
                    return Some(Bytes::from_static(b": keep-alive\n\n"));
                }
            }
        }
        None
    }
}
