//! Reads requests: bodies, queries and ids in paths.

use std::fmt::Display;
use std::ops::RangeInclusive;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{DefaultBodyLimit, FromRequest, Query, Request};
use axum::http::{Uri, header};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use stereospot_domain::JobId;
use stereospot_ports::error::chain;

use super::problem::{Answer, Failure};

/// Most bytes of an ordinary body.
pub(super) const SMALL: usize = 2 * 1024 * 1024;

/// The JSON body of a request, of at most `limit` bytes.
pub(super) async fn json<T: DeserializeOwned>(mut request: Request, limit: usize) -> Answer<T> {
    let given = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = given.split(';').next().unwrap_or("").trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        let given = if given.is_empty() { "none was given" } else { given };
        return Err(Failure::unsupported(format!("send the body with content-type: application/json ({given})")));
    }
    DefaultBodyLimit::max(limit).apply(&mut request);
    let bytes = Bytes::from_request(request, &()).await.map_err(|rejection| match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            Failure::too_large(format!("at most {limit} bytes are taken"))
        }
        // A broken connection: most likely no one reads this answer.
        broken => Failure::malformed(format!("the body broke off: {}", chain(&broken))),
    })?;
    serde_json::from_slice(&bytes).map_err(|error| match error.classify() {
        Category::Data => Failure::invalid(error.to_string()),
        Category::Io | Category::Syntax | Category::Eof => Failure::malformed(format!("not valid JSON: {error}")),
    })
}

/// The query of a request.
pub(super) fn query<T: DeserializeOwned>(uri: &Uri) -> Answer<T> {
    Query::<T>::try_from_uri(uri)
        .map(|Query(query)| query)
        .map_err(|error| Failure::malformed(format!("the query can't be read: {}", error.body_text())))
}

/// Checks that a number is in range.
pub(super) fn within<T: PartialOrd + Display>(name: &str, given: T, taken: RangeInclusive<T>) -> Answer<T> {
    if taken.contains(&given) {
        return Ok(given);
    }
    Err(Failure::malformed(format!("{name} is {given}: give {} to {}", taken.start(), taken.end())))
}

/// Parses a job's id from a path.
pub(super) fn job_id(text: &str) -> Answer<JobId> {
    text.parse().map_err(|error: stereospot_domain::job::NotAJobId| Failure::malformed(error.to_string()))
}
