//! Sound for a clip that was made here: the demo's source and the tests'.

use std::path::Path;

use ffmpeg_next::{Dictionary, Packet, Rational, Rescale};

use crate::aac::{Aac, failed};
use crate::{Cancel, Error, ffi, open, probe};

/// Copies the video of `silent` (as [`crate::Encoder`] writes it) to `out`, an MP4, with `samples` (one channel, 16 bit, starting with
/// the video) as AAC.
///
/// # Errors
/// [`Error::Encoder`] when there is no AAC encoder or the rate is not one of AAC's; [`Error::DiskFull`], [`Error::Io`].
pub fn add_sound(silent: &Path, samples: &[i16], sample_rate: u32, out: &Path) -> Result<(), Error> {
    crate::init();
    let adding = |source| Error::Libav { action: "adding a stream", source };
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
