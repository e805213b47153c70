//! Managed inference over HTTP: one request converts one segment, and is answered when the output is written.
//!
//! The requests go through the SDK's HTTP client, without a signature: it is there already, TLS and time limits with it.

use std::time::Duration;

use aws_config::SdkConfig;
use serde_json::Value;
use stereospot_ports::{Error, ErrorCode, Result};

use crate::calls::Calls;
use crate::config::Connections;
use crate::sagemaker::Segment;
use crate::signed::service::INFERENCE;
use crate::signed::{Call, Plain, fault, on};

/// Longest that one conversion may take.
pub const LONGEST_CONVERSION: Duration = Duration::from_secs(3600);
/// A healthy server answers `GET /ping` at once.
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a conversion is tried that failed on the server's side. The queue tries it again later anyway.
const ATTEMPTS: u32 = 2;
/// Of what the server says no more is shown.
const REASON_CHARS: usize = 500;

/// An inference server.
#[derive(Debug, Clone)]
pub struct HttpInference {
    conversions: Plain,
    pings: Plain,
    base: String,
    address: String,
}

impl HttpInference {
    /// The server at `address`, the value of `INFERENCE_HTTP_URL`; a path in it comes before ours. `timeout` bounds one
    /// conversion, capped at [`LONGEST_CONVERSION`]. Asks nothing yet.
    ///
    /// # Errors
    /// [`ErrorCode::Invalid`] when the address is no `http://` or `https://` one.
    pub fn new(config: &SdkConfig, calls: &Calls, address: &str, timeout: Duration) -> Result<Self> {
        let address = address.trim().trim_end_matches('/');
        let (host, base) = split(address).ok_or_else(|| {
            let message = format!("INFERENCE_HTTP_URL is `{address}`, but must be an http:// or https:// address");
            Error::new(ErrorCode::Invalid, message)
        })?;
        let timeout = timeout.clamp(Duration::from_secs(1), LONGEST_CONVERSION);
        Ok(Self {
            conversions: Plain::new(config, calls, &INFERENCE, &host, timeout, ATTEMPTS),
            pings: Plain::new(config, calls, &INFERENCE, &host, PING_TIMEOUT, 1),
            base,
            address: address.into(),
        })
    }

    /// The server of a deployment; none where its environment file names none.
    ///
    /// # Errors
    /// As [`HttpInference::new`].
    pub fn of(connections: &Connections) -> Result<Option<Self>> {
        let Connections { config, calls, deployment, .. } = connections;
        let server = deployment.inference_http_url.as_deref();
        server.map(|address| Self::new(config, calls, address, LONGEST_CONVERSION)).transpose()
    }

    /// Has a segment converted. When it returns `Ok` the server says that the output is written. Dropping the future does not
    /// stop the server; doing it again converts the segment again, into the same output.
    ///
    /// # Errors
    /// [`ErrorCode::Invalid`] when the server refuses the segment (trying again is no use), [`ErrorCode::Unavailable`] when it can't be
    /// reached or fails; both with the server's own words where it gave any.
    pub async fn convert(&self, segment: &Segment) -> Result<()> {
        let call = Call {
            action: "invocations",
            method: "POST",
            path: format!("{}/invocations", self.base),
            headers: vec![("content-type", "application/json".into())],
            body: segment.request().to_string(),
        };
        let answer = self.conversions.send(on("invocations", "inference server", &self.address), call).await;
        answer.map(drop).map_err(with_words)
    }

    /// Whether the server is there and ready.
    ///
    /// # Errors
    /// [`ErrorCode::Unavailable`] or what else it says when it is not.
    pub async fn ping(&self) -> Result<()> {
        let call = Call {
            action: "ping",
            method: "GET",
            path: format!("{}/ping", self.base),
            headers: Vec::new(),
            body: String::new(),
        };
        let answer = self.pings.send(on("ping", "inference server", &self.address), call).await;
        answer.map(drop).map_err(with_words)
    }
}

/// `https://host:1/base` as `https://host:1` and `/base`.
fn split(address: &str) -> Option<(String, String)> {
    let (scheme, rest) = address.split_once("://")?;
    let (host, base) = rest.split_once('/').map_or((rest, String::new()), |(host, base)| (host, format!("/{base}")));
    let is_usable = matches!(scheme, "http" | "https") && !host.is_empty() && !host.contains(char::is_whitespace);
    is_usable.then(|| (format!("{scheme}://{host}"), base))
}

/// The container answers `{"error": …}`: that is what people want to read.
fn with_words(error: Error) -> Error {
    let Some((status, said)) = fault::refusal(&error) else { return error };
    let json = serde_json::from_str::<Value>(said).ok();
    let words = json.as_ref().and_then(|json| json.get("error")?.as_str()).unwrap_or(said);
    let words: String = words.trim().chars().take(REASON_CHARS).collect();
    let message = match words.as_str() {
        "" => format!("the inference server failed: it answered with status {status}"),
        words => format!("the inference server failed: {words}"),
    };
    Error::with(error.code(), message, error)
}

#[cfg(test)]
mod tests;
