//! Builds a manifest for segments that other software converted, from the files alone.
//!
//! Other encoders use their own time base, round times to it, and may change the frame rate, so times can't be checked
//! exactly. This module checks that every segment is intact, that each lasts as long as its range, and that together
//! they last as long as the source. [`crate::join()`] then checks the rest against the manifest: equal codec parameters,
//! keyframes, the result.

use std::path::{Path, PathBuf};

use ffmpeg_next::Rescale;

use crate::join::{JoinSummary, join};
use crate::manifest::{Manifest, Ratio, SegmentSpec, Treatment, VERSION};
use crate::probe::{SourceInfo, Terms};
use crate::timing::pts_hash;
use crate::{Budget, Cancel, Error, Orientation, StereoLayout, dry_mux, open, probe};

/// How much a segment's length may be off, because a cut at an open GOP may lose some frames.
const TOLERANCE_SECS: f64 = 0.25;
/// The same in frames; the larger of the two applies.
const TOLERANCE_FRAMES: f64 = 2.0;

/// Places converted segments on the source's timeline: at their ranges if the manifest of the cut is known, otherwise
/// one after the other from the source's first frame.
///
/// # Errors
/// [`Error::SegmentMismatch`] for a segment that is damaged or longer or shorter than its range;
/// [`Error::ResultMismatch`] if all segments together are longer or shorter than the source; for the source, the errors
/// of [`probe::probe`].
pub fn lay_out(
    source: &Path,
    segments: &[PathBuf],
    cut: Option<&Manifest>,
    cancel: Cancel<'_>,
) -> Result<Manifest, Error> {
    let (path, source) = (source, probe::inspect(source, &Terms::default(), cancel)?);
    let (video, source) = (source.stream, source.info);
    let start_pts = source.start_pts;
    let (mut manifest, tolerance_secs) = lay_out_from(&source, start_pts, segments, cut, cancel)?;
    manifest.side_streams = match cut {
        Some(cut) => cut.side_streams.clone(),
        None => dry_mux::run(path, video, &manifest, &Budget::default(), cancel)?.side_streams,
    };
    let (lasts, wanted) = (manifest.duration_secs(), source.duration_secs);
    if (lasts - wanted).abs() > tolerance_secs * segments.len() as f64 {
        return Err(Error::ResultMismatch { why: format!("the segments last {lasts:.2} s, the source {wanted:.2} s") });
    }
    Ok(manifest)
}

/// Joins one converted segment with the sound and other streams of the segment it was made from, for readers that join
/// the sound they find in the segments. `spec` is the segment's range, if we cut the source.
///
/// # Errors
/// The errors of [`join`].
pub fn with_sound_of(
    segment: &Path,
    spec: Option<&SegmentSpec>,
    converted: &Path,
    out: &Path,
    layout: StereoLayout,
    cancel: Cancel<'_>,
) -> Result<JoinSummary, Error> {
    let inspected = probe::inspect(segment, &Terms::default(), cancel)?;
    let source = inspected.info;
    // The file may begin with frames that the source's edit list hides.
    let start_pts = source.start_pts + spec.map_or(0, |spec| spec.start_pts - spec.first_packet_pts);
    let converted = [converted.to_path_buf()];
    let (mut manifest, _) = lay_out_from(&source, start_pts, &converted, None, cancel)?;
    manifest.side_streams =
        dry_mux::run(segment, inspected.stream, &manifest, &Budget::default(), cancel)?.side_streams;
    join(segment, &manifest, &converted, out, layout, cancel)
}

