//! How Prometheus learns of processes that come and go: one file each in a folder that it watches (`file_sd_configs`).

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A process's entry; dropped, it is gone. After a kill it stays, which is right: Prometheus then shows the process as down,
/// until the next of the same name takes the entry over.
#[derive(Debug)]
pub struct Target {
    path: PathBuf,
}

impl Target {
    /// Writes `{folder}/{name}.json`, making the folder where it is missing. `name` becomes the label `worker` of the scraped
    /// series; it must be a plain file name. Readers see the old entry or the new one whole.
    ///
    /// # Errors
    /// When `name` is not a plain name of ASCII letters, digits, `-`, `_`, `.` and `@`, or the file can't be written.
    pub fn publish(folder: &Path, name: &str, addr: SocketAddr) -> io::Result<Target> {
        let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.@".contains(c));
        if !is_plain || name.is_empty() || name.starts_with('.') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{name}` can't name a scrape target")));
        }
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("{name}.json"));
        // Not `.json` yet: Prometheus must not read it half written.
        let unfinished = folder.join(format!("{name}.unfinished"));
        fs::write(&unfinished, format!("[{{\"targets\":[\"{addr}\"],\"labels\":{{\"worker\":\"{name}\"}}}}]\n"))?;
        fs::rename(&unfinished, &path)?;
        Ok(Target { path })
    }

    /// The entry's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!("cannot remove the scrape target {}: {error}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests;
