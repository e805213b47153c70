//! Normalises raw depth to 0 (far) … 1 (near), steadily over time.
//!
//! The range is measured on every fifth picture of the video, counted from the video's start, and on the first picture
//! of a scene; it is smoothed at every picture. A range that changes slowly needs no more, and it makes a warm-up
//! cheap: four of five pictures need no depth there.
//!
//! Invariant: a picture's range depends only on earlier pictures, and to within 1 % only on the last [`warm_up_frames`]
//! of them. So segments that are converted separately join without a jump.

use std::collections::VecDeque;

use crate::depth::DepthMap;
use crate::dilate::dilate;
use crate::options::Options;

/// Depth of one picture from 0 (farthest) to 1 (nearest), on a grid that covers the whole picture.
#[derive(Debug, Clone, PartialEq)]
pub struct NormalisedDepth {
    width: usize,
    height: usize,
    values: Vec<f32>,
}

/// Tracks the range of raw depth over time and normalises with it.
#[derive(Debug)]
pub struct Normaliser {
    decay: f32,
    buffer: usize,
    convergence: f32,
    edge_dilation: [u32; 2],
    curve: Option<Curve>,
    /// The measurements within the last `buffer` pictures, with the pictures' numbers.
    window: VecDeque<(u64, Range)>,
    smoothed: Option<Range>,
    /// The next picture's number in the video.
    next: u64,
}

/// Number of pictures from one measurement of the range to the next.
const INTERVAL: u64 = 5;

#[derive(Debug, Clone, Copy, PartialEq)]
struct Range {
    min: f32,
    max: f32,
}

/// How many pictures before a segment's first must be pushed as a warm-up, so that the range at its start differs by
/// less than 1 % from that of a conversion that started earlier. The window then holds only pictures that both
/// conversions saw, and the smoothing gives less than 1 % weight to what came before. A segment that starts at a scene
/// cut, or the video's first segment, needs no warm-up.
///
/// 46 with the defaults, where the model runs on ten of them; 17 with a window of one frame, where it runs on all.
#[must_use]
pub fn warm_up_frames(options: &Options) -> usize {
    let mut steps = 1;
    let mut left = options.ema_decay;
    while left >= 0.01 {
        left *= options.ema_decay;
        steps += 1;
    }
    // The segment's first picture is itself a smoothing step.
    options.ema_buffer as usize + steps - 1
}

impl NormalisedDepth {
    /// Wraps depth from another source: `width * height` values from 0 to 1, row by row.
    ///
    /// # Panics
    /// If a side is zero, or the number of values does not match.
    #[must_use]
    pub fn new(width: usize, height: usize, values: Vec<f32>) -> Self {
        assert!(width > 0 && height > 0, "a depth grid has at least one cell, got {width}x{height}");
        assert_eq!(values.len(), width * height, "a {width}x{height} depth grid has as many values");
        Self { width, height, values }
    }

    /// Number of columns of the grid.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of rows of the grid.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// All values, row by row.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

impl Normaliser {
    /// A normaliser without history. `first` is the number in the video, from 0, of the first picture it will get,
    /// including a warm-up: all segments of a video must measure the range on the same pictures.
    #[must_use]
    pub fn new(options: &Options, first: u64) -> Self {
        Self {
            decay: options.ema_decay,
            buffer: options.ema_buffer as usize,
            convergence: options.convergence,
            edge_dilation: options.edge_dilation,
            curve: Curve::new(options.foreground_scale),
            window: VecDeque::new(),
            smoothed: None,
            next: first,
        }
    }

    /// True if the range will be measured on the next picture. `is_cut` means that it starts a new scene.
    #[must_use]
    pub fn measures_next(&self, is_cut: bool) -> bool {
        // A window shorter than the interval must not become empty.
        let interval = INTERVAL.min(self.buffer as u64);
        is_cut || self.smoothed.is_none() || self.next.is_multiple_of(interval)
    }

    /// Warms up: updates the range with the next picture without normalising it.
    ///
    /// `is_cut` means that this picture starts a new scene; the history is then dropped. `raw` computes its depth and
    /// is only called if [`Self::measures_next`].
    ///
    /// # Errors
    /// The errors of `raw`; the picture then does not count.
    pub fn track<E>(&mut self, is_cut: bool, raw: impl FnOnce() -> Result<DepthMap, E>) -> Result<(), E> {
        let measured = if self.measures_next(is_cut) { Some(Range::of(&raw()?.values)) } else { None };
        self.next_range(measured, is_cut);
        Ok(())
    }

