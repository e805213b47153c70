//! The folder for the files of a worker's current work.

use std::path::{Path, PathBuf};

use stereospot_runtime::stage::Failure;
use tempfile::TempDir;

use crate::files::io_failure;

/// One worker's own folder. What a killed process left there is removed at the next start.
#[derive(Debug, Clone)]
pub struct Scratch {
    root: PathBuf,
}

impl Scratch {
    /// Creates the folder and empties it.
    ///
    /// # Errors
    /// When it can't be created.
    pub fn open(root: &Path) -> std::io::Result<Self> {
        match std::fs::remove_dir_all(root) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        std::fs::create_dir_all(root)?;
        Ok(Self { root: root.into() })
    }

    /// A folder for one task, removed when it is dropped. An operator who needs space may delete the folder around it: it is
    /// created again.
    ///
    /// # Errors
    /// [`Failure::NoScratch`] or [`Failure::NoSpace`] when it can't be created.
    pub fn folder(&self) -> Result<TempDir, Failure> {
        let made = std::fs::create_dir_all(&self.root).and_then(|()| TempDir::new_in(&self.root));
        made.map_err(|error| io_failure(&self.root, &error))
    }

    /// A folder in a task's folder, the only one that the process that reads videos may write into.
    ///
    /// # Errors
    /// As [`Scratch::folder`].
    pub fn for_output(&self, task: &TempDir) -> Result<PathBuf, Failure> {
        let folder = task.path().join("output");
        std::fs::create_dir_all(&folder).map_err(|error| io_failure(&folder, &error))?;
        Ok(folder)
    }
}
