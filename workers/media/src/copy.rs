//! Writes segments by copying packets, and checks that each gives back the source's picture.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};

use ffmpeg_next::codec::discard::Discard;
use ffmpeg_next::format::context::Output;
use ffmpeg_next::{Dictionary, Packet, Rescale, decoder};
use stereospot_picture::Picture;

use crate::manifest::{Manifest, SegmentSpec};
use crate::open::Source;
use crate::prefilter::{Prefilter, Recipe};
use crate::probe::Inspected;
use crate::timing::Timing;
use crate::{Cancel, Error, decode, ffi, keyframes, open, plan, reader};

/// Segment containers by FFmpeg's names, best first. NUT carries codecs for which MP4 has no tag (VP8, FFV1, ProRes).
pub(crate) const CONTAINERS: [&str; 2] = ["mp4", "nut"];

/// Writes all segments. None if the container can't hold the stream, or the first picture of a segment, decoded from its
/// file, is not the source's.
pub(crate) fn write(
    source: &Path,
    inspected: &Inspected,
    manifest: &Manifest,
    container: &'static str,
    path_of: &mut dyn FnMut(u32) -> PathBuf,
    cancel: Cancel<'_>,
) -> Result<Option<Vec<PathBuf>>, Error> {
    let written = Copier::new(source, inspected, manifest, container)?.run(path_of, cancel);
    match written {
        Ok((paths, firsts)) => {
            for ((spec, path), first) in manifest.segments.iter().zip(&paths).zip(&firsts) {
                if !is_same(path, manifest, spec, *first)? {
                    tracing::debug!("segment {} in {container} doesn't show what the source shows", spec.index);
                    return Ok(None);
                }
            }
            Ok(Some(paths))
        }
        Err(Failed::Refused(error)) => {
            tracing::debug!("{container} does not take the video's packets: {error}");
            Ok(None)
        }
        Err(Failed::Other(error)) => Err(error),
    }
}

