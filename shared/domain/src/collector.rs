//! The control plane's collectors: each reads one kind of truth from the backend.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A collector; ordered by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Collector {
    /// What lies on the dead-letter queues.
    DeadLetters,
    /// Completions, locks and objects of unfinished jobs.
    JobDetails,
    /// Rows of unfinished jobs.
    Jobs,
    /// Lines of the workers' logs.
    Logs,
    /// The control-plane database. It is among the collectors once a write to it has failed.
    OwnDatabase,
    /// Numbers of the queues.
    Queues,
    /// The platform's services.
    Services,
    /// Rows of finished jobs.
    SettledJobs,
}

impl Collector {
    /// Those that read the backend.
    pub const READING: [Collector; 7] = [
        Collector::Queues,
        Collector::DeadLetters,
        Collector::Jobs,
        Collector::SettledJobs,
        Collector::JobDetails,
        Collector::Services,
        Collector::Logs,
    ];

    /// Its name on screens, in metrics and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Collector::DeadLetters => "dead-letters",
            Collector::JobDetails => "job-details",
            Collector::Jobs => "jobs",
            Collector::Logs => "logs",
            Collector::OwnDatabase => "own-database",
            Collector::Queues => "queues",
            Collector::Services => "services",
            Collector::SettledJobs => "settled-jobs",
        }
    }

    /// True for those without which nothing is known.
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
