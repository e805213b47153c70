//! A clip and a model for the tests of the stages.

use std::path::{Path, PathBuf};

use stereospot_media::encode::{Encoder, EncoderOptions};
use stereospot_media::manifest::{ColourTags, Ratio, StereoLayout};
use stereospot_scene::{Scene, SceneSpec};
use stereospot_stereo::{DepthModel, ModelSpec, Provider, find_runtime_library};
use stereospot_worker::sandbox::{Limits, Sandbox};

pub(crate) const FRAMES: u32 = 24;

/// A clip of two shots, so that it is split into two segments.
pub(crate) fn source(folder: &Path) -> PathBuf {
    let path = folder.join("source.mp4");
    let spec = SceneSpec { width: 128, height: 96, frames: FRAMES, cuts: vec![12], ..SceneSpec::default() };
    let scene = Scene::new(spec).unwrap();
    let mut encoder = Encoder::create(
        &path,
        EncoderOptions {
            width: 128,
            height: 96,
            time_base: Ratio { num: 1, den: 25 },
            avg_frame_rate: Ratio { num: 25, den: 1 },
            colour: ColourTags { matrix: 1, primaries: 1, transfer: 1, is_full_range: false },
            sample_aspect_ratio: Ratio { num: 1, den: 1 },
            crf: 20,
            preset: "veryfast".into(),
            codec: "libx264".into(),
            threads: 1,
            lookahead: None,
            layout: StereoLayout::Mono,
        },
    )
    .unwrap();
    for number in 0..FRAMES {
        encoder.push(i64::from(number), &scene.frame(number).picture).unwrap();
    }
    encoder.finish().unwrap();
    path
}

/// The project's own model, at its smallest.
pub(crate) fn model() -> DepthModel {
    let spec = ModelSpec {
        path: Path::new(env!("CARGO_MANIFEST_DIR")).join("../stereo/models/cues.onnx"),
        runtime_library: find_runtime_library().unwrap(),
        provider: Provider::Cpu,
        threads: 1,
        resolution: 112,
    };
    DepthModel::open(&spec).unwrap()
}

/// Reads videos in children of the worker program, as the worker does.
pub(crate) fn sandbox() -> Sandbox {
    Sandbox::of(Path::new(env!("CARGO_BIN_EXE_stereospot-worker")), Limits::default())
}
