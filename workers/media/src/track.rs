//! One of the source's streams besides the picture, on its way into the result.
//!
//! MP4 wants packets in order, each later than the one before. A track ensures it: a packet that is not later is moved
//! to just after the one before, or left out if it is far off.

use std::collections::VecDeque;

use ffmpeg_next::format::context::Output;
use ffmpeg_next::format::stream::Disposition;
use ffmpeg_next::media::Type;
use ffmpeg_next::{Packet, Rational, Rescale, encoder};
use stereospot_domain::Warning;
use stereospot_domain::warning::{LeftOut, Media, Reencoded};

use crate::extras::shifted;
use crate::manifest::{Fate, Manifest};
use crate::open::Source;
use crate::sound_transcoder::SoundTranscoder;
use crate::subtitle::{self, TextKind};
use crate::{Error, Ratio, ffi, index};

/// The film's place on the source's timeline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// Subtracted from all of the source's times.
    pub(crate) origin: i64,
    /// End of the last frame.
    pub(crate) end: i64,
    pub(crate) base: Rational,
}

impl Span {
    /// MP4 can't show frames before zero, and a transport stream's clock starts at an arbitrary value.
    pub(crate) fn of(input: &Source, manifest: &Manifest) -> Self {
        let base: Rational = manifest.time_base.into();
        let start = ffi::start_micros(input).filter(|_| ffi::starts_anywhere(input));
        let start = start.map_or(0, |micros| index::micros_in(micros, base));
        Self { origin: start.min(manifest.start_pts), end: manifest.end_pts, base }
    }

    pub(crate) fn origin_in(self, base: Rational) -> i64 {
        self.origin.rescale(self.base, base)
    }

    pub(crate) fn end_in(self, base: Rational) -> i64 {
        self.end.rescale(self.base, base)
    }
}

/// Sound codecs that browsers and common players take from an MP4. Others become AAC, even if MP4 can carry them.
const HEARD: [&str; 7] = ["aac", "ac3", "eac3", "mp3", "alac", "flac", "opus"];
/// A packet further than this before the one before it is left out instead of moved.
const FAR_SECS: f64 = 0.5;

pub(crate) struct Track {
    /// Index in the source.
    stream: u32,
    /// Index in the result.
    to: usize,
    base: Rational,
    span: Span,
    way: Way,
    is_subtitle: bool,
    is_sound: bool,
    /// The latest packet, kept until the next shows whether its time can be right.
    held: Option<Packet>,
    /// Decode time of the last packet that was passed on.
    last: Option<i64>,
    is_started: bool,
    raised: u64,
    dropped: u64,
}

enum Way {
    Copy,
    Text(TextKind),
    Sound(Box<SoundTranscoder>),
}

