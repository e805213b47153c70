//! The specification of a clip.

use std::fmt;

/// A clip's specification. Equal specifications give equal clips.
#[derive(Debug, Clone, PartialEq)]
pub struct SceneSpec {
    /// In pixels, even, 64 … 8192.
    pub width: usize,
    /// In pixels, even, 48 … 8192.
    pub height: usize,
    /// At least 1.
    pub frames: u32,
    /// Frames per second as numerator and denominator, neither of them 0.
    pub frame_rate: (u32, u32),
    /// Determines places, colours and grain.
    pub seed: u64,
    /// Total parallax range between the true eyes, in % of the longer side, 0 … 10.
    pub divergence: f32,
    /// The normalised depth that appears at the screen, 0 (far) … 1 (near).
    pub convergence: f32,
    /// Frame numbers at which a new shot starts, ascending. Numbers past the end are ignored.
    pub cuts: Vec<u32>,
}

impl Default for SceneSpec {
    /// The demo's clip: 9 s of 960×540 at 25 frames per second, three shots, divergence 2 %, convergence 0.5.
    fn default() -> Self {
        Self {
            width: 960,
            height: 540,
            frames: 225,
            frame_rate: (25, 1),
            seed: 7,
            divergence: 2.0,
            convergence: 0.5,
            cuts: vec![78, 150],
        }
    }
}

impl SceneSpec {
    /// A frame's start time, in seconds from the clip's start.
    #[must_use]
    pub fn start_secs(&self, frame: u32) -> f64 {
        f64::from(frame) * f64::from(self.frame_rate.1) / f64::from(self.frame_rate.0)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let side = |name, value: usize, least| {
            let fits = (least..=8192).contains(&value) && value.is_multiple_of(2);
            if fits { Ok(()) } else { Err(Error::Side { name, value, least }) }
        };
        side("width", self.width, 64)?;
        side("height", self.height, 48)?;
        if self.frames == 0 {
            return Err(Error::NoFrames);
        }
        if self.frame_rate.0 == 0 || self.frame_rate.1 == 0 {
            return Err(Error::FrameRate(self.frame_rate.0, self.frame_rate.1));
        }
        if !(0.0..=10.0).contains(&self.divergence) {
            return Err(Error::Divergence(self.divergence));
        }
        if !(0.0..=1.0).contains(&self.convergence) {
            return Err(Error::Convergence(self.convergence));
        }
        if !self.cuts.is_sorted_by(|a, b| a < b) {
            return Err(Error::Cuts);
        }
        Ok(())
    }
}

/// An error in a specification.
#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    /// A side is odd, too small or too large.
    Side {
        /// `width` or `height`.
        name: &'static str,
        /// In pixels.
        value: usize,
        /// The minimum, in pixels.
        least: usize,
    },
    NoFrames,
    /// A number of the frame rate is 0.
    FrameRate(u32, u32),
    Divergence(f32),
    Convergence(f32),
    /// The cuts are not ascending.
    Cuts,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Side { name, value, least } => {
                write!(f, "the clip's {name} must be even and between {least} and 8192 pixels, not {value}")
            }
            Self::NoFrames => write!(f, "the clip must have at least one frame"),
            Self::FrameRate(num, den) => write!(f, "neither number of the frame rate may be 0, got {num}/{den}"),
            Self::Divergence(value) => write!(f, "the divergence must be between 0 and 10 %, not {value}"),
            Self::Convergence(value) => write!(f, "the convergence must be between 0 and 1, not {value}"),
            Self::Cuts => write!(f, "the cuts must be ascending frame numbers"),
        }
    }
}

impl std::error::Error for Error {}