    /// Updates the range with the next picture's raw depth and normalises it: enlarges near objects, maps the range to
    /// 0 … 1, clamps, and applies the foreground curve.
    ///
    /// If the depth is the same everywhere for the whole window, everything lies at the screen.
    pub fn normalise(&mut self, mut raw: DepthMap, is_cut: bool) -> NormalisedDepth {
        let measured = self.measures_next(is_cut).then(|| Range::of(&raw.values));
        let Range { min, max } = self.next_range(measured, is_cut);
        dilate(&mut raw.values, raw.width, self.edge_dilation);
        let span = max - min;
        let mut values = raw.values;
        if span > f32::EPSILON * max.abs().max(min.abs()) {
            let scale = 1.0 / span;
            values.iter_mut().for_each(|v| *v = ((*v - min) * scale).clamp(0.0, 1.0));
            if let Some(curve) = &self.curve {
                values.iter_mut().for_each(|v| *v = curve.at(*v));
            }
        } else {
            values.fill(self.convergence);
        }
        NormalisedDepth::new(raw.width, raw.height, values)
    }

    /// Smooths the range: m ← β·m + (1 − β)·m_window.
    fn next_range(&mut self, measured: Option<Range>, is_cut: bool) -> Range {
        if is_cut {
            self.window.clear();
            self.smoothed = None;
        }
        let now = self.next;
        self.next += 1;
        self.window.extend(measured.map(|range| (now, range)));
        self.window.retain(|(number, _)| number + self.buffer as u64 > now);
        let ranges = self.window.iter().map(|(_, range)| *range);
        let seen = ranges
            .reduce(Range::joined)
            .expect("a window holds the last measurement, which is never older than it is long");
        let next = match self.smoothed {
            None => seen,
            Some(past) => {
                let smooth = |past: f32, seen: f32| self.decay * past + (1.0 - self.decay) * seen;
                Range { min: smooth(past.min, seen.min), max: smooth(past.max, seen.max) }
            }
        };
        self.smoothed = Some(next);
        next
    }
}

impl Range {
    fn of(values: &[f32]) -> Self {
        // Sixteen independent lanes: with a single minimum each step would wait for the previous one.
        let (mut lows, mut highs) = ([f32::INFINITY; 16], [f32::NEG_INFINITY; 16]);
        for chunk in values.chunks(16) {
            for ((low, high), value) in lows.iter_mut().zip(&mut highs).zip(chunk) {
                *low = low.min(*value);
                *high = high.max(*value);
            }
        }
        Self {
            min: lows.into_iter().fold(f32::INFINITY, f32::min),
            max: highs.into_iter().fold(f32::NEG_INFINITY, f32::max),
        }
    }

    fn joined(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.max(other.max) }
    }
}

/// The foreground curve as a table: `ln(1 + e^(12·(x − b)))`, scaled to run from 0 to 1, or its inverse.
#[derive(Debug)]
struct Curve {
    table: Vec<f32>,
}

impl Curve {
    const STEPS: usize = 1024;

    /// None for scale 0, the identity. Fractional scales interpolate between the curves of whole scales.
    fn new(scale: f32) -> Option<Self> {
        if scale == 0.0 {
            return None;
        }
        let strength = scale.abs();
        let (low, share) = (strength.floor(), strength.fract());
        let at = |x: f32| softplus(low, x) * (1.0 - share) + softplus(low + 1.0, x) * share;
        let position = |step: usize| step as f32 / Self::STEPS as f32;
        let table = (0..=Self::STEPS).map(position).map(|x| if scale > 0.0 { at(x) } else { inverse(at, x) }).collect();
        Some(Self { table })
    }

    fn at(&self, x: f32) -> f32 {
        let position = x * Self::STEPS as f32;
        let step = (position as usize).min(Self::STEPS - 1);
        let share = position - step as f32;
        self.table[step] * (1.0 - share) + self.table[step + 1] * share
    }
}

/// The curve of a whole scale from 0 to 3, from (0, 0) to (1, 1).
fn softplus(scale: f32, x: f32) -> f32 {
    let bias = match scale as u32 {
        0 => return x,
        1 => 0.343,
        2 => 0.515,
        _ => 0.687,
    };
    let raw = |x: f32| (12.0 * (x - bias)).exp().ln_1p();
    (raw(x) - raw(0.0)) / (raw(1.0) - raw(0.0))
}

/// Solves `curve(x) = y` by bisection, for an increasing curve from (0, 0) to (1, 1).
fn inverse(curve: impl Fn(f32) -> f32, y: f32) -> f32 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..24 {
        let middle = (low + high) / 2.0;
        if curve(middle) < y { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests;
