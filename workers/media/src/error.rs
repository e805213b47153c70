//! Everything that can go wrong with a video. The messages are for users: they name the fault and what to do about it.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use stereospot_domain::Warning;
use stereospot_domain::text::{plural, size};

use crate::limits::Limit;

/// Smallest accepted side of a picture, in pixels.
pub const MIN_SIDE: u32 = 16;
/// Largest accepted side of a picture, in pixels: two views side by side then reach H.264's limit of 16384.
pub const MAX_SIDE: u32 = 8192;

mod wire;

/// An error of any media operation. It serialises, since the process that reads a video is not the one that reports about it.
#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Error {
    #[error("there is no file at {}", path.display())]
    NotFound { path: PathBuf },
    #[error("the file is empty (0 bytes): upload it again")]
    Empty,
    /// Not a container we accept, or a still picture, or text.
    #[error("the file is not a video: send a video file such as MP4, MOV, Matroska, WebM or MPEG-TS")]
    NotAVideo,
    /// The file has sound (or other streams) but no video.
    #[error("the file holds no video, only {}: send a file with a video stream", plural(*sound, "sound stream"))]
    NoVideo { sound: usize },
    /// An MP4 or MOV file without its index.
    #[error("the file is cut short, its index (moov) is missing: upload the whole file again")]
    IndexMissing,
    /// Fewer frames can be read than the container promises.
    #[error("the file is cut short, only {readable} of {promised} frames can be read: upload the whole file again")]
    Truncated { readable: u64, promised: u64 },
    /// The streams end long before the duration that the container promises.
    #[error(
        "the file is cut short, it ends at {readable_secs:.1} s of {promised_secs:.1} s: upload the whole file again"
    )]
    EndsEarly {
        /// Where the last packet ends.
        readable_secs: f64,
        /// The duration stored in the container.
        promised_secs: f64,
    },
    /// A side below [`MIN_SIDE`].
    #[error("the picture is {width}x{height}, too small to convert: both sides must be at least {min} pixels, scale the video up first", min = MIN_SIDE)]
    TooSmall { width: u32, height: u32 },
    /// A side above [`MAX_SIDE`].
    #[error(
        "the picture is {width}x{height}, too large to convert: neither side may exceed {max} pixels, scale the video down first",
        max = MAX_SIDE
    )]
    TooLarge { width: u32, height: u32 },
    /// Above one of the operator's limits.
    #[error(
        "the video has {found} {}, and the limit is {most} ({}): make it smaller, or raise the limit",
        limit.unit(), limit.option()
    )]
    OverLimit { limit: Limit, found: u64, most: u64 },
    /// Its pictures don't fit in a worker's memory.
    #[error(
        "{what} pictures of {width}x{height} takes at least {}, and a worker may use {} (--memory): scale the video down, or give \
         the workers more memory",
        size(*needs), size(*budget)
    )]
    TooMuchMemory {
        /// The step, as a verb in -ing form.
        what: String,
        width: u32,
        height: u32,
        /// In bytes.
        needs: u64,
        /// In bytes.
        budget: u64,
    },
    /// Its packets are too many for a worker's memory.
    #[error(
        "the video has {packets} packets, whose index takes {}, and a worker may use {} (--memory): cut it into parts, or give \
         the workers more memory",
        size(*needs), size(*budget)
    )]
    TooManyPackets {
        packets: u64,
        /// In bytes.
        needs: u64,
        /// In bytes.
        budget: u64,
    },
    /// This FFmpeg has no decoder for the codec.
    #[error("no decoder for the video's codec ({codec}): convert it to H.264 first")]
    NoDecoder { codec: String },
    /// Encrypted samples, of which no key is known.
    #[error("the video is encrypted (DRM): send an unprotected copy")]
    Encrypted,
    /// Dolby Vision without a base layer that ordinary decoders show right.
    #[error(
        "the video is Dolby Vision profile {profile}, whose colours only a Dolby decoder shows right: convert it to HDR10 or \
         SDR first"
    )]
    DolbyVision { profile: u8 },
    /// A stream can't be carried, and the job asks to be refused then.
    #[error("{warning}: send the video without that stream, or submit it without --strict-streams")]
    StreamRefused { warning: Warning },
    /// The content contradicts itself or can't be decoded.
    #[error("the video is damaged, {what}: upload it again, or convert it to H.264 in MP4 first")]
    Damaged {
        /// What was found, as a clause.
        what: String,
    },
    /// A segment file cut from a source does not have the frames that the manifest lists.
    #[error("segment {index} is damaged: {why}")]
    SegmentDamaged {
        index: u32,
        /// What was found, as a clause.
        why: String,
    },
    /// A converted segment does not match the manifest.
    #[error("segment {index} does not match the manifest: {why}")]
    SegmentMismatch {
        index: u32,
        /// What differs, as a clause.
        why: String,
    },
    #[error("the disk is full while writing {}: free some space and try again", path.display())]
    DiskFull { path: PathBuf },
    #[error("{action} {} failed", path.display())]
    Io {
        /// "reading" or "writing".
        action: Cow<'static, str>,
        path: PathBuf,
        #[serde(with = "wire::io")]
        source: io::Error,
    },
    /// FFmpeg only takes paths in UTF-8.
    #[error("the path {} is not valid UTF-8", path.display())]
    BadPath { path: PathBuf },
    /// This FFmpeg lacks the encoder, or the encoder refuses the options.
    #[error("the encoder {codec} can't be used")]
    Encoder {
        codec: String,
        /// None if the encoder does not exist.
        #[serde(with = "wire::maybe_libav")]
        source: Option<ffmpeg_next::Error>,
    },
    /// FFmpeg can't read or write a file.
    #[error("{action} {} failed", path.display())]
    File {
        /// "reading" or "writing".
        action: Cow<'static, str>,
        /// The file's name, without its folder.
        path: PathBuf,
        #[serde(with = "wire::libav")]
        source: ffmpeg_next::Error,
    },
    /// This FFmpeg lacks a filter, or the filter refuses the pictures.
    #[error("the filter {chain} can't be used")]
    Filter {
        /// In FFmpeg's notation.
        chain: String,
        #[serde(with = "wire::libav")]
        source: ffmpeg_next::Error,
    },
    /// Any other FFmpeg failure.
    #[error("{action} failed")]
    Libav {
        /// What was attempted, as a verb in -ing form.
        action: Cow<'static, str>,
        #[serde(with = "wire::libav")]
        source: ffmpeg_next::Error,
    },
    /// The joined file, read back, differs from the manifest.
    #[error("the joined file is wrong: {why}")]
    ResultMismatch {
        /// What differs, as a clause.
        why: String,
    },
    #[error("cancelled")]
    Cancelled,
}

