//! Why a backup was not made or not restored.

use std::io;
use std::path::{Path, PathBuf};

use stereospot_domain::text::size;

/// Why a backup was not made or not restored, as a sentence.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is nothing to back up.
    #[error(
        "{dir} holds no embedded stack: there is no stereospot.db in it; what runs on AWS is backed up by AWS's own means",
        dir = .0.display()
    )]
    NoStack(PathBuf),
    /// A backup goes into a folder of its own.
    #[error("{dir} is not empty: choose a new or an empty folder", dir = .0.display())]
    NotEmpty(PathBuf),
    /// It would back itself up.
    #[error("{dir} lies in the data directory: choose a folder outside of it, best on another disk", dir = .0.display())]
    Inside(PathBuf),
    /// Known before it begins.
    #[error("{dir} has {} free, and this needs {}: nothing was written", size(*free), size(*needed), dir = dir.display())]
    TooSmall { dir: PathBuf, free: u64, needed: u64 },
    /// The disk filled up meanwhile.
    #[error("no space left in {dir}: what was written was removed again", dir = .0.display())]
    Full(PathBuf),
    /// A file or folder can't be read or written.
    #[error("{path} can't be {what}", path = path.display())]
    File {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A database can't be copied.
    #[error("{path} can't be copied", path = path.display())]
    Database {
        path: PathBuf,
        #[source]
        source: sqlx::Error,
    },
    /// It was cut off, or is no backup.
    #[error("{dir} holds no complete backup: there is no backup.json in it, which is written last", dir = .0.display())]
    NoBackup(PathBuf),
    /// A newer version made it.
    #[error("{dir} was made by a newer version of stereospot ({version}): use that one", dir = dir.display())]
    Newer { dir: PathBuf, version: String },
    /// A file is not what was written.
    #[error("the backup is damaged: {path} is {how}; nothing was restored", path = path.display())]
    Damaged { path: PathBuf, how: &'static str },
    /// The folder is in use.
    #[error("a stack runs on {dir}: stop it first, or choose another folder", dir = .0.display())]
    InUse(PathBuf),
    /// Another restore writes there.
    #[error("another restore into {dir} is under way", dir = .0.display())]
    Restoring(PathBuf),
}

impl BackupError {
    /// Names the folder that the operator gave, where the disk is the obstacle.
    pub(super) fn of_disk(self, folder: &Path) -> Self {
        match self {
            BackupError::Full(_) => BackupError::Full(folder.to_owned()),
            BackupError::TooSmall { free, needed, .. } => {
                BackupError::TooSmall { dir: folder.to_owned(), free, needed }
            }
            other => other,
        }
    }
}

pub(super) type Result<T> = std::result::Result<T, BackupError>;

pub(super) fn failed(what: &'static str, path: &Path, source: io::Error) -> BackupError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            BackupError::Full(path.parent().unwrap_or(path).to_owned())
        }
        _ => BackupError::File { what, path: path.to_owned(), source },
    }
}
