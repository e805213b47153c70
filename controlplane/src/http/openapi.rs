//! `GET /v1/openapi.json`: the OpenAPI document, generated from the handlers.

use axum::Json;
use utoipa::OpenApi;

/// The OpenAPI document.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "stereospot control plane",
        description = "Jobs, queues, workers and what an operator does about them."
    ),
    paths(
        super::health::healthz,
        super::health::readyz,
        super::health::metrics,
        super::events::accept,
        super::events::newest,
        super::jobs::create,
        super::jobs::list,
        super::jobs::show,
        super::jobs::events,
        super::logs::lines,
        super::upload::source,
        super::result::download,
        super::queues::list,
        super::queues::messages,
        super::queues::workers,
        super::deployment::show,
        super::actions::plan,
        super::actions::show,
        super::actions::apply,
        super::actions::list,
        super::snapshot::snapshot,
        super::stream::stream,
    )
)]
pub(crate) struct Document;

/// The OpenAPI document.
pub(super) async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}

#[cfg(test)]
mod tests;
