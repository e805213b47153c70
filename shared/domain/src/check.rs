//! A job's objects, compared with what their writers recorded.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::job::{JobId, JobStatus};
use crate::time::Timestamp;

/// What an object was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As its writer wrote it.
    Ok,
    /// It is there. Its writer recorded no checksum, as other services don't.
    Unverified,
    /// It is needed and does not exist.
    Missing,
    /// It is not as its writer wrote it.
    Damaged,
}

impl Verdict {
    /// Its name on screens and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Unverified => "unverified",
            Verdict::Missing => "missing",
            Verdict::Damaged => "damaged",
        }
    }

    /// Every verdict.
    pub const ALL: [Verdict; 4] = [Verdict::Ok, Verdict::Unverified, Verdict::Missing, Verdict::Damaged];

    /// True for what needs a repair.
    #[must_use]
    pub fn is_bad(self) -> bool {
        matches!(self, Verdict::Missing | Verdict::Damaged)
    }
}

/// One object, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckedObject {
    /// Its key in its bucket.
    pub key: String,
    pub verdict: Verdict,
    /// Its size; absent if it does not exist.
    pub bytes: Option<u64>,
}

/// A job, checked: each object that it has or needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobCheck {
    pub job_id: JobId,
    /// The job's status then: what a job needs depends on it.
    pub status: JobStatus,
    pub checked_at: Timestamp,
    pub objects: Vec<CheckedObject>,
}

impl JobCheck {
    /// How many objects were found so.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.objects.iter().filter(|object| object.verdict == verdict).count()
    }

    /// What is kept of it.
    #[must_use]
    pub fn summary(&self, result_key: &str) -> CheckSummary {
        let count = |verdict| u32::try_from(self.count(verdict)).unwrap_or(u32::MAX);
        CheckSummary {
            checked_at: self.checked_at,
            result: self.objects.iter().find(|object| object.key == result_key).map(|object| object.verdict),
            ok: count(Verdict::Ok),
            unverified: count(Verdict::Unverified),
            missing: count(Verdict::Missing),
            damaged: count(Verdict::Damaged),
        }
    }
}

/// How a job's last check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckSummary {
    pub checked_at: Timestamp,
    /// Of the job's result; absent if the job had none and needed none, or it was not checked.
    pub result: Option<Verdict>,
    /// How many objects were found so.
    pub ok: u32,
    pub unverified: u32,
    pub missing: u32,
    pub damaged: u32,
}
