//! Allows one stack per data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Pid;

use super::error::Error;

/// The file that `up` locks while it runs.
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

/// The process that wrote itself into the lock file of `up`. Meaningful only while the lock is held.
pub(crate) fn lock_holder(data_dir: &Path) -> Option<Pid> {
    std::fs::read_to_string(lock_path(data_dir)).ok()?.parse().ok().and_then(Pid::from_raw)
}

/// Attempts, because a command that probes the lock holds it for an instant.
const ATTEMPTS: u32 = 5;

const PAUSE: Duration = Duration::from_millis(20);

/// The right to run a stack on a data directory. The kernel releases it when the process ends, for any reason.
#[derive(Debug)]
pub(super) struct StackLock {
    _file: File,
}

impl StackLock {
    /// Takes the lock.
    ///
    /// # Errors
    /// [`Error::Locked`] when another process holds it.
    pub(super) fn take(data_dir: &Path) -> Result<Self, Error> {
        let failed = |source| Error::DataDir { path: data_dir.to_owned(), source };
        let file =
            OpenOptions::new().create(true).append(true).mode(0o600).open(lock_path(data_dir)).map_err(failed)?;
        for _ in 0..ATTEMPTS {
            match file.try_lock() {
                Ok(()) => {
                    file.set_len(0).and_then(|()| write!(&file, "{}", std::process::id())).map_err(failed)?;
                    return Ok(Self { _file: file });
                }
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
        assert_eq!(lock_holder(dir.path()), Some(rustix::process::getpid()));
        let error = StackLock::take(dir.path()).unwrap_err();
        assert!(error.to_string().contains("runs on"), "{error}");
        drop(first);
        StackLock::take(dir.path()).unwrap();
    }
}
