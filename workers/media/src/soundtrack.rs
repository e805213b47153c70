//! Adds sound to files that contain only video: generated clips, and segments for readers that expect each segment to
//! carry its sound.

use std::path::Path;

use ffmpeg_next::media::Type;
use ffmpeg_next::{Dictionary, Packet, Rational, Rescale};

use crate::aac::{Aac, failed};
use crate::extras::{Extras, Window};
use crate::track::Span;
use crate::{Cancel, Error, Manifest, SegmentSpec, ffi, index, open, probe};

/// Copies the video of `silent` (a file written by [`crate::Encoder`]) to the MP4 `out` and adds `samples` as AAC: one
/// channel, 16 bit, starting together with the video.
///
/// # Errors
/// [`Error::Encoder`] if there is no AAC encoder or AAC does not support the rate; [`Error::DiskFull`], [`Error::Io`].
pub fn add_sound(silent: &Path, samples: &[i16], sample_rate: u32, out: &Path) -> Result<(), Error> {
    crate::init();
    let adding = |source| Error::Libav { action: "adding a stream".into(), source };
    let mut input = open::source(silent)?;
    let video = probe::video_stream(&input)?;
    let stream = input.stream(video).expect("video_stream gives an index of this input");
    let base = stream.time_base();
    let mut aac = Aac::new(1, sample_rate)?;
    aac.add(0, samples.iter().map(|&s| f32::from(s) / 32768.0));

    let mut output = open::output(out, "mp4")?;
    let mut added = output.add_stream(ffmpeg_next::encoder::find(ffmpeg_next::codec::Id::None)).map_err(adding)?;
    added.set_parameters(stream.parameters());
    ffi::clear_codec_tag(&mut added);
    added.set_time_base(base);
    added.set_avg_frame_rate(stream.avg_frame_rate());
    let mut added = output.add_stream(ffmpeg_next::encoder::find(ffmpeg_next::codec::Id::None)).map_err(adding)?;
    added.set_parameters(aac.parameters());
    added.set_time_base(aac.time_base());
    let mut header = Dictionary::new();
    header.set("movflags", "+faststart");
    header.set("video_track_timescale", &base.denominator().to_string());
    output.write_header_with(header).map_err(|e| Error::file("writing", out, e))?;

    let bases: Vec<Rational> = output.streams().map(|s| s.time_base()).collect();
    let mut sound = aac.encode(true)?.into_iter().peekable();
    let mut write = |mut packet: Packet, to: usize, from: Rational| {
        packet.rescale_ts(from, bases[to]);
        packet.set_stream(to);
        packet.set_position(-1);
        packet.write_interleaved(&mut output).map_err(|e| Error::file("writing", out, e))
    };
    let sound_base = aac.time_base();
    while let Some(packet) = open::next_packet(&mut input, silent, Cancel::never())? {
        if packet.stream() != video {
            continue;
        }
        let until = packet.dts().or(packet.pts()).ok_or(ffmpeg_next::Error::InvalidData).map_err(failed)?;
        let until = until.rescale(base, sound_base);
        while let Some(sample) = sound.next_if(|s| s.dts().unwrap_or(0) <= until) {
            write(sample, 1, sound_base)?;
        }
        write(packet, 0, base)?;
    }
    for packet in sound {
        write(packet, 1, sound_base)?;
    }
    output.write_trailer().map_err(|e| Error::file("writing", out, e))
}

/// Copies a segment file (written by [`crate::split()`]) to `out` and adds the part of the source's sound that starts
/// within the segment's range, for readers that join the sound they find in the segments. Returns false and writes
/// nothing if the source has no sound or the segment is not an MP4.
///
/// # Errors
/// [`Error::Cancelled`]; [`Error::DiskFull`], [`Error::Io`].
pub fn add_part_of_sound(
    source: &Path,
    manifest: &Manifest,
    spec: &SegmentSpec,
    segment: &Path,
    out: &Path,
    cancel: Cancel<'_>,
) -> Result<bool, Error> {
    crate::init();
    let adding = |source| Error::Libav { action: "adding a stream".into(), source };
    let whole = open::source(source)?;
    let has_sound = whole.streams().any(|stream| stream.parameters().medium() == Type::Audio);
    let mut input = open::segment(segment)?;
    if !has_sound || !index::is_mp4(&input) {
        return Ok(false);
    }
    let video = probe::video_stream(&input)?;
    let stream = input.stream(video).expect("video_stream gives an index of this input");
    let (file_base, base): (Rational, Rational) = (stream.time_base(), manifest.time_base.into());
    let mut output = open::output(out, "mp4")?;
    let mut added = output.add_stream(ffmpeg_next::encoder::find(ffmpeg_next::codec::Id::None)).map_err(adding)?;
    added.set_parameters(stream.parameters());
    ffi::clear_codec_tag(&mut added);
    added.set_time_base(file_base);
    added.set_avg_frame_rate(stream.avg_frame_rate());

    let mut next = open::next_packet(&mut input, segment, cancel)?;
    let first = next.as_ref().and_then(Packet::pts).unwrap_or(0);
    let origin = spec.first_packet_pts - first.rescale(file_base, base);
    let span = Span { origin, end: manifest.end_pts, base };
    // The first segment also takes the sound before its range, the last one the sound after it.
    let is_last = spec.end_pts >= manifest.end_pts;
    let window = Window {
        start_secs: if spec.index == 0 { f64::MIN } else { manifest.time_base.secs(spec.start_pts) },
        end_secs: if is_last { f64::MAX } else { manifest.time_base.secs(spec.end_pts) },
    };
    let mut sound = Extras::add_sound_to(&mut output, source, whole, manifest, span, window)?;
    let mut header = Dictionary::new();
    header.set("video_track_timescale", &file_base.denominator().to_string());
    header.set("strict", "experimental");
    output.write_header_with(header).map_err(|e| Error::file("writing", out, e))?;
    let to_base = output.stream(0).expect("it was added first").time_base();
    while let Some(mut packet) = next {
        if packet.stream() == video {
            packet.rescale_ts(file_base, to_base);
            packet.set_stream(0);
            packet.set_position(-1);
            packet.write_interleaved(&mut output).map_err(|e| Error::file("writing", out, e))?;
        }
        next = open::next_packet(&mut input, segment, cancel)?;
    }
    while let Some(packet) = sound.next(&output, cancel)? {
        packet.write_interleaved(&mut output).map_err(|e| Error::file("writing", out, e))?;
    }
    output.write_trailer().map_err(|e| Error::file("writing", out, e))?;
    Ok(true)
}
