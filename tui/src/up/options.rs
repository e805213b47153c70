//! What to start: on which backend, where, and which workers.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::fleet::Fleet;

/// Where the pipeline runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Backend {
    /// In the data directory.
    Local,
    /// On AWS.
    Aws {
        /// The deployment's settings.
        env_file: PathBuf,
    },
}

/// What to start.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Where the pipeline runs.
    pub backend: Backend,
    /// Where everything is kept that is kept here.
    pub data_dir: PathBuf,
    /// Where the control plane listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Further arguments of the control plane: how it watches.
    pub watch: Vec<OsString>,
    /// How many workers of each stage.
    pub fleet: Fleet,
    /// The depth model.
    pub model: Option<PathBuf>,
    /// What runs it.
    pub provider: Option<String>,
    /// Wanted length of a segment.
    pub segment_secs: Option<f64>,
    /// Where the programs lie, if not beside this one or on PATH.
    pub bin_dir: Option<PathBuf>,
}
