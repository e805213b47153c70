//! What to start: the backend, the place, the workers.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use stereospot_telemetry::LogKeep;

use super::fleet::Fleet;

/// Where the pipeline runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Backend {
    /// In the data directory.
    Local,
    /// On AWS.
    Aws { env_file: PathBuf },
}

/// What to start.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub backend: Backend,
    /// Everything kept on this machine.
    pub data_dir: PathBuf,
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Extra arguments of the control plane: how it watches.
    pub watch: Vec<OsString>,
    pub fleet: Fleet,
    pub model: Option<PathBuf>,
    /// The execution provider of the depth model.
    pub provider: Option<String>,
    pub segment_secs: Option<f64>,
    /// How much of each child's log is kept.
    pub logs: LogKeep,
    /// Extra arguments of each worker: its memory, and the largest sources.
    pub bounds: Vec<OsString>,
    /// Where the programs are, if not beside this one or on PATH.
    pub bin_dir: Option<PathBuf>,
}
