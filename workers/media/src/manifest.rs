//! The manifest: what a split records for the conversion and join of its segments.

use serde::{Deserialize, Serialize};
use stereospot_domain::warning::LeftOut;
use stereospot_picture::{Colour, Matrix};

use crate::error::MAX_SIDE;

/// The current [`Manifest::version`].
pub const VERSION: u32 = 1;

/// Describes a split source: all that decoding a segment and joining the results need.
///
/// All pts are in `time_base`, as the source's container has them with edit lists applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`VERSION`].
    pub version: u32,
    /// Seconds per tick.
    pub time_base: Ratio,
    /// In pixels, after rotation and treatment; may be odd.
    pub width: u32,
    /// In pixels, after rotation and treatment; may be odd.
    pub height: u32,
    pub frames: u64,
    pub start_pts: i64,
    /// End of the last frame.
    pub end_pts: i64,
    /// Average frame rate (0/1 if unknown). Informative only: frame times come from the pts.
    pub avg_frame_rate: Ratio,
    /// Pixel aspect ratio (width to height) after rotation, 0/1 if unknown.
    pub sample_aspect_ratio: Ratio,
    /// After treatment.
    pub colour: ColourTags,
    /// How to turn the pictures in the segment files upright.
    pub orientation: Orientation,
    /// What else to do with the pictures in the segment files.
    #[serde(default, skip_serializing_if = "Treatment::is_none")]
    pub treatment: Treatment,
    /// The source's other streams that the result can't carry as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub side_streams: Vec<SideStream>,
    /// In order; their ranges cover the source without gap or overlap.
    pub segments: Vec<SegmentSpec>,
}

impl Manifest {
    /// Size of decoded pictures: the display size, rounded up to even numbers.
    #[must_use]
    pub fn picture_size(&self) -> (usize, usize) {
        ((self.width as usize).next_multiple_of(2), (self.height as usize).next_multiple_of(2))
    }

    /// True if a decoder, an encoder and a join can use it: sizes, times and counts are possible and fit each other.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        let is_size = |side: u32| (1..=MAX_SIDE).contains(&side);
        let (first, last) = (self.segments.first(), self.segments.last());
        let follows = |pair: &[SegmentSpec]| {
            pair[1].start_pts == pair[0].end_pts && pair[0].index.checked_add(1) == Some(pair[1].index)
        };
        // Sums and differences of two times must be numbers too.
        let is_time = |pts: i64| pts.unsigned_abs() < 1 << 61;
        is_size(self.width)
            && is_size(self.height)
            && self.time_base.num > 0
            && self.time_base.den > 0
            && is_time(self.start_pts)
            && is_time(self.end_pts)
            && first.is_some_and(|first| first.index == 0 && first.start_pts == self.start_pts)
            && last.is_some_and(|last| last.end_pts == self.end_pts)
            && self.segments.windows(2).all(follows)
            && self.segments.iter().all(|spec| spec.start_pts < spec.end_pts && spec.frames > 0)
            && self.segments.iter().try_fold(0_u64, |sum, spec| sum.checked_add(spec.frames)) == Some(self.frames)
    }

    /// Duration of the source.
    #[must_use]
    pub fn duration_secs(&self) -> f64 {
        self.time_base.secs(self.end_pts - self.start_pts)
    }
}

/// What is done to decoded pictures before they are converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Treatment {
    /// Deinterlace the frames that are marked as interlaced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_deinterlaced: bool,
    /// The source's colours, if they are mapped from high to standard dynamic range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tone_mapped_from: Option<ColourTags>,
    /// Keep the left eye only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_eye: Option<LeftEye>,
}

impl Treatment {
    /// True if the pictures are converted as they are.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Where the left eye of a stereo source is: on the left or on top of a picture of this size, in pixels after rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftEye {
    pub layout: StereoLayout,
    pub full_width: u32,
    pub full_height: u32,
}

/// One of the source's streams besides the video, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideStream {
    /// Index in the source.
    pub stream: u32,
    pub fate: Fate,
}

/// What becomes of a side stream that can't be carried as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Sound: encode it as AAC.
    Reencode,
    LeaveOut(LeftOut),
}

