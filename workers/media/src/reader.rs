//! Reads frames from one video stream: feeds packets to a decoder, and drains it at the end.

use std::path::{Path, PathBuf};

use ffmpeg_next::codec::{self, discard::Discard, threading};
use ffmpeg_next::format::context::Input;
use ffmpeg_next::{Packet, decoder, frame, rescale::Rescale};

use crate::open::Source;
use crate::{Cancel, Error, Ratio, ffi, open};

/// Opens a decoder with the settings that all callers share.
pub(crate) fn decoder(input: &Input, stream: usize, threads: usize, skip: Discard) -> Result<decoder::Video, Error> {
    let stream = input.stream(stream).expect("callers pass an index of this input's streams");
    let parameters = stream.parameters();
    let name = ffi::codec_name(&parameters);
    let context = codec::Context::from_parameters(parameters)
        .map_err(|source| Error::Libav { action: "preparing the decoder".into(), source })?;
    let mut decoder = context.decoder();
    // Set threading before opening the decoder; afterwards it would stay at one thread.
    let kind = if threads > 1 { threading::Type::Frame } else { threading::Type::Slice };
    decoder.set_threading(threading::Config { kind, ..threading::Config::count(threads.max(1)) });
    decoder.set_packet_time_base(stream.time_base());
    decoder.skip_frame(skip);
    if skip != Discard::Default {
        decoder.skip_loop_filter(Discard::All);
    }
    decoder.video().map_err(|source| match source {
        ffmpeg_next::Error::DecoderNotFound => Error::NoDecoder { codec: name },
        source => Error::Libav { action: "opening the decoder".into(), source },
    })
}

/// A decoder that reports more faults than this has lost its way.
const MAX_FAULTS: u32 = 10_000;

/// Reads frames in display order.
pub(crate) struct FrameReader<'a> {
    path: PathBuf,
    input: Source,
    stream: usize,
    decoder: decoder::Video,
    seen: usize,
    /// Packets before this one are skipped without decoding.
    from: usize,
    is_draining: bool,
    faults: u32,
    cancel: Cancel<'a>,
}

impl<'a> FrameReader<'a> {
    /// Reads the stream from its packet number `from` (a keyframe) to the end.
    pub(crate) fn new(
        path: &Path,
        input: Source,
        stream: usize,
        threads: usize,
        from: usize,
        cancel: Cancel<'a>,
    ) -> Result<Self, Error> {
        let decoder = decoder(&input, stream, threads, Discard::Default)?;
        let path = path.to_path_buf();
        Ok(Self { path, input, stream, decoder, seen: 0, from, is_draining: false, faults: 0, cancel })
    }

    /// The next frame, or None after the last. Frames that can't be decoded are left out without an error, so callers
    /// must check the count.
    pub(crate) fn next_frame(&mut self) -> Result<Option<frame::Video>, Error> {
        loop {
            let mut frame = frame::Video::empty();
            match self.decoder.receive_frame(&mut frame) {
                Ok(()) => return Ok(Some(frame)),
                Err(ffmpeg_next::Error::Eof) => return Ok(None),
                Err(ffmpeg_next::Error::Other { errno: ffmpeg_next::error::EAGAIN }) if self.is_draining => {
                    return Ok(None);
                }
                Err(ffmpeg_next::Error::Other { errno: ffmpeg_next::error::EAGAIN }) => {}
                Err(_) if self.faults >= MAX_FAULTS => return Ok(None),
                Err(error) => {
                    self.count_fault(error)?;
                    continue;
                }
            }
            let sent = match self.next_packet()? {
                Some(packet) => self.decoder.send_packet(&packet),
                None => {
                    self.is_draining = true;
                    self.decoder.send_eof()
                }
            };
            // At the end this reports damage in packets sent earlier; the decoder still drains.
            if let Err(error) = sent {
                self.count_fault(error)?;
            }
        }
    }

    /// True if something could not be decoded so far.
    pub(crate) fn has_faults(&self) -> bool {
        self.faults > 0
    }

    /// A decoder may answer damage with any of FFmpeg's errors. Only a lack of memory is not about the video.
    fn count_fault(&mut self, source: ffmpeg_next::Error) -> Result<(), Error> {
        let no_memory = ffmpeg_next::Error::Other { errno: ffmpeg_next::error::ENOMEM };
        if source == no_memory && open::is_out_of_memory() {
            return Err(Error::Libav { action: "decoding".into(), source });
        }
        self.faults += 1;
        Ok(())
    }

    fn next_packet(&mut self) -> Result<Option<Packet>, Error> {
        while let Some(packet) = open::next_packet(&mut self.input, &self.path, self.cancel)? {
            if packet.stream() != self.stream {
                continue;
            }
            self.seen += 1;
            if self.seen > self.from {
                return Ok(Some(packet));
            }
        }
        Ok(None)
    }
}

/// Converts timestamps of a segment file to the source's time base.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Alignment {
    pub(crate) file_base: ffmpeg_next::Rational,
    /// pts of the file's first packet.
    pub(crate) first_pts: i64,
    /// Time base of the source.
    pub(crate) base: Ratio,
    /// The source's pts of that first packet.
    pub(crate) start_pts: i64,
}

impl Alignment {
    pub(crate) fn pts(self, file_pts: i64) -> i64 {
        (file_pts - self.first_pts).rescale(self.file_base, self.base) + self.start_pts
    }
}
