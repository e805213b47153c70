//! The control plane's collectors, each of which reads one kind of state from the backend.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A collector. The order is by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Collector {
    /// Messages on the dead-letter queues.
    DeadLetters,
    /// Completions, locks and objects of unfinished jobs.
    JobDetails,
    /// Rows of unfinished jobs.
    Jobs,
    /// The workers' log lines.
    Logs,
    /// The results of completed jobs: whether they are still there.
    Objects,
    /// The control-plane database. It is listed among the collectors once a write to it has failed.
    OwnDatabase,
    /// Message counts and settings of the queues.
    Queues,
    /// The platform's services.
    Services,
    /// Rows of ended jobs.
    SettledJobs,
}

impl Collector {
    /// The collectors that read the backend.
    pub const READING: [Collector; 8] = [
        Collector::Queues,
        Collector::DeadLetters,
        Collector::Jobs,
        Collector::SettledJobs,
        Collector::JobDetails,
        Collector::Services,
        Collector::Logs,
        Collector::Objects,
    ];

    /// Its name on screens, in metrics and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Collector::DeadLetters => "dead-letters",
            Collector::JobDetails => "job-details",
            Collector::Jobs => "jobs",
            Collector::Logs => "logs",
            Collector::Objects => "objects",
            Collector::OwnDatabase => "own-database",
            Collector::Queues => "queues",
            Collector::Services => "services",
            Collector::SettledJobs => "settled-jobs",
        }
    }

    /// True for collectors on which everything else depends.
    #[must_use]
    pub fn is_essential(self) -> bool {
        matches!(self, Collector::Queues | Collector::DeadLetters | Collector::Jobs | Collector::SettledJobs)
    }
}

impl fmt::Display for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
