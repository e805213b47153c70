//! Why a message's work did not get done.

use std::time::Duration;

use stereospot_ports::ErrorCode;

/// Why a message's work did not get done.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It can never be done: the source is bad. The job fails with this sentence and the message is deleted.
    #[error("{0}")]
    Refused(String),
    /// It may succeed later: the message goes back, and to the dead-letter queue after too many attempts.
    #[error("{1}")]
    Retry(ErrorCode, String),
    /// What was stored between two stages is damaged. As [`Failure::Retry`], but its events say so: once the message lies in the
    /// dead-letter queue, sending it again would do nothing, what it names has to be made anew.
    #[error("{0}")]
    Damaged(String),
    /// The backend does not answer, or asks for fewer calls. That is no fault of the message: the worker keeps it and tries
    /// again, and after a while gives it back. No attempt failed.
    #[error("{1}")]
    Away(ErrorCode, String),
    /// The backend refuses or fails: an expired credential, a table that is gone, or something about this message. The worker
    /// keeps it and tries again; after a while the attempt has failed.
    #[error("{1}")]
    Hindered(ErrorCode, String),
    /// There is no space for it. The worker keeps the message and tries again until there is: a full disk is not the message's
    /// fault, so it costs no attempt.
    #[error("{0}")]
    NoSpace(String),
    /// The worker's own folder can't be used: it is gone, read-only, or its disk fails. That is no fault of the message: the
    /// worker keeps it and tries again, and after a while gives it back, for another worker to take. No attempt failed.
    #[error("{1}")]
    NoScratch(ErrorCode, String),
    /// It was told to stop. The message goes back at once.
    #[error("stopped before it was done")]
    Cancelled,
    /// This worker can't go on, though another can: the message goes back and the process ends.
    #[error("{0}")]
    Broken(String),
    /// Somebody else is at it; look again after a while. No attempt failed.
    #[error("not now: {why}")]
    Later {
        /// What it waits for.
        why: String,
        /// How long.
        after: Duration,
    },
}

impl Failure {
    /// What events about it carry; none where nothing has failed, or nothing about the message.
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
        let (code, error) = (error.code(), told(&error));
        match code {
            ErrorCode::Full => Failure::NoSpace(error),
            ErrorCode::Throttled | ErrorCode::Unavailable => Failure::Away(code, error),
            // What a backend does not find is a table or a queue: rows and objects are asked for as such.
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
            error if error.code() == ErrorCode::NotFound => Failure::Retry(error.code(), told(&error)),
            error => error.into(),
        }
    }
}

/// A backend's error in one line: its own sentence, and the causes where that does not say it all.
#[must_use]
pub fn told(error: &stereospot_ports::Error) -> String {
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
        // Many libraries repeat their cause in their own words, or show their own structures.
        if !line.contains(&text) && !text.contains(" { ") {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}
