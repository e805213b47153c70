//! What AWS or the connection said, in words. The SDK's own errors print as debug text (`unhandled error (…): Error { code: …`), which
//! must not reach a user.

use std::error::Error as StdError;
use std::fmt;

use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use stereospot_ports::Error;
use stereospot_ports::error::chain;

/// The source of an [`Error`] about a call. Ends the chain of causes; the SDK's error is kept for [`causes`].
#[derive(Debug)]
pub(super) struct Said {
    text: String,
    error: Box<dyn StdError + Send + Sync>,
}

impl Said {
    /// What a service answered: its code and its sentence.
    pub(super) fn by_service(answer: &impl ProvideErrorMetadata, error: impl StdError + Send + Sync + 'static) -> Self {
        let code = answer.code().unwrap_or_default();
        let name = code.rsplit(['#', '.']).next().unwrap_or(code);
        let text = match (name, answer.message().unwrap_or_default()) {
            ("", message) => message.to_owned(),
            (name, "") => name.to_owned(),
            (name, message) => format!("{name}: {message}"),
        };
        Self { text, error: Box::new(error) }
    }

    /// What went wrong on the way.
    pub(super) fn by_connection(error: impl StdError + Send + Sync + 'static) -> Self {
        Self { text: chain(&error), error: Box::new(error) }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Said {}

/// The causes of an error, with those that are not shown.
pub(crate) fn causes<'e>(error: &'e Error) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    let source = StdError::source(error);
    let hidden = source.and_then(|source| source.downcast_ref::<Said>());
    let first = hidden.map_or(source, |said| Some(&*said.error as &(dyn StdError + 'static)));
    let mut next = first;
    std::iter::from_fn(move || {
        let cause: &'e (dyn StdError + 'static) = next?;
        next = cause.source();
        Some(cause)
    })
}
