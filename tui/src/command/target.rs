//! Which control plane a command talks to.
//!
//! Invariant: a command never goes to another stack than the one it names. The rule, first match first:
//! 1. A server that is named (`--server`, `STEREOSPOT_SERVER`) is the one; only a `--data-dir` on the command line itself outweighs
//!    the variable ([`crate::cli::Cli::read`] sees to that).
//! 2. Otherwise it is the control plane that lives on the data directory: the named one (`--data-dir`, `STEREOSPOT_DATA_DIR`), else
//!    [`USUAL_DATA_DIR`].
//! 3. Where none lives there, and the directory was named or a stack has run on it before, that is an error, and a sentence of its own
//!    while `up` starts its control plane, for the first time or again. Nobody who means that stack wants another to do the work.
//! 4. Only where nothing was named and no stack ever ran in the usual place is it [`DEFAULT_SERVER`].
//!
//! The dashboard keeps to it when it is opened; from then on it stays with its address.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use rustix::process::{Pid, test_kill_process};
use serde::Deserialize;
use stereospot_api::client::DEFAULT_SERVER;

use super::{Error, Result};
use crate::up;

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

    /// What is told there, if that control plane lives: its process is there, and holds its lock. A file outlives a process that was
    /// killed, and another process may have got its number.
    #[must_use]
    pub fn living(data_dir: &Path) -> Option<Self> {
        Self::read(data_dir).filter(|told| told.has_process() && is_held(&lock_of_control_plane(data_dir)))
    }

    fn has_process(&self) -> bool {
        match Pid::from_raw(self.pid).map(test_kill_process) {
            Some(Ok(())) => true,
            // It lives, as somebody else's.
            Some(Err(error)) => error == rustix::io::Errno::PERM,
            None => false,
        }
    }
}

/// The server that a command talks to, by the rule above.
///
/// # Errors
/// [`Error::Failed`] where no stack runs on the data directory that is meant: how to start it.
pub fn server(given: Option<&str>, data_dir: Option<&Path>) -> Result<String> {
    given.map_or_else(|| on(data_dir, Path::new(USUAL_DATA_DIR)), |server| Ok(server.to_owned()))
}

fn on(data_dir: Option<&Path>, usual: &Path) -> Result<String> {
    let meant = data_dir.unwrap_or(usual);
    if let Some(running) = Running::living(meant) {
        return Ok(running.server);
    }
    if data_dir.is_none() && !Running::path(usual).exists() && !lock_of_control_plane(usual).exists() {
        return Ok(DEFAULT_SERVER.to_owned());
    }
    Err(Error::Failed(why_none(meant, data_dir.is_some())))
}

/// Why no control plane lives there, and what to do.
fn why_none(data_dir: &Path, is_named: bool) -> String {
    let shown = data_dir.display();
    if is_held(&up::lock_path(data_dir)) {
        let log = data_dir.join("logs").join("controlplane.log");
        return format!(
            "the control plane of the stack on {shown} is being started and can't be asked yet: try again in a moment, or see {}",
            log.display()
        );
    }
    let mut start = "stereospot up".to_owned();
    // A deployment's folder has the control plane's data and no queues.
    if data_dir.join("controlplane.db").exists() && !data_dir.join("stereospot.db").exists() {
        start.push_str(" --backend aws --env-file FILE");
    }
    if is_named {
        start.push_str(&format!(" --data-dir {shown}"));
    }
    format!("no stack runs on {shown}: start it with `{start}`, or name a server with --server")
}

/// What a control plane locks as long as it lives.
fn lock_of_control_plane(data_dir: &Path) -> PathBuf {
    data_dir.join("run").join("controlplane.lock")
}

/// Whether a process holds a lock file. One that can't be looked at counts as held: its owner is somebody else.
fn is_held(path: &Path) -> bool {
    match File::open(path).map(|file| file.try_lock_shared()) {
        Ok(locked) => matches!(locked, Err(TryLockError::WouldBlock)),
        Err(error) => error.kind() == std::io::ErrorKind::PermissionDenied,
    }
}

#[cfg(test)]
mod tests;
