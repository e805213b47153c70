//! Why a message's work was not done.

use std::time::Duration;

use stereospot_ports::ErrorCode;

/// Why a message's work was not done; this decides what becomes of the message.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It can never be done: the source is bad. The job fails with this sentence and the message is deleted.
    #[error("{0}")]
    Refused(String),
    /// It may succeed later: the message goes back, and to the dead-letter queue after too many attempts.
    #[error("{1}")]
    Retry(ErrorCode, String),
    /// What one stage stored for the next is damaged. Like [`Failure::Retry`], but the events say so: sending the dead letter
    /// again would fail again, since the stored object has to be made again first.
    #[error("{0}")]
    Damaged(String),
    /// The backend does not answer, or asks for fewer calls. The message is not at fault: the worker keeps it and tries again,
    /// and gives it back after a while. No attempt failed.
    #[error("{1}")]
    Away(ErrorCode, String),
    /// The backend refuses or fails: an expired credential, a missing table, or something about this message. The worker keeps
    /// the message and tries again; after a while the attempt counts as failed.
    #[error("{1}")]
    Hindered(ErrorCode, String),
    /// The disk is full. The message is not at fault, so this costs no attempt: the worker keeps the message and tries again
    /// until there is space.
    #[error("{0}")]
    NoSpace(String),
    /// The worker's own folder can't be used (it is gone, read-only, or its disk fails), or no process can be started that reads
    /// videos. The message is not at fault: the worker keeps it and tries again, and gives it back after a while, so that another
    /// worker can take it. No attempt failed.
    #[error("{1}")]
    NoScratch(ErrorCode, String),
    /// The worker was asked to stop. The message goes back at once.
    #[error("stopped before it was done")]
    Cancelled,
    /// This worker can't go on, though another can: the message goes back and the process ends.
    #[error("{0}")]
    Broken(String),
    /// Another worker is on it; look again after a while. No attempt failed.
    #[error("not now: {why}")]
    Later { why: String, after: Duration },
}

impl Failure {
    /// The code that events about the failure carry; none when no attempt failed.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Failure::Refused(_) => Some(ErrorCode::Invalid),
            Failure::Damaged(_) => Some(ErrorCode::Corrupt),
            Failure::NoSpace(_) => Some(ErrorCode::Full),
            Failure::Retry(code, _)
            | Failure::Away(code, _)
            | Failure::Hindered(code, _)
            | Failure::NoScratch(code, _) => Some(*code),
            Failure::Cancelled | Failure::Broken(_) | Failure::Later { .. } => None,
        }
    }
}

impl From<stereospot_ports::Error> for Failure {
    fn from(error: stereospot_ports::Error) -> Self {
        let (code, error) = (error.code(), one_line(&error));
        match code {
            ErrorCode::Full => Failure::NoSpace(error),
            ErrorCode::Throttled | ErrorCode::Unavailable => Failure::Away(code, error),
            // When a backend reports `NotFound` here, a table or queue is missing: missing rows and objects are not errors.
            ErrorCode::Denied | ErrorCode::Internal | ErrorCode::NotFound => Failure::Hindered(code, error),
            ErrorCode::Conflict | ErrorCode::LeaseLost | ErrorCode::Invalid | ErrorCode::Corrupt => {
                Failure::Retry(code, error)
            }
        }
    }
}

impl From<object_store::Error> for Failure {
    fn from(error: object_store::Error) -> Self {
        match stereospot_ports::Error::from(error) {
            error if error.code() == ErrorCode::NotFound => Failure::Retry(error.code(), one_line(&error)),
            error => error.into(),
        }
    }
}

/// A backend's error in one line: its own sentence, with its causes where the sentence does not name them.
#[must_use]
pub fn one_line(error: &stereospot_ports::Error) -> String {
    match error.code() {
        ErrorCode::Throttled | ErrorCode::Unavailable | ErrorCode::Denied | ErrorCode::NotFound => error.to_string(),
        _ => chain(error),
    }
}

/// An error with its causes, in one line.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        // Many libraries repeat their cause in their own words, or print their own structures.
        if !line.contains(&text) && !text.contains(" { ") {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}
