//! Converts one segment: decode → depth → warp → encode, each stage on its own thread, with bounded channels between them.
//!
//! The slowest stage sets the pace. The channels hold as many pictures as the budget allows, so memory stays bounded for any segment
//! length and picture size.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use stereospot_media::budget::Settings;
use stereospot_media::encode::{Encoder, EncoderOptions};
use stereospot_media::manifest::{Manifest, SegmentSpec};
use stereospot_picture::Picture;
use stereospot_stereo::{DepthModel, DepthStage, Layout, NormalisedDepth, Options, Warper, warm_up_frames};
use tokio_util::sync::CancellationToken;

use crate::sandbox::{self, Decode, Sandbox};

/// What to convert, and how.
#[derive(Debug)]
pub struct Conversion {
    /// Of the whole source.
    pub manifest: Manifest,
    pub spec: SegmentSpec,
    pub input: PathBuf,
    /// The segment before it, to warm up the depth range; absent when it does not matter.
    pub previous: Option<(SegmentSpec, PathBuf)>,
    pub output: PathBuf,
    pub layout: Layout,
    pub options: Options,
    /// Constant rate factor.
    pub crf: u8,
    pub preset: String,
    /// Threads, pictures between the stages, and lookahead, as the memory allows.
    pub settings: Settings,
    /// Fail at a frame that can't be decoded, instead of repeating the one before.
    pub is_strict: bool,
}

impl Conversion {
    /// Number of pictures of the previous segment that warm up the depth range.
    fn warm_up(&self) -> u64 {
        self.previous.as_ref().map_or(0, |(spec, _)| spec.frames.min(warm_up_frames(&self.options) as u64))
    }

    fn decode(&self) -> Decode {
        Decode {
            file: self.input.clone(),
            manifest: self.manifest.clone(),
            spec: self.spec.clone(),
            tail: None,
            threads: self.settings.decoder_threads,
        }
    }

    fn decode_previous(&self) -> Option<Decode> {
        let (spec, file) = self.previous.clone()?;
        Some(Decode { file, spec, tail: Some(self.warm_up()), ..self.decode() })
    }

    /// Number, within the video, of the first picture that the depth stage sees, warm-up included.
    fn first_picture(&self) -> u64 {
        let earlier = self.manifest.segments.iter().filter(|spec| spec.index < self.spec.index);
        earlier.map(|spec| spec.frames).sum::<u64>().saturating_sub(self.warm_up())
    }
}

/// The outcome of a conversion.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Converted {
    pub frames: u64,
    /// Of these, frames that can't be decoded and show the one before.
    pub repeated: u64,
    /// Of the written file.
    pub bytes: u64,
    /// Time that the stage worked, without waiting.
    pub decode: Duration,
    /// Like `decode`, with the warm-up.
    pub depth: Duration,
    pub warp: Duration,
    pub encode: Duration,
}

