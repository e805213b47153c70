//! Files that broken-off uploads left.
//!
//! An upload is written beside its object, as `name#N`, and renamed when it is whole. A process that is killed in between leaves
//! that file; the store never lists it, so nobody would ever see or remove it.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use stereospot_ports::notifying::Side;

use crate::layout;

/// Nobody writes any longer to a file that was not written to for so long.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Removes what uploads left that ended a day ago or more. What can't be removed stays, and is logged.
pub(crate) async fn sweep(data_dir: &Path) {
    let folders = [Side::Input, Side::Output].map(|side| layout::bucket(data_dir, side));
    let swept = tokio::task::spawn_blocking(move || {
        // The files' times are the system's, whatever clock the messages go by.
        let now = SystemTime::now();
        folders.into_iter().try_for_each(|folder| sweep_folders(folder, now))
    });
    match swept.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "files of broken-off uploads can't be removed now; it is tried again"),
        Err(error) => tracing::warn!(%error, "looking for files of broken-off uploads broke off; it is tried again"),
    }
}

/// Looks through a folder and all below it.
fn sweep_folders(top: PathBuf, now: SystemTime) -> io::Result<()> {
    let mut folders = vec![top];
    while let Some(folder) = folders.pop() {
        // Others open, write and remove at the same time: what is gone is no failure.
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

/// True for the store's name of an unfinished upload. No object has such a name: the store refuses it.
fn is_staged(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let number = name.and_then(|name| name.split_once('#')).map(|(_, number)| number);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A time ahead of the clock, which was then set back, is not taken for an old one.
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
