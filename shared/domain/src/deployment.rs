//! What a control plane and its workers run on: the backend's kind, and who writes completions there.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which backend: where queues, rows and objects are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BackendKind {
    /// The process's memory, for tests.
    Memory,
    /// SQLite and files on this machine.
    Local,
    /// SQS, DynamoDB and S3.
    Aws,
}

impl BackendKind {
    /// The name that operators use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            BackendKind::Memory => "memory",
            BackendKind::Local => "local",
            BackendKind::Aws => "aws",
        }
    }

    /// True where calls and log searches are paid for.
    #[must_use]
    pub fn is_metered(self) -> bool {
        self == BackendKind::Aws
    }

    /// True where services start and stop the workers; elsewhere `stereospot up` does.
    #[must_use]
    pub fn has_services(self) -> bool {
        self == BackendKind::Aws
    }

    /// True where a network lies between: what does not answer is not this machine's disk.
    #[must_use]
    pub fn is_remote(self) -> bool {
        self == BackendKind::Aws
    }
}

impl fmt::Display for BackendKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Which service writes completions, sets the statuses from `reassembling` on and triggers reassembly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub enum Topology {
    /// The deployment's own `job-worker`, which receives `job-status-events`. Our workers write objects and leave it the rest.
    #[serde(rename = "A")]
    JobWorker,
    /// The video worker, on `output-events`; ours too.
    #[default]
    #[serde(rename = "B")]
    VideoWorker,
}

impl Topology {
    /// Its name on the wire and on screens.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Topology::JobWorker => "A",
            Topology::VideoWorker => "B",
        }
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
