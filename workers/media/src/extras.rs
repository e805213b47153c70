//! Carries everything besides the picture from the source to the result: sound, subtitles, cover picture, chapters,
//! metadata.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use ffmpeg_next::format::context::Output;
use ffmpeg_next::media::Type;
use ffmpeg_next::{Dictionary, Packet, Rational, Rescale};
use stereospot_domain::Warning;

use crate::manifest::{Fate, Manifest, SideStream};
use crate::open::Source;
use crate::track::{Span, Track};
use crate::{Cancel, Error, Ratio, ffi, open};

/// Reads the source's other streams and converts their packets for the result.
pub(crate) struct Extras {
    path: PathBuf,
    input: Source,
    /// By the source's stream index.
    tracks: Vec<Option<Track>>,
    /// In their output stream's time base.
    ready: VecDeque<Packet>,
    /// If set, only packets that start within it are used.
    window: Option<Window>,
    is_at_end: bool,
    warnings: Vec<Warning>,
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

impl Extras {
    /// Adds to `output` the streams that it can carry, and chapters and metadata. `video` is the stream that was
    /// converted.
    pub(crate) fn add_to(
        output: &mut Output,
        path: &Path,
        input: Source,
        video: usize,
        manifest: &Manifest,
        span: Span,
    ) -> Result<Self, Error> {
        let mut warnings = Vec::new();
        let mut tracks = Vec::new();
        for stream in input.streams() {
            let is_video = stream.index() == video;
            let fate = fate(&manifest.side_streams, stream.index());
            tracks.push(if is_video { None } else { Track::add(output, &stream, fate, span, &mut warnings)? });
        }
        add_chapters(output, &input, span)?;
        ffi::copy_file_metadata(&input, output);
        let (path, ready) = (path.to_path_buf(), VecDeque::new());
        Ok(Self { path, input, tracks, ready, window: None, is_at_end: false, warnings })
    }

    /// Adds only the sound streams, limited to `window`.
    pub(crate) fn add_sound_to(
        output: &mut Output,
        path: &Path,
        mut input: Source,
        manifest: &Manifest,
        span: Span,
        window: Window,
    ) -> Result<Self, Error> {
        let (mut warnings, mut tracks) = (Vec::new(), Vec::new());
        for stream in input.streams() {
            let is_sound = stream.parameters().medium() == Type::Audio;
            let fate = fate(&manifest.side_streams, stream.index());
            tracks.push(if is_sound { Track::add(output, &stream, fate, span, &mut warnings)? } else { None });
        }
        let from = ((window.start_secs - SKEW_SECS).max(0.0) * 1e6) as i64;
        // A clock that jumps can only be followed from the start. If the file can't be sought, read it from there too.
        let may_seek = from > 0 && !ffi::starts_anywhere(&input);
        if may_seek && input.seek(from, ..from).is_err() {
            input = open::source(path)?;
        }
        let (path, ready) = (path.to_path_buf(), VecDeque::new());
        Ok(Self { path, input, tracks, ready, window: Some(window), is_at_end: false, warnings })
    }

    pub(crate) fn next(&mut self, output: &Output, cancel: Cancel<'_>) -> Result<Option<Packet>, Error> {
        while self.ready.is_empty() && !self.is_at_end {
            match open::next_packet(&mut self.input, &self.path, cancel)? {
                Some(packet) if !self.is_over(&packet) => self.take(packet, output)?,
                _ => {
                    self.is_at_end = true;
                    for track in self.tracks.iter_mut().flatten() {
                        track.finish(output, &mut self.ready)?;
                    }
                }
            }
        }
        Ok(self.ready.pop_front())
    }

    /// What was changed or left out, complete once [`Extras::next`] has returned None.
    pub(crate) fn into_warnings(self) -> Vec<Warning> {
        let repaired = self.tracks.iter().flatten().filter_map(Track::repaired);
        self.warnings.into_iter().chain(repaired).collect()
    }

    fn take(&mut self, packet: Packet, output: &Output) -> Result<(), Error> {
        let from = packet.stream();
        let Some(Some(track)) = self.tracks.get_mut(from) else { return Ok(()) };
        let base = self.input.stream(from).expect("the packet came from it").time_base();
        if let (Some(window), Some(at)) = (self.window, packet.pts().or(packet.dts()))
            && !(window.start_secs..window.end_secs).contains(&Ratio::from(base).secs(at))
        {
            return Ok(());
        }
        track.take(packet, output, &mut self.ready)
    }

    /// True if no later packet can lie within the window.
    fn is_over(&self, packet: &Packet) -> bool {
        let Some(window) = self.window else { return false };
        let base = self.input.stream(packet.stream()).map(|stream| Ratio::from(stream.time_base()));
        let at = packet.dts().or(packet.pts());
        base.zip(at).is_some_and(|(base, at)| base.secs(at) > window.end_secs + SKEW_SECS)
    }
}

/// What the dry run decided about a stream.
pub(crate) fn fate(side_streams: &[SideStream], stream: usize) -> Option<&Fate> {
    side_streams.iter().find(|side| side.stream as usize == stream).map(|side| &side.fate)
}

/// Adds the chapters, clipped to the film.
fn add_chapters(output: &mut Output, input: &Source, span: Span) -> Result<(), Error> {
    for chapter in input.chapters() {
        let base = chapter.time_base();
        let shift = span.origin_in(base);
        let film_end = span.end_in(base) - shift;
        let (start, end) =
            (chapter.start().saturating_sub(shift).max(0), chapter.end().saturating_sub(shift).min(film_end));
        if start < film_end {
            output
                .add_chapter(chapter.id(), base, start, end.max(start), ffi::chapter_title(&chapter))
                .map_err(|source| Error::Libav { action: "adding the chapters".into(), source })?;
        }
    }
    Ok(())
}

/// The muxer's options for a result in this time base.
pub(crate) fn header(time_base: Ratio) -> Dictionary<'static> {
    let mut header = Dictionary::new();
    // MP4 stores start offsets in the movie timescale; the default of 1/1000 s would round them.
    let den = i64::from(time_base.den.max(1));
    header.set("movie_timescale", &(den * (10_000 / den).max(1)).to_string());
    header.set("video_track_timescale", &time_base.den.to_string());
    // Needed for the stereo layout box, which FFmpeg considers unofficial, and for some sound codecs, which it
    // considers experimental in MP4.
    header.set("strict", "experimental");
    header
}

/// A time without the film's origin, in another time base.
pub(crate) fn shifted(time: i64, from: Rational, to: Rational, span: Span) -> i64 {
    (time - span.origin_in(from)).rescale(from, to)
}
