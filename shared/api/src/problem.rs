//! What went wrong, as `application/problem+json` (RFC 9457).

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The media type.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// The code of an upload that another one of the same job holds up: trying again later may help.
pub const UPLOADING: &str = "uploading";

/// A problem. `code` is what programs look at; `detail` says to people what happened and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A URI reference that names the kind: `/problems/{code}`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in a few words; the same for every occurrence.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened here, and what to do.
    pub detail: String,
    /// The kind, short and stable: `not-found`, `invalid`, `conflict`, `uploading`, `refused`, `denied`, `expired`, `read-only`,
    /// `too-large`, `unavailable`, `full`, `internal`.
    pub code: String,
}

impl Problem {
    /// A problem of a kind.
    #[must_use]
    pub fn new(status: u16, code: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/problems/{code}"),
            title: title.into(),
            status,
            detail: detail.into(),
            code: code.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Problem {}
