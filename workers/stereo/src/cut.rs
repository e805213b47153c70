//! Scene cuts: where the picture changes as a whole.

use stereospot_picture::Picture;

const BINS: usize = 32;
/// Every fourth sample of every fourth row is enough for a histogram.
const STRIDE: usize = 4;
/// Share of the samples that must have changed their bin. Motion and exposure stay below 0.3, cuts lie above 0.5 mostly.
const THRESHOLD: f32 = 0.4;

/// Finds scene cuts by comparing luma histograms of consecutive pictures; deterministic.
///
/// A cut between two scenes of the same brightness distribution is not found, and a flash of light is taken for one. Both
/// are harmless here: the depth range is then smoothed, or read afresh, where it need not have been.
#[derive(Debug, Default)]
pub struct SceneCut {
    last: Option<[f32; BINS]>,
}

impl SceneCut {
    /// A detector that has seen nothing; its first picture is no cut.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next picture in display order and says whether a new scene starts with it.
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

/// Shares of the luma samples in each bin; they add up to 1.
fn histogram(picture: &Picture) -> [f32; BINS] {
    let mut counts = [0_u32; BINS];
    for row in picture.y.chunks_exact(picture.width()).step_by(STRIDE) {
        for &sample in row.iter().step_by(STRIDE) {
            counts[usize::from(sample) * BINS / 256] += 1;
        }
    }
    // Each share is spread over its neighbours, so that a shift of brightness by one level is not taken for change.
    let total: u32 = counts.iter().sum();
    let at = |bin: usize| counts[bin.min(BINS - 1)];
    std::array::from_fn(|bin| (at(bin.saturating_sub(1)) + 2 * at(bin) + at(bin + 1)) as f32 / (4 * total) as f32)
}

#[cfg(test)]
mod tests;
