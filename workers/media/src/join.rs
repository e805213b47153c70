//! Joins the converted segments into one file without re-encoding, and adds everything else from the source.
//!
//! Invariant: only verified segments are joined. Each segment's frames, times and codec parameters are checked before
//! the result is started, and the finished result is read back and checked.

use std::path::{Path, PathBuf};

use ffmpeg_next::format::context::Output;
use ffmpeg_next::{Dictionary, Packet, Rational, Rescale};
use serde::{Deserialize, Serialize};
use stereospot_domain::Warning;

use crate::extras::{self, Extras};
use crate::ffi::{self, VideoParams};
use crate::manifest::{Manifest, Ratio, SegmentSpec, StereoLayout};
use crate::open::Source;
use crate::probe::Terms;
use crate::reader::Alignment;
use crate::timing::{Timing, pts_hash};
use crate::track::{self, Span};
use crate::{Cancel, Error, Limits, index, open, probe};

/// Facts about a joined result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JoinSummary {
    pub frames: u64,
    /// Duration of the video stream.
    pub duration_secs: f64,
    /// What was changed or left out of the source's other streams.
    pub warnings: Vec<Warning>,
}

/// Joins encoded segments (in the manifest's order) into an MP4 at `out`, with its index at the front.
///
/// The result has the source's frames and times, sound, subtitles, chapters and metadata. Times are shifted to zero for
/// containers that start at an arbitrary time, such as transport streams. Text subtitles are converted for MP4.
///
/// # Errors
/// [`Error::SegmentMismatch`] for a segment that is damaged or does not match the manifest; converting that segment
/// again repairs it. [`Error::ResultMismatch`] if the result, read back, is wrong; [`Error::Cancelled`];
/// [`Error::DiskFull`], [`Error::Io`].
pub fn join(
    source: &Path,
    manifest: &Manifest,
    segments: &[PathBuf],
    out: &Path,
    layout: StereoLayout,
    cancel: Cancel<'_>,
) -> Result<JoinSummary, Error> {
    crate::init();
    let (params, pts) = verify(manifest, segments, cancel)?;
    let input = open::source(source)?;
    let video = probe::video_stream(&input)?;
    let span = Span::of(&input, manifest);
    let times = Timing::from_pts(&pts, manifest.end_pts);

    let mut output = open::output(out, "mp4")?;
    let timecode = input.streams().find_map(|stream| track::timecode(&stream));
    add_video(&mut output, &segments[0], manifest, layout, timecode.as_deref())?;
    let mut extras = Extras::add_to(&mut output, source, input, video, manifest, span)?;
    let mut header = extras::header(manifest.time_base);
    header.set("movflags", "+faststart");
    output.write_header_with(header).map_err(|e| Error::file("writing", out, e))?;

    let Span { origin, base, .. } = span;
    let mut feed = VideoFeed { manifest, segments, times: &times, next: 0, at: 0, open: None, origin, base, cancel };
    write_merged(&mut output, out, &mut feed, &mut extras, cancel)?;
    output.write_trailer().map_err(|e| Error::file("writing", out, e))?;
    drop(output);
    let duration_secs = read_back(out, manifest, origin, &params, cancel)?;
    Ok(JoinSummary { frames: manifest.frames, duration_secs, warnings: extras.into_warnings() })
}

/// Checks every segment. Returns their common parameters and the pts of all frames in decode order.
fn verify(manifest: &Manifest, segments: &[PathBuf], cancel: Cancel<'_>) -> Result<(VideoParams, Vec<i64>), Error> {
    if segments.len() != manifest.segments.len() || segments.is_empty() {
        let why = format!("{} files were given for {} segments", segments.len(), manifest.segments.len());
        return Err(Error::SegmentMismatch { index: segments.len().min(manifest.segments.len()) as u32, why });
    }
    let mut params: Vec<VideoParams> = Vec::with_capacity(segments.len());
    let mut all = Vec::with_capacity(manifest.frames as usize);
    for (path, spec) in segments.iter().zip(&manifest.segments) {
        let mismatch = |why: String| Error::SegmentMismatch { index: spec.index, why };
        let mut opened = OpenSegment::open(path, manifest, spec)?;
        params.push(ffi::video_params(&opened.input.stream(opened.stream).expect("just opened").parameters()));
        let from = all.len();
        let mut is_key_first = false;
        while let Some((pts, packet)) = opened.next(cancel)? {
            is_key_first |= all.len() == from && packet.is_key();
            all.push(pts);
        }
        let mut shown = all[from..].to_vec();
        shown.sort_unstable();
        if shown.len() as u64 != spec.frames {
            return Err(mismatch(format!("it holds {} frames, {} were expected", shown.len(), spec.frames)));
        }
        if !is_key_first {
            return Err(mismatch("it does not start with a keyframe".to_owned()));
        }
        if pts_hash(shown) != spec.pts_hash {
            return Err(mismatch("its frames' times are not those of the source".to_owned()));
        }
    }
    let common = most_common(&params).clone();
    if let Some((other, spec)) = params.iter().zip(&manifest.segments).find(|(other, _)| **other != common) {
        return Err(Error::SegmentMismatch { index: spec.index, why: parameter_difference(&common, other) });
    }
    Ok((common, all))
}

