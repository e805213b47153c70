//! Detects scene cuts: pictures that differ as a whole from the one before.

use stereospot_picture::Picture;

const BINS: usize = 32;
/// Use every fourth sample of every fourth row: enough for a histogram.
const STRIDE: usize = 4;
/// Share of samples that must change their bin. Motion and exposure changes stay below 0.3; most cuts are above 0.5.
const THRESHOLD: f32 = 0.4;

/// Detects scene cuts by comparing luma histograms of consecutive pictures. Deterministic.
///
/// Misses a cut between scenes with the same brightness distribution, and takes a flash of light for a cut. Both are
/// harmless: the depth range is then smoothed, or restarted, where it need not be.
#[derive(Debug, Default)]
pub struct SceneCut {
    last: Option<[f32; BINS]>,
}

impl SceneCut {
    /// A detector without history; its first picture is not a cut.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next picture in display order; returns true if it starts a new scene.
    pub fn push(&mut self, picture: &Picture) -> bool {
        let histogram = histogram(picture);
        let is_cut = self.last.is_some_and(|last| {
            let moved: f32 = last.iter().zip(&histogram).map(|(a, b)| (a - b).abs()).sum();
            moved / 2.0 > THRESHOLD
        });
        self.last = Some(histogram);
        is_cut
    }
}

/// Share of the luma samples in each bin; the shares add up to 1.
fn histogram(picture: &Picture) -> [f32; BINS] {
    let mut counts = [0_u32; BINS];
    for row in picture.y.chunks_exact(picture.width()).step_by(STRIDE) {
        for &sample in row.iter().step_by(STRIDE) {
            counts[usize::from(sample) * BINS / 256] += 1;
        }
    }
    // Spread each share over the neighbouring bins, so that a brightness shift of one level does not count as a change.
    let total: u32 = counts.iter().sum();
    let at = |bin: usize| counts[bin.min(BINS - 1)];
    std::array::from_fn(|bin| (at(bin.saturating_sub(1)) + 2 * at(bin) + at(bin + 1)) as f32 / (4 * total) as f32)
}

#[cfg(test)]
mod tests;
