//! One stack on one data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::Error;

/// What `up` locks as long as it lives.
pub(crate) fn lock_path(data_dir: &Path) -> PathBuf {
    data_dir.join("run").join("up.lock")
}

/// Whether a process holds a lock file. A file that can't be opened counts as held: it belongs to another user.
pub(crate) fn is_held(path: &Path) -> bool {
    match File::open(path).map(|file| file.try_lock_shared()) {
        Ok(locked) => matches!(locked, Err(TryLockError::WouldBlock)),
        Err(error) => error.kind() == std::io::ErrorKind::PermissionDenied,
    }
}

/// How often it is tried: a command that looks whether it is held has it for an instant.
const ATTEMPTS: u32 = 5;

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(20);

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
        let file =
            OpenOptions::new().create(true).append(true).mode(0o600).open(lock_path(data_dir)).map_err(failed)?;
        for _ in 0..ATTEMPTS {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
        Err(Error::Locked(data_dir.to_owned()))
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
