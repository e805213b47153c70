//! The three stages of the pipeline, as a process runs them: chunking, inference, reassembly.
//!
//! Each stage is a [`stereospot_runtime::stage::Handler`]: fetch, work on own threads, write the result, record it. What they
//! share (receive, lease, acknowledge, tell) is the runtime's.

use stereospot_runtime::stage::{Failure, chain};

pub mod chunking;
pub mod convert;
mod damaged;
pub mod deletion;
pub mod files;
pub mod inference;
#[cfg(feature = "aws")]
pub mod managed;
pub mod outputs;
pub mod plan;
pub mod reassembly;
pub mod scratch;
pub mod stub;

/// What becomes of a message when media work failed.
pub(crate) fn media_failure(error: &stereospot_media::Error) -> Failure {
    match error {
        stereospot_media::Error::Cancelled => Failure::Cancelled,
        stereospot_media::Error::DiskFull { .. } => Failure::NoSpace(chain(error)),
        stereospot_media::Error::SegmentDamaged { .. } => Failure::Damaged(chain(error)),
        error if error.is_bad_source() => Failure::Refused(chain(error)),
        error => Failure::Retry(chain(error)),
    }
}
