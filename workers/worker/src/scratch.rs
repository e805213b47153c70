//! The folder where a worker's files live while they are worked on.

use std::path::{Path, PathBuf};

use stereospot_runtime::stage::Failure;
use tempfile::TempDir;

use crate::files::io_failure;

/// A folder of one worker's own. What a killed process left there is removed at the next start.
#[derive(Debug, Clone)]
pub struct Scratch {
    root: PathBuf,
}

impl Scratch {
    /// Makes the folder and empties it.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn open(root: &Path) -> std::io::Result<Self> {
        match std::fs::remove_dir_all(root) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        std::fs::create_dir_all(root)?;
        Ok(Self { root: root.into() })
    }

    /// A folder for one task, removed when it is dropped. Whoever looks for space deletes the one around it: it is made again.
    ///
    /// # Errors
    /// [`Failure::NoScratch`] or [`Failure::NoSpace`] when it can't be made.
    pub fn folder(&self) -> Result<TempDir, Failure> {
        let made = std::fs::create_dir_all(&self.root).and_then(|()| TempDir::new_in(&self.root));
        made.map_err(|error| io_failure(&self.root, &error))
    }
}
