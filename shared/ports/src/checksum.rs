//! Checksums of stored objects: what their writer wrote, and whether they still are that.
//!
//! A checksum is an object of its own, written before the object that it is about. So an object without one was written by another
//! service, or by an earlier version. It counts as unverified, never as damaged.

use futures::StreamExt as _;
use object_store::{ObjectStoreExt as _, PutPayload};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::Result;
use crate::{Bucket, objects};

/// An object's size and the SHA-256 of its content, in hexadecimal digits as `sha256sum` prints them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum {
    pub bytes: u64,
    pub sha256: String,
}

impl Checksum {
    /// The checksum of a content in memory.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        let mut sum = Sum::default();
        sum.add(content);
        sum.finish()
    }

    /// Reads an object and returns its checksum; `None` if it does not exist.
    ///
    /// # Errors
    /// If the store can't be reached.
    pub async fn of_object(bucket: &Bucket, key: &str) -> Result<Option<Self>> {
        let mut parts = match bucket.store.get(&objects::path(key)?).await {
            Ok(found) => found.into_stream(),
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut sum = Sum::default();
        while let Some(part) = parts.next().await {
            sum.add(&part?);
        }
        Ok(Some(sum.finish()))
    }

    /// Reads a stored checksum; `None` if its writer stored none, or if it is damaged itself.
    ///
    /// # Errors
    /// If the store can't be reached.
    pub async fn load(bucket: &Bucket, key: &str) -> Result<Option<Self>> {
        Ok(objects::content(&*bucket.store, key).await?.and_then(|stored| Stored::read(&stored)))
    }

    /// Stores the checksum.
    ///
    /// # Errors
    /// If the store can't be reached.
    pub async fn store(&self, bucket: &Bucket, key: &str) -> Result<()> {
        let content = serde_json::to_vec(&Stored::of(self.clone())).expect("a checksum always serialises");
        bucket.store.put(&objects::path(key)?, PutPayload::from(content)).await?;
        Ok(())
    }

    /// Removes a stored checksum, if there is one.
    ///
    /// # Errors
    /// If the store can't be reached.
    pub async fn forget(bucket: &Bucket, key: &str) -> Result<()> {
        match bucket.store.delete(&objects::path(key)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A checksum as it is stored. Damage of the checksum itself must not look like damage of the object.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(flatten)]
    checksum: Checksum,
    /// Begins the SHA-256 of the checksum's own fields. Earlier versions stored none.
    #[serde(default)]
    check: Option<String>,
}

impl Stored {
    fn of(checksum: Checksum) -> Self {
        let own = format!("{} {}", checksum.bytes, checksum.sha256);
        let check = Some(Checksum::of(own.as_bytes()).sha256[..8].to_owned());
        Self { checksum, check }
    }

    fn read(stored: &[u8]) -> Option<Checksum> {
        let Self { checksum, check } = serde_json::from_slice(stored).ok()?;
        let whole = Self::of(checksum);
        (check.is_none() || check == whole.check).then_some(whole.checksum)
    }
}

/// Computes a checksum part by part.
#[derive(Debug, Clone, Default)]
pub struct Sum {
    hasher: Sha256,
    bytes: u64,
}

impl Sum {
    /// Adds the next part of the content.
    pub fn add(&mut self, part: &[u8]) {
        self.hasher.update(part);
        self.bytes += part.len() as u64;
    }

    /// Bytes added so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The checksum of all parts.
    #[must_use]
    pub fn finish(self) -> Checksum {
        let sha256 = self.hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Checksum { bytes: self.bytes, sha256 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_what_sha256sum_prints() {
        // Test vector of FIPS 180-4.
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".to_owned();
        assert_eq!(Checksum::of(b"abc"), Checksum { bytes: 3, sha256 });
    }

    #[test]
    fn a_stored_checksum_with_any_flipped_bit_is_none_or_the_right_one() {
        let right = Checksum::of(b"abc");
        let stored = serde_json::to_vec(&Stored::of(right.clone())).unwrap();
        assert_eq!(Stored::read(&stored), Some(right.clone()));
        for place in 0..stored.len() {
            for bit in 0..8 {
                let mut flipped = stored.clone();
                flipped[place] ^= 1 << bit;
                assert!(Stored::read(&flipped).is_none_or(|read| read == right), "byte {place}, bit {bit}");
            }
        }
        let of_0_2 = serde_json::to_vec(&right).unwrap();
        assert_eq!(Stored::read(&of_0_2), Some(right));
    }
}
