//! What is where in a data directory and in a backup, and folders for their owner alone.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use super::failure::{BackupError, Result, failed};

/// Files of a data directory.
pub(super) const QUEUES_AND_JOBS: &str = "stereospot.db";
pub(super) const EVENTS: &str = "controlplane.db";
pub(super) const SPOOL: &str = "spool";
pub(super) const OBJECTS: &str = "objects";

/// Makes a folder for its owner alone, unless it exists and is empty.
pub(super) fn make_empty(folder: &Path) -> Result<()> {
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            Some(_) => Err(BackupError::NotEmpty(folder.to_owned())),
            None => Ok(()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_folder(folder),
        Err(error) => Err(failed("read", folder, error)),
    }
}

pub(super) fn make_folder(folder: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| failed("made", folder, error))
}

/// Removes what this process wrote. What can't be removed stays, without a manifest.
pub(super) fn remove_contents(folder: &Path, keep_folder: bool) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        if let Err(error) = removed {
            tracing::warn!(%error, "{} stays behind", path.display());
        }
    }
    if !keep_folder {
        let _ = fs::remove_dir(folder);
    }
}
