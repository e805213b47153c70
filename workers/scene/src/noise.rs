//! Fractal value noise, precomputed as a tile and its reduced copies (mipmaps).
//!
//! Precomputing combines all octaves into one look-up. The reduced copies keep distant surfaces from shimmering, which
//! a depth model or an encoder would take for motion.

use crate::vector::floor;

const SIDE: usize = 256;
const LEVELS: usize = 7;
/// The noise averaged over a very large footprint.
const MEAN: f32 = 0.5;

/// A tileable noise field with values in 0 … 1.
#[derive(Debug, Clone)]
pub(crate) struct Noise {
    /// Level k has a side of `SIDE >> k`.
    levels: Vec<Vec<f32>>,
}

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        let mut tile = vec![0.0_f32; SIDE * SIDE];
        let (mut low, mut high) = (f32::MAX, f32::MIN);
        for (i, out) in tile.iter_mut().enumerate() {
            let (x, y) = (i % SIDE, i / SIDE);
            let mut weight = 0.5;
            for octave in 0..5_u64 {
                let cell = 64 >> (octave + 1);
                *out += weight * lattice(x, y, cell, seed.wrapping_add(octave));
                weight *= 0.55;
            }
            low = low.min(*out);
            high = high.max(*out);
        }
        tile.iter_mut().for_each(|v| *v = (*v - low) / (high - low));
        let mut levels = vec![tile];
        for level in 1..LEVELS {
            levels.push(halved(&levels[level - 1], SIDE >> (level - 1)));
        }
        Self { levels }
    }

    /// The noise at (u, v) in texels, averaged over about `footprint` texels.
    pub(crate) fn at(&self, u: f32, v: f32, footprint: f32) -> f32 {
        if footprint >= (1 << (LEVELS - 1)) as f32 {
            return MEAN;
        }
        let footprint = footprint.clamp(1.0, ((1 << (LEVELS - 1)) - 1) as f32);
        // The float's exponent is the integer logarithm; between powers of two, interpolate linearly.
        let level = (footprint.to_bits() >> (f32::MANTISSA_DIGITS - 1)) as usize - 127;
        let share = footprint / (1 << level) as f32 - 1.0;
        let fine = self.bilinear(level, u, v);
        if share < 0.01 { fine } else { fine + (self.bilinear(level + 1, u, v) - fine) * share }
    }

    /// Like [`Noise::at`], but switches between levels without interpolation, which is not visible in fine grain.
    #[inline]
    pub(crate) fn grain(&self, u: f32, v: f32, footprint: f32) -> f32 {
        if footprint >= 8.0 {
            return MEAN;
        }
        let level = usize::from(footprint > 1.4) + usize::from(footprint > 2.8);
        self.bilinear(level, u, v)
    }

    #[inline]
    fn bilinear(&self, level: usize, u: f32, v: f32) -> f32 {
        let shift = SIDE.trailing_zeros() - level as u32;
        let mask = (1_u32 << shift) - 1;
        let scale = 1.0 / (1 << level) as f32;
        let (u, v) = (u * scale - 0.5, v * scale - 0.5);
        let (u0, v0) = (floor(u), floor(v));
        let (fu, fv) = (u - u0, v - v0);
        let (x0, y0) = (u0 as i32 as u32 & mask, v0 as i32 as u32 & mask);
        let (x1, y1) = (x0.wrapping_add(1) & mask, y0.wrapping_add(1) & mask);
        let tile = &self.levels[level][..];
        let at = |x: u32, y: u32| tile[(y << shift | x) as usize];
        let top = at(x0, y0) * (1.0 - fu) + at(x1, y0) * fu;
        let bottom = at(x0, y1) * (1.0 - fu) + at(x1, y1) * fu;
        top + (bottom - top) * fv
    }
}

/// A pseudo-random number in 0 … 1 that depends only on the arguments.
pub(crate) fn chance(seed: u64, a: i64, b: i64) -> f32 {
    let mut h = seed ^ (a as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (b as u64).wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
    h = (h ^ (h >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    h = (h ^ (h >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((h ^ (h >> 31)) >> 40) as f32 / (1_u64 << 24) as f32
}

fn lattice(x: usize, y: usize, cell: usize, seed: u64) -> f32 {
    let cells = SIDE / cell;
    let (cx, cy) = (x / cell, y / cell);
    let smooth = |t: f32| t * t * (3.0 - 2.0 * t);
    let fx = smooth((x % cell) as f32 / cell as f32);
    let fy = smooth((y % cell) as f32 / cell as f32);
    let corner = |dx: usize, dy: usize| chance(seed, ((cx + dx) % cells) as i64, ((cy + dy) % cells) as i64);
    let top = corner(0, 0) * (1.0 - fx) + corner(1, 0) * fx;
    let bottom = corner(0, 1) * (1.0 - fx) + corner(1, 1) * fx;
    top + (bottom - top) * fy
}

fn halved(tile: &[f32], side: usize) -> Vec<f32> {
    let half = side / 2;
    (0..half * half)
        .map(|i| {
            let at = (i / half) * 2 * side + (i % half) * 2;
            (tile[at] + tile[at + 1] + tile[at + side] + tile[at + side + 1]) * 0.25
        })
        .collect()
}