/// The parameters of most segments, so that an error names the segment that differs. In a tie, those of the earliest
/// segment.
fn most_common(params: &[VideoParams]) -> &VideoParams {
    let mut kinds: Vec<(&VideoParams, usize)> = Vec::new();
    for params in params {
        match kinds.iter_mut().find(|(kind, _)| *kind == params) {
            Some((_, count)) => *count += 1,
            None => kinds.push((params, 1)),
        }
    }
    let most = kinds.iter().map(|(_, count)| *count).max();
    let found = kinds.into_iter().find(|(_, count)| Some(*count) == most);
    found.expect("there is at least one segment").0
}

fn parameter_difference(common: &VideoParams, other: &VideoParams) -> String {
    if common.codec != other.codec {
        return format!("its codec is {}, the other segments' is {}", other.codec, common.codec);
    }
    let (a, b) = ((common.width, common.height), (other.width, other.height));
    if a != b {
        return format!("its picture is {}x{}, the other segments' is {}x{}", b.0, b.1, a.0, a.1);
    }
    "it was encoded with other settings than the other segments".to_owned()
}

fn add_video(
    output: &mut Output,
    first: &Path,
    manifest: &Manifest,
    layout: StereoLayout,
    timecode: Option<&str>,
) -> Result<(), Error> {
    let failed = |source| Error::Libav { action: "adding the video".into(), source };
    let input = open::segment(first)?;
    let stream = input.stream(probe::video_stream(&input)?).expect("video_stream gives an index of this input");
    let mut added = output.add_stream(ffmpeg_next::encoder::find(ffmpeg_next::codec::Id::None)).map_err(failed)?;
    added.set_parameters(stream.parameters());
    ffi::clear_codec_tag(&mut added);
    added.set_time_base(manifest.time_base);
    if manifest.avg_frame_rate.num > 0 {
        added.set_avg_frame_rate(manifest.avg_frame_rate);
    }
    if let Some(timecode) = timecode {
        let mut metadata = Dictionary::new();
        metadata.set("timecode", timecode);
        added.set_metadata(metadata);
    }
    ffi::set_stream_aspect(&mut added, ffi::video_params(&stream.parameters()).sample_aspect_ratio);
    if ffi::mark_stereo(&mut added, layout) { Ok(()) } else { Err(failed(ffmpeg_next::Error::Bug)) }
}

/// Interleaves the packets of both inputs by decode time.
fn write_merged(
    output: &mut Output,
    out: &Path,
    feed: &mut VideoFeed<'_>,
    extras: &mut Extras,
    cancel: Cancel<'_>,
) -> Result<(), Error> {
    let mut video = feed.next(output)?;
    let mut other = extras.next(output, cancel)?;
    loop {
        let is_video = match (&video, &other) {
            (None, None) => return Ok(()),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(v), Some(o)) => decode_secs(output, v) <= decode_secs(output, o),
        };
        let packet = if is_video { &mut video } else { &mut other };
        let packet = packet.take().expect("matched above");
        packet.write_interleaved(output).map_err(|e| Error::file("writing", out, e))?;
        if is_video {
            video = feed.next(output)?;
        } else {
            other = extras.next(output, cancel)?;
        }
    }
}

fn decode_secs(output: &Output, packet: &Packet) -> f64 {
    let base = output.stream(packet.stream()).expect("packets carry a stream of this output").time_base();
    packet.dts().or(packet.pts()).unwrap_or(0) as f64 * f64::from(base)
}

