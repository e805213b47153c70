//! Splits a source into segments: exactly, by copying packets; by re-encoding if it lacks keyframes to cut at.

use std::ops::Range;
use std::path::{Path, PathBuf};

use ffmpeg_next::format::context::Output;
use ffmpeg_next::{Dictionary, Packet, Rescale};

use crate::index::Keyframe;
use crate::manifest::{self, Manifest, Orientation, SegmentSpec};
use crate::plan;
use crate::probe::{self, Inspected, SourceInfo};
use crate::timing::Timing;
use crate::{Cancel, Error, ffi, open, recut, survey};

/// Examine at most this many keyframes per target length: enough to find a good border, few if every frame is a
/// keyframe.
const LOOKS_PER_TARGET: i64 = 16;

/// A source and its planned segments. Nothing is written yet.
pub struct Split {
    source: PathBuf,
    inspected: Inspected,
    manifest: Manifest,
    is_recut: bool,
}

impl Split {
    /// Probes the source and plans a cut about every `target_secs`.
    ///
    /// # Errors
    /// The errors of [`probe::probe`].
    pub fn plan(source: &Path, target_secs: f64, cancel: Cancel<'_>) -> Result<Self, Error> {
        let inspected = probe::inspect(source, cancel)?;
        let info = &inspected.info;
        let target = info.time_base.ticks(target_secs).max(1);
        let (borders, is_recut) = choose_borders(source, &inspected, target, cancel)?;
        let scene_cuts = if is_recut {
            Vec::new()
        } else {
            scene_cuts(source, inspected.stream, &info.keyframes, &borders, cancel)?
        };
        let mut segments = plan::segments(&inspected.index, &borders, |pts| scene_cuts.contains(&pts));
        if is_recut {
            segments.iter_mut().for_each(|s| s.first_packet_pts = s.start_pts);
        }
        let manifest = Manifest {
            version: manifest::VERSION,
            time_base: info.time_base,
            width: info.width,
            height: info.height,
            frames: info.frames,
            start_pts: info.start_pts,
            end_pts: info.end_pts,
            avg_frame_rate: info.avg_frame_rate,
            sample_aspect_ratio: info.sample_aspect_ratio,
            colour: info.colour,
            // Re-encoding already turns the pictures upright.
            orientation: if is_recut { Orientation::default() } else { info.orientation },
            segments,
        };
        Ok(Self { source: source.to_path_buf(), inspected, manifest, is_recut })
    }

    /// The planned segments.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The source's properties.
    #[must_use]
    pub fn info(&self) -> &SourceInfo {
        &self.inspected.info
    }

    /// True if the segments are re-encoded (nearly lossless) instead of copied, because the source has too few
    /// keyframes.
    #[must_use]
    pub fn is_recut(&self) -> bool {
        self.is_recut
    }

    /// Writes the segments to the paths that `path_of(index, total)` returns. Calls `on_segment` in order, as soon as
    /// each file is complete.
    ///
    /// # Errors
    /// [`Error::Cancelled`]; [`Error::DiskFull`], [`Error::Io`]; [`Error::Damaged`] if the source does not decode to
    /// the frames that its packets promise (only detected when re-encoding).
    pub fn write(
        &self,
        mut path_of: impl FnMut(u32, u32) -> PathBuf,
        mut on_segment: impl FnMut(&SegmentSpec, &Path),
        cancel: Cancel<'_>,
    ) -> Result<(), Error> {
        let total = self.manifest.segments.len() as u32;
        let mut path_of = |spec: &SegmentSpec| path_of(spec.index, total);
        if self.is_recut {
            return recut::write(&self.source, &self.inspected, &self.manifest, &mut path_of, &mut on_segment, cancel);
        }
        self.copy(&mut path_of, &mut on_segment, cancel)
    }

    fn copy(
        &self,
        path_of: &mut dyn FnMut(&SegmentSpec) -> PathBuf,
        on_segment: &mut dyn FnMut(&SegmentSpec, &Path),
        cancel: Cancel<'_>,
    ) -> Result<(), Error> {
        let mut input = open::source(&self.source)?;
        let mut waiting = self.manifest.segments.iter().map(|s| (s, self.packets_of(s))).peekable();
        // Two at an open GOP, whose first packets belong to both segments.
        let mut writing: Vec<Copy<'_>> = Vec::new();
        let mut number = 0;
        while let Some(mut packet) = open::next_packet(&mut input, &self.source, cancel)? {
            if packet.stream() != self.inspected.stream {
                continue;
            }
            while let Some((spec, packets)) = waiting.next_if(|(_, packets)| packets.start <= number) {
                let path = path_of(spec);
                let times = self.times_of(&packets);
                writing.push(Copy::create(path, spec, packets, times, &input, self.inspected.stream)?);
            }
            let pts = self.inspected.index.packets.get(number).map(|p| p.pts);
            if pts.is_none() || packet.pts() != pts {
                return Err(Error::Damaged { what: "it reads differently a second time".to_owned() });
            }
            for copy in &mut writing {
                copy.write(number, &mut packet)?;
            }
            number += 1;
            while writing.first().is_some_and(|c| c.packets.end <= number) {
                let copy = writing.remove(0);
                let (spec, path) = (copy.spec, copy.finish()?);
                on_segment(spec, &path);
            }
        }
        if !writing.is_empty() || waiting.next().is_some() {
            return Err(Error::Damaged { what: "it reads shorter a second time".to_owned() });
        }
        Ok(())
    }

    fn packets_of(&self, spec: &SegmentSpec) -> Range<usize> {
        plan::packet_range(&self.inspected.index, spec).expect("segments were made from this index")
    }

