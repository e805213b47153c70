//! Writes segments by re-encoding, for sources that can't be cut by copying packets: they have too few keyframes, their
//! packets don't correspond to frames, or no segment container gives back what the source shows.

use std::path::{Path, PathBuf};

use stereospot_picture::Picture;

use crate::budget::Settings;
use crate::encode::{Encoder, EncoderOptions};
use crate::gaps::Gaps;
use crate::manifest::Manifest;
use crate::prefilter::{Prefilter, Recipe};
use crate::probe::Inspected;
use crate::reader::FrameReader;
use crate::{Cancel, Error, open};

/// Nearly lossless. The files are temporary, so their size doesn't matter.
const CRF: u8 = 12;
/// Of x264.
pub(crate) const PRESET: &str = "veryfast";

/// Decodes the source once and writes all segments: upright, treated and in 8 bits. Returns their paths, and the number
/// of frames in each that can't be decoded and show the frame before.
pub(crate) fn write(
    source: &Path,
    inspected: &Inspected,
    recipe: Recipe,
    manifest: &Manifest,
    settings: Settings,
    path_of: &mut dyn FnMut(u32) -> PathBuf,
    cancel: Cancel<'_>,
) -> Result<Vec<(PathBuf, u64)>, Error> {
    let mut pictures = Pictures::open(source, inspected, recipe, settings.decoder_threads, cancel)?;
    let (width, height) = manifest.picture_size();
    let mut options = EncoderOptions::new(width, height, manifest);
    (options.crf, options.preset) = (CRF, PRESET.to_owned());
    (options.threads, options.lookahead) = (settings.encoder_threads, Some(settings.lookahead));
    let (mut gaps, mut frames) = (Gaps::default(), inspected.index.shown.iter());
    let mut written = Vec::new();
    for spec in &manifest.segments {
        let path = path_of(spec.index);
        let mut encoder = Encoder::create(&path, options.clone())?;
        let mut repeated = 0;
        for &pts in frames.by_ref().take(spec.frames as usize) {
            let none = || Error::Damaged { what: "none of its frames can be decoded".to_owned() };
            let (picture, is_repeated) = gaps.at(pts, || pictures.next())?.ok_or_else(none)?;
            repeated += u64::from(is_repeated);
            encoder.push(pts, picture)?;
            // One packet may hold many frames.
            cancel.check()?;
        }
        encoder.finish()?;
        written.push((path, repeated));
    }
    Ok(written)
}

/// The source's pictures in display order.
struct Pictures<'a> {
    reader: FrameReader<'a>,
    prefilter: Prefilter,
    /// Where packets are not frames, the frames' times by number; otherwise each frame has its packet's time.
    times: Option<std::slice::Iter<'a, i64>>,
    is_at_end: bool,
}

impl<'a> Pictures<'a> {
    fn open(
        source: &Path,
        inspected: &'a Inspected,
        recipe: Recipe,
        threads: usize,
        cancel: Cancel<'a>,
    ) -> Result<Self, Error> {
        let reader = FrameReader::new(source, open::source(source)?, inspected.stream, threads, 0, cancel)?;
        let times = inspected.index.packets.is_empty().then(|| inspected.index.decoded.iter());
        Ok(Self { reader, prefilter: Prefilter::new(recipe), times, is_at_end: false })
    }

    fn next(&mut self) -> Result<Option<(i64, Picture)>, Error> {
        loop {
            if let Some(next) = self.prefilter.next() {
                return Ok(Some(next));
            }
            if self.is_at_end {
                return Ok(None);
            }
            let Some(frame) = self.reader.next_frame()? else {
                self.prefilter.finish()?;
                self.is_at_end = true;
                continue;
            };
            let pts = match &mut self.times {
                Some(times) => times.next().copied(),
                None => frame.pts().or(frame.timestamp()),
            };
            if let Some(pts) = pts {
                self.prefilter.push(pts, frame)?;
            }
        }
    }
}
