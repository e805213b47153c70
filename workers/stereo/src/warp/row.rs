//! Warps one row of a plane for both eyes.
//!
//! Left eye: pixel x moves right by ceil(D / 2), where D is its distance. If two pixels land on the same place, the one
//! further left in the source moved further, so it is nearer. Walking from right to left writes it last. Right eye: the
//! mirror image, with floor(D / 2).
//!
//! Holes: if the next pixel to the right lands more than one place further right, the left eye has a gap. Its left side
//! is the background, so the pixel there fills it: each pixel paints from its own place up to its neighbour's. Since
//! neighbours' places are connected in this way from one end of the row to the other, every place is painted. Beyond
//! both ends the row counts as continued by unmoved copies of its end pixels.

use super::Code;

/// Maximum number of bytes written past the end of a run. The walk overwrites them later.
const OVERRUN: usize = 32;

/// Buffers for the warp of one row, with room for overruns on both sides.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    source: Vec<u8>,
    left: Vec<u8>,
    right: Vec<u8>,
    /// The start of each run of equal distances; at the end the row's length.
    runs: Vec<u32>,
}

impl Buffers {
    /// Splits a row into runs of equal distances, for the following calls of [`Self::both_eyes`].
    pub(super) fn load_distances(&mut self, code: Code, distances: &[i16]) {
        self.runs.clear();
        match code {
            Code::Scalar => {}
            #[cfg(target_arch = "x86_64")]
            Code::Avx2 => super::avx2::split_runs(distances, &mut self.runs),
            #[cfg(not(target_arch = "x86_64"))]
            Code::Avx2 => split_runs_from(distances, 0, &mut self.runs),
        }
    }

    /// Returns the row as the left and the right eye see it.
    pub(super) fn both_eyes(&mut self, code: Code, source: &[u8], distances: &[i16]) -> (&[u8], &[u8]) {
        let width = source.len();
        for line in [&mut self.source, &mut self.left, &mut self.right] {
            line.resize(width + 2 * OVERRUN, 0);
        }
        let place = OVERRUN..OVERRUN + width;
        match code {
            Code::Scalar => {
                paint_left(source, distances, &mut self.left[place.clone()]);
                paint_right(source, distances, &mut self.right[place.clone()]);
            }
            Code::Avx2 => {
                self.source[place.clone()].copy_from_slice(source);
                paint_left_runs(&self.source, distances, &self.runs, &mut self.left);
                paint_right_runs(&self.source, distances, &self.runs, &mut self.right);
            }
        }
        (&self.left[place.clone()], &self.right[place])
    }
}

/// How far a pixel of this distance moves right in the left eye.
fn left_shift(distance: i16) -> isize {
    (isize::from(distance) + 1) >> 1
}

/// How far a pixel of this distance moves left in the right eye.
fn right_shift(distance: i16) -> isize {
    isize::from(distance) >> 1
}

/// The part of `from..to` within the row.
fn within(from: isize, to: isize, width: usize) -> std::ops::Range<usize> {
    let clamp = |at: isize| at.clamp(0, width as isize) as usize;
    clamp(from)..clamp(to).max(clamp(from))
}

/// Writes one place if it is within the row.
fn paint(out: &mut [u8], place: isize, value: u8) {
    if let Some(out) = usize::try_from(place).ok().and_then(|place| out.get_mut(place)) {
        *out = value;
    }
}

/// Reference implementation for the left eye.
fn paint_left(source: &[u8], distances: &[i16], out: &mut [u8]) {
    let width = source.len();
    let mut neighbour = width as isize;
    for x in (0..width).rev() {
        let place = x as isize + left_shift(distances[x]);
        paint(out, place, source[x]);
        if neighbour > place + 1 {
            out[within(place + 1, neighbour, width)].fill(source[x]);
        }
        neighbour = place;
    }
    out[within(0, neighbour, width)].fill(source[0]);
}

