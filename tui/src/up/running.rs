//! Finds the control plane that runs on a data directory, by its file `run/controlplane.json`.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, test_kill_process};
use serde::Deserialize;

use super::lock::is_held;

/// What a control plane writes into its data directory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Running {
    pub server: String,
    pid: i32,
}

impl Running {
    /// The path of that file.
    pub(crate) fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("run").join("controlplane.json")
    }

    /// The file that a control plane locks while it runs.
    pub(crate) fn lock_path(data_dir: &Path) -> PathBuf {
        data_dir.join("run").join("controlplane.lock")
    }

    /// What hinders a control plane that is being started, in its words.
    pub(crate) fn hindrance(data_dir: &Path) -> Option<String> {
        #[derive(Deserialize)]
        struct Starting {
            why: String,
        }
        let text = fs::read(data_dir.join("run").join("starting.json")).ok()?;
        Some(serde_json::from_slice::<Starting>(&text).ok()?.why)
    }

    /// Reads the file; none where it is missing or unreadable. It may be half written, so try again.
    pub(super) fn read(data_dir: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(Self::path(data_dir)).ok()?).ok()
    }

    /// Reads the file if that control plane is alive: its process exists and its lock is held. The file alone proves nothing: it
    /// outlives a killed process, whose id may since belong to another.
    pub(crate) fn living(data_dir: &Path) -> Option<Self> {
        Self::read(data_dir).filter(|running| running.has_process() && is_held(&Self::lock_path(data_dir)))
    }

    fn has_process(&self) -> bool {
        match Pid::from_raw(self.pid).map(test_kill_process) {
            Some(Ok(())) => true,
            // Alive, but owned by another user.
            Some(Err(error)) => error == rustix::io::Errno::PERM,
            None => false,
        }
    }
}
