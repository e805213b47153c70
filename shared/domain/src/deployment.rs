//! Properties of a deployment: the kind of backend, and which service writes completions.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The kind of backend that holds queues, rows and objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BackendKind {
    /// The memory of the process, for tests.
    Memory,
    /// SQLite and files on this machine.
    Local,
    /// SQS, DynamoDB and S3.
    Aws,
}

impl BackendKind {
    /// The name in options and on screens.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            BackendKind::Memory => "memory",
            BackendKind::Local => "local",
            BackendKind::Aws => "aws",
        }
    }

    /// True if calls and log searches cost money.
    #[must_use]
    pub fn is_metered(self) -> bool {
        self == BackendKind::Aws
    }

    /// True if services start and stop the workers; otherwise `stereospot up` does.
    #[must_use]
    pub fn has_services(self) -> bool {
        self == BackendKind::Aws
    }

    /// True if a network lies between this machine and the backend, so that a missing answer is not a fault of this machine's disk.
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
    /// Topology A: the deployment's own `job-worker`, which receives `job-status-events`. Our workers leave these writes to it.
    #[serde(rename = "A")]
    JobWorker,
    /// Topology B: the video worker, which receives `output-events`, and our workers.
    #[default]
    #[serde(rename = "B")]
    VideoWorker,
}

impl Topology {
    /// The name on the wire and on screens.
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
