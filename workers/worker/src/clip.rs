//! Renders the ray-cast demo clip: a source with known frames, depth and sound.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use stereospot_media::encode::{Encoder, EncoderOptions};
use stereospot_media::manifest::{ColourTags, Ratio, StereoLayout};
use stereospot_media::soundtrack::add_sound;
use stereospot_scene::{Scene, SceneSpec};

const SAMPLE_RATE: u32 = 48_000;

/// What to render.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// The MP4 file to write.
    output: PathBuf,
    /// Width in pixels, even.
    #[arg(long, default_value_t = SceneSpec::default().width)]
    width: usize,
    /// Height in pixels, even.
    #[arg(long, default_value_t = SceneSpec::default().height)]
    height: usize,
    /// Number of frames, at 25 a second.
    #[arg(long, default_value_t = SceneSpec::default().frames)]
    frames: u32,
    /// Chooses places, colours and grain.
    #[arg(long, default_value_t = SceneSpec::default().seed)]
    seed: u64,
}

/// Renders, encodes, adds the sound. The file appears under its name once it is whole.
pub(crate) fn render(options: &Options) -> anyhow::Result<()> {
    let Options { output, width, height, frames, seed } = options.clone();
    let spec = SceneSpec { width, height, frames, seed, ..SceneSpec::default() };
    let (rate, per) = spec.frame_rate;
    let scene = Scene::new(spec)?;
    let folder = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| ".".as_ref());
    let scratch =
        tempfile::tempdir_in(folder).with_context(|| format!("the folder {} can't be written to", folder.display()))?;
    let silent = scratch.path().join("silent.mp4");
    let time_base = Ratio { num: i32::try_from(per)?, den: i32::try_from(rate)? };
    let mut encoder = Encoder::create(
        &silent,
        EncoderOptions {
            width,
            height,
            time_base,
            avg_frame_rate: time_base.inverted(),
            colour: ColourTags { matrix: 1, primaries: 1, transfer: 1, is_full_range: false },
            sample_aspect_ratio: Ratio { num: 1, den: 1 },
            crf: 16,
            preset: "fast".into(),
            codec: "libx264".into(),
            threads: 1,
            lookahead: None,
            layout: StereoLayout::Mono,
        },
    )?;
    for number in 0..frames {
        encoder.push(i64::from(number), &scene.frame(number).picture)?;
    }
    encoder.finish()?;
    let whole = scratch.path().join("clip.mp4");
    add_sound(&silent, &scene.sound(SAMPLE_RATE), SAMPLE_RATE, &whole)?;
    std::fs::rename(&whole, &output).with_context(|| format!("{} can't be written", output.display()))?;
    println!("{}: {frames} frames of {width}x{height}, with sound", output.display());
    Ok(())
}
