//! Recognises a stored file: whether it still is what was written.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

pub use stereospot_ports::checksum::Checksum;
use stereospot_ports::checksum::Sum;
use stereospot_runtime::stage::Failure;

use crate::files;

/// Large enough that reading costs little beside hashing.
const READ_BYTES: usize = 256 * 1024;

/// Returns the files' checksums, in their order.
///
/// # Errors
/// [`files::io_failure`] when a file can't be read.
pub async fn of_files(paths: Vec<PathBuf>) -> Result<Vec<Checksum>, Failure> {
    let read = move || {
        let checksum = |path: &PathBuf| read(path).map_err(|error| files::io_failure(path, &error));
        paths.iter().map(checksum).collect()
    };
    tokio::task::spawn_blocking(read).await.expect("reading does not panic")
}

/// Returns a file's checksum.
///
/// # Errors
/// As [`of_files`].
pub async fn of_file(path: &Path) -> Result<Checksum, Failure> {
    Ok(of_files(vec![path.to_owned()]).await?.remove(0))
}

fn read(path: &Path) -> io::Result<Checksum> {
    let (mut file, mut sum, mut buffer) = (File::open(path)?, Sum::default(), vec![0; READ_BYTES]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(sum.finish()),
            length => sum.add(&buffer[..length]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_files_checksum_is_its_contents() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        let content = vec![7; READ_BYTES + 1];
        std::fs::write(&file, &content).unwrap();
        assert_eq!(of_file(&file).await.unwrap(), Checksum::of(&content));
        assert!(matches!(of_file(&folder.path().join("gone")).await, Err(Failure::NoScratch(..))));
    }
}
