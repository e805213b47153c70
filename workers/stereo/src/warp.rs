//! The forward warp: moves each pixel of a row to its place in the left and right eye, without sorting or a z-buffer.
//!
//! With s = divergence · 0.01 · max(width, height) / 2 and convergence c, a point of depth d moves to x + s·(d − c) in
//! the left eye and to x − s·(d − c) in the right eye. The distance between the two is rounded to whole pixels and
//! split between the eyes; an odd pixel goes to the left eye. Chroma planes move by half the distance.
//!
//! Invariant: the AVX2 code and the scalar reference produce the same bytes.

use stereospot_picture::Picture;

use crate::layout::Layout;
use crate::normalise::NormalisedDepth;
use crate::options::Options;

#[cfg(target_arch = "x86_64")]
mod avx2;
mod code;
mod disparity;
mod pack;
mod row;

pub use code::Code;
use disparity::{Disparity, DisparityRows};
use pack::Packing;

/// The eye that a row is warped for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eye {
    /// Near objects move right.
    Left,
    /// Near objects move left.
    Right,
}

/// Renders pictures with their depth into a layout, and reuses its buffers.
#[derive(Debug)]
pub struct Warper {
    divergence: f32,
    convergence: f32,
    code: Code,
    rows: DisparityRows,
    scratch: Scratch,
}

#[derive(Debug, Default)]
struct Scratch {
    /// Distance between the eyes at each pixel of a row.
    distances: Vec<i16>,
    warp: row::Buffers,
}

impl Warper {
    /// A warper with the options' divergence and convergence, using the fastest code.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        Self::with_code(options, Code::detect())
    }

    /// Like [`Warper::new`], with the given code.
    #[must_use]
    pub fn with_code(options: &Options, code: Code) -> Self {
        let code = if Code::detect() == Code::Scalar { Code::Scalar } else { code };
        Self {
            divergence: options.divergence,
            convergence: options.convergence,
            code,
            rows: DisparityRows::default(),
            scratch: Scratch::default(),
        }
    }

    /// Renders both eyes of a picture into `out`, on the calling thread.
    ///
    /// Overwrites every sample of `out`, and sets its colour to the picture's.
    ///
    /// # Panics
    /// If `out` does not have the layout's size for the picture.
    pub fn render(&mut self, picture: &Picture, depth: &NormalisedDepth, layout: Layout, out: &mut Picture) {
        let (width, height) = (picture.width(), picture.height());
        assert_eq!((out.width(), out.height()), layout.output_size(width, height), "the size of a {layout} picture");
        out.colour = picture.colour;
        let options = Options { divergence: self.divergence, ..Options::default() };
        let scale = 2.0 * options.half_range(width, height);
        self.rows.prepare(self.code, Disparity { scale, convergence: self.convergence }, depth, width, height);
        let mut packing = Packing::new(layout, picture.colour, out);
        for chroma_row in 0..height / 2 {
            for y in [2 * chroma_row, 2 * chroma_row + 1] {
                self.rows.luma(depth, y, &mut self.scratch.distances);
                self.warp_plane_row(picture, 0, y, &mut packing);
            }
            self.rows.chroma(depth, chroma_row, &mut self.scratch.distances);
            self.warp_plane_row(picture, 1, chroma_row, &mut packing);
            self.warp_plane_row(picture, 2, chroma_row, &mut packing);
        }
    }

    fn warp_plane_row(&mut self, picture: &Picture, plane: usize, y: usize, packing: &mut Packing<'_>) {
        let (samples, width, _) = picture.planes()[plane];
        let source = &samples[y * width..(y + 1) * width];
        let Scratch { distances, warp } = &mut self.scratch;
        // V moves like U, so the runs loaded for U still apply.
        if plane < 2 {
            warp.load_distances(self.code, distances);
        }
        let (left, right) = warp.both_eyes(self.code, source, distances);
        packing.put(plane, y, left, right);
    }
}

/// Warps one row for one eye, for tests and benchmarks. `distances[x]` is the distance between the two eyes' images of
/// pixel `x`, in pixels; positive values are in front of the screen.
///
/// # Panics
/// If the three lengths differ.
pub fn warp_row(code: Code, eye: Eye, source: &[u8], distances: &[i16], out: &mut [u8]) {
    assert!(
        source.len() == distances.len() && source.len() == out.len(),
        "source, distances and result are equally long"
    );
    let code = if Code::detect() == Code::Scalar { Code::Scalar } else { code };
    let mut buffers = row::Buffers::default();
    buffers.load_distances(code, distances);
    let (left, right) = buffers.both_eyes(code, source, distances);
    out.copy_from_slice(if eye == Eye::Left { left } else { right });
}

#[cfg(test)]
mod tests;
