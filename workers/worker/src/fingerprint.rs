//! Recognises a stored file: whether it still is what was written.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A file's size and the hash of its content. It detects damage, not forgery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    pub bytes: u64,
    /// FNV-1a, 64 bit, over its bytes.
    pub hash: u64,
}

impl Fingerprint {
    /// Returns the files' fingerprints, in their order.
    ///
    /// # Errors
    /// When a file can't be read; it is named.
    pub async fn of(files: Vec<PathBuf>) -> Result<Vec<Fingerprint>, (PathBuf, io::Error)> {
        let read = move || files.into_iter().map(|file| read(&file).map_err(|error| (file, error))).collect();
        tokio::task::spawn_blocking(read).await.expect("reading does not panic")
    }
}

fn read(file: &Path) -> io::Result<Fingerprint> {
    let mut content = BufReader::with_capacity(1 << 20, File::open(file)?);
    let (mut bytes, mut hash) = (0, 0xcbf2_9ce4_8422_2325_u64);
    loop {
        let part = content.fill_buf()?;
        if part.is_empty() {
            return Ok(Fingerprint { bytes, hash });
        }
        hash = part.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        let count = part.len();
        bytes += count as u64;
        content.consume(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_hash_is_the_published_one_and_sees_a_single_bit() {
        let folder = tempfile::tempdir().unwrap();
        // Test vectors of the hash's authors.
        let check = async |content: &[u8], hash| {
            let file = folder.path().join("file");
            std::fs::write(&file, content).unwrap();
            let expected = Fingerprint { bytes: content.len() as u64, hash };
            assert_eq!(Fingerprint::of(vec![file]).await.unwrap(), [expected]);
        };
        check(b"", 0xcbf2_9ce4_8422_2325).await;
        check(b"a", 0xaf63_dc4c_8601_ec8c).await;
        check(b"foobar", 0x8594_4171_f739_67e8).await;
        let gone = folder.path().join("gone");
        assert_eq!(Fingerprint::of(vec![gone.clone()]).await.unwrap_err().0, gone);
    }
}
