//! The database's file: whether it may be made, and whether its path still names the one that is open.
//!
//! A file that was moved or deleted goes on being written by who has it open, while who comes later opens another: without a look
//! at the path nobody would notice, and what is acknowledged from then on would be gone.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use stereospot_ports::{Error, ErrorCode, Result};

use crate::layout;

/// A file as it was when it was opened.
#[derive(Debug, Clone)]
pub(crate) struct OpenFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl OpenFile {
    /// The file that a path names now.
    pub(crate) fn at(path: PathBuf) -> io::Result<Self> {
        let about = fs::metadata(&path)?;
        Ok(Self { path, device: about.dev(), inode: about.ino() })
    }

    /// Fails while the path names another file, or none. Costs one look at the path, no reading.
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

/// Fails where a new database would take the place of one that is gone: what else the directory holds belongs to that one.
pub(crate) fn may_be_made(path: &Path, data_dir: &Path) -> Result<()> {
    let objects = layout::objects(data_dir);
    let in_the_way =
        |error| Error::with(ErrorCode::Unavailable, format!("{} can't be looked at", data_dir.display()), error);
    if path.try_exists().map_err(in_the_way)? {
        return Ok(());
    }
    // Asked again at the end: another process may just have made it, and put something in.
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

/// Whether there is any file, however deep; what does not exist holds none.
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
