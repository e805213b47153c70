//! Benchmarks warp and depth against their lower bounds, as ratios within one run.
//!
//! A plain program and not criterion, because only the ratio of two speeds matters. Each figure is the median of
//! several rounds, and the compared functions take turns, so that a disturbance affects both.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use stereospot_picture::{Colour, Picture};
use stereospot_stereo::{
    Code, DepthModel, DepthStage, Layout, ModelSpec, NormalisedDepth, Options, Provider, Warper, find_runtime_library,
};

const ROUNDS: usize = 60;

fn main() {
    // `cargo test --benches` also runs this; one round is enough to show that it works.
    let rounds = if std::env::args().any(|a| a == "--bench") { ROUNDS } else { 1 };
    warp(rounds);
    depth(rounds);
}

fn warp(rounds: usize) {
    let (picture, depth) = scene(1920, 1080);
    let options = Options::default();
    println!("warp, 1920x1080, both eyes, one core, median of {rounds} rounds");
    // The minimum that the warp must read and write: the source once, the packed picture once.
    let source = [&picture.y[..], &picture.u, &picture.v].concat();
    for layout in [Layout::Sbs, Layout::HalfSbs, Layout::HalfTb, Layout::Anaglyph(Default::default())] {
        let (width, height) = layout.output_size(1920, 1080);
        let mut out = Picture::new(width, height, picture.colour);
        let mut copy = vec![0_u8; width * height * 3 / 2];
        let mut fast = Warper::new(&options);
        let mut scalar = Warper::with_code(&options, Code::Scalar);
        let [copied, warped, reference] = medians(rounds, |which| match which {
            0 => copy.chunks_mut(source.len()).for_each(|part| part.copy_from_slice(&black_box(&source)[..part.len()])),
            1 => fast.render(&picture, &depth, layout, &mut out),
            _ => scalar.render(&picture, &depth, layout, &mut out),
        });
        black_box((&copy, &out));
        println!(
            "  {layout:<10} {:6.1} frames/s, {:5.1} % of a copy of the same bytes ({:6.0} frames/s); {:4.1} times the scalar reference ({:.1} frames/s)",
            per_second(warped),
            100.0 * copied.as_secs_f64() / warped.as_secs_f64(),
            per_second(copied),
            reference.as_secs_f64() / warped.as_secs_f64(),
            per_second(reference),
        );
    }
}

fn depth(rounds: usize) {
    let (picture, _) = scene(1280, 720);
    let options = Options::default();
    let stage = |threads| {
        let spec = ModelSpec {
            path: Path::new(env!("CARGO_MANIFEST_DIR")).join("models/cues.onnx"),
            runtime_library: find_runtime_library().unwrap_or_else(|e| panic!("{e}")),
            provider: Provider::Cpu,
            threads,
            resolution: options.resolution,
        };
        DepthStage::new(DepthModel::open(&spec).unwrap_or_else(|e| panic!("{e}")), &options, 0)
    };
    let (mut one, mut two) = (stage(1), stage(2));
    let [one, two] = medians(rounds, |which| {
        let stage = if which == 0 { &mut one } else { &mut two };
        black_box(stage.depth(&picture).unwrap_or_else(|e| panic!("{e}")));
    });
    println!("depth, 1280x720 at 686x392, cues.onnx with shrinking and normalisation, median of {rounds} rounds");
    println!("  {:.1} ms a frame on one thread, {:.1} ms on two", one.as_secs_f64() * 1e3, two.as_secs_f64() * 1e3);
}

/// Runs `N` functions in turn and returns each one's median time.
fn medians<const N: usize>(rounds: usize, mut run: impl FnMut(usize)) -> [Duration; N] {
    let mut times = [const { Vec::new() }; N];
    for round in 0..=rounds {
        for (which, times) in times.iter_mut().enumerate() {
            let start = Instant::now();
            run(which);
            // The first round only fills caches and tables.
            if round > 0 {
                times.push(start.elapsed());
            }
        }
    }
    times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    })
}

fn per_second(time: Duration) -> f64 {
    1.0 / time.as_secs_f64()
}

/// Sloping ground with near discs and fine texture: depth with steps and with slopes.
fn scene(width: usize, height: usize) -> (Picture, NormalisedDepth) {
    let mut picture = Picture::new(width, height, Colour::default());
    for (samples, plane_width, _) in picture.planes_mut() {
        for (i, sample) in samples.iter_mut().enumerate() {
            let (x, y) = (i % plane_width, i / plane_width);
            *sample = 40 + ((x * 7 + y * 13) % 61) as u8 + (x * 100 / plane_width) as u8;
        }
    }
    let (columns, rows) = (686, 392);
    let discs = [(120.0, 200.0, 60.0, 0.8), (350.0, 150.0, 90.0, 0.95), (560.0, 260.0, 50.0, 0.7_f32)];
    let value = |i: usize| {
        let (x, y) = ((i % columns) as f32, (i / columns) as f32);
        let ground = y / rows as f32 * 0.9 + 0.01 * (x * 0.21).sin();
        discs.iter().fold(
            ground,
            |depth, (cx, cy, radius, disc)| {
                if (x - cx).hypot(y - cy) < *radius { depth.max(*disc) } else { depth }
            },
        )
    };
    (picture, NormalisedDepth::new(columns, rows, (0..columns * rows).map(value).collect()))
}
