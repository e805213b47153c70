//! Limits of what a source may be, whatever memory there is. They are the operator's configuration.

use serde::{Deserialize, Serialize};

use crate::Error;

/// The largest source that is converted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Of one picture.
    pub pixels: u64,
    /// Of the video stream.
    pub frames: u64,
    pub duration_secs: f64,
    /// Streams of all kinds.
    pub tracks: u64,
    pub chapters: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { pixels: 8192 * 8192, frames: 2_000_000, duration_secs: 86_400.0, tracks: 100, chapters: 1000 }
    }
}

/// One of the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limit {
    Pixels,
    Frames,
    Duration,
    Tracks,
    Chapters,
}

impl Limit {
    /// The worker's option that sets it.
    #[must_use]
    pub fn option(self) -> &'static str {
        match self {
            Self::Pixels => "--max-pixels",
            Self::Frames => "--max-frames",
            Self::Duration => "--max-duration",
            Self::Tracks => "--max-tracks",
            Self::Chapters => "--max-chapters",
        }
    }

    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Pixels => "pixels in a picture",
            Self::Frames => "frames",
            Self::Duration => "seconds",
            Self::Tracks => "tracks",
            Self::Chapters => "chapters",
        }
    }
}

impl Limits {
    /// Without limits, for files that this process wrote itself.
    pub(crate) const NONE: Self =
        Self { pixels: u64::MAX, frames: u64::MAX, duration_secs: f64::MAX, tracks: u64::MAX, chapters: u64::MAX };

    /// Checks a number of things against its limit.
    ///
    /// # Errors
    /// [`Error::OverLimit`] above it.
    pub fn check(&self, limit: Limit, found: u64) -> Result<(), Error> {
        let most = match limit {
            Limit::Pixels => self.pixels,
            Limit::Frames => self.frames,
            Limit::Duration => self.duration_secs as u64,
            Limit::Tracks => self.tracks,
            Limit::Chapters => self.chapters,
        };
        if found > most { Err(Error::OverLimit { limit, found, most }) } else { Ok(()) }
    }

    /// Checks a duration.
    ///
    /// # Errors
    /// [`Error::OverLimit`] above the limit.
    pub fn check_duration(&self, secs: f64) -> Result<(), Error> {
        if secs > self.duration_secs {
            let (found, most) = (secs.ceil() as u64, self.duration_secs as u64);
            return Err(Error::OverLimit { limit: Limit::Duration, found, most });
        }
        Ok(())
    }
}
