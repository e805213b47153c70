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

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

mod copy;
mod databases;
mod failure;
mod manifest;
mod place;
mod restore;

use copy::Copier;
use databases::Copied;
use failure::{Result, failed};
use manifest::UNFINISHED;
use place::{EVENTS, QUEUES_AND_JOBS, SPOOL, make_empty, remove_contents};

pub use failure::BackupError;
pub use manifest::Manifest;
pub use restore::restore;

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
    made.map_err(|error| error.of_disk(&target))
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
