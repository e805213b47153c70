//! Computes the distance between the two eyes' images of each pixel, row by row, from a depth grid.
//!
//! Each grid row is stretched along x once, in sixteenths of a pixel; the picture's rows interpolate between two
//! stretched rows. Both steps are linear, with values at the centres of the grid's cells.

use super::Code;
use crate::normalise::NormalisedDepth;

/// Converts depth to distance: `scale · (d − convergence)` pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Disparity {
    /// Distance between the eyes over the whole range of depth, in pixels: 2·s of the formula in `warp.rs`.
    pub(super) scale: f32,
    /// The depth that both eyes see at the same place.
    pub(super) convergence: f32,
}

/// Fractional bits of a distance before rounding (sixteenths of a pixel); with `LIMIT` they fit into 16 bits.
pub(super) const FRACTION: u32 = 4;
const LIMIT: f32 = 1023.0;
/// Added before truncation, so that negative numbers are rounded down as well.
pub(super) const LIFT: f32 = 32768.0;
/// Number of cached grid rows: the luma and chroma rows being rendered need at most four.
const KEPT: usize = 4;

/// Computes the distances of one picture after another.
#[derive(Debug)]
pub(super) struct DisparityRows {
    code: Code,
    disparity: Disparity,
    height: usize,
    columns: Columns,
    kept: [Stretched; KEPT],
}

/// Which two grid cells each pixel of a row interpolates between.
#[derive(Debug, Default)]
pub(super) struct Columns {
    size: (usize, usize),
    pub(super) first: Vec<i32>,
    pub(super) second: Vec<i32>,
    /// Weight of the second cell.
    pub(super) share: Vec<f32>,
}

/// A grid row stretched to the picture's width, in sixteenths of a pixel.
#[derive(Debug, Default, Clone)]
struct Stretched {
    row: Option<usize>,
    luma: Vec<i16>,
    /// In chroma pixels: half as many values, half the distances.
    chroma: Vec<i16>,
}

/// Two grid rows, and the weight of the second in 32768ths.
struct Mix {
    rows: [usize; 2],
    share: i16,
}

impl Default for DisparityRows {
    fn default() -> Self {
        Self {
            code: Code::Scalar,
            disparity: Disparity { scale: 0.0, convergence: 0.0 },
            height: 0,
            columns: Columns::default(),
            kept: Default::default(),
        }
    }
}

impl DisparityRows {
    /// Prepares for the next picture.
    pub(super) fn prepare(
        &mut self,
        code: Code,
        disparity: Disparity,
        depth: &NormalisedDepth,
        width: usize,
        height: usize,
    ) {
        (self.code, self.disparity, self.height) = (code, disparity, height);
        self.columns.prepare(depth.width(), width);
        self.kept.iter_mut().for_each(|kept| kept.row = None);
    }

    /// The distances along luma row `y`, in pixels.
    pub(super) fn luma(&mut self, depth: &NormalisedDepth, y: usize, out: &mut Vec<i16>) {
        let mix = self.mixed(depth, y, self.height);
        let [upper, lower] = mix.rows.map(|row| &self.kept[row % KEPT].luma);
        mix_rows(self.code, upper, lower, mix.share, out);
    }

    /// The distances along chroma row `y`, in chroma pixels.
    pub(super) fn chroma(&mut self, depth: &NormalisedDepth, y: usize, out: &mut Vec<i16>) {
        let mix = self.mixed(depth, y, self.height / 2);
        let [upper, lower] = mix.rows.map(|row| &self.kept[row % KEPT].chroma);
        mix_rows(self.code, upper, lower, mix.share, out);
    }

    /// Finds the grid rows around row `y` of `height`, and stretches them if necessary.
    fn mixed(&mut self, depth: &NormalisedDepth, y: usize, height: usize) -> Mix {
        let last = depth.height() - 1;
        let at = ((y as f32 + 0.5) * depth.height() as f32 / height as f32 - 0.5).clamp(0.0, last as f32);
        let upper = at as usize;
        let rows = [upper, (upper + 1).min(last)];
        for row in rows {
            let kept = &mut self.kept[row % KEPT];
            if kept.row != Some(row) {
                let cells = &depth.values()[row * depth.width()..(row + 1) * depth.width()];
                kept.fill(self.code, row, cells, &self.columns, self.disparity);
            }
        }
        Mix { rows, share: ((at - upper as f32) * 32767.0) as i16 }
    }
}