/// Reads the result's packets and compares them with the manifest. Returns the duration in seconds.
fn read_back(
    out: &Path,
    manifest: &Manifest,
    origin: i64,
    params: &VideoParams,
    cancel: Cancel<'_>,
) -> Result<f64, Error> {
    let wrong = |why: String| Error::ResultMismatch { why };
    // The reader blames its input, but a fault in our result is not the source's fault.
    let not_source = |e: Error| if e.is_bad_source() { wrong(e.to_string()) } else { e };
    let mut input = open::source(out).map_err(not_source)?;
    let stream = probe::video_stream(&input).map_err(not_source)?;
    let video = input.stream(stream).expect("video_stream gives an index of this input");
    let (file_base, duration) = (video.time_base(), video.duration());
    let found = ffi::video_params(&video.parameters());
    if (found.width, found.height, &found.extradata) != (params.width, params.height, &params.extradata) {
        return Err(wrong("its codec parameters are not those of the segments".to_owned()));
    }
    let base: Rational = manifest.time_base.into();
    let unlimited = Terms { limits: Limits::NONE, ..Terms::default() };
    let shown = index::read(out, &mut input, stream, &unlimited, 1, cancel).map_err(not_source)?.index.shown;
    if shown.len() as u64 != manifest.frames {
        return Err(wrong(format!("it holds {} frames instead of {}", shown.len(), manifest.frames)));
    }
    let mut by_segment = shown.iter().map(|t| t.rescale(file_base, base) + origin);
    for spec in &manifest.segments {
        if pts_hash(by_segment.by_ref().take(spec.frames as usize)) != spec.pts_hash {
            return Err(wrong(format!("the times of segment {} are not those of the source", spec.index)));
        }
    }
    let expected = manifest.end_pts - manifest.start_pts;
    let found = duration.rescale(file_base, base);
    if found != expected {
        let (found, expected) = (manifest.time_base.secs(found), manifest.time_base.secs(expected));
        return Err(wrong(format!("its video lasts {found:.6} s instead of {expected:.6} s")));
    }
    Ok(manifest.duration_secs())
}

/// A segment file, read packet by packet.
struct OpenSegment {
    index: u32,
    path: PathBuf,
    input: Source,
    stream: usize,
    file_base: Rational,
    base: Ratio,
    start_pts: i64,
    alignment: Option<Alignment>,
}

impl OpenSegment {
    fn open(path: &Path, manifest: &Manifest, spec: &SegmentSpec) -> Result<Self, Error> {
        let mismatch = |why: &str| Error::SegmentMismatch { index: spec.index, why: why.to_owned() };
        let input = open::segment(path).map_err(|e| match e {
            Error::File { .. } => mismatch("it is not a video file"),
            e => e,
        })?;
        let stream = probe::video_stream(&input).map_err(|_| mismatch("it holds no video"))?;
        let file_base = input.stream(stream).expect("video_stream gives an index of this input").time_base();
        Ok(Self {
            index: spec.index,
            path: path.to_path_buf(),
            input,
            stream,
            file_base,
            base: manifest.time_base,
            start_pts: spec.start_pts,
            alignment: None,
        })
    }

    /// The next video packet and its pts in the source's time base.
    fn next(&mut self, cancel: Cancel<'_>) -> Result<Option<(i64, Packet)>, Error> {
        let mismatch = |why: &str| Error::SegmentMismatch { index: self.index, why: why.to_owned() };
        loop {
            let packet = open::next_packet(&mut self.input, &self.path, cancel).map_err(|e| match e {
                Error::File { .. } => mismatch("its packets can't be read"),
                e => e,
            })?;
            let Some(packet) = packet else { return Ok(None) };
            if packet.stream() != self.stream {
                continue;
            }
            // A truncated file ends in the middle of a packet, which the demuxer returns anyway.
            if packet.is_corrupt() || packet.size() == 0 {
                return Err(mismatch("one of its frames is not whole"));
            }
            let Some(file_pts) = packet.pts() else { continue };
            let alignment = *self.alignment.get_or_insert(Alignment {
                file_base: self.file_base,
                first_pts: file_pts,
                base: self.base,
                start_pts: self.start_pts,
            });
            return Ok(Some((alignment.pts(file_pts), packet)));
        }
    }
}

/// The packets of all segments in order, with times for the result.
struct VideoFeed<'a> {
    manifest: &'a Manifest,
    segments: &'a [PathBuf],
    times: &'a Timing,
    next: usize,
    /// Number of packets returned so far.
    at: usize,
    open: Option<OpenSegment>,
    origin: i64,
    base: Rational,
    cancel: Cancel<'a>,
}

impl VideoFeed<'_> {
    fn next(&mut self, output: &Output) -> Result<Option<Packet>, Error> {
        loop {
            if let Some(open) = &mut self.open
                && let Some((pts, mut packet)) = open.next(self.cancel)?
            {
                let changed = || Error::ResultMismatch { why: "a segment changed while it was joined".to_owned() };
                let dts = self.times.dts.get(self.at).ok_or_else(changed)?;
                let file_base = output.stream(0).expect("the video was added first").time_base();
                let to_file = |t: i64| t.rescale(self.base, file_base);
                packet.set_stream(0);
                packet.set_position(-1);
                packet.set_pts(Some(to_file(pts - self.origin)));
                packet.set_dts(Some(to_file(dts - self.origin)));
                packet.set_duration(to_file(self.times.durations[self.at]));
                self.at += 1;
                return Ok(Some(packet));
            }
            let Some(path) = self.segments.get(self.next) else { return Ok(None) };
            self.open = Some(OpenSegment::open(path, self.manifest, &self.manifest.segments[self.next])?);
            self.next += 1;
        }
    }
}
