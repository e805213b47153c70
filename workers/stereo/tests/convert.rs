//! Converts pictures to both eyes with the shipped model.

use std::path::Path;

use stereospot_picture::Picture;
use stereospot_scene::{Eye, Scene, SceneSpec, read_frame_number};
use stereospot_stereo::{
    Converter, DepthModel, Layout, ModelSpec, Options, Provider, find_runtime_library, warm_up_frames,
};

fn model() -> DepthModel {
    let spec = ModelSpec {
        path: Path::new(env!("CARGO_MANIFEST_DIR")).join("models/cues.onnx"),
        runtime_library: find_runtime_library().unwrap_or_else(|e| panic!("{e}")),
        provider: Provider::Cpu,
        threads: 2,
        resolution: 392,
    };
    DepthModel::open(&spec).unwrap_or_else(|e| panic!("{e}"))
}

fn scene(frames: u32, cuts: Vec<u32>) -> Scene {
    Scene::new(SceneSpec { width: 480, height: 270, frames, cuts, ..SceneSpec::default() })
        .expect("a valid specification")
}

#[test]
fn every_layout_carries_every_frame_in_both_eyes() {
    let scene = scene(30, vec![9, 21]);
    for layout in Layout::ALL {
        let eyes = match layout {
            Layout::Sbs | Layout::HalfSbs | Layout::CrossEyed => vec![Eye::LeftHalf, Eye::RightHalf],
            Layout::Tb | Layout::HalfTb => vec![Eye::TopHalf, Eye::BottomHalf],
            Layout::Anaglyph(_) => vec![Eye::Whole],
        };
        let mut converter = Converter::new(model(), &Options::default(), layout, 0);
        for n in (0..30).step_by(7) {
            let picture = scene.frame(n).picture;
            let depth = converter.depth(&picture).unwrap();
            let out = converter.render(&picture, &depth);
            for eye in &eyes {
                assert_eq!(read_frame_number(&out, *eye), Some(n), "{layout}, {eye:?}");
            }
        }
    }
}

/// Compares three segments with one run over the whole clip, frame by frame.
#[test]
fn segments_with_a_warm_up_equal_one_run() {
    let scene = scene(36, vec![13]);
    let pictures: Vec<Picture> = (0..36).map(|n| scene.frame(n).picture).collect();
    // Use a short history, so that the warm-up is shorter than the part before the last segment.
    let options = Options { ema_buffer: 4, ema_decay: 0.4, ..Options::default() };
    let warm_up = warm_up_frames(&options);
    assert!(warm_up < 12, "{warm_up}");
    let run = |from: usize, to: usize| {
        let start = from.saturating_sub(warm_up);
        let mut converter = Converter::new(model(), &options, Layout::Sbs, start as u64);
        for picture in &pictures[start..from] {
            converter.warm_up(picture).unwrap();
        }
        pictures[from..to].iter().map(|picture| converter.depth(picture).unwrap()).collect::<Vec<_>>()
    };
    let whole = run(0, 36);
    for (from, to) in [(0, 12), (12, 24), (24, 36)] {
        for (i, (got, expected)) in run(from, to).iter().zip(&whole[from..to]).enumerate() {
            let worst = got.values().iter().zip(expected.values()).map(|(g, e)| (g - e).abs()).fold(0.0, f32::max);
            assert!(worst < 0.01, "frame {} differs by {worst}", from + i);
        }
    }
}

/// Pearson correlation of the shipped model's depth with the true depth of a picture.
fn correlation(scene: &Scene, n: u32) -> f32 {
    let frame = scene.frame(n);
    let options = Options { edge_dilation: [0, 0], ..Options::default() };
    let depth =
        Converter::new(model(), &options, Layout::Sbs, 0).depth(&frame.picture).expect("the shipped model runs");
    let pairs: Vec<(f32, f32)> = (0..frame.depth.len())
        .map(|i| {
            let (x, y) = (i % 480 * depth.width() / 480, i / 480 * depth.height() / 270);
            (frame.depth[i], depth.values()[y * depth.width() + x])
        })
        .collect();
    let mean = |of: fn(&(f32, f32)) -> f32| pairs.iter().map(of).sum::<f32>() / pairs.len() as f32;
    let (a, b) = (mean(|p| p.0), mean(|p| p.1));
    let sum = |of: &dyn Fn(f32, f32) -> f32| pairs.iter().map(|p| of(p.0 - a, p.1 - b)).sum::<f32>();
    sum(&|x, y| x * y) / (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt()
}

#[test]
fn the_shipped_model_sees_some_of_the_true_depth() {
    let scene = scene(30, vec![9, 21]);
    for n in [0, 8, 12, 20, 25] {
        let got = correlation(&scene, n);
        println!("frame {n}: correlation {got:.2}");
        assert!(got > 0.5, "frame {n}: {got:.2}");
    }
}
