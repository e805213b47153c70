//! Carries everything besides the picture from the source to the result: sound, subtitles, cover picture, chapters,
//! metadata.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use ffmpeg_next::format::context::{Input, Output};
use ffmpeg_next::format::stream::Disposition;
use ffmpeg_next::media::Type;
use ffmpeg_next::{Packet, Rational, Rescale, encoder};

use crate::resound::Resound;
use crate::subtitle::{self, TextKind};
use crate::{Cancel, Error, Ratio, ffi, open};

/// What to do with one of the source's streams; the number is its stream index in the result.
enum Route {
    Copy(usize),
    Text(usize, TextKind),
    Sound(usize, Box<Resound>),
    Leave,
}

/// Reads the source's other streams and converts their packets for the result.
pub(crate) struct Extras {
    path: PathBuf,
    input: Input,
    routes: Vec<Route>,
    origin: Origin,
    /// In their output stream's time base.
    ready: VecDeque<Packet>,
    /// If set, only packets that start within it are used.
    window: Option<Window>,
    is_at_end: bool,
    /// One sentence for each stream that was left out or re-encoded.
    pub(crate) warnings: Vec<String>,
}

/// Time that is subtracted from all of the source's times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) ticks: i64,
    pub(crate) base: Rational,
}

/// A part of the source's timeline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) start_secs: f64,
    pub(crate) end_secs: f64,
}

/// Streams are not interleaved exactly: a packet within the window may come this much later in the file than packets
/// after it.
const SKEW_SECS: f64 = 5.0;

impl Origin {
    fn in_base(self, base: Rational) -> i64 {
        self.ticks.rescale(self.base, base)
    }
}

impl Extras {
    /// Adds to `output` the streams that it can carry, and chapters and metadata. `video` is the stream that was
    /// converted.
    pub(crate) fn add_to(
        output: &mut Output,
        path: &Path,
        input: Input,
        video: usize,
        origin: Origin,
    ) -> Result<Self, Error> {
        let mut warnings = Vec::new();
        let mut routes = Vec::new();
        for stream in input.streams() {
            let route = if stream.index() == video { Route::Leave } else { route(output, &stream, &mut warnings)? };
            routes.push(route);
        }
        for chapter in input.chapters() {
            let shift = origin.in_base(chapter.time_base());
            let (start, end) = ((chapter.start() - shift).max(0), chapter.end() - shift);
            output
                .add_chapter(chapter.id(), chapter.time_base(), start, end.max(start), ffi::chapter_title(&chapter))
                .map_err(|source| Error::Libav { action: "adding the chapters", source })?;
        }
        ffi::copy_file_metadata(&input, output);
        let (path, ready) = (path.to_path_buf(), VecDeque::new());
        Ok(Self { path, input, routes, origin, ready, window: None, is_at_end: false, warnings })
    }

    /// Adds only the sound streams, limited to `window`.
    pub(crate) fn add_sound_to(
        output: &mut Output,
        path: &Path,
        mut input: Input,
        origin: Origin,
        window: Window,
    ) -> Result<Self, Error> {
        let (mut warnings, mut routes) = (Vec::new(), Vec::new());
        for stream in input.streams() {
            let is_sound = stream.parameters().medium() == Type::Audio;
            routes.push(if is_sound { route(output, &stream, &mut warnings)? } else { Route::Leave });
        }
        let from = ((window.start_secs - SKEW_SECS).max(0.0) * 1e6) as i64;
        // If the file can't be sought, read it from the start.
        if from > 0 && input.seek(from, ..from).is_err() {
            input = open::source(path)?;
        }
        let (path, ready) = (path.to_path_buf(), VecDeque::new());
        Ok(Self { path, input, routes, origin, ready, window: Some(window), is_at_end: false, warnings })
    }

    pub(crate) fn next(&mut self, output: &Output, cancel: Cancel<'_>) -> Result<Option<Packet>, Error> {
        while self.ready.is_empty() && !self.is_at_end {
            match open::next_packet(&mut self.input, &self.path, cancel)? {
                Some(packet) if !self.is_over(&packet) => self.take(packet, output)?,
                _ => {
                    self.is_at_end = true;
                    self.end_sound(output)?;
                }
            }
        }
        Ok(self.ready.pop_front())
    }

    fn take(&mut self, packet: Packet, output: &Output) -> Result<(), Error> {
        let from = packet.stream();
        let Some(route) = self.routes.get_mut(from) else { return Ok(()) };
        let base = self.input.stream(from).expect("the packet came from it").time_base();
        if let (Some(window), Some(at)) = (self.window, packet.pts().or(packet.dts()))
            && !(window.start_secs..window.end_secs).contains(&Ratio::from(base).secs(at))
        {
            return Ok(());
        }
        match route {
            Route::Leave => {}
            Route::Copy(to) => self.ready.push_back(translated(packet, base, *to, self.origin, output)),
            Route::Text(to, kind) => {
                self.ready.push_back(translated(as_text(&packet, *kind), base, *to, self.origin, output));
            }
            Route::Sound(to, sound) => {
                let (to, base) = (*to, sound.time_base());
                let packets = sound.push(Some(&packet))?;
                self.ready.extend(packets.into_iter().map(|p| translated(p, base, to, self.origin, output)));
            }
        }
        Ok(())
    }

