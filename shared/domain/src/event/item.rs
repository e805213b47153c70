//! The part of a job that a repair worked on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::job::{JobId, NotAJobId};

/// The part of a job that a repair worked on. Written as `source`, `segment 3`, or the job's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum RepairedItem {
    Source,
    Segment(u32),
    /// The job as a whole.
    Job(JobId),
}

impl RepairedItem {
    /// The segment, if the repair was about one.
    #[must_use]
    pub fn segment_index(self) -> Option<u32> {
        match self {
            RepairedItem::Segment(index) => Some(index),
            RepairedItem::Source | RepairedItem::Job(_) => None,
        }
    }
}

impl fmt::Display for RepairedItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RepairedItem::Source => f.write_str("source"),
            RepairedItem::Segment(index) => write!(f, "segment {index}"),
            RepairedItem::Job(job_id) => job_id.fmt(f),
        }
    }
}

impl FromStr for RepairedItem {
    type Err = NotAJobId;

    fn from_str(text: &str) -> Result<Self, NotAJobId> {
        match text.strip_prefix("segment ").map(str::parse) {
            Some(Ok(index)) => Ok(RepairedItem::Segment(index)),
            _ if text == "source" => Ok(RepairedItem::Source),
            _ => text.parse().map(RepairedItem::Job),
        }
    }
}

impl From<RepairedItem> for String {
    fn from(item: RepairedItem) -> Self {
        item.to_string()
    }
}

impl TryFrom<String> for RepairedItem {
    type Error = NotAJobId;

    fn try_from(text: String) -> Result<Self, NotAJobId> {
        text.parse()
    }
}

impl PartialSchema for RepairedItem {
    fn schema() -> RefOr<Schema> {
        String::schema()
    }
}

impl ToSchema for RepairedItem {}
