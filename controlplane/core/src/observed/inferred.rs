//! Events inferred from a job's state.

use std::collections::BTreeMap;

use stereospot_domain::{EventKind, Payload, Stage, Timestamp};

/// An event that must have happened, by what was read of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Inferred {
    pub payload: Payload,
    pub segment_index: Option<u32>,
    pub stage: Option<Stage>,
    /// When it happened, or, where nothing says that, when it was seen.
    pub time: Timestamp,
    /// Distinguishes events of one kind; empty for kinds that occur once in a job's life.
    pub which: String,
}

/// Inferred events that no one has reported yet, by kind and segment, each with the time of its inference.
pub type Unreported = BTreeMap<(EventKind, Option<u32>), (Timestamp, Inferred)>;