/// Why a conversion failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Decoding or encoding failed.
    #[error(transparent)]
    Media(#[from] stereospot_media::Error),
    /// The process that decodes failed.
    #[error(transparent)]
    Video(sandbox::Error),
    /// The depth model failed.
    #[error(transparent)]
    Depth(#[from] stereospot_stereo::Error),
    /// The conversion was asked to stop.
    #[error("cancelled")]
    Cancelled,
}

impl From<sandbox::Error> for Error {
    fn from(error: sandbox::Error) -> Self {
        match error {
            sandbox::Error::Media(stereospot_media::Error::Cancelled) => Error::Cancelled,
            sandbox::Error::Media(error) => Error::Media(error),
            error => Error::Video(error),
        }
    }
}

/// How far a conversion is; readable from another thread.
#[derive(Debug, Default)]
pub struct Progress {
    written: OnceLock<Arc<AtomicU64>>,
}

impl Progress {
    /// Frames written so far.
    #[must_use]
    pub fn frames_done(&self) -> u64 {
        self.written.get().map_or(0, |written| written.load(Ordering::Relaxed))
    }

    fn follow(&self, written: Arc<AtomicU64>) {
        // A conversion opens only one encoder, so nothing was set before.
        let _ = self.written.set(written);
    }
}

struct Timed<T> {
    busy: Duration,
    result: Result<T, Error>,
}

/// Converts a segment. Returns the model for the next segment, even after a failure. `frames_done` counts the written frames.
pub fn convert(
    model: DepthModel,
    conversion: &Conversion,
    sandbox: &Sandbox,
    frames_done: &Progress,
    cancel: &CancellationToken,
) -> (DepthModel, Result<Converted, Error>) {
    let between = conversion.settings.between;
    let (decoded, to_depth) = bounded::<(i64, Picture)>(between);
    let (deep, to_warp) = bounded::<(i64, Picture, NormalisedDepth)>(between);
    let (warped, to_encode) = bounded::<(i64, Picture)>(between);
    // Two decoders at a time would take twice the memory.
    let (warming, warmed) = bounded::<()>(0);
    let depth_stage = DepthStage::new(model, &conversion.options, conversion.first_picture());
    std::thread::scope(|scope| {
        let decode = scope.spawn(move || decode(conversion, sandbox, &warmed, &decoded, cancel));
        let depth = scope.spawn(move || depth(depth_stage, conversion, sandbox, warming, to_depth, &deep, cancel));
        let warp = scope.spawn(move || warp(conversion, to_warp, &warped));
        // Each stage owns its ends of the channels. When one ends, for whatever reason, it drops them, and the others end too.
        let encoded = encode(conversion, to_encode, frames_done);
        let decoded = decode.join().expect("decoding does not panic");
        let (model, deep) = depth.join().expect("depth does not panic");
        let warped = warp.join().expect("warping does not panic");
        let busy = Converted {
            decode: decoded.busy,
            depth: deep.busy,
            warp: warped,
            encode: encoded.busy,
            ..Converted::default()
        };
        // The error of an earlier stage causes those of later ones.
        let result = decoded.result.and_then(|repeated| Ok((deep.result.and(encoded.result)?, repeated)));
        let result = result.and_then(|(encoder, repeated)| {
            let finishing = Instant::now();
            let summary = encoder.ok_or(Error::Cancelled)?.finish()?;
            let encode = busy.encode + finishing.elapsed();
            Ok(Converted { frames: summary.frames, repeated, bytes: summary.bytes, encode, ..busy })
        });
        (model, result)
    })
}

fn decode(
    conversion: &Conversion,
    sandbox: &Sandbox,
    warmed: &Receiver<()>,
    out: &Sender<(i64, Picture)>,
    cancel: &CancellationToken,
) -> Timed<u64> {
    let mut busy = Duration::ZERO;
    let mut run = || {
        // Ends when the depth stage drops its end, whatever its reason.
        let _ = warmed.recv();
        let mut frames = sandbox.decode(conversion.decode(), cancel)?;
        while let Some(frame) = frames.next() {
            busy = frames.busy();
            let frame = frame?;
            if conversion.is_strict && frames.repeated() > 0 {
                return Err(undecodable(conversion, frame.pts).into());
            }
            if cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            if out.send((frame.pts, frame.picture)).is_err() {
                break;
            }
        }
        Ok(frames.repeated())
    };
    let result = run();
    Timed { busy, result }
}

fn undecodable(conversion: &Conversion, pts: i64) -> stereospot_media::Error {
    let Conversion { manifest, spec, .. } = conversion;
    let at = manifest.time_base.secs(pts - manifest.start_pts);
    stereospot_media::Error::SegmentDamaged {
        index: spec.index,
        why: format!("the frame at {at:.3} s can't be decoded"),
    }
}

fn depth(
    mut stage: DepthStage,
    conversion: &Conversion,
    sandbox: &Sandbox,
    warming: Sender<()>,
    input: Receiver<(i64, Picture)>,
    out: &Sender<(i64, Picture, NormalisedDepth)>,
    cancel: &CancellationToken,
) -> (DepthModel, Timed<()>) {
    let mut busy = Duration::ZERO;
    let run = || {
        let started = Instant::now();
        if let Some(tail) = conversion.decode_previous() {
            for frame in sandbox.decode(tail, cancel)? {
                if cancel.is_cancelled() {
                    return Err(Error::Cancelled);
                }
                stage.warm_up(&frame?.picture)?;
            }
        }
        busy += started.elapsed();
        drop(warming);
        for (pts, picture) in input {
            let started = Instant::now();
            let depth = stage.depth(&picture)?;
            busy += started.elapsed();
            if out.send((pts, picture, depth)).is_err() {
                break;
            }
        }
        Ok(())
    };
    let result = run();
    (stage.into_model(), Timed { busy, result })
}

fn warp(
    conversion: &Conversion,
    input: Receiver<(i64, Picture, NormalisedDepth)>,
    out: &Sender<(i64, Picture)>,
) -> Duration {
    let mut warper = Warper::new(&conversion.options);
    let mut busy = Duration::ZERO;
    for (pts, picture, depth) in input {
        let started = Instant::now();
        let (width, height) = conversion.layout.output_size(picture.width(), picture.height());
        let mut packed = Picture::new(width, height, picture.colour);
        warper.render(&picture, &depth, conversion.layout, &mut packed);
        busy += started.elapsed();
        if out.send((pts, packed)).is_err() {
            break;
        }
    }
    busy
}

fn encode(conversion: &Conversion, input: Receiver<(i64, Picture)>, frames_done: &Progress) -> Timed<Option<Encoder>> {
    let mut busy = Duration::ZERO;
    let run = || {
        let mut encoder: Option<Encoder> = None;
        for (pts, picture) in input {
            let started = Instant::now();
            let encoder = match &mut encoder {
                Some(encoder) => encoder,
                none => {
                    let encoder = Encoder::create(&conversion.output, encoder_options(conversion, &picture))?;
                    frames_done.follow(encoder.written());
                    none.insert(encoder)
                }
            };
            // Times start at zero, as every joiner expects; ours puts each segment in its place.
            encoder.push(pts - conversion.spec.start_pts, &picture)?;
            busy += started.elapsed();
        }
        Ok(encoder)
    };
    let result = run();
    Timed { busy, result }
}

fn encoder_options(conversion: &Conversion, picture: &Picture) -> EncoderOptions {
    EncoderOptions {
        crf: conversion.crf,
        preset: conversion.preset.clone(),
        threads: conversion.settings.encoder_threads,
        lookahead: Some(conversion.settings.lookahead),
        layout: stereo_layout(conversion.layout),
        ..EncoderOptions::new(picture.width(), picture.height(), &conversion.manifest)
    }
}

/// How the file declares the packing.
#[must_use]
pub fn stereo_layout(layout: Layout) -> stereospot_media::manifest::StereoLayout {
    use stereospot_media::manifest::StereoLayout;
    match layout {
        Layout::Sbs | Layout::HalfSbs => StereoLayout::SideBySide,
        Layout::Tb | Layout::HalfTb => StereoLayout::TopBottom,
        // With the eyes exchanged, no player may show it as side by side.
        Layout::CrossEyed | Layout::Anaglyph(_) => StereoLayout::Mono,
    }
}
