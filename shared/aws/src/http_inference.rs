//! Managed inference over HTTP: one request converts one segment; the answer comes when the output is written.
//!
//! The requests go through the SDK's HTTP client, unsigned: it brings TLS and time limits.

use std::time::Duration;

use aws_config::SdkConfig;
use serde_json::Value;
use stereospot_ports::{Error, ErrorCode, Result};

use crate::by_hand::{Api, Fault, Request};
use crate::calls::Calls;
use crate::config::Connections;
use crate::sagemaker::Segment;

/// The server's name in errors and counts.
const SERVER: &str = "inference server";
/// Longest that one conversion may take.
pub const LONGEST_CONVERSION: Duration = Duration::from_secs(3600);
/// A healthy server answers `GET /ping` at once.
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// Attempts for a conversion that fails on the server's side. The queue retries later anyway.
const ATTEMPTS: u32 = 2;
/// Longest part of the server's error that is shown.
const REASON_CHARS: usize = 500;

/// An inference server.
#[derive(Debug, Clone)]
pub struct HttpInference {
    conversions: Api,
    pings: Api,
    base: String,
    address: String,
}

impl HttpInference {
    /// The server at `address`, the value of `INFERENCE_HTTP_URL`; its path goes in front of ours. `timeout` bounds one
    /// conversion, up to [`LONGEST_CONVERSION`]. Makes no call.
    ///
    /// # Errors
    /// [`ErrorCode::Invalid`] when `address` is no `http://` or `https://` address.
    pub fn new(config: &SdkConfig, calls: &Calls, address: &str, timeout: Duration) -> Result<Self> {
        let address = address.trim().trim_end_matches('/');
        let (host, base) = split(address).ok_or_else(|| {
            let message = format!("INFERENCE_HTTP_URL is `{address}`, but must be an http:// or https:// address");
            Error::new(ErrorCode::Invalid, message)
        })?;
        let timeout = timeout.clamp(Duration::from_secs(1), LONGEST_CONVERSION);
        Ok(Self {
            conversions: Api::unsigned(config, calls, SERVER, &host, timeout, ATTEMPTS),
            pings: Api::unsigned(config, calls, SERVER, &host, PING_TIMEOUT, 1),
            base,
            address: address.into(),
        })
    }

    /// The server of a deployment; none if its environment file names none.
    ///
    /// # Errors
    /// See [`HttpInference::new`].
    pub fn of(connections: &Connections) -> Result<Option<Self>> {
        let Connections { config, calls, deployment, .. } = connections;
        let server = deployment.inference_http_url.as_deref();
        server.map(|address| Self::new(config, calls, address, LONGEST_CONVERSION)).transpose()
    }

    /// Converts a segment. `Ok` means that the server reports the output as written. Dropping the future does not stop the server.
    /// Calling again converts the segment again, into the same output.
    ///
    /// # Errors
    /// [`ErrorCode::Invalid`] when the server refuses the segment: another try is no use. [`ErrorCode::Unavailable`] when it can't be
    /// reached or fails. Both carry the server's own words, if it gave any.
    pub async fn convert(&self, segment: &Segment) -> Result<()> {
        self.send(&self.conversions, "invocations", "POST", segment.request().to_string()).await
    }

    /// Checks that the server is there and ready.
    ///
    /// # Errors
    /// [`ErrorCode::Unavailable`], or what else the server answers, when it is not.
    pub async fn ping(&self) -> Result<()> {
        self.send(&self.pings, "ping", "GET", String::new()).await
    }

    async fn send(&self, api: &Api, action: &'static str, method: &'static str, body: String) -> Result<()> {
        let path = format!("{}/{action}", self.base);
        let content_type = (!body.is_empty()).then_some("application/json");
        let request = Request { action, method, path, content_type, body };
        api.send(request, SERVER, &self.address).await.map(drop).map_err(with_words)
    }
}

/// `https://host:1/base` as `https://host:1` and `/base`.
fn split(address: &str) -> Option<(String, String)> {
    let (scheme, rest) = address.split_once("://")?;
    let (host, base) = rest.split_once('/').map_or((rest, String::new()), |(host, base)| (host, format!("/{base}")));
    let is_usable = matches!(scheme, "http" | "https") && !host.is_empty() && !host.contains(char::is_whitespace);
    is_usable.then(|| (format!("{scheme}://{host}"), base))
}

/// Puts the server's own words into the error. The container answers `{"error": …}`.
fn with_words(error: Error) -> Error {
    let Some(Fault { status, body, .. }) = Fault::of(&error) else { return error };
    let json = serde_json::from_str::<Value>(body).ok();
    let words = json.as_ref().and_then(|json| json.get("error")?.as_str()).unwrap_or(body);
    let words: String = words.trim().chars().take(REASON_CHARS).collect();
    let message = match words.as_str() {
        "" => format!("the inference server failed: it answered with status {status}"),
        words => format!("the inference server failed: {words}"),
    };
    Error::with(error.code(), message, error)
}

#[cfg(test)]
mod tests;
