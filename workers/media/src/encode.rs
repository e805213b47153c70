//! Encodes pictures into a file with one video stream, each frame at its source time.
//!
//! Invariant: files made with equal options have equal codec parameters and start with an IDR frame, so they can be
//! joined without re-encoding.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ffmpeg_next::codec::{self, threading};
use ffmpeg_next::format::{Pixel, context::Output};
use ffmpeg_next::{Dictionary, Packet, Rescale, encoder, frame};
use stereospot_picture::Picture;

use crate::manifest::{ColourTags, Manifest, Ratio, StereoLayout};
use crate::{Error, budget, ffi, open};

/// The settings of an encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderOptions {
    /// In pixels, even.
    pub width: usize,
    /// In pixels, even.
    pub height: usize,
    /// Of the pts passed to [`Encoder::push`]: the source's.
    pub time_base: Ratio,
    /// Average frame rate for rate control, 0/1 if unknown.
    pub avg_frame_rate: Ratio,
    pub colour: ColourTags,
    /// 0/1 if unknown.
    pub sample_aspect_ratio: Ratio,
    /// Constant rate factor: 0 is best, 51 worst.
    pub crf: u8,
    pub preset: String,
    /// FFmpeg's name of an H.264 encoder.
    pub codec: String,
    /// x264's output depends on the number of threads, and on how far it looks ahead. Use the same for all segments of a
    /// job to make results repeatable.
    pub threads: usize,
    /// Frames that the encoder looks ahead; None leaves it to the preset.
    pub lookahead: Option<u32>,
    /// Written into the stream as a frame-packing message (libx264 only).
    pub layout: StereoLayout,
}

impl EncoderOptions {
    /// Defaults (libx264, CRF 20, preset medium, one thread) with the source's timing and colours.
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
            lookahead: None,
            layout: StereoLayout::Mono,
        }
    }
}

/// What [`Encoder::finish`] wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodedSummary {
    pub frames: u64,
    pub bytes: u64,
}

/// Writes one file. If dropped before [`Encoder::finish`], it leaves an unplayable file.
pub struct Encoder {
    path: PathBuf,
    output: Output,
    encoder: encoder::Video,
    options: EncoderOptions,
    file_base: ffmpeg_next::Rational,
    /// Average ticks per frame, for packet durations.
    step: i64,
    pushed: u64,
    written: Arc<AtomicU64>,
    last_pts: Option<i64>,
}

impl Encoder {
    /// Creates the MP4 file and opens the encoder.
    ///
    /// # Errors
    /// [`Error::Encoder`] if the encoder is missing or refuses the options; [`Error::DiskFull`], [`Error::Io`].
    pub fn create(path: &Path, options: EncoderOptions) -> Result<Self, Error> {
        crate::init();
        let encoder = open_encoder(&options)?;
        let mut output = open::output(path, "mp4")?;
        let mut stream = output
            .add_stream_with(&encoder)
            .map_err(|source| Error::Libav { action: "preparing the file".into(), source })?;
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

    /// Counter of the frames written so far, readable from any thread. It lags behind the pushed frames by dozens until
    /// [`Encoder::finish`], because the encoder looks ahead.
    #[must_use]
    pub fn written(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.written)
    }

    /// Encodes a picture to be shown at `pts`, in the options' time base and later than the previous one.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::Io`]; [`Error::Libav`] if the encoder refuses the frame.
    ///
    /// # Panics
    /// If the picture's size differs from the options, or `pts` does not increase.
    pub fn push(&mut self, pts: i64, picture: &Picture) -> Result<(), Error> {
        let (width, height) = (self.options.width, self.options.height);
        assert_eq!((picture.width(), picture.height()), (width, height), "pictures have the encoder's size");
        assert!(self.last_pts.is_none_or(|last| pts > last), "pts rise, got {pts} after {:?}", self.last_pts);
        self.last_pts = Some(pts);
        // Allocate a new frame each time: the encoder keeps references to the frames in its lookahead.
        let mut frame = frame::Video::new(Pixel::YUV420P, width as u32, height as u32);
        for (i, (samples, plane_width, _)) in picture.planes().into_iter().enumerate() {
            let stride = frame.stride(i);
            let rows = frame.data_mut(i).chunks_mut(stride);
            for (row, samples) in rows.zip(samples.chunks_exact(plane_width)) {
                row[..plane_width].copy_from_slice(samples);
            }
        }
        frame.set_pts(Some(pts));
        self.encoder.send_frame(&frame).map_err(|source| Error::Libav { action: "encoding".into(), source })?;
        self.pushed += 1;
        self.write_ready()
    }

    /// Writes what the encoder still holds and closes the file.
    ///
    /// # Errors
    /// The errors of [`Encoder::push`]; also if the encoder returned fewer frames than it was given.
    pub fn finish(mut self) -> Result<EncodedSummary, Error> {
        self.encoder.send_eof().map_err(|source| Error::Libav { action: "encoding".into(), source })?;
        self.write_ready()?;
        self.output.write_trailer().map_err(|e| Error::file("writing", &self.path, e))?;
        let written = self.written.load(Ordering::Relaxed);
        if written != self.pushed {
            return Err(Error::Libav { action: "encoding every frame".into(), source: ffmpeg_next::Error::Bug });
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
                Err(source) => return Err(Error::Libav { action: "encoding".into(), source }),
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
    // MP4 stores the parameter sets once, in its header.
    context.set_flags(codec::Flags::GLOBAL_HEADER);
    let threads = threading::Config::count(options.threads.max(1));
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
        if let Some(lookahead) = options.lookahead {
            dictionary.set("rc-lookahead", &lookahead.to_string());
        }
        if !budget::keeps_b_frames(options.width as u32, options.height as u32) {
            dictionary.set("refs", "1");
            dictionary.set("bf", "0");
        }
        match options.layout {
            StereoLayout::Mono => {}
            StereoLayout::SideBySide => dictionary.set("x264-params", "frame-packing=3"),
            StereoLayout::TopBottom => dictionary.set("x264-params", "frame-packing=4"),
        }
    }
    dictionary
}
