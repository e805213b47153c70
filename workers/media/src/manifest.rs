//! What a split records for those who convert and join the segments.

use serde::{Deserialize, Serialize};
use stereospot_picture::{Colour, Matrix};

/// Version that [`Manifest::version`] carries.
pub const VERSION: u32 = 1;

/// Everything about a split source that decoding a segment and joining the results need.
///
/// All pts are in `time_base` as the source's container gives them (edit lists applied).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this structure, [`VERSION`].
    pub version: u32,
    /// Seconds a tick of every pts.
    pub time_base: Ratio,
    /// Display width in pixels, rotation applied; may be odd.
    pub width: u32,
    /// Display height in pixels, rotation applied; may be odd.
    pub height: u32,
    /// Frames of the whole source.
    pub frames: u64,
    /// First frame's pts.
    pub start_pts: i64,
    /// Where the last frame ends.
    pub end_pts: i64,
    /// Average frames a second (0/1 where unknown). Timing comes from the pts alone.
    pub avg_frame_rate: Ratio,
    /// Shape of a pixel after rotation, width to height (0/1 where unknown).
    pub sample_aspect_ratio: Ratio,
    /// How the samples are to be read.
    pub colour: ColourTags,
    /// How pictures in the segment files have to be turned to stand upright.
    pub orientation: Orientation,
    /// The segments in order; their ranges cover the source without gap or overlap.
    pub segments: Vec<SegmentSpec>,
}

impl Manifest {
    /// Sides of the pictures that decoding gives: the display size, made even.
    #[must_use]
    pub fn picture_size(&self) -> (usize, usize) {
        ((self.width as usize).next_multiple_of(2), (self.height as usize).next_multiple_of(2))
    }

    /// Duration in seconds.
    #[must_use]
    pub fn duration_secs(&self) -> f64 {
        self.time_base.secs(self.end_pts - self.start_pts)
    }
}

/// One segment: a display range and what it must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentSpec {
    /// Position among the segments, from 0.
    pub index: u32,
    /// First frame's pts.
    pub start_pts: i64,
    /// First pts after the segment: the next segment's start, or the source's end.
    pub end_pts: i64,
    /// pts of the first packet in the segment file. Before `start_pts` only where an edit list hides the source's first frames.
    pub first_packet_pts: i64,
    /// Frames in the range.
    pub frames: u64,
    /// True when the picture changes abruptly at the start (and at the source's start), so that nothing of the previous segment
    /// need be known.
    pub starts_at_scene_cut: bool,
    /// FNV-1a (64 bit) over the pts in display order, each as 8 little-endian bytes.
    pub pts_hash: u64,
}

impl SegmentSpec {
    /// True for a pts inside the range.
    #[must_use]
    pub fn holds(&self, pts: i64) -> bool {
        (self.start_pts..self.end_pts).contains(&pts)
    }
}

/// A fraction, as FFmpeg's rationals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ratio {
    /// Numerator.
    pub num: i32,
    /// Denominator.
    pub den: i32,
}

impl Ratio {
    /// `ticks` of this size in seconds.
    #[must_use]
    pub fn secs(self, ticks: i64) -> f64 {
        ticks as f64 * f64::from(self.num) / f64::from(self.den.max(1))
    }

    /// `secs` in ticks of this size, rounded to the nearest.
    #[must_use]
    pub fn ticks(self, secs: f64) -> i64 {
        (secs * f64::from(self.den) / f64::from(self.num.max(1))).round() as i64
    }

    /// Width and height swapped.
    #[must_use]
    pub fn inverted(self) -> Self {
        if self.num == 0 { self } else { Self { num: self.den, den: self.num } }
    }
}

impl From<ffmpeg_next::Rational> for Ratio {
    fn from(value: ffmpeg_next::Rational) -> Self {
        Self { num: value.numerator(), den: value.denominator() }
    }
}

impl From<Ratio> for ffmpeg_next::Rational {
    fn from(value: Ratio) -> Self {
        Self::new(value.num, value.den)
    }
}

/// Colour description as code points of ITU-T H.273, carried from source to result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColourTags {
    /// MatrixCoefficients: never "unspecified"; where the source did not say, what its height makes likely.
    pub matrix: u8,
    /// ColourPrimaries (2: unspecified).
    pub primaries: u8,
    /// TransferCharacteristics (2: unspecified).
    pub transfer: u8,
    /// True for 0-255 samples.
    pub is_full_range: bool,
}

impl ColourTags {
    /// What converting to and from RGB has to know.
    #[must_use]
    pub fn colour(self) -> Colour {
        let matrix = match self.matrix {
            4..=6 => Matrix::Bt601,
            9 | 10 => Matrix::Bt2020,
            _ => Matrix::Bt709,
        };
        Colour { matrix, is_full_range: self.is_full_range }
    }
}

/// A turn by right angles with or without mirroring: transpose first, then mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Orientation {
    /// Rows become columns.
    pub is_transposed: bool,
    /// Left and right change places (after transposing).
    pub is_mirrored_x: bool,
    /// Top and bottom change places (after transposing).
    pub is_mirrored_y: bool,
}

impl Orientation {
    /// Reads a display matrix as containers store it (3x3, 16.16 and 2.30 fixed point). Angles between right angles are taken as
    /// no rotation.
    #[must_use]
    pub fn from_display_matrix(m: &[i32; 9]) -> Self {
        // Display x = a·x + c·y, display y = b·x + d·y.
        let (a, b, c, d) = (m[0], m[1], m[3], m[4]);
        match (a != 0, b != 0, c != 0, d != 0) {
            (true, false, false, true) => Self { is_transposed: false, is_mirrored_x: a < 0, is_mirrored_y: d < 0 },
            (false, true, true, false) => Self { is_transposed: true, is_mirrored_x: c < 0, is_mirrored_y: b < 0 },
            _ => Self::default(),
        }
    }

    /// Degrees to turn clockwise for upright display; mirroring is not part of it.
    #[must_use]
    pub fn clockwise_degrees(self) -> u32 {
        match (self.is_transposed, self.is_mirrored_x, self.is_mirrored_y) {
            (false, _, true) => 180,
            (false, _, false) => 0,
            (true, true, _) => 90,
            (true, false, _) => 270,
        }
    }

    /// Size after turning.
    #[must_use]
    pub fn turned(self, width: u32, height: u32) -> (u32, u32) {
        if self.is_transposed { (height, width) } else { (width, height) }
    }
}

/// How two views lie in one frame. Half-width and full-width packing share a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StereoLayout {
    /// One view, or both mixed into one (anaglyph): nothing is marked.
    #[default]
    Mono,
    /// Left view on the left.
    SideBySide,
    /// Left view on top.
    TopBottom,
}

#[cfg(test)]
mod tests;
