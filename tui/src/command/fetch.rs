//! Downloads a job's result into a file.
//!
//! Invariant: the file appears whole or not at all. Bytes go to `OUT.part` beside it, which is renamed when complete. Only an
//! ordinary file is ever replaced: links are followed, devices and pipes are left alone.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use futures::{StreamExt, pin_mut};
use stereospot_api::Client;
use stereospot_domain::JobId;
use tokio::io::AsyncWriteExt;

use super::error::{Error, Result};
use super::print::named;

/// A file that may be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Destination {
    path: PathBuf,
    /// The end of the chain when the path is a link.
    target: PathBuf,
}

impl Destination {
    /// Names the file and follows its links, without checking that it can be written.
    pub(super) fn unchecked(path: &Path) -> Self {
        Self { path: path.to_owned(), target: followed(path) }
    }

    /// Checks, before any work starts, that the file can be written: its folder exists, the path is free or an ordinary file, and
    /// an existing file may be overwritten.
    ///
    /// # Errors
    /// [`Error::Usage`] names the failed check.
    pub(super) fn check(path: &Path, may_overwrite: bool) -> Result<Self> {
        let destination = Self::unchecked(path);
        let folder = match destination.target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let shown = named(path);
        if path.file_name().is_none() {
            return Err(Error::Usage(format!("cannot write {shown}: it is a folder; name a file in it")));
        }
        if !folder.is_dir() {
            let folder = named(folder);
            return Err(Error::Usage(format!("cannot write {shown}: there is no folder {folder}; make it first")));
        }
        let is_there = is_replaceable(path)?;
        is_replaceable(&destination.part())?;
        if is_there && !may_overwrite {
            return Err(Error::Usage(format!(
                "{shown} exists already: name another file, or add --force to overwrite it"
            )));
        }
        Ok(destination)
    }

    /// Where the file will be.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file beside it that collects the bytes until all have arrived.
    pub(super) fn part(&self) -> PathBuf {
        let mut name = self.target.file_name().map(OsString::from).unwrap_or_default();
        if name.len() + PART.len() > LONGEST_NAME {
            name = format!(".{}", short_hash(&name)).into();
        }
        name.push(PART);
        self.target.with_file_name(name)
    }
}

/// Ends the name of a file that is not whole yet.
pub(super) const PART: &str = ".part";

/// Longest file name of common file systems, in bytes.
pub(super) const LONGEST_NAME: usize = 255;

/// Eight hex digits that tell names apart of which only a part can be kept (FNV-1a: the same on every machine).
pub(super) fn short_hash(name: &OsStr) -> String {
    let hash = name
        .as_encoded_bytes()
        .iter()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    format!("{hash:08x}")
}

/// Whether a replaceable file exists; false where nothing exists.
///
/// # Errors
/// [`Error::Usage`] where something else exists, which writing would destroy.
fn is_replaceable(path: &Path) -> Result<bool> {
    let shown = named(path);
    match fs::metadata(path) {
        Ok(facts) if facts.is_file() => Ok(true),
        Ok(facts) if facts.is_dir() => {
            Err(Error::Usage(format!("cannot write {shown}: it is a folder; name a file in it")))
        }
        Ok(_) => Err(Error::Usage(format!(
            "cannot write {shown}: it is a device, a pipe or a socket, not a file; name a file"
        ))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::Usage(format!("cannot write {shown}: {error}"))),
    }
}

/// Follows a path's links to the end, even where no file exists yet. Broken links surface when the target is opened.
fn followed(path: &Path) -> PathBuf {
    let mut target = path.to_owned();
    // As many links as Linux follows.
    for _ in 0..40 {
        let Ok(next) = fs::read_link(&target) else { break };
        // An absolute target replaces the whole path.
        target = target.parent().map_or(next.clone(), |folder| folder.join(&next));
    }
    target
}

/// Removes the partial file, however the download ends.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Downloads a job's result and returns its size in bytes.
///
/// # Errors
/// [`Error::Api`] from the control plane, [`Error::File`] from the disk.
pub(super) async fn result(client: &Client, job_id: JobId, destination: &Destination) -> Result<u64> {
    let stream = client.download_result(job_id).await?;
    pin_mut!(stream);
    let unfinished = Unfinished(destination.part());
    let failed = |error| Error::File(format!("could not write {}", named(&unfinished.0)), error);
    let mut file = tokio::fs::File::create(&unfinished.0).await.map_err(failed)?;
    let mut bytes = 0;
    while let Some(part) = stream.next().await {
        let part = part?;
        file.write_all(&part).await.map_err(failed)?;
        bytes += part.len() as u64;
    }
    file.flush().await.map_err(failed)?;
    file.sync_all().await.map_err(failed)?;
    // The check may be hours old.
    is_replaceable(&destination.path)?;
    fs::rename(&unfinished.0, &destination.target)
        .map_err(|error| Error::File(format!("could not write {}", named(&destination.path)), error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
