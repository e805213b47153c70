//! The three stages of the pipeline: chunking, inference, reassembly.
//!
//! Each stage is a [`stereospot_runtime::stage::Handler`]: fetch, work on own threads, write the result, record it. The runtime
//! does the rest: receive, lease, acknowledge, report.

use std::io::ErrorKind;

use stereospot_media::Error;
use stereospot_ports::ErrorCode;
use stereospot_ports::error::io_code;
use stereospot_runtime::stage::{Failure, chain};

pub mod checksum;
pub mod chunking;
pub mod convert;
mod damaged;
pub mod deletion;
pub mod files;

pub mod inference;
pub mod machine;
#[cfg(feature = "aws")]
pub mod managed;
pub mod outputs;
pub mod plan;
pub mod reassembly;
pub mod sandbox;
pub mod scratch;
mod split_again;
pub mod stub;

/// Returns what becomes of a message when media work failed. All files involved are the worker's own.
pub(crate) fn media_failure(error: &Error) -> Failure {
    match error {
        Error::Cancelled => Failure::Cancelled,
        Error::DiskFull { .. } => Failure::NoSpace(chain(error)),
        Error::NotFound { path } => files::no_scratch(path, &ErrorKind::NotFound.into()),
        // Libav reports some content that it can't read as other I/O errors.
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

/// Returns what becomes of a message when work on a video failed.
pub(crate) fn video_failure(error: &sandbox::Error) -> Failure {
    match error {
        sandbox::Error::Media(error) => media_failure(error),
        // Another worker may have room for a process.
        sandbox::Error::NotStarted(cause) => Failure::NoScratch(io_code(cause.kind()), chain(error)),
        // The video is to blame, or chance: its last attempt fails the job.
        error => Failure::Retry(ErrorCode::Internal, chain(error)),
    }
}
