//! Re-encodes sound that MP4 can't carry (mainly PCM from cameras) as AAC, so that the result keeps its sound.

use ffmpeg_next::codec;
use ffmpeg_next::format::Sample;
use ffmpeg_next::software::resampling;
use ffmpeg_next::{Packet, Rational, Rescale, decoder, frame};

use crate::Error;
use crate::aac::{Aac, FORMAT, failed};

/// Decodes one sound stream and encodes it as AAC.
pub(crate) struct Resound {
    decoder: decoder::Audio,
    /// With the input format and rate that it was made for.
    resampler: Option<(resampling::Context, Sample, u32)>,
    aac: Aac,
    base: Rational,
    is_started: bool,
}

impl Resound {
    /// None if FFmpeg has no decoder for the stream, or the stream has more channels than AAC allows.
    pub(crate) fn new(stream: &ffmpeg_next::Stream<'_>) -> Option<Self> {
        let mut decoder = codec::Context::from_parameters(stream.parameters()).ok()?.decoder();
        decoder.set_packet_time_base(stream.time_base());
        let decoder = decoder.audio().ok()?;
        let channels = usize::from(decoder.channels());
        if !(1..=8).contains(&channels) {
            return None;
        }
        let aac = Aac::new(channels, Aac::rate_for(decoder.rate())).ok()?;
        Some(Self { decoder, resampler: None, aac, base: stream.time_base(), is_started: false })
    }

    /// Codec parameters of the output packets.
    pub(crate) fn parameters(&self) -> codec::Parameters {
        self.aac.parameters()
    }

    /// Time base of the output packets.
    pub(crate) fn time_base(&self) -> Rational {
        self.aac.time_base()
    }

    /// Takes a source packet, or None at the end of the stream, and returns the AAC packets that are ready.
    pub(crate) fn push(&mut self, packet: Option<&Packet>) -> Result<Vec<Packet>, Error> {
        let sent = match packet {
            Some(packet) => self.decoder.send_packet(packet),
            None => self.decoder.send_eof(),
        };
        match sent {
            // Skip packets that can't be decoded; `place` fills the gap with silence when the next frame arrives.
            Ok(()) | Err(ffmpeg_next::Error::InvalidData) => {}
            Err(source) => return Err(failed(source)),
        }
        loop {
            let mut decoded = frame::Audio::empty();
            match self.decoder.receive_frame(&mut decoded) {
                Ok(()) => self.take(&mut decoded)?,
                Err(_) => break,
            }
        }
        if packet.is_none() {
            self.drain()?;
        }
        self.aac.encode(packet.is_none())
    }

    fn take(&mut self, decoded: &mut frame::Audio) -> Result<(), Error> {
        if decoded.channel_layout().is_empty() {
            decoded.set_channel_layout(self.aac.layout());
        }
        let kind = (decoded.format(), decoded.rate());
        if self.resampler.as_ref().is_none_or(|(_, format, rate)| (*format, *rate) != kind) {
            self.drain()?;
            let (from, to) = (decoded.channel_layout(), self.aac.layout());
            let resampler = resampling::Context::get(kind.0, from, kind.1, FORMAT, to, self.aac.rate());
            self.resampler = Some((resampler.map_err(failed)?, kind.0, kind.1));
        }
        if let Some(pts) = decoded.pts() {
            self.place(pts.rescale(self.base, self.aac.time_base()));
        }
        let mut converted = frame::Audio::empty();
        let (resampler, ..) = self.resampler.as_mut().expect("set just above");
        resampler.run(decoded, &mut converted).map_err(failed)?;
        self.keep(&converted);
        Ok(())
    }

    /// Starts the output at the first frame's time and fills later gaps with silence. Ignores gaps of up to 20 ms,
    /// which come from timestamp rounding in the container.
    fn place(&mut self, pts: i64) {
        if !self.is_started {
            self.is_started = true;
            self.aac.start_at(pts);
        }
        let (gap, rate) = (pts - self.aac.end(), i64::from(self.aac.rate()));
        if gap > rate / 50 {
            // A longer jump is a broken clock. Add at most an hour of silence.
            self.aac.add_silence(gap.min(rate * 3600) as usize);
        }
    }

    fn drain(&mut self) -> Result<(), Error> {
        let Some((mut resampler, ..)) = self.resampler.take() else { return Ok(()) };
        while let Some(delay) = resampler.delay() {
            let mut rest = frame::Audio::new(FORMAT, delay.output as usize + 32, self.aac.layout());
            resampler.flush(&mut rest).map_err(failed)?;
            if rest.samples() == 0 {
                break;
            }
            self.keep(&rest);
        }
        Ok(())
    }

    fn keep(&mut self, converted: &frame::Audio) {
        for channel in 0..usize::from(self.decoder.channels()).min(converted.planes()) {
            self.aac.add(channel, converted.plane::<f32>(channel).iter().copied());
        }
    }
}
