//! Recognises a stored file: whether it still is what was written.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use object_store::ObjectStoreExt as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use stereospot_domain::JobId;
use stereospot_ports::{Bucket, objects};
use stereospot_runtime::stage::Failure;

use crate::files;

/// A file's size and the SHA-256 of its content, in hexadecimal digits as `sha256sum` prints them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum {
    pub bytes: u64,
    pub sha256: String,
}

impl Checksum {
    /// Returns the files' checksums, in their order.
    ///
    /// # Errors
    /// [`files::io_failure`] when a file can't be read.
    pub async fn of_all(paths: Vec<PathBuf>) -> Result<Vec<Checksum>, Failure> {
        let read = move || {
            let checksum = |path: &PathBuf| read(path).map_err(|error| files::io_failure(path, &error));
            paths.iter().map(checksum).collect()
        };
        tokio::task::spawn_blocking(read).await.expect("reading does not panic")
    }

    /// Returns a file's checksum.
    ///
    /// # Errors
    /// As [`Checksum::of_all`].
    pub async fn of(path: &Path) -> Result<Checksum, Failure> {
        Ok(Self::of_all(vec![path.to_owned()]).await?.remove(0))
    }

    /// Reads the checksum that was stored for an output; none if its writer stored none, as other services do.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn load(output: &Bucket, job_id: JobId, name: &str) -> Result<Option<Checksum>, Failure> {
        let stored = files::get(output, &key(job_id, name)).await?;
        // Damage of the checksum itself leaves the output unverified: the join still looks at its frames.
        Ok(stored.and_then(|stored| serde_json::from_slice(&stored).ok()))
    }

    /// Stores the checksum of an output. Store it before the output: then an output without one was written by another service.
    ///
    /// # Errors
    /// When it can't be written.
    pub async fn store(&self, output: &Bucket, job_id: JobId, name: &str) -> Result<(), Failure> {
        let content = serde_json::to_vec(self).expect("a checksum always serialises");
        files::put(output, &key(job_id, name), content).await
    }

    /// Removes the checksum of an output, if one is stored.
    ///
    /// # Errors
    /// When it can't be removed.
    pub async fn forget(output: &Bucket, job_id: JobId, name: &str) -> Result<(), Failure> {
        match output.store.delete(&objects::path(&key(job_id, name))?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// No notification rule matches these keys, and deleting the job deletes them.
fn key(job_id: JobId, name: &str) -> String {
    format!("jobs/{job_id}/.checksums/{name}.json")
}

fn read(path: &Path) -> io::Result<Checksum> {
    let mut hasher = Sha256::new();
    let bytes = io::copy(&mut File::open(path)?, &mut hasher)?;
    let sha256 = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Checksum { bytes, sha256 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_checksum_is_what_sha256sum_prints() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "abc").unwrap();
        // Test vector of FIPS 180-4.
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".to_owned();
        assert_eq!(Checksum::of(&file).await.unwrap(), Checksum { bytes: 3, sha256 });
        assert!(matches!(Checksum::of(&folder.path().join("gone")).await, Err(Failure::NoScratch(..))));
    }
}