    fn times_of(&self, packets: &Range<usize>) -> Timing {
        let packets = &self.inspected.index.packets[packets.clone()];
        let pts: Vec<i64> = packets.iter().map(|p| p.pts).collect();
        let end = packets.iter().map(|p| p.pts + p.duration.max(1)).max().unwrap_or(0);
        Timing::from_pts(&pts, end)
    }
}

/// Plans and writes in one step.
///
/// # Errors
/// The errors of [`Split::plan`] and [`Split::write`].
pub fn split(
    source: &Path,
    target_secs: f64,
    path_of: impl FnMut(u32, u32) -> PathBuf,
    on_segment: impl FnMut(&SegmentSpec, &Path),
    cancel: Cancel<'_>,
) -> Result<Manifest, Error> {
    let split = Split::plan(source, target_secs, cancel)?;
    split.write(path_of, on_segment, cancel)?;
    Ok(split.manifest)
}

/// Returns the borders' pts and whether the source must be re-encoded.
fn choose_borders(
    source: &Path,
    inspected: &Inspected,
    target: i64,
    cancel: Cancel<'_>,
) -> Result<(Vec<i64>, bool), Error> {
    let Inspected { info, index, stream } = inspected;
    let mut last = i64::MIN;
    let mut is_apart = |k: &&Keyframe| {
        let is_apart = k.pts.saturating_sub(last) >= target / LOOKS_PER_TARGET;
        if is_apart {
            last = k.pts;
        }
        is_apart
    };
    let looked_at: Vec<Keyframe> = info.keyframes.iter().filter(&mut is_apart).copied().collect();
    let candidates = survey::look_at(source, *stream, &looked_at, cancel)?;
    let chosen = plan::borders(&candidates, info.start_pts, info.end_pts, target);
    let borders: Vec<i64> = chosen.into_iter().map(|i| candidates[i].keyframe.pts).collect();
    let is_uncopyable = index.packets.is_empty();
    if is_uncopyable || plan::needs_recut(&borders, info.start_pts, info.end_pts, target, index.shown.len()) {
        return Ok((plan::even_borders(index, target), true));
    }
    Ok((borders, false))
}

/// Returns the borders at which the picture changes abruptly.
fn scene_cuts(
    source: &Path,
    stream: usize,
    keyframes: &[Keyframe],
    borders: &[i64],
    cancel: Cancel<'_>,
) -> Result<Vec<i64>, Error> {
    let pair = |border: &i64| {
        let at = keyframes.binary_search_by_key(border, |k| k.pts).expect("borders are keyframes");
        (keyframes[at.saturating_sub(1)], keyframes[at])
    };
    let pairs: Vec<_> = borders.iter().map(pair).collect();
    if pairs.is_empty() {
        return Ok(Vec::new());
    }
    let answers = survey::confirm_scene_cuts(source, stream, &pairs, cancel)?;
    Ok(borders.iter().zip(answers).filter(|(_, is_cut)| *is_cut).map(|(b, _)| *b).collect())
}

/// A segment file that is being written by copying packets.
struct Copy<'a> {
    path: PathBuf,
    spec: &'a SegmentSpec,
    packets: Range<usize>,
    times: Timing,
    output: Output,
    base: ffmpeg_next::Rational,
}

impl<'a> Copy<'a> {
    fn create(
        path: PathBuf,
        spec: &'a SegmentSpec,
        packets: Range<usize>,
        times: Timing,
        input: &ffmpeg_next::format::context::Input,
        stream: usize,
    ) -> Result<Self, Error> {
        let video = input.stream(stream).expect("the probed stream is still there");
        let base = video.time_base();
        // NUT carries codecs for which MP4 has no tag (VP8, FFV1, ProRes).
        let format = if ffi::format_takes(c"mp4", video.parameters().id()) { "mp4" } else { "nut" };
        let mut output = open::output(&path, format)?;
        let mut to = output
            .add_stream(ffmpeg_next::encoder::find(ffmpeg_next::codec::Id::None))
            .map_err(|source| Error::Libav { action: "preparing the file", source })?;
        to.set_parameters(video.parameters());
        if format == "mp4" {
            ffi::clear_codec_tag(&mut to);
        }
        to.set_time_base(base);
        to.set_avg_frame_rate(video.avg_frame_rate());
        let mut header = Dictionary::new();
        if format == "mp4" {
            header.set("video_track_timescale", &base.denominator().to_string());
        }
        output.write_header_with(header).map_err(|e| Error::file("writing", &path, e))?;
        Ok(Self { path, spec, packets, times, output, base })
    }

    fn write(&mut self, number: usize, packet: &mut Packet) -> Result<(), Error> {
        let at = number - self.packets.start;
        let (pts, base) = (packet.pts(), self.base);
        // Start at zero: some containers don't allow negative times, and readers place the first packet by the manifest
        // anyway.
        let origin = self.times.dts[0];
        let file_base = self.output.stream(0).expect("create added it").time_base();
        packet.set_stream(0);
        // This drops the discard flag of packets that an edit list hides; in a segment the display range says what is
        // shown.
        packet.set_flags(packet.flags());
        packet.set_position(-1);
        let shown = pts.expect("the caller compared it with the index");
        packet.set_pts(Some((shown - origin).rescale(base, file_base)));
        packet.set_dts(Some((self.times.dts[at] - origin).rescale(base, file_base)));
        packet.set_duration(self.times.durations[at].rescale(base, file_base));
        packet.write(&mut self.output).map_err(|e| Error::file("writing", &self.path, e))?;
        // The packet may be written to a second segment as well.
        packet.set_pts(pts);
        Ok(())
    }

    fn finish(mut self) -> Result<PathBuf, Error> {
        self.output.write_trailer().map_err(|e| Error::file("writing", &self.path, e))?;
        Ok(self.path)
    }
}
