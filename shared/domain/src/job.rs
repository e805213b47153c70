//! A job, its status and the allowed changes of the status.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::options::{JobOptions, Mode, UnknownName};
use crate::time::Timestamp;

/// A job's id: a UUID. Every key, row and message holds it in lower case with hyphens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct JobId(pub Uuid);

impl JobId {
    /// The first eight hex digits: enough to distinguish jobs on a screen and to look one up.
    #[must_use]
    pub fn short(self) -> String {
        self.0.as_hyphenated().encode_lower(&mut Uuid::encode_buffer())[..8].to_owned()
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

/// The text is not a job id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a job id: expected a UUID such as 7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f")]
pub struct NotAJobId(pub String);

impl FromStr for JobId {
    type Err = NotAJobId;

    fn from_str(text: &str) -> Result<Self, NotAJobId> {
        Uuid::try_parse(text).map(JobId).map_err(|_| NotAJobId(text.into()))
    }
}

macro_rules! statuses {
    ($($(#[$doc:meta])* $variant:ident $name:literal),+ $(,)?) => {
        /// A job's status. The names are those in the job store.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum JobStatus { $($(#[$doc])* $variant),+ }

        impl JobStatus {
            /// Every status, in the order of a job's life.
            pub const ALL: &'static [JobStatus] = &[$(JobStatus::$variant),+];

            /// The name in the job store.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(JobStatus::$variant => $name),+ }
            }
        }
    };
}

statuses! {
    /// The row exists; the source may still be uploading.
    Created "created",
    /// The source is being fetched from a URL (existing deployments only).
    Ingesting "ingesting",
    /// A chunking worker splits the source.
    ChunkingInProgress "chunking_in_progress",
    /// All segments are written and their number is known.
    ChunkingComplete "chunking_complete",
    /// The reassembly lock exists and the message is sent.
    Reassembling "reassembling",
    /// The result exists.
    Completed "completed",
    /// It ended without a result; the row holds the reason.
    Failed "failed",
    /// Its objects are removed; the row stays.
    Deleted "deleted",
}

impl JobStatus {
    /// The statuses from which a job may change to `self`. Every write of a status has this set as its condition, so a late message
    /// never moves a job backwards. An operator's repair may pass a larger set.
    #[must_use]
    pub fn may_follow(self) -> &'static [JobStatus] {
        use JobStatus::*;
        match self {
            Created => &[Ingesting],
            Ingesting => &[Created],
            // A second delivery of the source's message goes on where the first one stopped.
            ChunkingInProgress => &[Created, ChunkingInProgress],
            ChunkingComplete => &[ChunkingInProgress],
            Reassembling => &[ChunkingComplete, Reassembling],
            // An existing final.mp4 proves that the job is completed, even if writing an earlier status was lost.
            Completed => &[ChunkingInProgress, ChunkingComplete, Reassembling],
            Failed => &[Created, Ingesting, ChunkingInProgress, ChunkingComplete, Reassembling],
            Deleted => &[Completed, Failed],
        }
    }

    /// True if the job has ended: nothing continues it automatically.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, JobStatus::Completed | JobStatus::Failed | JobStatus::Deleted)
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for JobStatus {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        JobStatus::ALL.iter().copied().find(|status| status.as_str() == text).ok_or_else(|| UnknownName {
            what: "status",
            given: text.into(),
            known: JobStatus::ALL.iter().map(|status| status.as_str()).collect::<Vec<_>>().join(", "),
        })
    }
}

/// A job's row in the job store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    pub job_id: JobId,
    /// Coarse output format, which existing services read; the exact one is in `options`.
    pub mode: Mode,
    pub status: JobStatus,
    pub created_at: Timestamp,
    /// Set from `chunking_complete` on.
    pub total_segments: Option<u32>,
    pub completed_at: Option<Timestamp>,
    /// Usually the name of the source file.
    pub title: Option<String>,
    /// When the upload of the source was complete.
    pub uploaded_at: Option<Timestamp>,
    pub source_file_size_bytes: Option<u64>,
    /// Why the job failed, as one sentence. Ours; existing services ignore it.
    pub error: Option<String>,
    /// The submitter's choices. Ours; absent on jobs of existing services.
    pub options: JobOptions,
}

impl Job {
    /// The row of a new job, in status `created`.
    #[must_use]
    pub fn new(job_id: JobId, options: JobOptions, title: Option<String>, now: Timestamp) -> Self {
        Self {
            job_id,
            mode: options.format.mode(),
            status: JobStatus::Created,
            created_at: now,
            total_segments: None,
            completed_at: None,
            title,
            uploaded_at: None,
            source_file_size_bytes: None,
            error: None,
            options,
        }
    }
}

/// The record that a segment's output exists. A second record of the same segment replaces the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SegmentCompletion {
    pub job_id: JobId,
    /// From 0.
    pub segment_index: u32,
    /// `s3://bucket/key` on AWS, `local://output/key` on the embedded backend.
    pub output_uri: String,
    pub completed_at: Timestamp,
}

/// The reassembly lock: a job has at most one reassembly at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Lock {
    pub job_id: JobId,
    /// When the trigger check created the lock, or last sent the message again.
    pub triggered_at: Timestamp,
    /// When a worker acquired it; absent while the message waits.
    pub reassembly_started_at: Option<Timestamp>,
    /// When the holder's lease ends unless renewed. Ours: locks of existing services have none, and their holders never let go.
    pub lease_until: Option<Timestamp>,
    /// The worker that holds it. Ours.
    pub owner: Option<String>,
}

#[cfg(test)]
mod tests;
