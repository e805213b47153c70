//! An order to decode a segment.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use stereospot_media::SegmentDecoder;
use stereospot_media::manifest::{Manifest, SegmentSpec};

/// Decode a segment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Decode {
    pub file: PathBuf,
    /// Of the whole source.
    pub manifest: Manifest,
    pub spec: SegmentSpec,
    /// Only so many of the last frames.
    pub tail: Option<u64>,
    pub threads: usize,
}

impl Decode {
    pub(super) fn open(&self) -> Result<SegmentDecoder, stereospot_media::Error> {
        let Self { file, manifest, spec, tail, threads } = self;
        match tail {
            Some(frames) => SegmentDecoder::open_tail(file, manifest, spec, *frames, *threads),
            None => SegmentDecoder::open(file, manifest, spec, *threads),
        }
    }
}
