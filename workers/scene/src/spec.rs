//! What a clip is asked to be.

use std::fmt;

/// A clip's specification. Equal specifications give equal clips.
#[derive(Debug, Clone, PartialEq)]
pub struct SceneSpec {
    /// Width in pixels, even, 64 … 8192.
    pub width: usize,
    /// Height in pixels, even, 48 … 8192.
    pub height: usize,
    /// Number of frames, at least 1.
    pub frames: u32,
    /// Frames a second as numerator and denominator, neither of them 0.
    pub frame_rate: (u32, u32),
    /// Chooses places, colours and grain.
    pub seed: u64,
    /// Total parallax range between the true eyes, % of the longer side, 0 … 10.
    pub divergence: f32,
    /// Normalised depth that lies on the screen plane, 0 (far) … 1 (near).
    pub convergence: f32,
    /// Frame numbers at which a new shot starts, rising; those beyond the end do nothing.
    pub cuts: Vec<u32>,
}

impl Default for SceneSpec {
    /// The demo: 9 s of 960×540 at 25 frames a second, three shots, divergence 2 %, convergence 0.5.
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
    /// Time of a frame's start in seconds from the clip's start.
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

/// Why a specification can't be rendered.
#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    /// A side is odd, too small or too large.
    Side {
        /// `width` or `height`.
        name: &'static str,
        /// What was asked for, in pixels.
        value: usize,
        /// The least that is possible, in pixels.
        least: usize,
    },
    /// The clip would have no frames.
    NoFrames,
    /// The frame rate has a zero in it.
    FrameRate(u32, u32),
    /// The divergence is out of range.
    Divergence(f32),
    /// The convergence is out of range.
    Convergence(f32),
    /// The cuts don't rise.
    Cuts,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Side { name, value, least } => {
                write!(f, "the clip's {name} must be even and between {least} and 8192 pixels, not {value}")
            }
            Self::NoFrames => write!(f, "the clip must have at least one frame"),
            Self::FrameRate(num, den) => write!(f, "the frame rate {num}/{den} is not one"),
            Self::Divergence(value) => write!(f, "the divergence must be between 0 and 10 %, not {value}"),
            Self::Convergence(value) => write!(f, "the convergence must be between 0 and 1, not {value}"),
            Self::Cuts => write!(f, "the cuts must be rising frame numbers"),
        }
    }
}

impl std::error::Error for Error {}
