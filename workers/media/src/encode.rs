//! Pictures into a video file of one stream, each frame at its source's time.
//!
//! Invariant: files made with equal options have equal codec parameters and start with an IDR frame, so that they can be joined
//! without re-encoding.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ffmpeg_next::codec::{self, threading};
use ffmpeg_next::format::{Pixel, context::Output};
use ffmpeg_next::{Dictionary, Packet, Rescale, encoder, frame};
use stereospot_picture::Picture;

use crate::manifest::{ColourTags, Manifest, Ratio, StereoLayout};
use crate::{Error, ffi, open};

/// How to encode.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderOptions {
    /// Width in pixels, even.
    pub width: usize,
    /// Height in pixels, even.
    pub height: usize,
    /// The source's time base, which the pts are in.
    pub time_base: Ratio,
    /// Average frames a second, for rate control (0/1 where unknown).
    pub avg_frame_rate: Ratio,
    /// Colour tags to write.
    pub colour: ColourTags,
    /// Shape of a pixel (0/1 where unknown).
    pub sample_aspect_ratio: Ratio,
    /// Constant rate factor: 0 best, 51 worst.
    pub crf: u8,
    /// Speed preset of the encoder.
    pub preset: String,
    /// FFmpeg's name of an H.264 encoder.
    pub codec: String,
    /// Encoder threads. x264's output depends on it: use the same for all segments of a job to have a repeatable result.
    pub threads: usize,
    /// How two views lie in the frame, told by a frame-packing message in the stream (libx264).
    pub layout: StereoLayout,
}

impl EncoderOptions {
    /// The defaults (libx264, crf 20, medium, one thread) for pictures of a size that follow a source's timing and colours.
    #[must_use]
    pub fn new(width: usize, height: usize, manifest: &Manifest) -> Self {
        Self {
            width,
            height,
            time_base: manifest.time_base,
            avg_frame_rate: manifest.avg_frame_rate,
            colour: manifest.colour,
            sample_aspect_ratio: manifest.sample_aspect_ratio,
            crf: 20,
            preset: "medium".to_owned(),
            codec: "libx264".to_owned(),
            threads: 1,
            layout: StereoLayout::Mono,
        }
    }
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodedSummary {
    /// Frames in the file.
    pub frames: u64,
    /// Size of the file.
    pub bytes: u64,
}

/// Writes one file. What it leaves when it is dropped before [`Encoder::finish`] is not playable.
pub struct Encoder {
    path: PathBuf,
    output: Output,
    encoder: encoder::Video,
    options: EncoderOptions,
    /// Time base of the file's stream.
    file_base: ffmpeg_next::Rational,
    /// Ticks a frame on average, for the packets' durations.
    step: i64,
    pushed: u64,
    written: Arc<AtomicU64>,
    last_pts: Option<i64>,
}

impl Encoder {
    /// Creates the file (MP4) and opens the encoder.
    ///
    /// # Errors
    /// [`Error::Encoder`] when the encoder is missing or refuses the options; [`Error::DiskFull`], [`Error::Io`].
    pub fn create(path: &Path, options: EncoderOptions) -> Result<Self, Error> {
        crate::init();
        let encoder = open_encoder(&options)?;
        let mut output = open::output(path, "mp4")?;
        let mut stream =
            output.add_stream_with(&encoder).map_err(|source| Error::Libav { action: "preparing the file", source })?;
        stream.set_time_base(options.time_base);
        if options.avg_frame_rate.num > 0 {
            stream.set_avg_frame_rate(options.avg_frame_rate);
        }
        ffi::set_stream_aspect(&mut stream, options.sample_aspect_ratio);
        let mut header = Dictionary::new();
        header.set("video_track_timescale", &options.time_base.den.to_string());
        output.write_header_with(header).map_err(|e| Error::file("writing", path, e))?;
        let file_base = output.stream(0).expect("the stream was added above").time_base();
        let rate = options.avg_frame_rate;
        let step = if rate.num > 0 { options.time_base.ticks(rate.inverted().secs(1)).max(1) } else { 1 };
        let path = path.to_path_buf();
        Ok(Self { path, output, encoder, options, file_base, step, pushed: 0, written: Arc::default(), last_pts: None })
    }

    /// Frames written so far, to be looked at while it works, from any thread. The encoder looks ahead: it has taken in dozens
    /// more than it has written, until [`Encoder::finish`].
    #[must_use]
    pub fn written(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.written)
    }