/// One segment: its display range and the frames it must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentSpec {
    /// From 0.
    pub index: u32,
    /// pts of the first frame in the range.
    pub start_pts: i64,
    /// The next segment's start, or the source's end.
    pub end_pts: i64,
    /// pts of the first packet in the segment file. Earlier than `start_pts` only if an edit list hides the source's
    /// first frames.
    pub first_packet_pts: i64,
    pub frames: u64,
    /// True at a scene cut, and for the first segment: the previous segment says nothing about this one's depth range.
    pub starts_at_scene_cut: bool,
    /// FNV-1a (64 bit) over the pts in display order, each as 8 little-endian bytes.
    pub pts_hash: u64,
}

impl SegmentSpec {
    /// True if `pts` lies in the display range.
    #[must_use]
    pub fn holds(&self, pts: i64) -> bool {
        (self.start_pts..self.end_pts).contains(&pts)
    }
}

/// A fraction, like FFmpeg's AVRational.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ratio {
    pub num: i32,
    pub den: i32,
}

impl Ratio {
    /// Converts `ticks` of this time base to seconds.
    #[must_use]
    pub fn secs(self, ticks: i64) -> f64 {
        ticks as f64 * f64::from(self.num) / f64::from(self.den.max(1))
    }

    /// Converts seconds to ticks of this time base, rounded to the nearest.
    #[must_use]
    pub fn ticks(self, secs: f64) -> i64 {
        (secs * f64::from(self.den) / f64::from(self.num.max(1))).round() as i64
    }

    /// The reciprocal; 0/1 (unknown) stays as it is.
    #[must_use]
    pub fn inverted(self) -> Self {
        if self.num == 0 { self } else { Self { num: self.den, den: self.num } }
    }
}

impl Ratio {
    /// This ratio times `num`/`den`, in lowest terms.
    #[must_use]
    pub fn times(self, num: i32, den: i32) -> Self {
        let (num, den) = (i64::from(self.num) * i64::from(num), i64::from(self.den) * i64::from(den));
        let mut divisor = (num.abs(), den.abs());
        while divisor.1 != 0 {
            divisor = (divisor.1, divisor.0 % divisor.1);
        }
        let lowest = |value: i64| i32::try_from(value / divisor.0.max(1)).unwrap_or(1);
        Self { num: lowest(num), den: lowest(den) }
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

/// Colour description in code points of ITU-T H.273, passed on from source to result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColourTags {
    /// MatrixCoefficients. Never "unspecified": a source that doesn't specify it gets the value that is usual for its
    /// height.
    pub matrix: u8,
    /// ColourPrimaries (2: unspecified).
    pub primaries: u8,
    /// TransferCharacteristics (2: unspecified).
    pub transfer: u8,
    /// True for samples from 0 to 255.
    pub is_full_range: bool,
}

impl ColourTags {
    /// Standard dynamic range of high definition, limited range.
    pub const BT709: Self = Self { matrix: 1, primaries: 1, transfer: 1, is_full_range: false };

    /// The subset needed for conversion to and from RGB.
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

/// A rotation by a multiple of 90°, optionally mirrored. Transpose first, then mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Orientation {
    pub is_transposed: bool,
    /// After transposing.
    pub is_mirrored_x: bool,
    /// After transposing.
    pub is_mirrored_y: bool,
}

impl Orientation {
    /// Reads a display matrix as containers store it (3x3, 16.16 and 2.30 fixed point). Rotations by other angles are
    /// ignored.
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

    /// The clockwise rotation that makes the picture upright, in degrees, without mirroring.
    #[must_use]
    pub fn clockwise_degrees(self) -> u32 {
        match (self.is_transposed, self.is_mirrored_x, self.is_mirrored_y) {
            (false, _, true) => 180,
            (false, _, false) => 0,
            (true, true, _) => 90,
            (true, false, _) => 270,
        }
    }

    /// The size after rotation.
    #[must_use]
    pub fn turned(self, width: u32, height: u32) -> (u32, u32) {
        if self.is_transposed { (height, width) } else { (width, height) }
    }
}

/// How the two views are arranged in a frame. Half-width and full-width packing share a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StereoLayout {
    /// One view, or both mixed into one (anaglyph): the file gets no stereo marking.
    #[default]
    Mono,
    /// Left view on the left.
    SideBySide,
    /// Left view on top.
    TopBottom,
}

#[cfg(test)]
mod tests;
