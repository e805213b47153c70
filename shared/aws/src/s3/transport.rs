//! Sends [`object_store`]'s requests with the SDK's HTTP client, so that the program has one TLS stack.
//!
//! Invariant: no request waits for ever. The limit for sending and for the head of the answer grows with the size of the request;
//! [`STALL`] limits the wait for each piece of the answer's body.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest as SdkRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::date_time::Format;
use bytes::Bytes;
use futures::StreamExt;
use http_body_util::{BodyStream, StreamBody};
use object_store::client::{
    ClientOptions, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use stereospot_ports::{Error, ErrorCode};

use crate::calls::{Calls, Outcome, outcome};
use crate::config::READ_TIMEOUT;
use crate::error::{Call, check_network, from_code};

/// Longest wait for the next piece of a body.
const STALL: Duration = Duration::from_secs(30);
/// S3 refuses signatures from a clock that is further off.
const MOST_SKEW: Duration = Duration::from_secs(15 * 60);
/// Slowest link on which sending a part still succeeds, in bytes a second.
const SLOWEST: u64 = 64 * 1024;

#[derive(Debug, Clone)]
pub(super) struct SdkTransport {
    connector: SharedHttpConnector,
    calls: Calls,
    bucket: Arc<str>,
    /// Longest wait for the head of an answer, in addition to the time for sending.
    read: Duration,
    /// Longest wait for the next piece of a body.
    stall: Duration,
}

impl SdkTransport {
    pub(super) fn new(connector: SharedHttpConnector, calls: Calls, bucket: &str) -> Self {
        Self { connector, calls, bucket: bucket.into(), read: READ_TIMEOUT, stall: STALL }
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let longest = self.read + Duration::from_secs(request.body().content_length() as u64 / SLOWEST);
        let request = request.map(|body| match body.as_bytes() {
            Some(bytes) => SdkBody::from(bytes.clone()),
            None => SdkBody::from_body_1_x(body),
        });
        let request = SdkRequest::try_from(request).map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let answer = match tokio::time::timeout(longest, self.connector.call(request)).await {
            Ok(answer) => answer.map_err(from_connector)?,
            Err(_) => return Err(late(format!("S3 did not answer in time: {}", check_network()))),
        };
        let answer = answer.try_into_http1x().map_err(|error| HttpError::new(HttpErrorKind::Decode, error))?;
        Ok(answer.map(|answered| body(answered, self.stall)))
    }
}

impl HttpConnector for SdkTransport {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for SdkTransport {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let method = request.method().clone();
        let answer = self.send(request).await;
        let api = || ("s3".into(), method.as_str().to_owned().into());
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.calls.count(api(), Outcome::Failed);
                return Err(error);
            }
        };
        if answer.status().is_success() {
            self.calls.count(api(), Outcome::Answered);
            return Ok(answer);
        }
        // An error's body is small. Read it here for its code, and pass it on.
        let (parts, body) = answer.into_parts();
        let bytes = body.bytes().await?;
        self.calls.count(api(), outcome(Some((parts.status.as_u16(), &bytes))));
        // The answer to HEAD has no body. Its date shows whether the clock is wrong or the permission is missing.
        let is_late = parts.status == 403 && bytes.is_empty() && is_of_another_time(&parts.headers, SystemTime::now());
        let bytes = if is_late { Bytes::from_static(b"<Code>RequestTimeTooSkewed</Code>") } else { bytes };
        if let Some(error) = refusal(method.as_str(), &self.bucket, parts.status.as_u16(), &bytes) {
            // With this kind the client tries again, as it would by the status, and its last error is a sentence too.
            let kind = if error.retryable() { HttpErrorKind::Request } else { HttpErrorKind::Unknown };
            return Err(HttpError::new(kind, error));
        }
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::from(bytes)))
    }
}

/// True when the date of an answer is further from now than S3 allows for a signature.
fn is_of_another_time(headers: &http::HeaderMap, now: SystemTime) -> bool {
    let date = headers.get(http::header::DATE).and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
    let there = date.and_then(|date| SystemTime::try_from(date).ok());
    let apart = there.map(|there| there.duration_since(now).unwrap_or_else(|earlier| earlier.duration()));
    apart.is_some_and(|apart| apart > MOST_SKEW)
}

/// The error that people must fix or wait for; none for what the caller handles: a missing object, a condition.
fn refusal(method: &str, bucket: &str, status: u16, body: &Bytes) -> Option<Error> {
    let text = String::from_utf8_lossy(body);
    let tagged = |tag: &str| {
        let (_, rest) = text.split_once(&format!("<{tag}>"))?;
        Some(rest.split_once(&format!("</{tag}>"))?.0.to_owned())
    };
    // The answer to HEAD has no body, only a status.
    let unknown = match status {
        403 => "AccessDenied",
        429 => "TooManyRequests",
        500.. => "ServiceUnavailable",
        _ => "",
    };
    let code = tagged("Code").unwrap_or_else(|| unknown.into());
    let call = Call { action: action(method), kind: "bucket", resource: bucket, key: None };
    // These are about the whole bucket, not this object.
    let is_of_bucket = matches!(code.as_str(), "NoSuchBucket" | "PermanentRedirect" | "AuthorizationHeaderMalformed");
    let (known, message) = from_code(call, &code, &tagged("Message").unwrap_or_default());
    let is_passing = status >= 500 || status == 429;
    (known == ErrorCode::Denied || is_of_bucket || is_passing).then(|| Error::new(known, message))
}

/// The permission that a request needs.
fn action(method: &str) -> &'static str {
    match method {
        "GET" => "s3:GetObject (or s3:ListBucket)",
        "HEAD" => "s3:GetObject",
        "DELETE" => "s3:DeleteObject",
        _ => "s3:PutObject",
    }
}

/// The body, with a time limit for each piece.
fn body(body: SdkBody, stall: Duration) -> HttpResponseBody {
    let pieces = futures::stream::unfold(Some(BodyStream::new(body)), move |stream| async move {
        let mut stream = stream?;
        match tokio::time::timeout(stall, stream.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(frame))) => Some((Ok(frame), Some(stream))),
            Ok(Some(Err(error))) => Some((Err(HttpError::new_boxed(HttpErrorKind::Interrupted, error)), None)),
            Err(_) => Some((Err(late("S3 stopped in the middle of an object: is the network up?")), None)),
        }
    });
    // Fused, because a body may be polled again after its end.
    HttpResponseBody::new(StreamBody::new(pieces.fuse()))
}

fn late(message: impl Into<String>) -> HttpError {
    HttpError::new(HttpErrorKind::Timeout, Error::new(ErrorCode::Unavailable, message))
}

fn from_connector(error: ConnectorError) -> HttpError {
    let kind = if error.is_timeout() {
        HttpErrorKind::Timeout
    } else if error.is_io() {
        HttpErrorKind::Connect
    } else {
        HttpErrorKind::Unknown
    };
    let error = Error::with(ErrorCode::Unavailable, format!("no connection to S3: {}", check_network()), error);
    HttpError::new(kind, error)
}

#[cfg(test)]
mod tests;
