//! Failures as problem details.

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use stereospot_api::Problem;
use stereospot_api::problem::{MEDIA_TYPE, UPLOADING};
use stereospot_ports::ErrorCode;
use stereospot_ports::error::chain;

use crate::{actions, ingest, store};

/// When to try again what can't be done now, in seconds.
const RETRY_AFTER_SECS: &str = "2";

/// What a handler answers when it can't do what was asked.
#[derive(Debug)]
pub(super) struct Failure(Problem);

/// A handler's answer.
pub(super) type Answer<T> = Result<T, Failure>;

impl Failure {
    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self(Problem::new(404, "not-found", "there is no such thing", detail))
    }

    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self(Problem::new(400, "invalid", "the request can't be read", detail))
    }

    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self(Problem::new(422, "invalid", "the request can't be carried out", detail))
    }

    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self(Problem::new(409, "conflict", "it is not in the right state for that", detail))
    }

    /// A conflict that ends when the other upload does.
    pub(super) fn uploading(detail: impl Into<String>) -> Self {
        Self(Problem::new(409, UPLOADING, "its source is being uploaded", detail))
    }

    pub(super) fn too_large(detail: impl Into<String>) -> Self {
        Self(Problem::new(413, "too-large", "the request is too large", detail))
    }

    pub(super) fn unsupported(detail: impl Into<String>) -> Self {
        Self(Problem::new(415, "invalid", "the body is of the wrong type", detail))
    }

    pub(super) fn read_only() -> Self {
        Self(Problem::new(403, "read-only", "no writes here", actions::Error::ReadOnly.to_string()))
    }

    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        Self(Problem::new(503, "unavailable", "it can't be done now", detail))
    }

    pub(super) fn misdirected() -> Self {
        let detail = "this control plane answers to 127.0.0.1, [::1] and localhost only";
        Self(Problem::new(421, "invalid", "the request was meant for another server", detail))
    }

    fn denied(detail: impl Into<String>) -> Self {
        Self(Problem::new(403, "denied", "the backend does not allow it", detail))
    }

    fn full(detail: impl Into<String>) -> Self {
        Self(Problem::new(507, "full", "no space left", detail))
    }

    fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %chain(error), "a request failed");
        Self(Problem::new(500, "internal", "the control plane failed", format!("{error}: see its log")))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.0)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECS));
        }
        response
    }
}

impl From<stereospot_ports::Error> for Failure {
    fn from(error: stereospot_ports::Error) -> Self {
        let detail = error.to_string();
        match error.code() {
            ErrorCode::NotFound => Self::not_found(detail),
            ErrorCode::Conflict | ErrorCode::LeaseLost => Self::conflict(detail),
            ErrorCode::Invalid => Self::invalid(detail),
            ErrorCode::Full => Self::full(detail),
            ErrorCode::Throttled | ErrorCode::Unavailable => Self::unavailable(detail),
            ErrorCode::Denied => Self::denied(detail),
            ErrorCode::Corrupt | ErrorCode::Internal => Self::internal(&error),
        }
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&store::Error> for Failure {
    fn from(error: &store::Error) -> Self {
        match error {
            store::Error::Full(_) => Self::full(error.to_string()),
            store::Error::Moved { .. } => Self::unavailable(error.to_string()),
            _ => Self::internal(error),
        }
    }
}

impl From<ingest::Error> for Failure {
    fn from(error: ingest::Error) -> Self {
        match &error {
            ingest::Error::Invalid { .. } => Self::invalid(error.to_string()),
            ingest::Error::Overloaded | ingest::Error::Stopping => Self::unavailable(error.to_string()),
            ingest::Error::Store(source) => Self::from(&**source),
        }
    }
}

impl From<actions::Error> for Failure {
    fn from(error: actions::Error) -> Self {
        use actions::Error;
        let detail = error.to_string();
        match error {
            Error::NotFound(_) => Self::not_found(detail),
            Error::AppliedBefore(_) => Self::conflict(detail),
            Error::Expired => Self(Problem::new(410, "expired", "the plan is too old", detail)),
            Error::Refused(_) => Self(Problem::new(409, "refused", "the plan can't be applied", detail)),
            Error::Unconfirmed(_) => Self::invalid(detail),
            Error::ReadOnly => Self::read_only(),
            Error::Backend(error) => error.into(),
            Error::Store(error) => error.into(),
        }
    }
}

/// All connections are at work.
pub(super) async fn no_room() -> Response {
    let mut response = Failure::unavailable("too many requests are under way: try again in a moment").into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Nothing is there.
pub(super) async fn no_such_route(uri: Uri) -> Failure {
    Failure::not_found(format!("nothing is at {}: /v1/openapi.json lists what there is", uri.path()))
}

/// Something is there, but not for this method.
pub(super) async fn wrong_method(method: Method, uri: Uri) -> Failure {
    let detail = format!("{} takes no {method}: /v1/openapi.json lists what it takes", uri.path());
    Failure(Problem::new(405, "invalid", "the method is not allowed here", detail))
}
