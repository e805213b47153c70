//! The frame format that decoding, depth, warp and encoding share: 8-bit planar YUV 4:2:0 in memory.
//!
//! Decoding produces pictures, depth and warp read them, encoding consumes them. They all depend on this crate, which
//! is plain data, and not on each other.
//!
//! Invariant: planes are tightly packed (stride = plane width) and both sides are even, so a chroma sample always
//! covers exactly two by two luma samples. A picture of an odd-sized source repeats the last column or row.

/// Matrix coefficients that relate YUV to RGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Matrix {
    /// ITU-R BT.601: standard definition.
    Bt601,
    /// ITU-R BT.709: high definition.
    #[default]
    Bt709,
    /// ITU-R BT.2020 with non-constant luminance: ultra high definition.
    Bt2020,
}

impl Matrix {
    /// Luma weights of red and blue (Kr, Kb), from the recommendation the variant names.
    #[must_use]
    pub fn luma_weights(self) -> (f32, f32) {
        match self {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
            Matrix::Bt2020 => (0.2627, 0.0593),
        }
    }
}

/// How to interpret a picture's samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Colour {
    pub matrix: Matrix,
    /// True for 0-255 samples, false for 16-235 (luma) and 16-240 (chroma).
    pub is_full_range: bool,
}

/// One frame, 8-bit planar YUV 4:2:0.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Picture {
    width: usize,
    height: usize,
    /// Luma, `width * height` samples.
    pub y: Vec<u8>,
    /// Blue difference, `(width / 2) * (height / 2)` samples.
    pub u: Vec<u8>,
    /// Red difference, same size as `u`.
    pub v: Vec<u8>,
    pub colour: Colour,
}

impl Picture {
    /// A black picture: luma 16, or 0 for a full-range `colour`.
    ///
    /// # Panics
    /// If a side is odd or zero.
    #[must_use]
    pub fn new(width: usize, height: usize, colour: Colour) -> Self {
        assert!(
            width > 0 && height > 0 && width.is_multiple_of(2) && height.is_multiple_of(2),
            "a picture's sides are even and not zero, got {width}x{height}"
        );
        let chroma = width / 2 * (height / 2);
        let black = if colour.is_full_range { 0 } else { 16 };
        Self { width, height, y: vec![black; width * height], u: vec![128; chroma], v: vec![128; chroma], colour }
    }

    /// Width in luma samples, even.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in luma samples, even.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// The three planes with their widths and heights, in the order Y, U, V.
    #[must_use]
    pub fn planes(&self) -> [(&[u8], usize, usize); 3] {
        let (cw, ch) = (self.width / 2, self.height / 2);
        [(&self.y, self.width, self.height), (&self.u, cw, ch), (&self.v, cw, ch)]
    }

    /// The three planes as [`Picture::planes`], writable.
    #[must_use]
    pub fn planes_mut(&mut self) -> [(&mut [u8], usize, usize); 3] {
        let (cw, ch) = (self.width / 2, self.height / 2);
        [(&mut self.y, self.width, self.height), (&mut self.u, cw, ch), (&mut self.v, cw, ch)]
    }
}