impl Columns {
    fn prepare(&mut self, grid: usize, width: usize) {
        if self.size == (grid, width) {
            return;
        }
        self.size = (grid, width);
        self.first.clear();
        self.second.clear();
        self.share.clear();
        for x in 0..width {
            let at = ((x as f32 + 0.5) * grid as f32 / width as f32 - 0.5).clamp(0.0, (grid - 1) as f32);
            let first = at as usize;
            self.first.push(first as i32);
            self.second.push((first + 1).min(grid - 1) as i32);
            self.share.push(at - first as f32);
        }
    }
}

impl Stretched {
    fn fill(&mut self, code: Code, row: usize, cells: &[f32], columns: &Columns, disparity: Disparity) {
        self.row = Some(row);
        let width = columns.share.len();
        self.luma.resize(width, 0);
        self.chroma.resize(width / 2, 0);
        let factor = (1 << FRACTION) as f32;
        let scaled = Disparity { scale: disparity.scale * factor, ..disparity };
        match code {
            Code::Scalar => stretch(cells, columns, scaled, 0, &mut self.luma),
            #[cfg(target_arch = "x86_64")]
            Code::Avx2 => super::avx2::stretch(cells, columns, scaled, &mut self.luma),
            #[cfg(not(target_arch = "x86_64"))]
            Code::Avx2 => stretch(cells, columns, scaled, 0, &mut self.luma),
        }
        // A chroma pixel spans two luma pixels. Take their mean, halved because chroma has half the resolution.
        for (chroma, pair) in self.chroma.iter_mut().zip(self.luma.chunks_exact(2)) {
            *chroma = ((i32::from(pair[0]) + i32::from(pair[1])) >> 2) as i16;
        }
    }
}

/// The largest representable distance, in sixteenths of a pixel.
pub(super) fn limit() -> f32 {
    LIMIT * (1 << FRACTION) as f32
}

/// Reference implementation, from pixel `from` on.
pub(super) fn stretch(cells: &[f32], columns: &Columns, disparity: Disparity, from: usize, out: &mut [i16]) {
    let limit = limit();
    for (x, out) in out.iter_mut().enumerate().skip(from) {
        let (a, b) = (cells[columns.first[x] as usize], cells[columns.second[x] as usize]);
        let depth = a + (b - a) * columns.share[x];
        let distance = ((depth - disparity.convergence) * disparity.scale).max(-limit).min(limit);
        *out = ((distance + (LIFT + 0.5)) as i32 - LIFT as i32) as i16;
    }
}

/// Interpolates between two stretched rows and rounds to whole pixels.
fn mix_rows(code: Code, upper: &[i16], lower: &[i16], share: i16, out: &mut Vec<i16>) {
    out.resize(upper.len(), 0);
    match code {
        Code::Scalar => mix_from(upper, lower, share, 0, out),
        #[cfg(target_arch = "x86_64")]
        Code::Avx2 => super::avx2::mix(upper, lower, share, out),
        #[cfg(not(target_arch = "x86_64"))]
        Code::Avx2 => mix_from(upper, lower, share, 0, out),
    }
}

/// Reference implementation, from pixel `from` on. Rounds the product like the CPU instruction `pmulhrsw`.
pub(super) fn mix_from(upper: &[i16], lower: &[i16], share: i16, from: usize, out: &mut [i16]) {
    const HALF: i16 = 1 << (FRACTION - 1);
    for ((out, &upper), &lower) in out.iter_mut().zip(upper).zip(lower).skip(from) {
        // The difference can't overflow: both values are within ± 1023 · 16.
        let step = (((i32::from(lower - upper) * i32::from(share)) >> 14) + 1) >> 1;
        *out = (upper + step as i16 + HALF) >> FRACTION;
    }
}
