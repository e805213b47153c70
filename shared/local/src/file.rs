//! The database's file: may it be created, and does its path still name the open one?
//!
//! After a file is moved or deleted, processes that have it open keep writing to it, while new processes open another one. Without
//! a look at the path this would go unnoticed, and everything acknowledged from then on would be lost.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use stereospot_ports::{Error, ErrorCode, Result};

use crate::layout::{self, RESTORING};

/// The identity of an open file.
#[derive(Debug, Clone)]
pub(crate) struct OpenFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl OpenFile {
    /// The file that the path names now.
    pub(crate) fn at(path: PathBuf) -> io::Result<Self> {
        let about = fs::metadata(&path)?;
        Ok(Self { path, device: about.dev(), inode: about.ino() })
    }

    /// Fails while the path names another file or none. Costs one `stat` call.
    pub(crate) fn check(&self) -> Result<()> {
        let found = fs::metadata(&self.path);
        if found.as_ref().is_ok_and(|about| (about.dev(), about.ino()) == (self.device, self.inode)) {
            return Ok(());
        }
        let message = format!(
            "{} was moved, deleted or replaced while in use: put it back, or stop everything that runs on this data \
             directory and start it again",
            self.path.display()
        );
        Err(match found {
            Ok(_) => Error::new(ErrorCode::Unavailable, message),
            Err(error) => Error::with(ErrorCode::Unavailable, message, error),
        })
    }
}

/// Fails if the directory is only half restored, or the database is missing although there are objects: they belong to a lost database, which a new one must not replace.
pub(crate) fn may_be_made(path: &Path, data_dir: &Path) -> Result<()> {
    if data_dir.join(RESTORING).is_dir() {
        let why = format!(
            "a restore into {} was cut off or is under way: run it again, or remove the folder",
            data_dir.display()
        );
        return Err(Error::new(ErrorCode::Conflict, why));
    }
    let objects = layout::objects(data_dir);
    let in_the_way =
        |error| Error::with(ErrorCode::Unavailable, format!("{} can't be looked at", data_dir.display()), error);
    if path.try_exists().map_err(in_the_way)? {
        return Ok(());
    }
    // Look for the database again at the end: another process may have created it meanwhile and put an object.
    if !holds_a_file(&objects).map_err(in_the_way)? || path.try_exists().map_err(in_the_way)? {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::NotFound,
        format!(
            "{} is gone, and with it the jobs and queues that {} belong to: put it back; if it is lost, stop everything \
             that runs on this data directory, move objects/ away too and submit the videos in its input/ again",
            path.display(),
            objects.display()
        ),
    ))
}

/// Whether there is a file at any depth. A folder that does not exist holds none.
fn holds_a_file(folder: &Path) -> io::Result<bool> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if !entry.file_type()?.is_dir() || holds_a_file(&entry.path())? {
            return Ok(true);
        }
    }
    Ok(false)
}