/// Returns the manifest and the tolerance for a segment's length, in seconds.
fn lay_out_from(
    source: &SourceInfo,
    start_pts: i64,
    segments: &[PathBuf],
    cut: Option<&Manifest>,
    cancel: Cancel<'_>,
) -> Result<(Manifest, f64), Error> {
    let files: Result<Vec<_>, Error> =
        (0..).zip(segments).map(|(index, path)| Times::read(path, index, cancel)).collect();
    let files = files?;
    let finest = files.iter().map(|file| file.base).min_by(|a, b| a.secs(1).total_cmp(&b.secs(1)));
    let (Some(base), Some(first)) = (finest, files.first()) else {
        return Err(Error::SegmentMismatch { index: 0, why: "there is none".to_owned() });
    };
    let avg_frame_rate = first.avg_frame_rate;
    let frame_secs = if avg_frame_rate.num > 0 { avg_frame_rate.inverted().secs(1) } else { 0.0 };
    let tolerance_secs = TOLERANCE_SECS.max(TOLERANCE_FRAMES * frame_secs);

    let mut specs: Vec<SegmentSpec> = Vec::with_capacity(files.len());
    let start_pts = start_pts.rescale(source.time_base, base);
    let (mut at, mut last_shown) = (start_pts, i64::MIN);
    for (index, file) in (0..).zip(&files) {
        if let Some((cut, range)) = cut.and_then(|cut| Some((cut, cut.segments.get(index as usize)?))) {
            let (lasts, wanted) = (file.secs(), cut.time_base.secs(range.end_pts - range.start_pts));
            if (lasts - wanted).abs() > tolerance_secs {
                let why = format!("it lasts {lasts:.2} s, its part of the source {wanted:.2} s");
                return Err(Error::SegmentMismatch { index, why });
            }
            at = range.start_pts.rescale(cut.time_base, base);
        }
        // Two frames can't have the same time, so start after the previous segment's last frame.
        let start = at.max(last_shown.saturating_add(1));
        if let Some(previous) = specs.last_mut() {
            previous.end_pts = start;
        }
        let from_first: Vec<i64> = file.pts.iter().map(|pts| (pts - file.pts[0]).rescale(file.base, base)).collect();
        let before_first = from_first.iter().min().map_or(0, |least| -least);
        let mut shown: Vec<i64> = from_first.iter().map(|pts| start + before_first + pts).collect();
        shown.sort_unstable();
        last_shown = shown.last().copied().unwrap_or(start);
        at = start + file.length.rescale(file.base, base).max(last_shown - start + 1);
        specs.push(SegmentSpec {
            index,
            // The first packet's pts. Frames that are shown before it may follow it in the file.
            start_pts: start + before_first,
            first_packet_pts: start + before_first,
            end_pts: at,
            frames: shown.len() as u64,
            starts_at_scene_cut: false,
            pts_hash: pts_hash(shown),
        });
    }
    let manifest = Manifest {
        version: VERSION,
        time_base: base,
        width: source.width,
        height: source.height,
        frames: specs.iter().map(|spec| spec.frames).sum(),
        start_pts,
        end_pts: at,
        avg_frame_rate,
        sample_aspect_ratio: source.sample_aspect_ratio,
        colour: source.colour,
        orientation: Orientation::default(),
        treatment: Treatment::default(),
        side_streams: Vec::new(),
        segments: specs,
    };
    Ok((manifest, tolerance_secs))
}

/// When the frames of a segment file are shown.
struct Times {
    base: Ratio,
    avg_frame_rate: Ratio,
    /// In decode order, as stored.
    pts: Vec<i64>,
    /// From the first frame shown to the end of the last, in ticks.
    length: i64,
}

impl Times {
    fn read(path: &Path, index: u32, cancel: Cancel<'_>) -> Result<Self, Error> {
        let mismatch = |why: &str| Error::SegmentMismatch { index, why: why.to_owned() };
        let unreadable = |error: Error, why: &str| match error {
            Error::File { .. } => mismatch(why),
            error => error,
        };
        let mut input = open::segment(path).map_err(|error| unreadable(error, "it is not a video file"))?;
        let stream = probe::video_stream(&input).map_err(|_| mismatch("it holds no video"))?;
        let video = input.stream(stream).expect("video_stream gives an index of this input");
        let (base, avg_frame_rate) = (Ratio::from(video.time_base()), Ratio::from(video.avg_frame_rate()));
        let (mut pts, mut last) = (Vec::new(), (i64::MIN, 0));
        loop {
            let packet = open::next_packet(&mut input, path, cancel)
                .map_err(|error| unreadable(error, "its packets can't be read"))?;
            let Some(packet) = packet else { break };
            if packet.stream() != stream {
                continue;
            }
            if packet.is_corrupt() || packet.size() == 0 {
                return Err(mismatch("one of its frames is not whole"));
            }
            let Some(at) = packet.pts() else { continue };
            pts.push(at);
            last = last.max((at, packet.duration()));
        }
        let Some(first) = pts.iter().min() else { return Err(mismatch("it holds no frame")) };
        let frame = if avg_frame_rate.num > 0 { base.ticks(avg_frame_rate.inverted().secs(1)).max(1) } else { 1 };
        let length = last.0 - first + if last.1 > 0 { last.1 } else { frame };
        Ok(Self { base, avg_frame_rate, pts, length })
    }

    fn secs(&self) -> f64 {
        self.base.secs(self.length)
    }
}
