//! Writes segments by re-encoding, for sources that can't be cut by copying packets: they have too few keyframes, or
//! their packets don't correspond to frames.

use std::path::{Path, PathBuf};

use crate::convert::Converter;
use crate::encode::{Encoder, EncoderOptions};
use crate::index::strict_pts;
use crate::manifest::{Manifest, SegmentSpec};
use crate::probe::Inspected;
use crate::reader::FrameReader;
use crate::{Cancel, Error, open};

/// Nearly lossless. The files are temporary, so their size doesn't matter.
const CRF: u8 = 12;

/// Decodes the source once and writes all segments, upright and in 8 bits.
pub(crate) fn write(
    source: &Path,
    inspected: &Inspected,
    manifest: &Manifest,
    path_of: &mut dyn FnMut(&SegmentSpec) -> PathBuf,
    on_segment: &mut dyn FnMut(&SegmentSpec, &Path),
    cancel: Cancel<'_>,
) -> Result<(), Error> {
    let (info, shown) = (&inspected.info, &inspected.index.shown);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut reader = FrameReader::new(source, open::source(source)?, inspected.stream, threads, 0, cancel)?;
    let mut converter = Converter::new(info.width, info.height, info.colour, info.orientation);
    let (width, height) = manifest.picture_size();
    let mut options = EncoderOptions::new(width, height, manifest);
    (options.crf, options.preset, options.threads) = (CRF, "veryfast".to_owned(), threads);
    let mut last = None;
    let mut frames = shown.iter();
    for spec in &manifest.segments {
        let path = path_of(spec);
        let mut encoder = Encoder::create(&path, options.clone())?;
        for &expected in frames.by_ref().take(spec.frames as usize) {
            let frame = loop {
                let Some(frame) = reader.next_frame()? else {
                    return Err(missing(expected, manifest));
                };
                let pts = strict_pts(frame.timestamp(), last, inspected.index.fallback);
                if pts == expected {
                    break frame;
                }
                if pts > expected {
                    return Err(missing(expected, manifest));
                }
                // The source's edit list hides this frame.
            };
            // One packet may hold many frames.
            cancel.check()?;
            last = Some(expected);
            encoder.push(expected, &converter.picture(&frame)?)?;
        }
        encoder.finish()?;
        on_segment(spec, &path);
    }
    Ok(())
}

fn missing(pts: i64, manifest: &Manifest) -> Error {
    let at = manifest.time_base.secs(pts - manifest.start_pts);
    Error::Damaged { what: format!("the frame at {at:.3} s can't be decoded") }
}
