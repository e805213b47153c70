//! Decodes a segment file to exactly the frames of its display range, in display order.

use std::collections::VecDeque;
use std::path::Path;

use stereospot_picture::Picture;

use crate::gaps::Gaps;
use crate::manifest::{Manifest, SegmentSpec};
use crate::open::Source;
use crate::prefilter::{Prefilter, Recipe};
use crate::reader::{Alignment, FrameReader};
use crate::timing::pts_hash;
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
/// The file's packets say which frames it holds, and they must be those that the manifest lists: a segment that was cut
/// off or exchanged can't pass as another. A listed frame that can't be decoded shows the frame before it (the one after
/// it at the start), and [`SegmentDecoder::repeated`] counts it.
pub struct SegmentDecoder {
    pictures: Pictures,
    gaps: Gaps,
    spec: SegmentSpec,
    /// Times of the frames still to return.
    expected: VecDeque<i64>,
    total: usize,
    repeated: u64,
    is_done: bool,
}

impl SegmentDecoder {
    /// Opens a segment file for decoding on `threads` threads.
    ///
    /// # Errors
    /// [`Error::SegmentDamaged`] if the file does not hold the frames that the manifest lists; [`Error::NotFound`],
    /// [`Error::Io`], [`Error::NoDecoder`].
    pub fn open(path: &Path, manifest: &Manifest, spec: &SegmentSpec, threads: usize) -> Result<Self, Error> {
        Self::start(path, manifest, spec, threads, u64::MAX)
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
        Self::start(path, manifest, spec, threads, frames)
    }

    fn start(
        path: &Path,
        manifest: &Manifest,
        spec: &SegmentSpec,
        threads: usize,
        most_frames: u64,
    ) -> Result<Self, Error> {
        crate::init();
        let listed = Listed::read(path, manifest, spec, threads)?;
        let skipped = listed.shown.len() - listed.shown.len().min(usize::try_from(most_frames).unwrap_or(usize::MAX));
        let expected: VecDeque<i64> = listed.shown[skipped..].iter().copied().collect();
        let from = match expected.front() {
            Some(&first) if skipped > 0 => listed.keyframe_before(first),
            _ => 0,
        };
        let input = open_segment(path, spec)?;
        let reader = FrameReader::new(path, input, listed.stream, threads, from, Cancel::never())?;
        let prefilter = Prefilter::new(Recipe::of(manifest));
        let pictures = Pictures { reader, alignment: listed.alignment, prefilter, is_at_end: false };
        let (gaps, total, spec) = (Gaps::default(), expected.len(), spec.clone());
        Ok(Self { pictures, gaps, spec, expected, total, repeated: 0, is_done: false })
    }

