//! Restores a backup into an empty data directory.
//!
//! Everything is written into the folder `restoring` first, and moved to its place once every checksum was right; `stereospot.db` comes
//! last. While `restoring` is there, no stack starts on the directory, and the next restore begins again.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::copy::Copier;
use super::failure::{BackupError, Result, failed};
use super::manifest::{Listed, Manifest};
use super::place::{EVENTS, OBJECTS, QUEUES_AND_JOBS, SPOOL, make_folder, remove_contents};
use crate::layout::RESTORING;

/// In this order, so that a directory with `stereospot.db` is whole.
const MOVED: [&str; 4] = [OBJECTS, SPOOL, EVENTS, QUEUES_AND_JOBS];
/// What may be there beside them: the folders that a start makes before it is refused, and that of a file system.
const HARMLESS: [&str; 3] = ["run", "logs", "lost+found"];
const LOCKS: [&str; 2] = ["run/up.lock", "run/controlplane.lock"];

/// Restores a backup into `data_dir`, which must be empty or not exist. Blocks.
///
/// # Errors
/// [`BackupError`]; nothing is restored then.
pub fn restore(backup: &Path, data_dir: &Path) -> Result<Manifest> {
    let (manifest, files) = Manifest::read(backup)?;
    let was_there = data_dir.exists();
    // Kept open: it holds the lock.
    let lock = prepare(data_dir)?;
    let staged = data_dir.join(RESTORING);
    let restored = fill(backup, &staged, &manifest, &files).and_then(|()| move_all(&staged, data_dir));
    if restored.is_err() {
        remove_contents(&staged, false);
        if !was_there {
            let _ = fs::remove_dir(data_dir);
        }
    }
    drop(lock);
    restored.map(|()| manifest).map_err(|error| error.of_disk(data_dir))
}

/// Takes the directory, and removes what a restore that was cut off left in it.
fn prepare(data_dir: &Path) -> Result<File> {
    let is_held = |lock: &&str| {
        File::open(data_dir.join(lock))
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    };
    if LOCKS.iter().any(is_held) {
        return Err(BackupError::InUse(data_dir.to_owned()));
    }
    let staged = data_dir.join(RESTORING);
    let was_cut_off = staged.is_dir();
    for entry in fs::read_dir(data_dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_ours = was_cut_off && (name == RESTORING || MOVED.iter().any(|moved| name == *moved));
        if !is_ours && !HARMLESS.iter().any(|harmless| name == *harmless) {
            return Err(BackupError::NotEmpty(data_dir.to_owned()));
        }
    }
    make_folder(&staged)?;
    let path = staged.join("lock");
    let lock = File::create(&path).map_err(|error| failed("written", &path, error))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(BackupError::Restoring(data_dir.to_owned())),
        Err(TryLockError::Error(error)) => return Err(failed("locked", &path, error)),
    }
    for name in MOVED {
        for path in [data_dir.join(name), staged.join(name)] {
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("removed", &path, error)),
                _ => {}
            }
        }
    }
    Ok(lock)
}

/// Copies every file of the backup, and compares its checksum.
fn fill(backup: &Path, staged: &Path, manifest: &Manifest, files: &[Listed]) -> Result<()> {
    let damaged = |path: &Path, how| BackupError::Damaged { path: backup.join(path), how };
    // Quick, and saves the long copy of a backup that is not whole.
    if let Some(missing) = files.iter().find(|listed| !backup.join(&listed.path).is_file()) {
        return Err(damaged(&missing.path, "missing"));
    }
    let mut copier = Copier::new(backup, staged)?;
    copier.check_bytes(manifest.bytes)?;
    for Listed { path, sha256 } in files {
        match copier.copy(path)? {
            None => return Err(damaged(path, "missing")),
            Some((found, _)) if found != *sha256 => return Err(damaged(path, "not what was written")),
            Some(_) => {}
        }
    }
    copier.sync()
}

fn move_all(staged: &Path, data_dir: &Path) -> Result<()> {
    let sync = |folder: &Path| File::open(folder).and_then(|folder| folder.sync_all());
    for name in MOVED {
        let (from, to): (PathBuf, PathBuf) = (staged.join(name), data_dir.join(name));
        match fs::rename(&from, &to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("written", &to, error)),
            _ => {}
        }
        if name == EVENTS {
            // Nothing may be missing once stereospot.db is there.
            sync(data_dir).map_err(|error| failed("written", data_dir, error))?;
        }
    }
    sync(data_dir)
        .and_then(|()| fs::remove_dir_all(staged))
        .and_then(|()| sync(data_dir))
        .map_err(|error| failed("written", data_dir, error))
}