impl Track {
    /// Adds the stream to `output`. None, with a warning, if the result can't carry it.
    pub(crate) fn add(
        output: &mut Output,
        stream: &ffmpeg_next::Stream<'_>,
        fate: Option<&Fate>,
        span: Span,
        warnings: &mut Vec<Warning>,
    ) -> Result<Option<Self>, Error> {
        let parameters = stream.parameters();
        let (codec, kind) = (parameters.id(), parameters.medium());
        let is_cover = kind == Type::Video && stream.disposition().contains(Disposition::ATTACHED_PIC);
        let name = ffi::codec_name(&parameters);
        let number = stream.index() as u32;
        let is_taken = (matches!(kind, Type::Audio | Type::Subtitle) || is_cover) && ffi::muxer_takes(output, codec);
        let text = if kind == Type::Subtitle { TextKind::of(codec) } else { None };
        let mut leave_out = |why: LeftOut| {
            let media = media(kind, is_cover, &ffi::codec_tag(&parameters));
            // MP4 stores chapter titles in such a stream. The chapters are copied separately.
            let is_chapters = name == "bin_data";
            // The muxer writes a timecode track itself, from the video's metadata.
            let is_kept = media == Media::Timecode && timecode(stream).is_some();
            if !is_chapters && !is_kept {
                warnings.push(Warning::StreamLeftOut { stream: number, media, codec: name.clone(), why });
            }
            Ok(None)
        };
        if let Some(Fate::LeaveOut(why)) = fate {
            return leave_out(why.clone());
        }
        let why_reencode = match (fate, is_taken) {
            (Some(Fate::Reencode), _) => Some(Reencoded::Refused),
            (_, false) => Some(Reencoded::NotInMp4),
            (_, true) => (!HEARD.contains(&name.as_str())).then_some(Reencoded::FewPlayers),
        };
        if let (Type::Audio, Some(why)) = (kind, why_reencode) {
            let Some(sound) = SoundTranscoder::new(stream) else { return leave_out(LeftOut::NotInMp4) };
            warnings.push(Warning::SoundReencoded { stream: number, codec: name, why });
            if let Some((channels, to)) = sound.downmix() {
                warnings.push(Warning::SoundDownmixed { stream: number, channels, to });
            }
            let mut added = add_stream(output)?;
            added.set_parameters(sound.parameters());
            added.set_time_base(sound.time_base());
            ffi::copy_stream_facts(stream, &mut added);
            let base = sound.time_base();
            return Ok(Some(Self::new(number, added.index(), base, span, Way::Sound(Box::new(sound)), kind)));
        }
        let is_kept = text.is_some() || is_taken;
        if !is_kept {
            let is_further = kind == Type::Video && !is_cover;
            return leave_out(if is_further { LeftOut::OneVideo } else { LeftOut::NotInMp4 });
        }
        let mut added = add_stream(output)?;
        added.set_time_base(stream.time_base());
        let way = match text {
            Some(kind) => {
                ffi::set_subtitle_params(&mut added, ffmpeg_next::codec::Id::MOV_TEXT, subtitle::HEADER);
                Way::Text(kind)
            }
            None => {
                added.set_parameters(parameters);
                ffi::clear_codec_tag(&mut added);
                Way::Copy
            }
        };
        ffi::copy_stream_facts(stream, &mut added);
        Ok(Some(Self::new(number, added.index(), stream.time_base(), span, way, kind)))
    }

    fn new(stream: u32, to: usize, base: Rational, span: Span, way: Way, kind: Type) -> Self {
        Self {
            stream,
            to,
            base,
            span,
            way,
            is_subtitle: kind == Type::Subtitle,
            is_sound: kind == Type::Audio,
            held: None,
            last: None,
            is_started: false,
            raised: 0,
            dropped: 0,
        }
    }

