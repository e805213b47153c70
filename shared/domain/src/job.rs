//! A job, its status and the rules by which the status may change.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::options::{JobOptions, Mode, UnknownName};
use crate::time::Timestamp;

/// A job's id: a UUID, written in lower case with hyphens in every key, row and message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct JobId(pub Uuid);

impl JobId {
    /// The first eight digits: enough to tell jobs apart on a screen and to find one again.
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

/// A text that is not a job id.
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
        /// Where a job stands. The names are those in the job store.
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
    /// The row exists; the source may still be arriving.
    Created "created",
    /// The source is being fetched from elsewhere (existing deployments only).
    Ingesting "ingesting",
    /// A chunking worker has taken it.
    ChunkingInProgress "chunking_in_progress",
    /// All segments are written and their number is known.
    ChunkingComplete "chunking_complete",
    /// The reassembly lock is made and the message sent.
    Reassembling "reassembling",
    /// The result exists.
    Completed "completed",
    /// It ended without a result; the reason stands in the row.
    Failed "failed",
    /// Its objects are removed; the row stays.
    Deleted "deleted",
}

impl JobStatus {
    /// The statuses from which `self` may be entered. A transition's write carries this set as its condition, so a late event
    /// can never move a job backwards. An operator's repair may allow more: it says so in its own call.
    #[must_use]
    pub fn may_follow(self) -> &'static [JobStatus] {
        use JobStatus::*;
        match self {
            Created => &[Ingesting],
            Ingesting => &[Created],
            // A second delivery of the same source finds it in progress and goes on.
            ChunkingInProgress => &[Created, ChunkingInProgress],
            ChunkingComplete => &[ChunkingInProgress],
            Reassembling => &[ChunkingComplete, Reassembling],
            // final.mp4 is the truth: whoever sees it may say completed, whatever step was lost before.
            Completed => &[ChunkingInProgress, ChunkingComplete, Reassembling],
            Failed => &[Created, Ingesting, ChunkingInProgress, ChunkingComplete, Reassembling],
            Deleted => &[Completed, Failed],
        }
    }

    /// True when nothing more happens to the job by itself.
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
    /// Its id.
    pub job_id: JobId,
    /// Output mode, as existing services know it.
    pub mode: Mode,
    /// Where it stands.
    pub status: JobStatus,
    /// When the row was made.
    pub created_at: Timestamp,
    /// Number of segments; known from `chunking_complete` on.
    pub total_segments: Option<u32>,
    /// When it became `completed`.
    pub completed_at: Option<Timestamp>,
    /// What people call it, usually the file's name.
    pub title: Option<String>,
    /// When the source was uploaded whole.
    pub uploaded_at: Option<Timestamp>,
    /// Size of the source in bytes.
    pub source_file_size_bytes: Option<u64>,
    /// Why it failed, in one sentence for people. Ours; existing services ignore it.
    pub error: Option<String>,
    /// The submitter's choices. Ours; absent on jobs of existing services.
    pub options: JobOptions,
}

impl Job {
    /// A new job's row, status `created`.
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

/// The record that one segment's output exists. Written again for the same segment it replaces the earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SegmentCompletion {
    /// The job.
    pub job_id: JobId,
    /// Which segment, from 0.
    pub segment_index: u32,
    /// Where the output lies: `s3://bucket/key` on AWS, `local://output/key` on the embedded backend.
    pub output_uri: String,
    /// When it was completed.
    pub completed_at: Timestamp,
}

/// The reassembly lock: at most one reassembly runs for a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Lock {
    /// The job.
    pub job_id: JobId,
    /// When the trigger created it.
    pub triggered_at: Timestamp,
    /// When a worker acquired it; absent while the message waits.
    pub reassembly_started_at: Option<Timestamp>,
    /// Until when the holder has it without renewing. Ours: absent on locks of existing services, whose holders never let go.
    pub lease_until: Option<Timestamp>,
    /// Who holds it. Ours.
    pub owner: Option<String>,
}

#[cfg(test)]
mod tests;