    /// Encodes a picture, shown at `pts` (in the options' time base; later than the one before).
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::Io`]; [`Error::Libav`] when the encoder refuses the frame.
    ///
    /// # Panics
    /// When the picture has another size than the options say, or `pts` does not rise.
    pub fn push(&mut self, pts: i64, picture: &Picture) -> Result<(), Error> {
        let (width, height) = (self.options.width, self.options.height);
        assert_eq!((picture.width(), picture.height()), (width, height), "pictures have the encoder's size");
        assert!(self.last_pts.is_none_or(|last| pts > last), "pts rise, got {pts} after {:?}", self.last_pts);
        self.last_pts = Some(pts);
        // A fresh frame each time: the encoder keeps references to those it looks ahead at.
        let mut frame = frame::Video::new(Pixel::YUV420P, width as u32, height as u32);
        for (i, (samples, plane_width, _)) in picture.planes().into_iter().enumerate() {
            let stride = frame.stride(i);
            let rows = frame.data_mut(i).chunks_mut(stride);
            for (row, samples) in rows.zip(samples.chunks_exact(plane_width)) {
                row[..plane_width].copy_from_slice(samples);
            }
        }
        frame.set_pts(Some(pts));
        self.encoder.send_frame(&frame).map_err(|source| Error::Libav { action: "encoding", source })?;
        self.pushed += 1;
        self.write_ready()
    }

    /// Writes what the encoder still holds and closes the file.
    ///
    /// # Errors
    /// As [`Encoder::push`]; also when the encoder gave fewer frames than it was given.
    pub fn finish(mut self) -> Result<EncodedSummary, Error> {
        self.encoder.send_eof().map_err(|source| Error::Libav { action: "encoding", source })?;
        self.write_ready()?;
        self.output.write_trailer().map_err(|e| Error::file("writing", &self.path, e))?;
        let written = self.written.load(Ordering::Relaxed);
        if written != self.pushed {
            return Err(Error::Libav { action: "encoding every frame", source: ffmpeg_next::Error::Bug });
        }
        let bytes = std::fs::metadata(&self.path).map_err(|e| Error::io("reading", &self.path, e))?.len();
        Ok(EncodedSummary { frames: written, bytes })
    }

    fn write_ready(&mut self) -> Result<(), Error> {
        let base: ffmpeg_next::Rational = self.options.time_base.into();
        loop {
            let mut packet = Packet::empty();
            match self.encoder.receive_packet(&mut packet) {
                Ok(()) => {}
                Err(ffmpeg_next::Error::Eof | ffmpeg_next::Error::Other { errno: ffmpeg_next::error::EAGAIN }) => {
                    return Ok(());
                }
                Err(source) => return Err(Error::Libav { action: "encoding", source }),
            }
            packet.set_stream(0);
            packet.set_pts(packet.pts().map(|t| t.rescale(base, self.file_base)));
            packet.set_dts(packet.dts().map(|t| t.rescale(base, self.file_base)));
            packet.set_duration(self.step.rescale(base, self.file_base));
            packet.write(&mut self.output).map_err(|e| Error::file("writing", &self.path, e))?;
            self.written.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn open_encoder(options: &EncoderOptions) -> Result<encoder::Video, Error> {
    let failed = |source| Error::Encoder { codec: options.codec.clone(), source };
    let codec = encoder::find_by_name(&options.codec).ok_or_else(|| failed(None))?;
    let mut context = codec::Context::new_with_codec(codec);
    // MP4 keeps the parameter sets in its header, once.
    context.set_flags(codec::Flags::GLOBAL_HEADER);
    // Frames that are encoded at once wait for each other's rows: half as many again as cores keep them all busy.
    let threads = threading::Config::count(options.threads.max(1) * 3 / 2);
    context.set_threading(threading::Config { kind: threading::Type::Frame, ..threads });
    ffi::set_encoder_colours(&mut context, options.colour);
    let mut video = context.encoder().video().map_err(|e| failed(Some(e)))?;
    video.set_width(options.width as u32);
    video.set_height(options.height as u32);
    video.set_format(Pixel::YUV420P);
    video.set_time_base(options.time_base);
    if options.avg_frame_rate.num > 0 {
        video.set_frame_rate(Some(options.avg_frame_rate));
    }
    if options.sample_aspect_ratio.num > 0 {
        video.set_aspect_ratio(options.sample_aspect_ratio);
    }
    video.open_with(codec_options(options)).map_err(|e| failed(Some(e)))
}

fn codec_options(options: &EncoderOptions) -> Dictionary<'static> {
    let mut dictionary = Dictionary::new();
    let crf = options.crf.to_string();
    dictionary.set("preset", &options.preset);
    if options.codec.ends_with("_nvenc") {
        dictionary.set("rc", "vbr");
        dictionary.set("cq", &crf);
        dictionary.set("forced-idr", "1");
        return dictionary;
    }
    dictionary.set("crf", &crf);
    if options.codec == "libx264" {
        match options.layout {
            StereoLayout::Mono => {}
            StereoLayout::SideBySide => dictionary.set("x264-params", "frame-packing=3"),
            StereoLayout::TopBottom => dictionary.set("x264-params", "frame-packing=4"),
        }
    }
    dictionary
}
