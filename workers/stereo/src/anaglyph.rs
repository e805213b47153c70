//! Mixes both eyes into one picture for red-cyan glasses.
//!
//! All steps are linear (YUV to RGB, mixing, RGB to YUV), so they are combined into one 3 by 6 matrix per colour and
//! kind. Out-of-range results are clamped once, in YUV.

use stereospot_picture::{Colour, Picture};

use crate::colour::{Matrix3, from_rgb, to_rgb};
use crate::layout::AnaglyphKind;

/// Mixes rows as they arrive.
pub(crate) struct Mixer {
    /// `yuv_out = left · yuv_left + right · yuv_right + offset`.
    left: Matrix3,
    right: Matrix3,
    offset: [f32; 3],
    /// Luma of two rows for each eye (left row 0, left row 1, right row 0, right row 1), then U of each eye.
    luma: [Vec<u8>; 4],
    u: [Vec<u8>; 2],
    width: usize,
}

impl Mixer {
    pub(crate) fn new(kind: AnaglyphKind, colour: Colour, width: usize) -> Self {
        let (left, right) = mix(kind, colour);
        let (to, back) = (to_rgb(colour), from_rgb(colour));
        let fold = |eye: Matrix3| product(back, product(eye, to.weights));
        let (left, right) = (fold(left), fold(right));
        // Black stays black: offset = black - (left + right) · black.
        let offset = std::array::from_fn(|i| {
            let taken: f32 = (0..3).map(|j| (left[i][j] + right[i][j]) * to.black[j]).sum();
            to.black[i] - taken
        });
        Self { left, right, offset, luma: Default::default(), u: Default::default(), width }
    }

    /// Takes row `y` of a plane. A V row completes two luma rows and one chroma row, which are then written.
    pub(crate) fn put(&mut self, plane: usize, y: usize, left: &[u8], right: &[u8], out: &mut Picture) {
        let copy = |to: &mut Vec<u8>, from: &[u8]| {
            to.clear();
            to.extend_from_slice(from);
        };
        match plane {
            0 => {
                copy(&mut self.luma[y % 2], left);
                copy(&mut self.luma[2 + y % 2], right);
            }
            1 => {
                copy(&mut self.u[0], left);
                copy(&mut self.u[1], right);
            }
            _ => self.write(y, left, right, out),
        }
    }

    fn write(&self, chroma_row: usize, left_v: &[u8], right_v: &[u8], out: &mut Picture) {
        let half = self.width / 2;
        let [top, bottom] = [2 * chroma_row, 2 * chroma_row + 1].map(|y| y * self.width);
        let [left_luma, right_luma] = [0, 1].map(|row| &self.luma[2 * row..2 * row + 2]);
        for x in 0..half {
            let chroma = [self.u[0][x], left_v[x], self.u[1][x], right_v[x]].map(f32::from);
            let from_chroma = |i: usize| {
                let (l, r) = (&self.left[i], &self.right[i]);
                self.offset[i] + l[1] * chroma[0] + l[2] * chroma[1] + r[1] * chroma[2] + r[2] * chroma[3]
            };
            let from_luma = |i: usize, left: f32, right: f32| self.left[i][0] * left + self.right[i][0] * right;
            let base = from_chroma(0);
            let mut sums = [0.0; 2];
            for (row, start) in [top, bottom].into_iter().enumerate() {
                for column in [2 * x, 2 * x + 1] {
                    let (left, right) = (f32::from(left_luma[row][column]), f32::from(right_luma[row][column]));
                    sums[0] += left;
                    sums[1] += right;
                    out.y[start + column] = sample(base + from_luma(0, left, right));
                }
            }
            let [left, right] = sums.map(|sum| sum / 4.0);
            out.u[chroma_row * half + x] = sample(from_chroma(1) + from_luma(1, left, right));
            out.v[chroma_row * half + x] = sample(from_chroma(2) + from_luma(2, left, right));
        }
    }
}

/// Rounds and clamps: casting a float to an integer saturates.
fn sample(value: f32) -> u8 {
    (value + 0.5) as u8
}

/// The contribution of each eye's RGB to the anaglyph's RGB.
fn mix(kind: AnaglyphKind, colour: Colour) -> (Matrix3, Matrix3) {
    const NONE: [f32; 3] = [0.0; 3];
    const GREEN: [f32; 3] = [0.0, 1.0, 0.0];
    const BLUE: [f32; 3] = [0.0, 0.0, 1.0];
    let (kr, kb) = colour.matrix.luma_weights();
    let luma = [kr, 1.0 - kr - kb, kb];
    match kind {
        // E. Dubois, "A projection method to generate anaglyph stereo images", ICASSP 2001, for red-cyan glasses.
        AnaglyphKind::Dubois => (
            [[0.456, 0.500, 0.176], [-0.040, -0.038, -0.016], [-0.015, -0.021, -0.005]],
            [[-0.043, -0.088, -0.002], [0.378, 0.734, -0.018], [-0.072, -0.113, 1.226]],
        ),
        AnaglyphKind::Color => ([[1.0, 0.0, 0.0], NONE, NONE], [NONE, GREEN, BLUE]),
        AnaglyphKind::HalfColor => ([luma, NONE, NONE], [NONE, GREEN, BLUE]),
        AnaglyphKind::Gray => ([luma, NONE, NONE], [NONE, luma, luma]),
        AnaglyphKind::Wimmer => ([[0.0, 0.7, 0.3], NONE, NONE], [NONE, GREEN, BLUE]),
    }
}

fn product(a: Matrix3, b: Matrix3) -> Matrix3 {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| a[i][k] * b[k][j]).sum()))
}

#[cfg(test)]
mod tests;
