//! Re-encodes sound that MP4 can't carry (mainly PCM from cameras) as AAC, so that the result keeps its sound.

use ffmpeg_next::codec;
use ffmpeg_next::format::Sample;
use ffmpeg_next::software::resampling;
use ffmpeg_next::{ChannelLayout, Packet, Rational, Rescale, decoder, frame};

use crate::aac::{Aac, FORMAT, failed};
use crate::{Error, downmix};

/// Decodes one sound stream and encodes it as AAC.
pub(crate) struct SoundTranscoder {
    decoder: decoder::Audio,
    /// With what it was made for.
    resampler: Option<(resampling::Context, Input)>,
    aac: Aac,
    base: Rational,
    is_started: bool,
    /// The source's channels, if they are more than AAC carries.
    mixed_from: Option<usize>,
}

/// Sample format, channels and rate of decoded sound.
type Input = (Sample, ChannelLayout, u32);

impl SoundTranscoder {
    /// None if FFmpeg has no decoder for the stream, or the stream has no channels.
    pub(crate) fn new(stream: &ffmpeg_next::Stream<'_>) -> Option<Self> {
        let mut decoder = codec::Context::from_parameters(stream.parameters()).ok()?.decoder();
        decoder.set_packet_time_base(stream.time_base());
        let decoder = decoder.audio().ok()?;
        let (channels, rate) = (usize::from(decoder.channels()), Aac::rate_for(decoder.rate()));
        if channels == 0 {
            return None;
        }
        let whole = if channels <= 8 { Aac::new(channels, rate).ok() } else { None };
        let mixed_from = whole.is_none().then_some(channels);
        let aac = match whole {
            Some(aac) => aac,
            None => Aac::new(2, rate).ok()?,
        };
        Some(Self { decoder, resampler: None, aac, base: stream.time_base(), is_started: false, mixed_from })
    }

    /// The source's channels and the result's, if there are fewer.
    pub(crate) fn downmix(&self) -> Option<(u32, u32)> {
        self.mixed_from.map(|channels| (channels as u32, self.aac.channels() as u32))
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
            Ok(()) | Err(_) => {}
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
        let mut mixed = None;
        if self.mixed_from.is_some() && decoded.channels() > 2 {
            mixed = downmix::to_stereo(decoded);
        }
        let pts = decoded.pts();
        let decoded = mixed.as_mut().unwrap_or(decoded);
        if decoded.channel_layout().is_empty() {
            decoded.set_channel_layout(ChannelLayout::default(i32::from(decoded.channels())));
        }
        let kind = (decoded.format(), decoded.channel_layout(), decoded.rate());
        if self.resampler.as_ref().is_none_or(|(_, made_for)| *made_for != kind) {
            self.drain()?;
            let (format, layout, rate) = kind;
            let made = resampling::Context::get(format, layout, rate, FORMAT, self.aac.layout(), self.aac.rate());
            // A stretch of sound in a form that can't be converted is lost; silence takes its place.
            let Ok(resampler) = made else { return Ok(()) };
            self.resampler = Some((resampler, kind));
        }
        if let Some(pts) = pts {
            self.place(pts.rescale(self.base, self.aac.time_base()));
        }
        let mut converted = frame::Audio::empty();
        let (resampler, _) = self.resampler.as_mut().expect("set just above");
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
        let Some((mut resampler, _)) = self.resampler.take() else { return Ok(()) };
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
        for channel in 0..self.aac.channels().min(converted.planes()) {
            self.aac.add(channel, converted.plane::<f32>(channel).iter().copied());
        }
    }
}
