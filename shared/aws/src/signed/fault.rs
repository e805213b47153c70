//! What a service said when it would not.

use std::fmt;

use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde_json::Value;

use super::xml;

/// A service's refusal: status, code, words.
#[derive(Debug, Clone)]
pub(crate) struct Fault(Box<Refusal>);

#[derive(Debug, Clone)]
struct Refusal {
    status: u16,
    metadata: ErrorMetadata,
    body: String,
}

impl Fault {
    /// Reads a refusal in any of the protocols' forms.
    pub(crate) fn read(status: u16, headers: &[(String, String)], body: &[u8]) -> Self {
        let header = |name: &str| headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str());
        let text = String::from_utf8_lossy(body);
        let (code, message) = match serde_json::from_str::<Value>(&text) {
            Ok(json) => {
                let member = |name: &str| json.get(name).and_then(Value::as_str).map(str::to_owned);
                let message = member("message").or_else(|| member("Message")).or_else(|| member("errorMessage"));
                (member("__type").or_else(|| member("code")), message)
            }
            Err(_) => (xml::first(&text, "Code"), xml::first(&text, "Message")),
        };
        let code = header("x-amzn-errortype").map(str::to_owned).or(code);
        let code = code.map(|code| bare(&code).to_owned()).unwrap_or_default();
        let message = message.unwrap_or_else(|| format!("it answered with status {status}"));
        let code = match known(&code, &message, status) {
            "" => code,
            known => known.to_owned(),
        };
        // S3 answers so, often without a body, when a bucket is asked for in the wrong region.
        let (code, message) = match header("x-amz-bucket-region") {
            Some(region) if matches!(status, 301 | 307 | 400) => {
                ("InvalidRegion".to_owned(), format!("it lies in {region}: set REGION to that"))
            }
            _ => (code, message),
        };
        let metadata = ErrorMetadata::builder().code(code).message(message).build();
        Self(Box::new(Refusal { status, metadata, body: text.into_owned() }))
    }
}

impl ProvideErrorMetadata for Fault {
    fn meta(&self) -> &ErrorMetadata {
        &self.0.metadata
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, message) = (self.code().unwrap_or_default(), self.message().unwrap_or_default());
        write!(f, "status {} {code}: {message}", self.0.status)
    }
}

impl std::error::Error for Fault {}

/// Status and body of the refusal that an error stands for; none where the error has another cause.
pub(crate) fn refusal(error: &stereospot_ports::Error) -> Option<(u16, &str)> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(Fault(refusal)) = error.downcast_ref::<Fault>() {
            return Some((refusal.status, &refusal.body));
        }
        cause = error.source();
    }
    None
}

/// The code by which [`crate::error`] knows a refusal that the services name in many ways. The names on the left are those of
/// the services' API references.
fn known(code: &str, message: &str, status: u16) -> &'static str {
    match code {
        "ResourceAlreadyExistsException"
        | "BucketAlreadyOwnedByYou"
        | "BucketNotEmpty"
        | "QueueAlreadyExists"
        | "QueueNameExists"
        | "OperationAborted"
        | "OperationAbortedException"
        | "ResourceInUse" => "ResourceInUseException",
        "NoSuchEntity" | "ServiceNotActiveException" | "ObjectNotFoundException" => "ResourceNotFoundException",
        // SageMaker has no code of its own for what isn't there.
        "ValidationException" if message.starts_with("Could not find") => "ResourceNotFoundException",
        // ECS and Logs Insights refuse too many at once so.
        "UpdateInProgressException" => "ThrottlingException",
        "" => match status {
            401 | 403 => "AccessDenied",
            404 => "NotFound",
            409 | 412 => "ResourceInUseException",
            429 => "TooManyRequests",
            400..=499 => "ValidationException",
            _ => "ServiceUnavailable",
        },
        _ => "",
    }
}

/// `com.amazonaws.ecs#ServiceNotFoundException:http://…` and the like without what stands around the name.
fn bare(code: &str) -> &str {
    let code = code.rsplit_once('#').map_or(code, |(_, name)| name);
    code.split(':').next().unwrap_or(code).trim()
}