/// Reference implementation for the right eye.
fn paint_right(source: &[u8], distances: &[i16], out: &mut [u8]) {
    let width = source.len();
    let mut neighbour = -1;
    for x in 0..width {
        let place = x as isize - right_shift(distances[x]);
        paint(out, place, source[x]);
        if place > neighbour + 1 {
            out[within(neighbour + 1, place, width)].fill(source[x]);
        }
        neighbour = place;
    }
    out[within(neighbour + 1, width as isize, width)].fill(source[width - 1]);
}

/// Appends the positions from `from` on where the distance changes, then the length. `runs` holds the starts before
/// `from`.
pub(super) fn split_runs_from(distances: &[i16], from: usize, runs: &mut Vec<u32>) {
    if from == 0 {
        runs.push(0);
    }
    for x in from.max(1)..distances.len() {
        if distances[x] != distances[x - 1] {
            runs.push(x as u32);
        }
    }
    runs.push(distances.len() as u32);
}

/// Like [`paint_left`], but run by run. `source` and `out` have [`OVERRUN`] extra bytes on both sides.
fn paint_left_runs(source: &[u8], distances: &[i16], runs: &[u32], out: &mut [u8]) {
    let width = distances.len();
    let mut neighbour = width as isize;
    for run in runs.windows(2).rev() {
        let (start, end) = (run[0] as isize, run[1] as isize);
        let shift = left_shift(distances[run[0] as usize]);
        // The run's last pixel also fills the gap up to its neighbour.
        fill_back(out, within(end + shift, neighbour, width), source[OVERRUN + run[1] as usize - 1]);
        let target = within(start + shift, end + shift, width);
        let mut at = target.end;
        while at > target.start {
            // Copy blocks of 32 bytes backwards from the end. The bytes written too far left are overwritten later in
            // the walk.
            let from = (at as isize - shift) as usize;
            let block: [u8; OVERRUN] = source[from..from + OVERRUN].try_into().expect("a block's length");
            out[at..at + OVERRUN].copy_from_slice(&block);
            at = at.saturating_sub(OVERRUN);
        }
        neighbour = start + shift;
    }
    fill_back(out, within(0, neighbour, width), source[OVERRUN]);
}

/// Like [`paint_right`], but run by run, as [`paint_left_runs`].
fn paint_right_runs(source: &[u8], distances: &[i16], runs: &[u32], out: &mut [u8]) {
    let width = distances.len();
    let mut neighbour = -1;
    for run in runs.windows(2) {
        let (start, end) = (run[0] as isize, run[1] as isize);
        let shift = right_shift(distances[run[0] as usize]);
        fill_forward(out, within(neighbour + 1, start - shift, width), source[OVERRUN + run[0] as usize]);
        let target = within(start - shift, end - shift, width);
        let mut at = target.start;
        while at < target.end {
            let from = OVERRUN + (at as isize + shift) as usize;
            let block: [u8; OVERRUN] = source[from..from + OVERRUN].try_into().expect("a block's length");
            out[OVERRUN + at..2 * OVERRUN + at].copy_from_slice(&block);
            at += OVERRUN;
        }
        neighbour = end - 1 - shift;
    }
    fill_forward(out, within(neighbour + 1, width as isize, width), source[OVERRUN + width - 1]);
}

/// Fills a range of a padded row, backwards from its end. Writes up to [`OVERRUN`] - 1 bytes before its start.
fn fill_back(out: &mut [u8], range: std::ops::Range<usize>, value: u8) {
    let mut at = range.end;
    while at > range.start {
        out[at..at + OVERRUN].fill(value);
        at = at.saturating_sub(OVERRUN);
    }
}

/// Fills a range of a padded row from its start. Writes up to [`OVERRUN`] - 1 bytes past its end.
fn fill_forward(out: &mut [u8], range: std::ops::Range<usize>, value: u8) {
    for at in range.step_by(OVERRUN) {
        out[OVERRUN + at..2 * OVERRUN + at].fill(value);
    }
}