    /// Number of frames so far that could not be decoded and show another frame.
    #[must_use]
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    fn next_decoded(&mut self) -> Result<Option<Decoded>, Error> {
        let Some(&pts) = self.expected.front() else { return Ok(None) };
        let Self { pictures, gaps, expected, .. } = self;
        let found = gaps.at(pts, || pictures.next(|at| expected.binary_search(&at).is_ok()))?;
        let Some((picture, is_repeated)) = found.map(|(picture, is_repeated)| (picture.clone(), is_repeated)) else {
            return Err(damaged(&self.spec, "none of its frames can be decoded"));
        };
        self.repeated += u64::from(is_repeated);
        // A few repeated frames are better than no film; a film of repeated frames is not.
        if self.repeated * 2 > self.total.max(2) as u64 {
            return Err(damaged(&self.spec, "more than half of its frames can't be decoded"));
        }
        self.expected.pop_front();
        Ok(Some(Decoded { pts, picture }))
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

/// The pictures that a decoder gives.
struct Pictures {
    reader: FrameReader<'static>,
    alignment: Alignment,
    prefilter: Prefilter,
    is_at_end: bool,
}

impl Pictures {
    /// The next picture whose time is wanted.
    fn next(&mut self, is_wanted: impl Fn(i64) -> bool) -> Result<Option<(i64, Picture)>, Error> {
        loop {
            while let Some((at, picture)) = self.prefilter.next() {
                if is_wanted(at) {
                    return Ok(Some((at, picture)));
                }
            }
            if self.is_at_end {
                return Ok(None);
            }
            match self.reader.next_frame()? {
                Some(frame) => {
                    if let Some(at) = frame.pts().or(frame.timestamp()) {
                        self.prefilter.push(self.alignment.pts(at), frame)?;
                    }
                }
                None => {
                    self.is_at_end = true;
                    self.prefilter.finish()?;
                }
            }
        }
    }
}

/// The first picture of a segment file as its decoder gives it, untreated. None if it can't be decoded.
pub(crate) fn first_picture(path: &Path, manifest: &Manifest, spec: &SegmentSpec) -> Result<Option<Picture>, Error> {
    let (stream, alignment) = align(path, manifest, spec)?;
    let mut reader = FrameReader::new(path, open_segment(path, spec)?, stream, 1, 0, Cancel::never())?;
    let mut prefilter = Prefilter::new(Recipe::of(manifest).plain());
    while let Some(frame) = reader.next_frame()? {
        let Some(pts) = frame.pts().or(frame.timestamp()).map(|at| alignment.pts(at)) else { continue };
        if pts == spec.start_pts {
            prefilter.push(pts, frame)?;
            return Ok(prefilter.next().map(|(_, picture)| picture));
        }
        if pts > spec.start_pts {
            break;
        }
    }
    Ok(None)
}

fn damaged(spec: &SegmentSpec, why: &str) -> Error {
    Error::SegmentDamaged { index: spec.index, why: why.to_owned() }
}

fn open_segment(path: &Path, spec: &SegmentSpec) -> Result<Source, Error> {
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

/// The frames that a segment file's packets hold.
struct Listed {
    stream: usize,
    alignment: Alignment,
    /// Time of each packet in decode order, and whether it is a keyframe.
    packets: Vec<(i64, bool)>,
    /// Times of the frames in the display range, ascending.
    shown: Vec<i64>,
}

impl Listed {
    fn read(path: &Path, manifest: &Manifest, spec: &SegmentSpec, threads: usize) -> Result<Self, Error> {
        let (stream, alignment) = align(path, manifest, spec)?;
        let mut input = open_segment(path, spec)?;
        let mut packets = Vec::new();
        while let Some(packet) = open::next_packet(&mut input, path, Cancel::never())? {
            // A file that was cut off may end within a packet.
            if packet.stream() == stream
                && !packet.is_corrupt()
                && let Some(pts) = packet.pts()
            {
                packets.push((alignment.pts(pts), packet.is_key()));
            }
        }
        let mut shown: Vec<i64> = packets.iter().map(|p| p.0).filter(|&p| spec.holds(p)).collect();
        shown.sort_unstable();
        let is_right =
            |shown: &[i64]| shown.len() as u64 == spec.frames && pts_hash(shown.iter().copied()) == spec.pts_hash;
        if !is_right(&shown) {
            let found = shown.len() as u64;
            // In a segment that other software made, packets may not be frames one to one.
            shown = Self::decoded(path, spec, stream, alignment, threads)?;
            if !is_right(&shown) {
                return Err(damaged(
                    spec,
                    &match spec.frames.checked_sub(found) {
                        Some(missing) if missing > 0 => format!("{missing} of its frames are missing"),
                        _ => "its frames' times are not those of the source".to_owned(),
                    },
                ));
            }
        }
        Ok(Self { stream, alignment, packets, shown })
    }

    fn decoded(
        path: &Path,
        spec: &SegmentSpec,
        stream: usize,
        alignment: Alignment,
        threads: usize,
    ) -> Result<Vec<i64>, Error> {
        let mut reader = FrameReader::new(path, open_segment(path, spec)?, stream, threads, 0, Cancel::never())?;
        let mut shown = Vec::new();
        while let Some(frame) = reader.next_frame()? {
            let pts = frame.pts().or(frame.timestamp()).map(|at| alignment.pts(at));
            shown.extend(pts.filter(|&pts| spec.holds(pts)));
        }
        Ok(shown)
    }

    /// Number of the last keyframe at or before a time.
    fn keyframe_before(&self, pts: i64) -> usize {
        self.packets.iter().rposition(|&(p, is_key)| is_key && p <= pts).unwrap_or(0)
    }
}
