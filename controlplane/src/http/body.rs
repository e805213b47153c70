//! Reads requests: bodies, queries and ids in paths.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{Uri, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;
use stereospot_domain::JobId;
use stereospot_ports::error::chain;

use super::problem::{Answer, Failure};

/// Most bytes of an ordinary body.
pub(super) const SMALL: usize = 2 * 1024 * 1024;

/// How long the body of an ordinary request may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(120);

/// Up to here a float holds every integer exactly.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// The only variable part of a path. axum's own extractor answers a part that is not UTF-8 with plain text.
#[derive(Debug)]
pub(super) struct InPath(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for InPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        let Path(text) = Path::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Failure::malformed(format!("the path can't be read: {}", rejection.body_text())))?;
        Ok(Self(text))
    }
}

/// The JSON body of a request, of at most `limit` bytes. An integer may be written `7.0`, as JSON Schema allows.
pub(super) async fn json<T: DeserializeOwned>(request: Request, limit: usize) -> Answer<T> {
    let bytes = read(request, limit).await?;
    parse(&bytes).or_else(|failure| with_whole_numbers(&bytes).ok_or(failure))
}

/// The same for a body whose numbers are kept as they are written.
pub(super) async fn exact_json<T: DeserializeOwned>(request: Request, limit: usize) -> Answer<T> {
    parse(&read(request, limit).await?)
}

async fn read(mut request: Request, limit: usize) -> Answer<Bytes> {
    let given = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = given.split(';').next().unwrap_or("").trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        let given = if given.is_empty() { "none was given" } else { given };
        return Err(Failure::unsupported(format!("send the body with content-type: application/json ({given})")));
    }
    DefaultBodyLimit::max(limit).apply(&mut request);
    let Ok(read) = tokio::time::timeout(BODY_WITHIN, Bytes::from_request(request, &())).await else {
        return Err(Failure::malformed(format!("the body took longer than {} s", BODY_WITHIN.as_secs())));
    };
    read.map_err(|rejection| match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            Failure::too_large(format!("at most {limit} bytes are taken"))
        }
        // A broken connection: most likely no one reads this answer.
        broken => Failure::malformed(format!("the body broke off: {}", chain(&broken))),
    })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Answer<T> {
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        Category::Data => Failure::invalid(error.to_string()),
        Category::Io | Category::Syntax | Category::Eof => Failure::malformed(format!("not valid JSON: {error}")),
    })
}

fn with_whole_numbers<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    fn whole(value: &mut Value) {
        match value {
            Value::Number(number) => match number.as_f64() {
                Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < LARGEST_EXACT => {
                    *value = Value::from(float as i64);
                }
                _ => {}
            },
            Value::Array(items) => items.iter_mut().for_each(whole),
            Value::Object(fields) => fields.values_mut().for_each(whole),
            Value::Null | Value::Bool(_) | Value::String(_) => {}
        }
    }
    let mut value: Value = serde_json::from_slice(bytes).ok()?;
    whole(&mut value);
    T::deserialize(value).ok()
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
