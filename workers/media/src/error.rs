//! What can go wrong with a video, said so that a person can act on it.

use std::io;
use std::path::{Path, PathBuf};

/// Failure of any media operation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The path leads nowhere.
    #[error("there is no file at {}", path.display())]
    NotFound {
        /// The path asked for.
        path: PathBuf,
    },
    /// Zero bytes.
    #[error("the file is empty (0 bytes): upload it again")]
    Empty,
    /// Not a container that FFmpeg knows, or a still picture or text.
    #[error("the file is not a video: send a video file such as MP4, MOV, Matroska, WebM or MPEG-TS")]
    NotAVideo,
    /// Sound (or other streams) without a video stream.
    #[error("the file holds no video, only {sound} sound stream(s): send a file with a video stream")]
    NoVideo {
        /// Number of sound streams found.
        sound: usize,
    },
    /// An MP4 or MOV without its index.
    #[error("the file is cut short, its index (moov) is missing: upload the whole file again")]
    IndexMissing,
    /// Fewer frames can be read than the container promises.
    #[error("the file is cut short, only {readable} of {promised} frames can be read: upload the whole file again")]
    Truncated {
        /// Frames that can be read whole.
        readable: u64,
        /// Frames that the container's index lists.
        promised: u64,
    },
    /// The streams end long before the duration that the container promises.
    #[error(
        "the file is cut short, it ends at {readable_secs:.1} s of {promised_secs:.1} s: upload the whole file again"
    )]
    EndsEarly {
        /// Where the last packet ends, seconds.
        readable_secs: f64,
        /// The container's duration, seconds.
        promised_secs: f64,
    },
    /// A side below [`crate::probe::MIN_SIDE`].
    #[error("the picture is {width}x{height}, too small to convert: both sides must be at least {min} pixels, scale the video up first", min = crate::probe::MIN_SIDE)]
    TooSmall {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// A side above [`crate::probe::MAX_SIDE`].
    #[error(
        "the picture is {width}x{height}, too large to convert: neither side may exceed {max} pixels, scale the video down first",
        max = crate::probe::MAX_SIDE
    )]
    TooLarge {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// This FFmpeg has no decoder for the codec.
    #[error("no decoder for the video's codec ({codec}): convert it to H.264 first")]
    NoDecoder {
        /// FFmpeg's name of the codec.
        codec: String,
    },
    /// The content contradicts itself or can't be decoded.
    #[error("the video is damaged, {what}: upload it again, or convert it to H.264 in MP4 first")]
    Damaged {
        /// What was found, as a clause.
        what: String,
    },
    /// The file of a segment that was cut from a source is not what was written.
    #[error("segment {index} is damaged: {why}")]
    SegmentDamaged {
        /// The segment's index.
        index: u32,
        /// What was found, as a clause.
        why: String,
    },
    /// A segment is not what the manifest says.
    #[error("segment {index} does not match the manifest: {why}")]
    SegmentMismatch {
        /// The segment's index.
        index: u32,
        /// What differs, as a clause.
        why: String,
    },
    /// The disk is full.
    #[error("the disk is full while writing {}: free some space and try again", path.display())]
    DiskFull {
        /// The file being written.
        path: PathBuf,
    },
    /// Reading or writing failed.
    #[error("{action} {} failed", path.display())]
    Io {
        /// What was tried: "reading", "writing".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A path that FFmpeg can't be given.
    #[error("the path {} is not valid UTF-8", path.display())]
    BadPath {
        /// The path.
        path: PathBuf,
    },
    /// The encoder does not exist in this FFmpeg or refuses the options.
    #[error("the encoder {codec} can't be used")]
    Encoder {
        /// FFmpeg's name of the encoder.
        codec: String,
        /// The cause, where FFmpeg gave one.
        source: Option<ffmpeg_next::Error>,
    },
    /// FFmpeg can't read a file, or not write it.
    #[error("{action} {} failed", path.display())]
    File {
        /// What was tried: "reading", "writing".
        action: &'static str,
        /// The file's name, without its folder.
        path: PathBuf,
        /// FFmpeg's error.
        source: ffmpeg_next::Error,
    },
    /// FFmpeg failed otherwise.
    #[error("{action} failed")]
    Libav {
        /// What was tried.
        action: &'static str,
        /// FFmpeg's error.
        source: ffmpeg_next::Error,
    },
    /// The joined file, read back, is not what was meant.
    #[error("the joined file is wrong: {why}")]
    ResultMismatch {
        /// What differs, as a clause.
        why: String,
    },
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
}

impl Error {
    /// True when the source itself is at fault, so that trying again can't help.
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
                | Error::NoDecoder { .. }
                | Error::Damaged { .. }
        )
    }

    /// Sorts FFmpeg's error on `path` into the cases that a person can act on.
    pub(crate) fn file(action: &'static str, path: &Path, source: ffmpeg_next::Error) -> Self {
        match source {
            ffmpeg_next::Error::Other { errno } => Error::io(action, path, io::Error::from_raw_os_error(errno)),
            source => Error::File { action, path: path.file_name().unwrap_or_default().into(), source },
        }
    }

    /// Sorts an I/O error on `path`.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::NotFound => Error::NotFound { path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::DiskFull { path },
            _ => Error::Io { action, path, source },
        }
    }
}
