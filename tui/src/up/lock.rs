//! One stack on one data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use super::Error;

/// The right to run a stack on a data directory. The kernel takes it back when the process ends, however that happens.
#[derive(Debug)]
pub(super) struct StackLock {
    _file: File,
}

impl StackLock {
    /// Takes it.
    ///
    /// # Errors
    /// [`Error::Locked`] when another process has it.
    pub(super) fn take(data_dir: &Path) -> Result<Self, Error> {
        let failed = |source| Error::DataDir { path: data_dir.to_owned(), source };
        let path = data_dir.join("run").join("up.lock");
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked(data_dir.to_owned())),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_has_it_and_letting_go_frees_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("run")).unwrap();
        let first = StackLock::take(dir.path()).unwrap();
        let error = StackLock::take(dir.path()).unwrap_err();
        assert!(error.to_string().contains("runs on"), "{error}");
        drop(first);
        StackLock::take(dir.path()).unwrap();
    }
}
