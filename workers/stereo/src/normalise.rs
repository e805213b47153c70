//! From raw depth to 0 (far) … 1 (near), steady over time.
//!
//! The range is measured on every fifth picture of the video, counted from its start, and on the first of a scene; it is
//! smoothed at every picture. That is often enough for a range that moves slowly anyway, and it makes a warm-up cheap: four
//! of five pictures need no depth there.
//!
//! Invariant: causal. The range used for a picture depends on pictures before it only, and on at most
//! [`warm_up_frames`] of them to within 1 %, so that segments converted apart join without a jump.

use std::collections::VecDeque;

use crate::depth::DepthMap;
use crate::dilate::dilate;
use crate::options::Options;

/// Depth of one picture between 0 (the farthest) and 1 (the nearest), on a grid that covers the whole picture.
#[derive(Debug, Clone, PartialEq)]
pub struct NormalisedDepth {
    width: usize,
    height: usize,
    values: Vec<f32>,
}

/// Tracks the range of raw depth over time and normalises by it.
#[derive(Debug)]
pub struct Normaliser {
    decay: f32,
    buffer: usize,
    convergence: f32,
    edge_dilation: [u32; 2],
    curve: Option<Curve>,
    /// What was measured within the last `buffer` pictures, each with the picture's number.
    window: VecDeque<(u64, Range)>,
    smoothed: Option<Range>,
    /// Number of the next picture in the video.
    next: u64,
}

/// Pictures from one measurement of the range to the next.
const INTERVAL: u64 = 5;

#[derive(Debug, Clone, Copy, PartialEq)]
struct Range {
    min: f32,
    max: f32,
}

/// How many pictures before a segment's first must be pushed as a warm-up, so that the range at its start differs by less
/// than 1 % from that of a conversion that began earlier: the window must have forgotten where it began, and the smoothing all
/// but 1 % of what was before. A segment that starts with a scene cut, or with the video, needs none.
///
/// 46 at the defaults, of which ten need their depth; 17 with a window of one frame, all of which do.
#[must_use]
pub fn warm_up_frames(options: &Options) -> usize {
    let mut steps = 1;
    let mut left = options.ema_decay;
    while left >= 0.01 {
        left *= options.ema_decay;
        steps += 1;
    }
    // The segment's first picture is itself one step.
    options.ema_buffer as usize + steps - 1
}

impl NormalisedDepth {
    /// Depth that is known from elsewhere: `width * height` values between 0 and 1, row by row.
    ///
    /// # Panics
    /// When the sides are zero or don't match the number of values.
    #[must_use]
    pub fn new(width: usize, height: usize, values: Vec<f32>) -> Self {
        assert!(width > 0 && height > 0, "a depth grid has at least one cell, got {width}x{height}");
        assert_eq!(values.len(), width * height, "a {width}x{height} depth grid has as many values");
        Self { width, height, values }
    }

    /// Columns of the grid.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows of the grid.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// The values, row by row.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

impl Normaliser {
    /// A normaliser that has seen nothing. `first` is the number in the video, from 0, of the first picture that it will get,
    /// be it for a warm-up: all segments of a video must measure the range on the same pictures.
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

    /// Whether the next picture's depth goes into the range; `is_cut` says that a new scene starts with it.
    #[must_use]
    pub fn measures_next(&self, is_cut: bool) -> bool {
        // A window shorter than the interval must not run empty.
        let interval = INTERVAL.min(self.buffer as u64);
        is_cut || self.smoothed.is_none() || self.next.is_multiple_of(interval)
    }

    /// Takes the next picture into the range without normalising it, for a warm-up.
    ///
    /// `is_cut` says that a new scene starts with this picture: what was before is forgotten. `raw` is asked for its depth
    /// only where [`Self::measures_next`].
    ///
    /// # Errors
    /// Those of `raw`; the picture then does not count as taken.
    pub fn track<E>(&mut self, is_cut: bool, raw: impl FnOnce() -> Result<DepthMap, E>) -> Result<(), E> {
        let measured = if self.measures_next(is_cut) { Some(Range::of(&raw()?.values)) } else { None };
        self.next_range(measured, is_cut);
        Ok(())
    }

    /// Takes the next picture's raw depth into the range and normalises it: near things are grown, the range is mapped to
    /// 0 … 1 and clamped, the foreground curve is applied.
    ///
    /// A depth that is the same everywhere, for as long as the window remembers, lies on the screen plane.
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

    /// m ← β·m + (1 − β)·m_window.
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
        // Sixteen lanes side by side: a single running minimum would wait for itself.
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

/// The foreground curve as a table: `ln(1 + e^(12·(x − b)))`, renormalised, or its inverse.
#[derive(Debug)]
struct Curve {
    table: Vec<f32>,
}

impl Curve {
    const STEPS: usize = 1024;

    /// None for a scale of 0, which is a straight line. Between whole scales the curves are mixed.
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

/// The curve of a whole scale 0 to 3, from (0, 0) to (1, 1).
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

/// Solves `curve(x) = y` for a rising curve from (0, 0) to (1, 1) by halving.
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