    /// True if no later packet can lie within the window.
    fn is_over(&self, packet: &Packet) -> bool {
        let Some(window) = self.window else { return false };
        let base = self.input.stream(packet.stream()).map(|stream| Ratio::from(stream.time_base()));
        let at = packet.dts().or(packet.pts());
        base.zip(at).is_some_and(|(base, at)| base.secs(at) > window.end_secs + SKEW_SECS)
    }

    fn end_sound(&mut self, output: &Output) -> Result<(), Error> {
        for route in &mut self.routes {
            if let Route::Sound(to, sound) = route {
                let (to, base) = (*to, sound.time_base());
                let packets = sound.push(None)?;
                self.ready.extend(packets.into_iter().map(|p| translated(p, base, to, self.origin, output)));
            }
        }
        Ok(())
    }
}

/// Converts the packet's times for stream `to` of the output.
fn translated(mut packet: Packet, base: Rational, to: usize, origin: Origin, output: &Output) -> Packet {
    let file_base = output.stream(to).expect("add_to added it").time_base();
    let shift = origin.in_base(base);
    let dts = packet.dts().or(packet.pts());
    packet.set_pts(packet.pts().map(|t| t - shift));
    packet.set_dts(dts.map(|t| t - shift));
    packet.rescale_ts(base, file_base);
    packet.set_stream(to);
    packet.set_position(-1);
    packet
}

fn route(output: &mut Output, stream: &ffmpeg_next::Stream<'_>, warnings: &mut Vec<String>) -> Result<Route, Error> {
    let parameters = stream.parameters();
    let (codec, kind) = (parameters.id(), parameters.medium());
    let is_cover = kind == Type::Video && stream.disposition().contains(Disposition::ATTACHED_PIC);
    let is_carried = matches!(kind, Type::Audio | Type::Subtitle) || is_cover;
    let text = if kind == Type::Subtitle { TextKind::of(codec) } else { None };
    let (index, name) = (stream.index(), ffi::codec_name(&parameters));
    let is_taken = is_carried && ffi::muxer_takes(output, codec);
    // FFmpeg 6.1 and later write uncompressed sound into MP4 (ISO/IEC 23003-5), but few players support it.
    let is_heard = is_taken && !name.starts_with("pcm_");
    if kind == Type::Audio
        && !is_heard
        && let Some(sound) = Resound::new(stream)
    {
        let why = if is_taken { "few players take it from an MP4" } else { "MP4 can't carry it" };
        warnings.push(format!("the source's sound stream {index} ({name}) was re-encoded as AAC: {why}"));
        return add_sound(output, stream, sound);
    }
    if text.is_none() && !is_taken {
        let what = match kind {
            Type::Audio => "sound",
            Type::Subtitle => "subtitle",
            Type::Video if is_cover => "cover picture",
            Type::Video => "further video",
            Type::Attachment => "attachment",
            // MP4 stores chapter titles in such a stream. The chapters are copied separately, so no warning.
            _ if name == "bin_data" => return Ok(Route::Leave),
            _ => "data",
        };
        let why = if kind == Type::Video && !is_cover { "one is converted" } else { "MP4 can't carry it" };
        warnings.push(format!("the source's {what} stream {index} ({name}) was left out: {why}"));
        return Ok(Route::Leave);
    }
    let mut added = output
        .add_stream(encoder::find(ffmpeg_next::codec::Id::None))
        .map_err(|source| Error::Libav { action: "adding a stream", source })?;
    added.set_time_base(stream.time_base());
    let index = added.index();
    let route = match text {
        Some(kind) => {
            ffi::set_subtitle_params(&mut added, ffmpeg_next::codec::Id::MOV_TEXT, subtitle::HEADER);
            Route::Text(index, kind)
        }
        None => {
            added.set_parameters(parameters);
            ffi::clear_codec_tag(&mut added);
            Route::Copy(index)
        }
    };
    ffi::copy_stream_facts(stream, &mut added);
    Ok(route)
}

fn add_sound(output: &mut Output, stream: &ffmpeg_next::Stream<'_>, sound: Resound) -> Result<Route, Error> {
    let mut added = output
        .add_stream(encoder::find(ffmpeg_next::codec::Id::None))
        .map_err(|source| Error::Libav { action: "adding a stream", source })?;
    added.set_parameters(sound.parameters());
    added.set_time_base(sound.time_base());
    ffi::copy_stream_facts(stream, &mut added);
    Ok(Route::Sound(added.index(), Box::new(sound)))
}

fn as_text(packet: &Packet, kind: TextKind) -> Packet {
    let mut text = Packet::copy(&subtitle::sample(kind, packet.data().unwrap_or_default()));
    text.set_pts(packet.pts());
    text.set_dts(packet.dts());
    text.set_duration(packet.duration());
    text.set_flags(ffmpeg_next::packet::Flags::KEY);
    text
}