fn is_same(path: &Path, manifest: &Manifest, spec: &SegmentSpec, first: Option<Seen>) -> Result<bool, Error> {
    match decode::first_picture(path, manifest, spec) {
        Ok(picture) => Ok(picture.map(|picture| seen(&picture)) == first),
        // What was just written can't be read back.
        Err(Error::SegmentDamaged { .. } | Error::NoDecoder { .. } | Error::Libav { .. } | Error::File { .. }) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Why a segment could not be written.
enum Failed {
    /// The container does not take the stream.
    Refused(Error),
    Other(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed::Other(error)
    }
}

/// FFmpeg uses the system's error numbers also for streams that a muxer does not take.
fn failed(path: &Path, error: ffmpeg_next::Error) -> Failed {
    match Error::file("writing", path, error) {
        Error::Io { action, path, source } => match source.kind() {
            ErrorKind::InvalidInput | ErrorKind::OutOfMemory => Failed::Refused(Error::Io { action, path, source }),
            _ if source.raw_os_error() == Some(ffmpeg_next::error::EPERM) => {
                Failed::Refused(Error::Io { action, path, source })
            }
            _ => Failed::Other(Error::Io { action, path, source }),
        },
        error @ Error::File { .. } => Failed::Refused(error),
        error => Failed::Other(error),
    }
}

struct Copier<'a> {
    source: &'a Path,
    inspected: &'a Inspected,
    manifest: &'a Manifest,
    container: &'static str,
    input: Source,
    firsts: FirstPictures,
}

impl<'a> Copier<'a> {
    fn new(
        source: &'a Path,
        inspected: &'a Inspected,
        manifest: &'a Manifest,
        container: &'static str,
    ) -> Result<Self, Error> {
        let input = open::source(source)?;
        let firsts = FirstPictures::new(&input, inspected.stream, Recipe::of(manifest).plain())?;
        Ok(Self { source, inspected, manifest, container, input, firsts })
    }

    /// Returns the segments' paths, and the first picture of each as the source has it.
    fn run(
        mut self,
        path_of: &mut dyn FnMut(u32) -> PathBuf,
        cancel: Cancel<'_>,
    ) -> Result<(Vec<PathBuf>, Vec<Option<Seen>>), Failed> {
        let manifest = self.manifest;
        let mut waiting =
            manifest.segments.iter().map(|s| (s, self.packets_of(s))).collect::<Vec<_>>().into_iter().peekable();
        // Two at an open GOP, whose first packets belong to both segments.
        let mut writing: Vec<Copy> = Vec::new();
        let mut paths = Vec::new();
        let mut number = 0;
        while let Some(mut packet) = open::next_packet(&mut self.input, self.source, cancel)? {
            if packet.stream() != self.inspected.stream {
                continue;
            }
            while let Some((spec, packets)) = waiting.next_if(|(_, packets)| packets.start <= number) {
                let times = self.times_of(&packets);
                writing.push(Copy::create(path_of(spec.index), packets, times, &self.input, &self)?);
                self.firsts.begin(spec.start_pts)?;
            }
            let pts = self.inspected.index.packets.get(number).map(|p| p.pts);
            if pts.is_none() || packet.pts() != pts {
                return Err(Error::Damaged { what: "it reads differently a second time".to_owned() }.into());
            }
            self.firsts.push(&packet)?;
            for copy in &mut writing {
                copy.write(number, &mut packet)?;
            }
            number += 1;
            while writing.first().is_some_and(|c| c.packets.end <= number) {
                paths.push(writing.remove(0).finish()?);
            }
        }
        if !writing.is_empty() || waiting.next().is_some() {
            return Err(Error::Damaged { what: "it reads shorter a second time".to_owned() }.into());
        }
        Ok((paths, self.firsts.end()?))
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

/// What is kept of a picture to compare it with another: the pictures of all segments of a film would take gigabytes.
type Seen = u64;

fn seen(picture: &Picture) -> Seen {
    let mut hasher = DefaultHasher::new();
    picture.hash(&mut hasher);
    hasher.finish()
}

/// Decodes the source's picture at each segment's start, from the packets that are copied. One decoder sees all of them,
/// so it also has what only an earlier packet carries (a palette, parameter sets).
struct FirstPictures {
    decoder: decoder::Video,
    recipe: Recipe,
    /// The time of the picture that is looked for.
    wanted: Option<i64>,
    found: Vec<Option<Seen>>,
}

impl FirstPictures {
    fn new(input: &Source, stream: usize, recipe: Recipe) -> Result<Self, Error> {
        let decoder = reader::decoder(input, stream, 1, Discard::Default)?;
        Ok(Self { decoder, recipe, wanted: None, found: Vec::new() })
    }

    fn begin(&mut self, pts: i64) -> Result<(), Error> {
        self.drain()?;
        self.wanted = Some(pts);
        self.found.push(None);
        Ok(())
    }

    fn push(&mut self, packet: &Packet) -> Result<(), Error> {
        if self.wanted.is_none() {
            return Ok(());
        }
        // A packet that can't be decoded leaves the picture unknown, here and in the segment.
        let _ = self.decoder.send_packet(packet);
        let mut frame = ffmpeg_next::frame::Video::empty();
        while self.decoder.receive_frame(&mut frame).is_ok() {
            self.take(std::mem::replace(&mut frame, ffmpeg_next::frame::Video::empty()))?;
        }
        Ok(())
    }

    fn end(mut self) -> Result<Vec<Option<Seen>>, Error> {
        self.drain()?;
        Ok(self.found)
    }

    fn drain(&mut self) -> Result<(), Error> {
        let mut rest = Vec::new();
        keyframes::drain(&mut self.decoder, &mut |frame| rest.push(frame));
        rest.into_iter().try_for_each(|frame| self.take(frame))
    }

    fn take(&mut self, frame: ffmpeg_next::frame::Video) -> Result<(), Error> {
        let Some(wanted) = self.wanted else { return Ok(()) };
        let Some(pts) = frame.pts() else { return Ok(()) };
        if pts == wanted {
            let mut prefilter = Prefilter::new(self.recipe);
            prefilter.push(pts, frame)?;
            *self.found.last_mut().expect("begin adds one") = prefilter.next().map(|(_, picture)| seen(&picture));
        }
        if pts >= wanted {
            self.wanted = None;
        }
        Ok(())
    }
}

/// A segment file that is being written by copying packets.
struct Copy {
    path: PathBuf,
    packets: Range<usize>,
    times: Timing,
    output: Output,
    base: ffmpeg_next::Rational,
}

impl Copy {
    fn create(
        path: PathBuf,
        packets: Range<usize>,
        times: Timing,
        input: &Source,
        copier: &Copier<'_>,
    ) -> Result<Self, Failed> {
        let video = input.stream(copier.inspected.stream).expect("the probed stream is still there");
        let base = video.time_base();
        let mut output = open::output(&path, copier.container)?;
        let mut to = output
            .add_stream(ffmpeg_next::encoder::find(ffmpeg_next::codec::Id::None))
            .map_err(|source| Error::Libav { action: "preparing the file".into(), source })?;
        to.set_parameters(video.parameters());
        let mut header = Dictionary::new();
        if copier.container == "mp4" {
            ffi::clear_codec_tag(&mut to);
            header.set("video_track_timescale", &base.denominator().to_string());
        }
        to.set_time_base(base);
        to.set_avg_frame_rate(video.avg_frame_rate());
        output.write_header_with(header).map_err(|e| failed(&path, e))?;
        Ok(Self { path, packets, times, output, base })
    }

    fn write(&mut self, number: usize, packet: &mut Packet) -> Result<(), Failed> {
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
        packet.write(&mut self.output).map_err(|e| failed(&self.path, e))?;
        // The packet may be written to a second segment as well.
        packet.set_pts(pts);
        Ok(())
    }

    fn finish(mut self) -> Result<PathBuf, Failed> {
        self.output.write_trailer().map_err(|e| failed(&self.path, e))?;
        Ok(self.path)
    }
}
