//! A refusal of a call made by hand.

use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde::Deserialize;

use crate::error::causes;

/// An answer that is no success.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) status: u16,
    pub(crate) body: String,
    metadata: Box<ErrorMetadata>,
}

/// S3 answers with `<Error>`, IAM wraps it in `<ErrorResponse>`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Refused {
    code: String,
    message: Option<String>,
    error: Option<Box<Refused>>,
}

impl Fault {
    pub(super) fn read(response: &HttpResponse) -> Self {
        let status = response.status().as_u16();
        let body = String::from_utf8_lossy(response.body().bytes().unwrap_or_default()).into_owned();
        let mut refused: Refused = quick_xml::de::from_str(&body).unwrap_or_default();
        if let Some(inner) = refused.error.take() {
            refused = *inner;
        }
        let (mut code, mut message) = (refused.code, refused.message);
        if code.is_empty() {
            code = code_of_status(status).into();
        }
        // S3 answers like this, often without a body, when a bucket is in another region.
        if let Some(region) = response.headers().get("x-amz-bucket-region")
            && matches!(status, 301 | 307 | 400)
        {
            code = "InvalidRegion".into();
            message = Some(format!("it lies in {region}: set REGION to that"));
        }
        let message = message.unwrap_or_else(|| format!("it answered with status {status}"));
        Self { status, body, metadata: Box::new(ErrorMetadata::builder().code(code).message(message).build()) }
    }

    /// The refusal that an error stands for; none if the error has another cause.
    pub(crate) fn of(error: &stereospot_ports::Error) -> Option<&Self> {
        causes(error).find_map(|cause| cause.downcast_ref())
    }
}

/// The code for an answer that has none.
fn code_of_status(status: u16) -> &'static str {
    match status {
        401 | 403 => "AccessDenied",
        404 => "NotFound",
        409 | 412 => "ResourceInUseException",
        429 => "TooManyRequests",
        400..=499 => "ValidationException",
        _ => "ServiceUnavailable",
    }
}

impl ProvideErrorMetadata for Fault {
    fn meta(&self) -> &ErrorMetadata {
        &self.metadata
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, message) = (self.code().unwrap_or_default(), self.message().unwrap_or_default());
        write!(f, "status {} {code}: {message}", self.status)
    }
}

impl std::error::Error for Fault {}
