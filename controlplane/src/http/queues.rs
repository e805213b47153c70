//! `/v1/queues` and `/v1/workers`: the queues, their messages, and the workers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Deserialize;
use stereospot_api::view::{MessageView, QueueView, WorkerView};
use stereospot_domain::{Fingerprint, QueueName, keys, message};
use utoipa::IntoParams;

use super::body::{self, InPath};
use super::problem::{Answer, Failure};
use crate::app::App;

/// How many messages.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct MessagesQuery {
    /// At most this many, 1 to 1000.
    #[serde(default = "usual_max")]
    #[param(minimum = 1, maximum = 1000)]
    max: usize,
}

fn usual_max() -> usize {
    100
}

/// All queues.
#[utoipa::path(get, operation_id = "listQueues", path = "/v1/queues", responses((status = 200, body = Vec<QueueView>)))]
pub(super) async fn list(State(app): State<Arc<App>>) -> Json<Vec<QueueView>> {
    let now = app.now();
    Json(app.live.at_revision(|world, _| world.queue_views(now)))
}

/// Messages on a queue, oldest first. On SQS a look receives and releases them: it hides them for a moment and raises their receive
/// count.
#[utoipa::path(get, operation_id = "peekMessages", path = "/v1/queues/{name}/messages", params(("name" = QueueName, Path), MessagesQuery), responses(
    (status = 200, body = Vec<MessageView>)))]
pub(super) async fn messages(
    State(app): State<Arc<App>>,
    InPath(name): InPath,
    uri: Uri,
) -> Answer<Json<Vec<MessageView>>> {
    let name: QueueName =
        name.parse().map_err(|error: stereospot_domain::options::UnknownName| Failure::not_found(error.to_string()))?;
    let query: MessagesQuery = body::query(&uri)?;
    let max = body::within("max", query.max, 1..=1000)?;
    let peeked = app.backend.queue_named(name)?.peek(max).await?;
    let views = app.live.at_revision(|world, _| {
        peeked
            .into_iter()
            .map(|peeked| {
                let about = message::job_of(name.role, &peeked.body);
                let error =
                    about.and_then(|(job_id, segment)| world.last_error(world.jobs.get(&job_id)?, name.role, segment));
                let error = error.or_else(|| is_unreadable(name, &peeked.body).then(|| UNREADABLE.to_owned()));
                MessageView {
                    id: peeked.id,
                    body: peeked.body,
                    envelope: peeked.envelope,
                    job_id: about.map(|(job_id, _)| job_id),
                    segment_index: about.and_then(|(_, index)| index),
                    receive_count: peeked.receive_count,
                    enqueued_at: peeked.enqueued_at,
                    dead_lettered_at: peeked.dead_lettered_at,
                    expires_at: peeked.expires_at,
                    fingerprint: error.as_deref().map(Fingerprint::of),
                    error,
                }
            })
            .collect()
    });
    Ok(Json(views))
}

/// Error shown for dead letters that can't be parsed: no worker knows their job, so none reports an error.
const UNREADABLE: &str = "not a notification of this queue: no worker can read it";

fn is_unreadable(name: QueueName, body: &str) -> bool {
    match message::parse(name.role, body) {
        Ok(_) => false,
        // The handlers of outputs read it.
        Err(message::Error::Key(key)) => !keys::is_invocation_end(&key),
        Err(_) => true,
    }
}

/// All workers heard of in the last hour.
#[utoipa::path(get, operation_id = "listWorkers", path = "/v1/workers", responses((status = 200, body = Vec<WorkerView>)))]
pub(super) async fn workers(State(app): State<Arc<App>>) -> Json<Vec<WorkerView>> {
    let now = app.now();
    Json(app.live.at_revision(|world, _| world.worker_views(now)))
}