    pub(crate) fn take(&mut self, packet: Packet, output: &Output, ready: &mut VecDeque<Packet>) -> Result<(), Error> {
        match &mut self.way {
            Way::Copy => {
                // Packets before the first audible one prime the decoder. Those that an edit list hides later would be
                // heard.
                let is_hidden = ffi::is_hidden(&packet);
                if is_hidden && self.is_started {
                    return Ok(());
                }
                self.is_started |= !is_hidden;
                self.queue(packet, output, ready);
            }
            Way::Text(kind) => {
                if let Some(text) = as_text(&packet, *kind) {
                    self.queue(text, output, ready);
                }
            }
            Way::Sound(sound) => {
                let packets = sound.push(Some(&packet))?;
                packets.into_iter().for_each(|packet| self.queue(packet, output, ready));
            }
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self, output: &Output, ready: &mut VecDeque<Packet>) -> Result<(), Error> {
        if let Way::Sound(sound) = &mut self.way {
            let packets = sound.push(None)?;
            packets.into_iter().for_each(|packet| self.queue(packet, output, ready));
        }
        let last = self.held.take();
        ready.extend(last.and_then(|packet| self.settled(packet, None, output)));
        Ok(())
    }

    pub(crate) fn stream(&self) -> u32 {
        self.stream
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.is_sound
    }

    /// True for sound that is not re-encoded.
    pub(crate) fn is_copied_sound(&self) -> bool {
        self.is_sound && matches!(self.way, Way::Copy)
    }

    /// The repairs so far, if there were any.
    pub(crate) fn repaired(&self) -> Option<Warning> {
        let &Self { stream, raised, dropped, .. } = self;
        (raised + dropped > 0).then_some(Warning::TimesRepaired { stream, raised, dropped })
    }

    fn queue(&mut self, mut packet: Packet, output: &Output, ready: &mut VecDeque<Packet>) {
        let file_base = output.stream(self.to).expect("add added it").time_base();
        let to_file = |time| shifted(time, self.base, file_base, self.span);
        match packet.dts().or(packet.pts()) {
            Some(dts) => {
                packet.set_pts(packet.pts().map(to_file));
                packet.set_dts(Some(to_file(dts)));
            }
            // A cover picture has no time. A packet between others follows the one before.
            None => {
                let after = self.held.as_ref().and_then(Packet::dts).map_or(0, |dts| dts + 1);
                packet.set_pts(Some(after));
                packet.set_dts(Some(after));
            }
        }
        packet.set_duration(packet.duration().rescale(self.base, file_base));
        packet.set_stream(self.to);
        packet.set_position(-1);
        let Some(mut held) = self.held.take() else {
            self.held = Some(packet);
            return;
        };
        if matches!(self.way, Way::Text(_)) && held.pts() == packet.pts() {
            // Players show one sample at a time, so lines that start together share one.
            held = joined(&held, &packet);
            self.held = Some(held);
            return;
        }
        let (at, next) = (held.dts(), packet.dts());
        let far = Ratio::from(file_base).ticks(FAR_SECS);
        let is_outlier =
            next <= at && self.last.zip(at).zip(next).is_some_and(|((last, at), next)| next > last && at - last > far);
        if is_outlier {
            self.dropped += 1;
        } else {
            ready.extend(self.settled(held, next, output));
        }
        self.held = Some(packet);
    }

    /// Gives a packet a time after the one before. None if it is left out.
    fn settled(&mut self, mut packet: Packet, next: Option<i64>, output: &Output) -> Option<Packet> {
        let file_base = output.stream(self.to).expect("add added it").time_base();
        let base = Ratio::from(file_base);
        let mut dts = packet.dts()?;
        if let Some(last) = self.last.filter(|last| dts <= *last) {
            if last - dts > base.ticks(FAR_SECS) {
                self.dropped += 1;
                return None;
            }
            dts = last + 1;
            packet.set_dts(Some(dts));
            self.raised += 1;
        }
        // MP4 can't express a packet that is shown before it is decoded.
        packet.set_pts(packet.pts().map(|pts| pts.max(dts)));
        if self.is_subtitle {
            let end = self.span.end_in(file_base) - self.span.origin_in(file_base);
            // Its words would make the result longer than the film.
            if dts >= end {
                self.dropped += 1;
                return None;
            }
            let until_next = next.map_or(i64::MAX, |next| (next - dts).max(1));
            packet.set_duration(packet.duration().min(end - dts).min(until_next));
        }
        self.last = Some(dts);
        Some(packet)
    }
}

/// The time of day that a camera gave the first frame, such as "10:00:00:00".
pub(crate) fn timecode(stream: &ffmpeg_next::Stream<'_>) -> Option<String> {
    stream.metadata().get("timecode").map(str::to_owned)
}

fn add_stream(output: &mut Output) -> Result<ffmpeg_next::StreamMut<'_>, Error> {
    output
        .add_stream(encoder::find(ffmpeg_next::codec::Id::None))
        .map_err(|source| Error::Libav { action: "adding a stream".into(), source })
}

fn media(kind: Type, is_cover: bool, tag: &[u8; 4]) -> Media {
    match kind {
        Type::Audio => Media::Sound,
        Type::Subtitle => Media::Subtitle,
        Type::Video if is_cover => Media::CoverPicture,
        Type::Video => Media::FurtherVideo,
        Type::Attachment => Media::Attachment,
        _ if tag == b"tmcd" => Media::Timecode,
        _ => Media::Data,
    }
}

/// None if no words are left, as in a line that only draws.
fn as_text(packet: &Packet, kind: TextKind) -> Option<Packet> {
    let sample = subtitle::sample(kind, packet.data().unwrap_or_default())?;
    Some(text_packet(&sample, packet, packet.duration()))
}

fn joined(first: &Packet, second: &Packet) -> Packet {
    let [first_text, second_text] = [first, second].map(|packet| packet.data().unwrap_or_default());
    let sample = subtitle::joined(first_text, second_text);
    text_packet(&sample, first, first.duration().max(second.duration()))
}

fn text_packet(sample: &[u8], like: &Packet, duration: i64) -> Packet {
    let mut text = Packet::copy(sample);
    text.set_pts(like.pts());
    text.set_dts(like.dts());
    text.set_stream(like.stream());
    text.set_duration(duration);
    text.set_flags(ffmpeg_next::packet::Flags::KEY);
    text
}
