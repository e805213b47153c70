//! The landing screen's list.

use serde::{Deserialize, Serialize};
use stereospot_domain::attention::{Step, Subject};
use stereospot_domain::diagnosis::Severity;
use stereospot_domain::{JobId, Timestamp};
use utoipa::ToSchema;

/// An attention item: a line of the landing screen. `title` and `evidence` are for people; programs read the rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Attention {
    /// The same at different times: the same matter.
    pub about: Subject,
    /// The finding's or alert's code, which is also the runbook page's name.
    pub code: String,
    pub severity: Severity,
    pub since: Timestamp,
    /// `DLQ inference`, `job 7f3a2c1e stuck`.
    pub title: String,
    /// What shows it.
    pub evidence: String,
    /// What an operator can do, or know, the first thing first.
    pub next: Vec<Step>,
    /// The job that it concerns: a worker's, too.
    pub job_id: Option<JobId>,
}

impl Attention {
    /// An item about a subject, with its title and evidence.
    #[must_use]
    pub fn new(
        about: Subject,
        severity: Severity,
        since: Timestamp,
        (title, evidence): (String, String),
        next: Vec<Step>,
    ) -> Self {
        Self { code: about.code().into(), job_id: about.job_id(), about, severity, since, title, evidence, next }
    }
}
