//! The three stages of the pipeline, as a process runs them: chunking, inference, reassembly.
//!
//! Each stage is a [`stereospot_runtime::stage::Handler`]: fetch, work on own threads, write the result, record it. What they
//! share (receive, lease, acknowledge, tell) is the runtime's.

use std::io::ErrorKind;

use stereospot_media::Error;
use stereospot_ports::ErrorCode;
use stereospot_ports::error::io_code;
use stereospot_runtime::stage::{Failure, chain};

pub mod chunking;
pub mod convert;
mod damaged;
pub mod deletion;
pub mod files;
pub mod fingerprint;
pub mod inference;
#[cfg(feature = "aws")]
pub mod managed;
pub mod outputs;
pub mod plan;
pub mod reassembly;
pub mod scratch;
pub mod stub;

/// What becomes of a message when media work failed. All its files are the worker's own.
pub(crate) fn media_failure(error: &Error) -> Failure {
    match error {
        Error::Cancelled => Failure::Cancelled,
        Error::DiskFull { .. } => Failure::NoSpace(chain(error)),
        Error::NotFound { path } => files::no_scratch(path, &ErrorKind::NotFound.into()),
        // Libav has other errors of the system's for what it does not like about a file's content.
        Error::Io { path, source, .. }
            if matches!(source.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) =>
        {
            files::no_scratch(path, source)
        }
        error if error.is_bad_source() => Failure::Refused(chain(error)),
        Error::Io { source, .. } => Failure::Retry(io_code(source.kind()), chain(error)),
        error => Failure::Retry(ErrorCode::Internal, chain(error)),
    }
}
