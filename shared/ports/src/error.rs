//! The error of every backend.

use std::error::Error as StdError;
use std::{fmt, io};

pub use stereospot_domain::ErrorCode;

/// A backend's error: a code, a readable sentence, and the library's error as its source.
pub struct Error {
    code: ErrorCode,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// A backend's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error without a source.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), source: None }
    }

    /// An error caused by another error.
    pub fn with(code: ErrorCode, message: impl Into<String>, source: impl StdError + Send + Sync + 'static) -> Self {
        Self { code, message: message.into(), source: Some(Box::new(source)) }
    }

    /// The kind of failure.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// True if the same call may succeed later.
    #[must_use]
    pub fn retryable(&self) -> bool {
        matches!(self.code, ErrorCode::Throttled | ErrorCode::Unavailable | ErrorCode::Full | ErrorCode::Internal)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("code", &self.code)
            .field("message", &self.message)
            .field("source", &self.source)
            .finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error as Object;
        let (code, message) = match &error {
            Object::NotFound { path, .. } => (ErrorCode::NotFound, format!("no object at {path}")),
            Object::AlreadyExists { path, .. } => (ErrorCode::Conflict, format!("an object exists already at {path}")),
            Object::Precondition { path, .. } => (ErrorCode::Conflict, format!("the object at {path} has changed")),
            Object::PermissionDenied { path, .. } | Object::Unauthenticated { path, .. } => {
                (ErrorCode::Denied, format!("no permission for the object at {path}"))
            }
            Object::InvalidPath { .. } => (ErrorCode::Invalid, "not a valid object key".into()),
            _ if is_full(&error) => (ErrorCode::Full, "no space left for objects: free some".into()),
            _ => match of_ours(&error) {
                // The object's notification failed: its error already has the right code and message.
                Some(ours) => (ours.code, ours.message.clone()),
                None => (ErrorCode::Internal, "the object store failed".into()),
            },
        };
        let cause = match &error {
            // The message already names the path, so take only what caused the error.
            Object::NotFound { source, .. }
            | Object::AlreadyExists { source, .. }
            | Object::Precondition { source, .. }
            | Object::PermissionDenied { source, .. }
            | Object::Unauthenticated { source, .. } => Some(&**source as &(dyn StdError + 'static)),
            _ => match of_ours(&error) {
                Some(ours) => ours.source(),
                None => Some(&error as &(dyn StdError + 'static)),
            },
        };
        let source =
            cause.map(|cause| Box::new(Cause(without_markup(&chain(cause)))) as Box<dyn StdError + Send + Sync>);
        Self { code, message, source }
    }
}

/// The text of an object store's error, made by [`chain`]: the store's own types repeat the path on every layer.
#[derive(Debug)]
struct Cause(String);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Cause {}

/// An error's message followed by those of its causes, each only if the text does not contain it yet.
#[must_use]
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(&format!(": {said}"));
        }
        cause = error.source();
    }
    text
}

/// S3 answers a refusal with a document, which an object store's error quotes whole: keeps its code and sentence.
fn without_markup(text: &str) -> String {
    let Some((before, document)) = text.split_once("<?xml") else { return text.to_owned() };
    let part = |name: &str| {
        let (_, rest) = document.split_once(&format!("<{name}>"))?;
        Some(rest.split_once("</")?.0.trim().to_owned())
    };
    let said: Vec<String> = ["Code", "Message"].into_iter().filter_map(part).collect();
    format!(
        "{}{}",
        before.trim_end_matches([' ', '"']),
        if said.is_empty() { String::new() } else { format!(" {}", said.join(": ")) }
    )
}

/// The first [`Error`] in the chain of causes.
fn of_ours<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(ours) = error.downcast_ref::<Error>() {
            return Some(ours);
        }
        cause = error.source();
    }
    None
}

/// True if the first I/O error in the chain of causes is a full disk.
#[must_use]
pub fn is_full(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return io_code(error.kind()) == ErrorCode::Full;
        }
        cause = error.source();
    }
    false
}

/// The code of an operating system's error.
#[must_use]
pub fn io_code(kind: io::ErrorKind) -> ErrorCode {
    use io::ErrorKind::*;
    match kind {
        StorageFull | QuotaExceeded => ErrorCode::Full,
        NotFound => ErrorCode::NotFound,
        PermissionDenied | ReadOnlyFilesystem => ErrorCode::Denied,
        AlreadyExists => ErrorCode::Conflict,
        TimedOut => ErrorCode::Unavailable,
        InvalidData | UnexpectedEof => ErrorCode::Corrupt,
        _ => ErrorCode::Internal,
    }
}

#[cfg(test)]
mod tests;