impl Error {
    /// True if the source itself is at fault, so that trying again can't help.
    #[must_use]
    pub fn is_bad_source(&self) -> bool {
        matches!(
            self,
            Error::Empty
                | Error::NotAVideo
                | Error::NoVideo { .. }
                | Error::IndexMissing
                | Error::Truncated { .. }
                | Error::EndsEarly { .. }
                | Error::TooSmall { .. }
                | Error::TooLarge { .. }
                | Error::OverLimit { .. }
                | Error::TooMuchMemory { .. }
                | Error::TooManyPackets { .. }
                | Error::NoDecoder { .. }
                | Error::Encrypted
                | Error::DolbyVision { .. }
                | Error::StreamRefused { .. }
                | Error::Damaged { .. }
        )
    }

    /// True if an allocation failed.
    #[must_use]
    pub fn is_out_of_memory(&self) -> bool {
        match self {
            Error::Io { source, .. } => source.kind() == io::ErrorKind::OutOfMemory,
            Error::File { source, .. } | Error::Filter { source, .. } | Error::Libav { source, .. } => {
                *source == ffmpeg_next::Error::Other { errno: ffmpeg_next::error::ENOMEM }
            }
            _ => false,
        }
    }

    /// Maps FFmpeg's error on `path` to the matching variant.
    pub(crate) fn file(action: &'static str, path: &Path, source: ffmpeg_next::Error) -> Self {
        match source {
            ffmpeg_next::Error::Other { errno } => Error::io(action, path, io::Error::from_raw_os_error(errno)),
            source => Error::File { action: action.into(), path: path.file_name().unwrap_or_default().into(), source },
        }
    }

    /// Maps an I/O error on `path` to the matching variant.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::NotFound => Error::NotFound { path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::DiskFull { path },
            _ => Error::Io { action: action.into(), path, source },
        }
    }
}

#[cfg(test)]
mod tests;
