//! What a worker and its child say to each other.
//!
//! The child reads one [`Order`] from its standard input, to the end. On its standard output it writes pictures, if it decodes,
//! and then one [`Answer`]. Each begins with a byte that says which it is. Numbers are little-endian.

use serde::{Deserialize, Serialize};

use super::job::Job;
use super::limits::Limits;

/// Followed by the length of an [`Answer`] as JSON (8 bytes), and that.
pub(super) const ANSWER: u8 = b'A';
/// Followed by a [`PictureHeader`] and the planes Y, U, V. Their size is that of the manifest's pictures.
pub(super) const PICTURE: u8 = b'P';

/// The plan of a film in a hundred thousand segments takes 20 MB.
pub(super) const LONGEST_ANSWER: u64 = 64 << 20;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// The worker's process id.
    pub(super) parent: u32,
    pub(super) limits: Limits,
    pub(super) job: Job,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer<T> {
    Done(T),
    Failed(stereospot_media::Error),
    OutOfMemory,
}

/// What comes before each picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PictureHeader {
    pub(super) pts: i64,
    /// Frames so far that show another one.
    pub(super) repeated: u64,
    /// Time spent decoding so far.
    pub(super) busy_nanos: u64,
}

impl PictureHeader {
    pub(super) const BYTES: usize = 24;

    pub(super) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.pts.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.repeated.to_le_bytes());
        bytes[16..].copy_from_slice(&self.busy_nanos.to_le_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let word = |at: usize| bytes[at..at + 8].try_into().expect("eight bytes");
        Self {
            pts: i64::from_le_bytes(word(0)),
            repeated: u64::from_le_bytes(word(8)),
            busy_nanos: u64::from_le_bytes(word(16)),
        }
    }
}
