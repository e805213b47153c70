//! Announces processes to Prometheus: one file per process in a folder that Prometheus watches (`file_sd_configs`).

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A process's scrape target, removed when dropped. It remains after a kill, so that Prometheus shows the process as down until one
/// of the same name starts again.
#[derive(Debug)]
pub struct Target {
    path: PathBuf,
}

impl Target {
    /// Atomically writes `{folder}/{name}.json`, creating the folder if missing. `name` becomes the label `worker` of the scraped
    /// series.
    ///
    /// # Errors
    /// If `name` has other characters than ASCII letters, digits, `-`, `_`, `.` and `@`, or begins with `.`, or if the file can't
    /// be written.
    pub fn publish(folder: &Path, name: &str, addr: SocketAddr) -> io::Result<Target> {
        let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.@".contains(c));
        if !is_plain || name.is_empty() || name.starts_with('.') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{name}` can't name a scrape target")));
        }
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("{name}.json"));
        // Not `.json` yet, so that Prometheus does not read it half written.
        let unfinished = folder.join(format!("{name}.unfinished"));
        fs::write(&unfinished, format!("[{{\"targets\":[\"{addr}\"],\"labels\":{{\"worker\":\"{name}\"}}}}]\n"))?;
        fs::rename(&unfinished, &path)?;
        Ok(Target { path })
    }

    /// The target's file.
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
