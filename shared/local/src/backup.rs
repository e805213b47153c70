//! Backs up a data directory while its stack runs, and restores it elsewhere.
//!
//! ```text
//! B/stereospot.db, B/controlplane.db   the databases, as of one moment each
//! B/spool/…                            events on their way
//! B/objects/…                          sources, segments, results
//! B/files.sha256                       every file's checksum; `sha256sum -c` reads it
//! B/backup.json                        the manifest, written last
//! ```
//!
//! **Order.** Queues and jobs first, then the spool, then the control plane's events, then the objects. A worker writes an object before
//! rows and messages refer to it, and deletes its message last. So every object that the copied rows need is copied after them, and
//! what was done in between is done again by its message, which is in the copy. Events go from the spool into the control-plane
//! database, so none slips through. What was deleted in between is deleted in the copy too.
//!
//! Invariant: a backup without its manifest is none, and only files with the right checksum are restored. Neither making nor restoring
//! a backup writes into its source.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use stereospot_domain::text::size;

mod copy;
mod databases;
mod manifest;
mod restore;

use copy::Copier;
use databases::Copied;
use manifest::{MANIFEST, UNFINISHED};

pub use manifest::Manifest;
pub use restore::{RESTORING, restore};

/// Files of a data directory.
const QUEUES_AND_JOBS: &str = "stereospot.db";
const EVENTS: &str = "controlplane.db";
const SPOOL: &str = "spool";
const OBJECTS: &str = "objects";

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

type Result<T> = std::result::Result<T, BackupError>;

/// Backs up the embedded stack in `data_dir` into `target`, which must be empty or not exist. The stack may run, and goes on.
///
/// # Errors
/// [`BackupError`]; what was written is removed again.
pub async fn backup(data_dir: &Path, target: &Path) -> Result<Manifest> {
    let database = data_dir.join(QUEUES_AND_JOBS);
    if !database.is_file() {
        return Err(BackupError::NoStack(data_dir.to_owned()));
    }
    let data_dir = data_dir.canonicalize().map_err(|error| failed("read", data_dir, error))?;
    let is_inside = |path: &Path| path.starts_with(&data_dir);
    if std::path::absolute(target).is_ok_and(|path| is_inside(&path)) {
        return Err(BackupError::Inside(target.to_owned()));
    }
    let was_there = target.exists();
    make_empty(target)?;
    let target = target.canonicalize().map_err(|error| failed("read", target, error))?;
    let unfinished = target.join(UNFINISHED);
    match File::create_new(&unfinished) {
        // Another backup into the same folder was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(BackupError::NotEmpty(target)),
        created => created
            .and_then(|mut file| file.write_all(b"This backup is not complete: it is being made, or was cut off.\n"))
            .map_err(|error| failed("written", &unfinished, error))?,
    }
    let made =
        if is_inside(&target) { Err(BackupError::Inside(target.clone())) } else { fill(&data_dir, &target).await };
    if made.is_err() {
        remove_contents(&target, was_there);
    }
    made
}

async fn fill(data_dir: &Path, target: &Path) -> Result<Manifest> {
    let (from, to) = (data_dir.to_owned(), target.to_owned());
    let restored = databases::restored_copies(&from.join(EVENTS)).await?;
    databases::snapshot(&from.join(QUEUES_AND_JOBS), &to.join(QUEUES_AND_JOBS)).await?;
    let mut copied = Copied::open(&to.join(QUEUES_AND_JOBS)).await?;
    let jobs = copied.jobs().await?;
    let mut copier = tokio::task::spawn_blocking(move || -> Result<Copier> {
        let mut copier = Copier::new(&from, &to)?;
        copier.check_space(jobs.iter().filter(|job| !job.is_deleted).flat_map(|job| job.folders()))?;
        copier.copy_growing(Path::new(SPOOL))?;
        Ok(copier)
    })
    .await
    .expect("copying does not panic")?;
    let events = data_dir.join(EVENTS);
    if events.is_file() {
        databases::snapshot(&events, &target.join(EVENTS)).await?;
        databases::keep_undo(&target.join(EVENTS), &restored).await?;
    }
    let jobs = copied.jobs().await?;
    let folders: Vec<PathBuf> = jobs.iter().filter(|job| !job.is_deleted).flat_map(|job| job.folders()).collect();
    let mut copier = tokio::task::spawn_blocking(move || -> Result<Copier> {
        folders.iter().try_for_each(|folder| copier.copy_tree(folder))?;
        Ok(copier)
    })
    .await
    .expect("copying does not panic")?;
    // Rows of jobs that were deleted meanwhile: their objects may have been copied in part.
    let gone = databases::deleted_since(&data_dir.join(QUEUES_AND_JOBS), &jobs).await?;
    copied.settle(&jobs, &gone, |path| copier.has(path)).await?;
    let (all, unfinished_jobs) = copied.counts().await?;
    copied.close().await?;
    let made = tokio::task::spawn_blocking(move || -> Result<Manifest> {
        for job in jobs.iter().filter(|job| gone.contains(&job.job_id)) {
            job.folders().try_for_each(|folder| copier.drop_tree(&folder))?;
        }
        for name in [QUEUES_AND_JOBS, EVENTS] {
            copier.add_written(Path::new(name))?;
        }
        copier.finish(all, unfinished_jobs)
    })
    .await
    .expect("copying does not panic")?;
    let unfinished = target.join(UNFINISHED);
    fs::remove_file(&unfinished).map_err(|error| failed("removed", &unfinished, error))?;
    Ok(made)
}

fn failed(what: &'static str, path: &Path, source: io::Error) -> BackupError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            BackupError::Full(path.parent().unwrap_or(path).to_owned())
        }
        _ => BackupError::File { what, path: path.to_owned(), source },
    }
}

/// Makes a folder for its owner alone, unless it exists and is empty.
fn make_empty(folder: &Path) -> Result<()> {
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            Some(_) => Err(BackupError::NotEmpty(folder.to_owned())),
            None => Ok(()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_folder(folder),
        Err(error) => Err(failed("read", folder, error)),
    }
}

fn make_folder(folder: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| failed("made", folder, error))
}

/// Removes what this process wrote. What can't be removed stays, without a manifest.
fn remove_contents(folder: &Path, keep_folder: bool) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        if let Err(error) = removed {
            tracing::warn!(%error, "{} stays behind", path.display());
        }
    }
    if !keep_folder {
        let _ = fs::remove_dir(folder);
    }
}

/// True if a manifest is there.
fn is_complete(folder: &Path) -> bool {
    folder.join(MANIFEST).is_file() && !folder.join(UNFINISHED).exists()
}
