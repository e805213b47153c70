//! Removes files left by interrupted uploads.
//!
//! The store writes an upload to a file `name#N` beside its object and renames it when complete. A process that is killed in
//! between leaves that file; the store never lists it, so nothing else would remove it.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use stereospot_ports::notifying::Side;

use crate::layout;

/// An upload that has written nothing for this long counts as interrupted.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Removes the files of interrupted uploads, last written a day ago or more. Logs failures.
pub(crate) async fn sweep(data_dir: &Path) {
    let folders = [Side::Input, Side::Output].map(|side| layout::bucket(data_dir, side));
    let swept = tokio::task::spawn_blocking(move || {
        // File times come from the system's clock, whatever clock the messages use.
        let now = SystemTime::now();
        folders.into_iter().try_for_each(|folder| sweep_folders(folder, now))
    });
    match swept.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "files of broken-off uploads can't be removed now; it is tried again"),
        Err(error) => tracing::warn!(%error, "looking for files of broken-off uploads broke off; it is tried again"),
    }
}

/// Sweeps a folder and its subfolders.
fn sweep_folders(top: PathBuf, now: SystemTime) -> io::Result<()> {
    let mut folders = vec![top];
    while let Some(folder) = folders.pop() {
        // Other processes remove files at the same time, so a missing file is not a failure.
        for entry in unless_gone(fs::read_dir(&folder))?.into_iter().flatten() {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if is_staged(&path)
                && let Some(about) = unless_gone(entry.metadata())?
                && is_abandoned(about.modified()?, now)
            {
                tracing::info!(file = %path.display(), bytes = about.len(), "a file that a broken-off upload left is removed");
                unless_gone(fs::remove_file(&path))?;
            }
        }
    }
    Ok(())
}

/// True for the file name of an unfinished upload. The store accepts no object of such a name.
pub(crate) fn is_staged(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let number = name.and_then(|name| name.split_once('#')).map(|(_, number)| number);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// False for a time in the future, which appears after the clock is set back.
fn is_abandoned(modified: SystemTime, now: SystemTime) -> bool {
    now.duration_since(modified).is_ok_and(|age| age >= ABANDONED_AFTER)
}

fn unless_gone<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
