//! Readings that take several steps, and where each one stands.

use std::collections::{BTreeMap, BTreeSet};

use stereospot_domain::{JobId, Timestamp};
use uuid::Uuid;

/// A list of job rows that is read page by page.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) began: Timestamp,
    /// The cursor of the next page.
    pub(crate) next: Option<String>,
    pub(crate) seen: BTreeSet<JobId>,
    pub(crate) is_changed: bool,
}

impl Listing {
    /// A list of which no page was read yet.
    pub(crate) fn new(began: Timestamp) -> Self {
        Self { began, next: None, seen: BTreeSet::new(), is_changed: false }
    }
}

/// How far the workers' logs were read.
#[derive(Debug, Default)]
pub(crate) struct LogTail {
    pub(crate) until: Option<Timestamp>,
    /// Lines within the overlap that were taken in already: when, by their ids.
    pub(crate) taken: BTreeMap<Uuid, Timestamp>,
}
