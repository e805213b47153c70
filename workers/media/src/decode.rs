//! Decodes a segment file to exactly the frames of its display range, in display order.

use std::path::Path;

use ffmpeg_next::format::context::Input;
use stereospot_picture::Picture;

use crate::convert::Converter;
use crate::manifest::{Manifest, SegmentSpec};
use crate::reader::{Alignment, FrameReader};
use crate::timing::PtsHash;
use crate::{Cancel, Error, open, probe};

/// One decoded frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// Presentation time in the manifest's time base.
    pub pts: i64,
    /// Upright, 8-bit 4:2:0, sized as [`Manifest::picture_size`].
    pub picture: Picture,
}

/// Iterates over the frames of a segment.
///
/// Fails if the file lacks a frame that the manifest lists, or has one at another time, so a damaged segment can't pass
/// as a shorter one.
pub struct SegmentDecoder {
    reader: FrameReader<'static>,
    alignment: Alignment,
    converter: Converter,
    spec: SegmentSpec,
    /// Frames before this time are decoded but not returned.
    from_pts: i64,
    /// Frames still to return.
    left: u64,
    last_pts: Option<i64>,
    /// None when only a tail is decoded: the manifest has a hash of the whole segment only.
    hash: Option<PtsHash>,
    is_done: bool,
}

impl SegmentDecoder {
    /// Opens a segment file for decoding on `threads` threads.
    ///
    /// # Errors
    /// [`Error::SegmentDamaged`] if the file holds no video; [`Error::NotFound`], [`Error::Io`], [`Error::NoDecoder`].
    pub fn open(path: &Path, manifest: &Manifest, spec: &SegmentSpec, threads: usize) -> Result<Self, Error> {
        let from = Start { packet: 0, pts: spec.start_pts, frames: spec.frames };
        Self::start(path, manifest, spec, threads, from)
    }

    /// Opens a segment file for its last `frames` frames only, and decodes from the keyframe before them.
    ///
    /// # Errors
    /// The errors of [`SegmentDecoder::open`].
    pub fn open_tail(
        path: &Path,
        manifest: &Manifest,
        spec: &SegmentSpec,
        frames: u64,
        threads: usize,
    ) -> Result<Self, Error> {
        let from = tail_start(path, manifest, spec, frames)?;
        Self::start(path, manifest, spec, threads, from)
    }

    fn start(path: &Path, manifest: &Manifest, spec: &SegmentSpec, threads: usize, from: Start) -> Result<Self, Error> {
        crate::init();
        let (stream, alignment) = align(path, manifest, spec)?;
        let input = open_segment(path, spec)?;
        let reader = FrameReader::new(path, input, stream, threads, from.packet, Cancel::never())?;
        let converter = Converter::new(manifest.width, manifest.height, manifest.colour, manifest.orientation);
        let hash = (from.frames == spec.frames).then(PtsHash::default);
        Ok(Self {
            reader,
            alignment,
            converter,
            spec: spec.clone(),
            from_pts: from.pts,
            left: from.frames,
            last_pts: None,
            hash,
            is_done: false,
        })
    }

    fn next_decoded(&mut self) -> Result<Option<Decoded>, Error> {
        while self.left > 0 {
            let Some(frame) = self.reader.next_frame()? else {
                return Err(self.damaged(&format!("{} of its frames can't be decoded", self.left)));
            };
            let Some(pts) = frame.pts().or(frame.timestamp()) else {
                return Err(self.damaged("a frame has no timestamp"));
            };
            let pts = self.alignment.pts(pts);
            if pts < self.from_pts || !self.spec.holds(pts) {
                continue;
            }
            if self.last_pts.is_some_and(|last| pts <= last) {
                return Err(self.damaged("its frames are out of order"));
            }
            self.last_pts = Some(pts);
            self.left -= 1;
            if let Some(hash) = &mut self.hash {
                hash.add(pts);
                if self.left == 0 && hash.value() != self.spec.pts_hash {
                    return Err(self.damaged("its frames' times are not those of the source"));
                }
            }
            return Ok(Some(Decoded { pts, picture: self.converter.picture(&frame)? }));
        }
        Ok(None)
    }

    fn damaged(&self, why: &str) -> Error {
        damaged(&self.spec, why)
    }
}

impl Iterator for SegmentDecoder {
    type Item = Result<Decoded, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let next = self.next_decoded().transpose();
        self.is_done = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Where decoding starts, and what it must produce.
struct Start {
    packet: usize,
    pts: i64,
    frames: u64,
}

fn damaged(spec: &SegmentSpec, why: &str) -> Error {
    Error::SegmentDamaged { index: spec.index, why: why.to_owned() }
}

fn open_segment(path: &Path, spec: &SegmentSpec) -> Result<Input, Error> {
    open::segment(path).map_err(|error| match error {
        Error::File { source: source @ ffmpeg_next::Error::InvalidData, .. } => {
            damaged(spec, &format!("its file can't be read as a video ({source})"))
        }
        error => error,
    })
}

/// Finds the video stream of a segment file, and the alignment of its times from its first packet.
fn align(path: &Path, manifest: &Manifest, spec: &SegmentSpec) -> Result<(usize, Alignment), Error> {
    let mut input = open_segment(path, spec)?;
    let stream = probe::video_stream(&input).map_err(|_| damaged(spec, "its file holds no video"))?;
    let file_base = input.stream(stream).expect("video_stream gives an index of this input").time_base();
    while let Some(packet) = open::next_packet(&mut input, path, Cancel::never())? {
        if packet.stream() == stream
            && let Some(first_pts) = packet.pts()
        {
            let (base, start_pts) = (manifest.time_base, spec.first_packet_pts);
            return Ok((stream, Alignment { file_base, first_pts, base, start_pts }));
        }
    }
    Err(damaged(spec, "its file holds no frame"))
}

/// Finds the last keyframe at or before the tail's first frame.
fn tail_start(path: &Path, manifest: &Manifest, spec: &SegmentSpec, frames: u64) -> Result<Start, Error> {
    let (stream, alignment) = align(path, manifest, spec)?;
    let mut input = open_segment(path, spec)?;
    let mut packets = Vec::new();
    while let Some(packet) = open::next_packet(&mut input, path, Cancel::never())? {
        if packet.stream() == stream {
            packets.push((alignment.pts(packet.pts().unwrap_or(i64::MIN / 4)), packet.is_key()));
        }
    }
    let mut shown: Vec<i64> = packets.iter().map(|p| p.0).filter(|&p| spec.holds(p)).collect();
    shown.sort_unstable();
    let frames = frames.min(shown.len() as u64);
    let Some(&pts) = shown.get(shown.len() - frames as usize) else {
        return Ok(Start { packet: 0, pts: spec.end_pts, frames: 0 });
    };
    let packet = packets.iter().rposition(|&(p, is_key)| is_key && p <= pts).unwrap_or(0);
    Ok(Start { packet, pts, frames })
}
