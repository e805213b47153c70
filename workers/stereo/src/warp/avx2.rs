//! AVX2 versions of functions in `disparity.rs` and `row.rs`, with the same results.
#![expect(unsafe_code, reason = "loads and stores of std::arch take pointers; each one's range is checked beside it")]

use std::arch::x86_64::*;

use super::disparity::{Columns, Disparity, FRACTION, LIFT, limit, mix_from, stretch as stretch_scalar};
use super::row::split_runs_from;

/// Panics on a CPU without AVX2, where these functions would be undefined behaviour. The check costs one load.
fn assert_avx2() {
    assert!(is_x86_feature_detected!("avx2"), "this code is chosen on processors with AVX2 only");
}

/// Like `disparity::stretch` from 0.
pub(super) fn stretch(cells: &[f32], columns: &Columns, disparity: Disparity, out: &mut [i16]) {
    assert_avx2();
    assert!(columns.share.len() == out.len() && columns.first.len() == out.len() && columns.second.len() == out.len());
    let within = |index: Option<&i32>| index.is_none_or(|&i| i >= 0 && (i as usize) < cells.len());
    // Column indices ascend, so checking the first and last is enough.
    assert!(
        within(columns.first.first()) && within(columns.second.last()) && columns.first.last() <= columns.second.last()
    );
    // SAFETY: AVX2 is available; the tables are as long as `out`, and their indices lie within `cells`.
    let done = unsafe { stretch_blocks(cells, columns, disparity, out) };
    stretch_scalar(cells, columns, disparity, done, out);
}

/// Like `disparity::mix_from` from 0.
pub(super) fn mix(upper: &[i16], lower: &[i16], share: i16, out: &mut [i16]) {
    assert_avx2();
    assert!(upper.len() == out.len() && lower.len() == out.len());
    // SAFETY: AVX2 is available; the three slices have the same length.
    let done = unsafe { mix_blocks(upper, lower, share, out) };
    mix_from(upper, lower, share, done, out);
}

/// Like `row::split_runs_from` from 0.
pub(super) fn split_runs(distances: &[i16], runs: &mut Vec<u32>) {
    assert_avx2();
    runs.push(0);
    // SAFETY: AVX2 is available.
    let done = unsafe { split_blocks(distances, runs) };
    split_runs_from(distances, done, runs);
}

/// Processes whole blocks of 16 pixels and returns the number of pixels done.
///
/// # Safety
/// AVX2; `columns` as long as `out`, with indices within `cells`.
#[target_feature(enable = "avx2")]
unsafe fn stretch_blocks(cells: &[f32], columns: &Columns, disparity: Disparity, out: &mut [i16]) -> usize {
    let convergence = _mm256_set1_ps(disparity.convergence);
    let scale = _mm256_set1_ps(disparity.scale);
    let (low, high) = (_mm256_set1_ps(-limit()), _mm256_set1_ps(limit()));
    let (lift, fall) = (_mm256_set1_ps(LIFT + 0.5), _mm256_set1_epi32(LIFT as i32));
    let eight = |x: usize| {
        // SAFETY: `x + 8` lies within the tables (only called for whole blocks); the tables' indices lie within
        // `cells`.
        let (first, second, share) = unsafe {
            (
                _mm256_loadu_si256(columns.first.as_ptr().add(x).cast()),
                _mm256_loadu_si256(columns.second.as_ptr().add(x).cast()),
                _mm256_loadu_ps(columns.share.as_ptr().add(x)),
            )
        };
        // SAFETY: as above.
        let (a, b) = unsafe {
            (_mm256_i32gather_ps::<4>(cells.as_ptr(), first), _mm256_i32gather_ps::<4>(cells.as_ptr(), second))
        };
        let depth = _mm256_add_ps(a, _mm256_mul_ps(_mm256_sub_ps(b, a), share));
        let distance = _mm256_mul_ps(_mm256_sub_ps(depth, convergence), scale);
        let distance = _mm256_min_ps(_mm256_max_ps(distance, low), high);
        _mm256_sub_epi32(_mm256_cvttps_epi32(_mm256_add_ps(distance, lift)), fall)
    };
    let blocks = out.len() / 16;
    for block in 0..blocks {
        let x = block * 16;
        // Packing works within each half of the register; the permutation restores the order.
        let packed = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(eight(x), eight(x + 8)));
        // SAFETY: x + 16 lies within `out`.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().add(x).cast(), packed) };
    }
    blocks * 16
}

/// Processes whole blocks of 16 pixels and returns the number of pixels done.
///
/// # Safety
/// AVX2; three slices of one length.
#[target_feature(enable = "avx2")]
unsafe fn mix_blocks(upper: &[i16], lower: &[i16], share: i16, out: &mut [i16]) -> usize {
    let share = _mm256_set1_epi16(share);
    let half = _mm256_set1_epi16(1 << (FRACTION - 1));
    let blocks = out.len() / 16;
    for x in (0..blocks * 16).step_by(16) {
        // SAFETY: x + 16 lies within all three.
        unsafe {
            let upper = _mm256_loadu_si256(upper.as_ptr().add(x).cast());
            let lower = _mm256_loadu_si256(lower.as_ptr().add(x).cast());
            let step = _mm256_mulhrs_epi16(_mm256_sub_epi16(lower, upper), share);
            let mixed = _mm256_add_epi16(_mm256_add_epi16(upper, step), half);
            _mm256_storeu_si256(out.as_mut_ptr().add(x).cast(), _mm256_srai_epi16::<{ FRACTION as i32 }>(mixed));
        }
    }
    blocks * 16
}

/// Returns the first position that is not done yet.
///
/// # Safety
/// AVX2.
#[target_feature(enable = "avx2")]
unsafe fn split_blocks(distances: &[i16], runs: &mut Vec<u32>) -> usize {
    let mut x = 1;
    while x + 16 <= distances.len() {
        // SAFETY: x - 1 and x + 16 lie within `distances`.
        let (here, before) = unsafe {
            let at = distances.as_ptr().add(x);
            (_mm256_loadu_si256(at.cast()), _mm256_loadu_si256(at.sub(1).cast()))
        };
        // Two bits per pixel, set if it equals the pixel before.
        let equal = _mm256_movemask_epi8(_mm256_cmpeq_epi16(here, before)) as u32;
        let mut changed = !equal & 0x5555_5555;
        while changed != 0 {
            runs.push(x as u32 + changed.trailing_zeros() / 2);
            changed &= changed - 1;
        }
        x += 16;
    }
    x
}
