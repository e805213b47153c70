//! Prepares the model's input: shrinks a picture to the input's size by area averaging and converts it to normalised
//! RGB.

use stereospot_picture::Picture;

use super::Manifest;
use crate::colour::{ToRgb, to_rgb};

/// Prepares inputs and reuses its buffers and tables.
#[derive(Debug, Default)]
pub(super) struct DepthInput {
    shape: Shape,
    /// Where each column of the grid reads from: for luma, for chroma.
    columns: [Spans; 2],
    rows: [Spans; 2],
    data: Vec<f32>,
    /// One row, averaged over its source rows.
    row: Vec<f32>,
}

#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
struct Shape {
    picture: (usize, usize),
    grid: (usize, usize),
}

/// Area averaging along one axis: output `i` is the weighted sum of `taps` samples from `starts[i]` on.
#[derive(Debug, Default)]
struct Spans {
    starts: Vec<usize>,
    taps: usize,
    weights: Vec<f32>,
}

impl DepthInput {
    /// Returns the planes R, G, B of a picture at `width` by `height`, normalised as in the manifest.
    pub(super) fn fill(&mut self, picture: &Picture, width: usize, height: usize, manifest: &Manifest) -> &[f32] {
        self.prepare(Shape { picture: (picture.width(), picture.height()), grid: (width, height) });
        let plane = width * height;
        for (index, (samples, stride, _)) in picture.planes().into_iter().enumerate() {
            let kind = index.min(1);
            let target = &mut self.data[index * plane..(index + 1) * plane];
            for (y, target) in target.chunks_exact_mut(width).enumerate() {
                self.rows[kind].average_rows(y, samples, stride, &mut self.row);
                self.columns[kind].average(&self.row, target);
            }
        }
        normalise(&mut self.data, plane, &to_rgb(picture.colour), manifest);
        &self.data
    }

    fn prepare(&mut self, shape: Shape) {
        if shape == self.shape {
            return;
        }
        self.shape = shape;
        let ((pw, ph), (gw, gh)) = (shape.picture, shape.grid);
        self.columns = [Spans::new(pw, gw), Spans::new(pw / 2, gw)];
        self.rows = [Spans::new(ph, gh), Spans::new(ph / 2, gh)];
        self.data = vec![0.0; 3 * gw * gh];
        self.row = vec![0.0; pw];
    }
}

impl Spans {
    /// Splits `source` samples into `target` equal spans; a sample on a border counts on each side by its share.
    fn new(source: usize, target: usize) -> Self {
        let length = source as f64 / target as f64;
        let taps = (length.ceil() as usize + 1).min(source);
        let mut spans = Self { starts: Vec::with_capacity(target), taps, weights: Vec::with_capacity(target * taps) };
        for i in 0..target {
            let (from, to) = (i as f64 * length, (i + 1) as f64 * length);
            let start = (from as usize).min(source - taps);
            spans.starts.push(start);
            for tap in 0..taps {
                let sample = (start + tap) as f64;
                let covered = (to.min(sample + 1.0) - from.max(sample)).max(0.0);
                spans.weights.push((covered / length) as f32);
            }
        }
        spans
    }

    fn weights(&self, i: usize) -> &[f32] {
        &self.weights[i * self.taps..(i + 1) * self.taps]
    }

    fn average_rows(&self, i: usize, samples: &[u8], stride: usize, row: &mut [f32]) {
        let row = &mut row[..stride];
        row.fill(0.0);
        for (tap, &weight) in self.weights(i).iter().enumerate() {
            if weight > 0.0 {
                let source = &samples[(self.starts[i] + tap) * stride..][..stride];
                for (sum, &sample) in row.iter_mut().zip(source) {
                    *sum += weight * f32::from(sample);
                }
            }
        }
    }

    fn average(&self, row: &[f32], target: &mut [f32]) {
        // With a constant number of taps the compiler unrolls the loop: four times faster, and it is a large part of a
        // frame's time.
        match self.taps {
            2 => self.average_by::<2>(row, target),
            3 => self.average_by::<3>(row, target),
            4 => self.average_by::<4>(row, target),
            5 => self.average_by::<5>(row, target),
            _ => {
                for (i, (value, &start)) in target.iter_mut().zip(&self.starts).enumerate() {
                    let samples = &row[start..start + self.taps];
                    *value = self.weights(i).iter().zip(samples).map(|(w, s)| w * s).sum();
                }
            }
        }
    }

    fn average_by<const TAPS: usize>(&self, row: &[f32], target: &mut [f32]) {
        let (weights, _) = self.weights.as_chunks::<TAPS>();
        for ((value, &start), weights) in target.iter_mut().zip(&self.starts).zip(weights) {
            let samples: &[f32; TAPS] = row[start..start + TAPS].try_into().expect("a slice of this length");
            *value = weights.iter().zip(samples).map(|(w, s)| w * s).sum();
        }
    }
}

/// Converts three planes of YUV sample values to normalised RGB, in place.
fn normalise(data: &mut [f32], plane: usize, to: &ToRgb, manifest: &Manifest) {
    let (y, rest) = data.split_at_mut(plane);
    let (u, v) = rest.split_at_mut(plane);
    let rgb: [_; 3] = std::array::from_fn(|c| {
        let (scale, weights) = (1.0 / manifest.std[c], to.weights[c]);
        move |y: f32, u: f32, v: f32| ((weights[0] * y + weights[1] * u + weights[2] * v).clamp(0.0, 1.0), scale)
    });
    let [my, mu, mv] = to.black;
    let mean = manifest.mean;
    for ((y, u), v) in y.iter_mut().zip(u).zip(v) {
        let (ly, lu, lv) = (*y - my, *u - mu, *v - mv);
        let [r, g, b] = [rgb[0](ly, lu, lv), rgb[1](ly, lu, lv), rgb[2](ly, lu, lv)];
        *y = (r.0 - mean[0]) * r.1;
        *u = (g.0 - mean[1]) * g.1;
        *v = (b.0 - mean[2]) * b.1;
    }
}

#[cfg(test)]
mod tests;
