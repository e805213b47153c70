//! Fetches a job's result into a file.
//!
//! Invariant: the file appears whole or not at all: bytes go to `OUT.part` beside it, which is renamed when all are there.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use futures::{StreamExt, pin_mut};
use stereospot_api::Client;
use stereospot_domain::JobId;
use tokio::io::AsyncWriteExt;

use super::{Error, Result};

/// A file that may be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Destination {
    path: PathBuf,
}

impl Destination {
    /// The file, whether it can be written or not.
    pub(super) fn unchecked(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Checks, before any work is done, that the file can be written: its folder exists, it is no folder itself, and it isn't there
    /// already unless it may be overwritten.
    ///
    /// # Errors
    /// [`Error::Usage`] says which of these is not so.
    pub(super) fn check(path: &Path, may_overwrite: bool) -> Result<Self> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let shown = path.display();
        if !folder.is_dir() {
            return Err(Error::Usage(format!(
                "cannot write {shown}: there is no folder {}; make it first",
                folder.display()
            )));
        }
        if path.is_dir() || path.file_name().is_none() {
            return Err(Error::Usage(format!("cannot write {shown}: it is a folder; name a file in it")));
        }
        if !may_overwrite && path.exists() {
            return Err(Error::Usage(format!(
                "{shown} exists already: name another file, or add --force to overwrite it"
            )));
        }
        Ok(Self::unchecked(path))
    }

    /// Where the file will be.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file beside it that holds the bytes until all are there.
    pub(super) fn part(&self) -> PathBuf {
        let mut name = self.path.file_name().map(OsString::from).unwrap_or_default();
        name.push(".part");
        self.path.with_file_name(name)
    }
}

/// Removes the unfinished file, however the fetching ends.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Fetches a job's result; yields its size in bytes.
///
/// # Errors
/// [`Error::Api`] from the control plane, [`Error::File`] from the disk.
pub(super) async fn result(client: &Client, job_id: JobId, destination: &Destination) -> Result<u64> {
    let stream = client.download_result(job_id).await?;
    pin_mut!(stream);
    let unfinished = Unfinished(destination.part());
    let failed = |error| Error::File(format!("could not write {}", unfinished.0.display()), error);
    let mut file = tokio::fs::File::create(&unfinished.0).await.map_err(failed)?;
    let mut bytes = 0;
    while let Some(part) = stream.next().await {
        let part = part?;
        file.write_all(&part).await.map_err(failed)?;
        bytes += part.len() as u64;
    }
    file.flush().await.map_err(failed)?;
    file.sync_all().await.map_err(failed)?;
    fs::rename(&unfinished.0, &destination.path)
        .map_err(|error| Error::File(format!("could not write {}", destination.path.display()), error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
