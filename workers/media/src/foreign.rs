//! A manifest for segments that other software converted: laid out from the files themselves.
//!
//! Other encoders have a time base of their own, round times to it, and may change the frame rate. So nothing can be checked to
//! the tick. What can be: that every segment is whole, that each lasts as long as it should, and all of them as long as the
//! source. The rest [`crate::join`] checks against the manifest made here: equal codec parameters, keyframes, the result.

use std::path::{Path, PathBuf};

use ffmpeg_next::Rescale;

use crate::join::{JoinSummary, join};
use crate::manifest::{Manifest, Ratio, SegmentSpec, VERSION};
use crate::probe::SourceInfo;
use crate::timing::pts_hash;
use crate::{Cancel, Error, Orientation, StereoLayout, open, probe};

/// By so much a segment's length may be off: a cut at an open group of pictures may lose some frames.
const TOLERANCE_SECS: f64 = 0.25;
/// Or by so many frames, where they are longer.
const TOLERANCE_FRAMES: f64 = 2.0;

/// Lays out converted segments in time: where the cut is known each at its range, otherwise one after the other from the
/// source's first frame on.
///
/// # Errors
/// [`Error::SegmentMismatch`] names a segment that is damaged or lasts otherwise than its range; [`Error::ResultMismatch`] when all
/// together last otherwise than the source; as [`probe::probe`] for the source.
pub fn lay_out(
    source: &Path,
    segments: &[PathBuf],
    cut: Option<&Manifest>,
    cancel: Cancel<'_>,
) -> Result<Manifest, Error> {
    let source = probe::probe(source, cancel)?;
    let start_pts = source.start_pts;
    let (manifest, tolerance_secs) = lay_out_from(&source, start_pts, segments, cut, cancel)?;
    let (lasts, wanted) = (manifest.duration_secs(), source.duration_secs);
    if (lasts - wanted).abs() > tolerance_secs * segments.len() as f64 {
        return Err(Error::ResultMismatch { why: format!("the segments last {lasts:.2} s, the source {wanted:.2} s") });
    }
    Ok(manifest)
}

/// Joins one converted segment with the sound, and whatever else, of the segment that it was made from: for those who join sound
/// as they find it in the segments. `spec` is the segment's range where we cut it.
///
/// # Errors
/// As [`join`].
pub fn with_sound_of(
    segment: &Path,
    spec: Option<&SegmentSpec>,
    converted: &Path,
    out: &Path,
    layout: StereoLayout,
    cancel: Cancel<'_>,
) -> Result<JoinSummary, Error> {
    let source = probe::probe(segment, cancel)?;
    // The file may begin with frames that an edit list hides in the source.
    let start_pts = source.start_pts + spec.map_or(0, |spec| spec.start_pts - spec.first_packet_pts);
    let converted = [converted.to_path_buf()];
    let (manifest, _) = lay_out_from(&source, start_pts, &converted, None, cancel)?;
    join(segment, &manifest, &converted, out, layout, cancel)
}

/// The manifest, and by how much a segment's length may be off.
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
        // Two frames can't be shown at once.
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
            // Of the first packet: what is shown before it stands after it in the file.
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
        segments: specs,
    };
    Ok((manifest, tolerance_secs))
}

/// When the frames of a segment file are shown.
struct Times {
    base: Ratio,
    avg_frame_rate: Ratio,
    /// Of every packet in decode order, as stored.
    pts: Vec<i64>,
    /// From the first frame shown to the end of the last.
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
