//! Which control plane a command talks to.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, test_kill_process};
use serde::Deserialize;
use stereospot_api::client::DEFAULT_SERVER;

/// Where a local stack keeps its data when nobody says otherwise.
pub const USUAL_DATA_DIR: &str = "./stereospot-data";

/// What a control plane on a data directory leaves in `run/controlplane.json`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Running {
    /// Its address.
    pub server: String,
    /// Its process.
    pub pid: i32,
}

impl Running {
    /// Where it is told, for a data directory.
    #[must_use]
    pub fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("run").join("controlplane.json")
    }

    /// What is told there; none when nothing is, or nothing readable (it may be half written: ask again).
    #[must_use]
    pub fn read(data_dir: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(Self::path(data_dir)).ok()?).ok()
    }

    /// Whether that process lives. A file outlives a process that was killed.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        match Pid::from_raw(self.pid).map(test_kill_process) {
            Some(Ok(())) => true,
            // It lives, as somebody else's.
            Some(Err(error)) => error == rustix::io::Errno::PERM,
            None => false,
        }
    }
}

/// The server named on the command line, else the running local stack's, else the default.
#[must_use]
pub fn server(given: Option<&str>, data_dir: &Path) -> String {
    if let Some(server) = given {
        return server.to_owned();
    }
    Running::read(data_dir)
        .filter(Running::is_alive)
        .map_or_else(|| DEFAULT_SERVER.to_owned(), |running| running.server)
}

#[cfg(test)]
mod tests;
