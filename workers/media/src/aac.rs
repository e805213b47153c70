//! Encodes samples as AAC packets.

use std::collections::VecDeque;

use ffmpeg_next::codec::{self, Id};
use ffmpeg_next::format::Sample;
use ffmpeg_next::format::sample::Type;
use ffmpeg_next::{ChannelLayout, Packet, Rational, encoder, frame};

use crate::Error;

/// The sample format that the encoder takes.
pub(crate) const FORMAT: Sample = Sample::F32(Type::Planar);
/// Bits a second for each channel.
const BIT_RATE: usize = 96_000;
/// The sample rates that AAC supports, in Hz.
const RATES: [u32; 12] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000];

/// An encoder, with a buffer for samples that don't fill a frame yet.
pub(crate) struct Aac {
    encoder: encoder::Audio,
    layout: ChannelLayout,
    rate: u32,
    /// Samples not encoded yet, per channel.
    waiting: Vec<VecDeque<f32>>,
    /// Time of the first waiting sample, in samples.
    at: i64,
}

impl Aac {
    /// Takes up to 8 channels and one of AAC's sample rates: see [`Aac::rate_for`].
    pub(crate) fn new(channels: usize, rate: u32) -> Result<Self, Error> {
        let missing = |source| Error::Encoder { codec: "aac".to_owned(), source };
        let layout = ChannelLayout::default(channels as i32);
        let aac = encoder::find(Id::AAC).ok_or_else(|| missing(None))?;
        let mut context = codec::Context::new_with_codec(aac);
        context.set_flags(codec::Flags::GLOBAL_HEADER);
        let mut audio = context.encoder().audio().map_err(failed)?;
        audio.set_rate(rate as i32);
        audio.set_format(FORMAT);
        audio.set_channel_layout(layout);
        audio.set_bit_rate(BIT_RATE * channels);
        audio.set_time_base(Rational::new(1, rate as i32));
        let encoder = audio.open().map_err(|e| missing(Some(e)))?;
        Ok(Self { encoder, layout, rate, waiting: vec![VecDeque::new(); channels], at: 0 })
    }

    /// `rate` if AAC supports it, else 48 kHz.
    pub(crate) fn rate_for(rate: u32) -> u32 {
        if RATES.contains(&rate) { rate } else { 48_000 }
    }

    pub(crate) fn rate(&self) -> u32 {
        self.rate
    }

    pub(crate) fn channels(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn layout(&self) -> ChannelLayout {
        self.layout
    }

    pub(crate) fn parameters(&self) -> codec::Parameters {
        codec::Parameters::from(&self.encoder)
    }

    /// One tick per sample.
    pub(crate) fn time_base(&self) -> Rational {
        Rational::new(1, self.rate as i32)
    }

    /// Sets the time of the first sample. Call it before adding samples.
    pub(crate) fn start_at(&mut self, at: i64) {
        self.at = at;
    }

    /// The time of the next sample to be added.
    pub(crate) fn end(&self) -> i64 {
        self.at + self.waiting[0].len() as i64
    }

    /// Adds samples to one channel. Callers add the same number to every channel.
    pub(crate) fn add(&mut self, channel: usize, samples: impl IntoIterator<Item = f32>) {
        self.waiting[channel].extend(samples);
    }

    pub(crate) fn add_silence(&mut self, samples: usize) {
        self.waiting.iter_mut().for_each(|w| w.extend(std::iter::repeat_n(0.0, samples)));
    }

    /// Encodes all full frames; at the end also the remaining samples.
    pub(crate) fn encode(&mut self, is_end: bool) -> Result<Vec<Packet>, Error> {
        let mut packets = Vec::new();
        let size = self.encoder.frame_size().max(1) as usize;
        loop {
            let ready = self.waiting[0].len();
            let samples = if is_end { ready.min(size) } else { size };
            if ready < samples || samples == 0 {
                break;
            }
            let mut frame = frame::Audio::new(FORMAT, samples, self.layout);
            frame.set_rate(self.rate);
            for (channel, waiting) in self.waiting.iter_mut().enumerate() {
                let plane = frame.plane_mut::<f32>(channel);
                plane.iter_mut().zip(waiting.drain(..samples)).for_each(|(to, sample)| *to = sample);
            }
            frame.set_pts(Some(self.at));
            self.at += samples as i64;
            self.encoder.send_frame(&frame).map_err(failed)?;
            self.receive(&mut packets)?;
        }
        if is_end {
            self.encoder.send_eof().map_err(failed)?;
            self.receive(&mut packets)?;
        }
        Ok(packets)
    }

    fn receive(&mut self, packets: &mut Vec<Packet>) -> Result<(), Error> {
        loop {
            let mut packet = Packet::empty();
            match self.encoder.receive_packet(&mut packet) {
                Ok(()) => packets.push(packet),
                Err(ffmpeg_next::Error::Eof | ffmpeg_next::Error::Other { errno: ffmpeg_next::error::EAGAIN }) => {
                    return Ok(());
                }
                Err(source) => return Err(failed(source)),
            }
        }
    }
}

pub(crate) fn failed(source: ffmpeg_next::Error) -> Error {
    Error::Libav { action: "encoding the sound".into(), source }
}
