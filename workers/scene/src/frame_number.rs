//! Burns the frame number into the picture as a row of blocks, and reads it back from a converted picture.
//!
//! The lowest 6 % of the picture is a black band with 22 adjacent blocks: one white and one black (which show the
//! reader what white and black have become), 16 bits of the number, most significant first, and 4 check bits. A block
//! is 4.5 % of the width, but the reader only looks at its middle 1 %. So each block's border may move by up to 1.7 %
//! of the width in either direction, independently of the others, which is more than the whole parallax of one eye at a
//! divergence of 3 %. The blocks have no colour, so that chroma subsampling and anaglyphs leave them readable.

use stereospot_picture::Picture;

/// The number of different frame numbers; after that they start at 0 again.
pub const FRAME_NUMBERS: u32 = 1 << NUMBER_BITS;

/// The part of a picture that shows one eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eye {
    /// The whole picture, plain or anaglyph.
    Whole,
    /// The left half of a side-by-side picture, full or half width.
    LeftHalf,
    /// The right half of a side-by-side picture, full or half width.
    RightHalf,
    /// The upper half of an over-under picture, full or half height.
    TopHalf,
    /// The lower half of an over-under picture, full or half height.
    BottomHalf,
}

const NUMBER_BITS: usize = 16;
const CHECK_BITS: usize = 4;
const BLOCKS: usize = 2 + NUMBER_BITS + CHECK_BITS;
/// A block's width as a share of the picture's.
const BLOCK: f32 = 0.045;
const MARGIN: f32 = (1.0 - BLOCK * BLOCKS as f32) / 2.0;
const BAND: f32 = 0.06;
/// The rows of the band that the blocks fill, as shares of its height.
const ROWS: (f32, f32) = (0.2, 0.8);
/// The rows of the band that the reader uses.
const READ_ROWS: (f32, f32) = (0.36, 0.64);
/// Half the width that the reader uses of a block, as a share of the picture's width.
const READ_HALF_WIDTH: f32 = 0.005;

/// Reads the number that [`Scene::frame`](crate::Scene::frame) burnt in, modulo [`FRAME_NUMBERS`], from one eye of a
/// picture.
///
/// Tolerates compression, scaling, changes of contrast, and warps that shift the blocks by up to 1.5 % of the eye's
/// width. Returns `None` if there is no band, if a block is neither white nor black, or if the check bits are wrong.
#[must_use]
pub fn read_frame_number(picture: &Picture, region: Eye) -> Option<u32> {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let (left, top, width, height) = match region {
        Eye::Whole => (0.0, 0.0, width, height),
        Eye::LeftHalf => (0.0, 0.0, width * 0.5, height),
        Eye::RightHalf => (width * 0.5, 0.0, width * 0.5, height),
        Eye::TopHalf => (0.0, 0.0, width, height * 0.5),
        Eye::BottomHalf => (0.0, height * 0.5, width, height * 0.5),
    };
    let band = top + height * (1.0 - BAND);
    let rows = (band + height * BAND * READ_ROWS.0, band + height * BAND * READ_ROWS.1);
    let level = |block: usize| {
        let middle = left + width * (MARGIN + BLOCK * (block as f32 + 0.5));
        let reach = width * READ_HALF_WIDTH;
        mean(picture, (middle - reach, middle + reach), rows)
    };
    let (white, black) = (level(0), level(1));
    if white - black < 60.0 {
        return None;
    }
    let word = (2..BLOCKS).try_fold(0_u32, |word, block| {
        let share = (level(block) - black) / (white - black);
        let bit = if share > 0.65 {
            1
        } else if share < 0.35 {
            0
        } else {
            return None;
        };
        Some(word << 1 | bit)
    })?;
    let number = word >> CHECK_BITS;
    (with_check(number) == word).then_some(number)
}

/// First row of the band.
pub(crate) fn band_top(height: usize) -> usize {
    // Even, so that no chroma sample straddles the band's edge.
    (height as f32 * (1.0 - BAND)) as usize / 2 * 2
}

/// Draws the band with the number over the lowest rows.
pub(crate) fn burn_in(picture: &mut Picture, number: u32) {
    const BLACK: u8 = 20;
    const WHITE: u8 = 228;
    let (width, height) = (picture.width(), picture.height());
    let word = with_check(number % FRAME_NUMBERS);
    let is_white = |block: usize| match block {
        0 => true,
        1 => false,
        _ => word >> (BLOCKS - 1 - block) & 1 == 1,
    };
    let line: Vec<u8> = (0..width)
        .map(|x| {
            let at = ((x as f32 + 0.5) / width as f32 - MARGIN) / BLOCK;
            let is_block = at >= 0.0 && (at as usize) < BLOCKS;
            if is_block && is_white(at as usize) { WHITE } else { BLACK }
        })
        .collect();
    let top = band_top(height);
    let band = height as f32 * BAND;
    for row in top..height {
        let within = (row as f32 + 0.5 - (height as f32 - band)) / band;
        let out = &mut picture.y[row * width..(row + 1) * width];
        if within >= ROWS.0 && within <= ROWS.1 { out.copy_from_slice(&line) } else { out.fill(BLACK) }
    }
    let chroma = top / 2 * (width / 2);
    picture.u[chroma..].fill(128);
    picture.v[chroma..].fill(128);
}

/// Appends the check bits: 15 minus the number modulo 15. They detect every single wrong bit and are never all black.
fn with_check(number: u32) -> u32 {
    number << CHECK_BITS | (15 - number % 15)
}

fn mean(picture: &Picture, across: (f32, f32), rows: (f32, f32)) -> f32 {
    // Include at least the pixel in the middle.
    let range = |(from, to): (f32, f32), end: usize| {
        let last = end - 1;
        let first = (from.round() as usize).min(((from + to) * 0.5) as usize).min(last);
        (first, (to.round() as usize).clamp(first + 1, end))
    };
    let (x0, x1) = range(across, picture.width());
    let (y0, y1) = range(rows, picture.height());
    let sum: u32 = (y0..y1)
        .flat_map(|y| &picture.y[y * picture.width() + x0..y * picture.width() + x1])
        .map(|&sample| u32::from(sample))
        .sum();
    sum as f32 / ((x1 - x0) * (y1 - y0)) as f32
}

#[cfg(test)]
mod tests;
