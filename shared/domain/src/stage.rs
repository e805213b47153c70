//! The stages of the pipeline.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A stage of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The source is split.
    Chunking,
    /// A segment is converted.
    Inference,
    /// Segments are joined.
    Reassembly,
}

impl Stage {
    /// Every stage, in the order in which a job passes them.
    pub const ALL: &'static [Stage] = &[Stage::Chunking, Stage::Inference, Stage::Reassembly];

    /// The name in commands and metric labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Chunking => "chunking",
            Stage::Inference => "inference",
            Stage::Reassembly => "reassembly",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
