//! Why a command failed, with its exit code and its sentence.

use std::io;

use stereospot_api::client;

use crate::up;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The command line is wrong: exit code 2.
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Failed(String),
    /// A call to the control plane failed.
    #[error(transparent)]
    Api(#[from] client::Error),
    /// A file could not be read or written.
    #[error("{0}")]
    File(String, #[source] io::Error),
    /// The local stack could not be started or kept up.
    #[error(transparent)]
    Up(#[from] up::Error),
    /// The dashboard could not be shown.
    #[error(transparent)]
    Dashboard(#[from] anyhow::Error),
    /// Another process of ours has printed why it failed; this is its exit code.
    #[error("a process of the stack failed")]
    Reported(u8),
    #[error("could not print")]
    Print(#[source] io::Error),
}

impl Error {
    /// 1 or 2; 0 when the only failure is that the reader of the output went away.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Error::Reported(code) => *code,
            Error::Usage(_) | Error::Api(client::Error::Address(_)) => 2,
            Error::Print(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            _ => 1,
        }
    }

    /// The sentence, followed by the innermost cause where that adds something; none when there is nothing to say.
    pub(crate) fn sentence(&self) -> Option<String> {
        if self.exit_code() == 0 || matches!(self, Error::Reported(_)) {
            return None;
        }
        let sentence = self.to_string();
        let mut innermost: &dyn std::error::Error = self;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        let cause = innermost.to_string();
        Some(if sentence.contains(&cause) { sentence } else { format!("{sentence}: {cause}") })
    }
}

/// How a command ends.
pub(crate) type Result<T = ()> = std::result::Result<T, Error>;
