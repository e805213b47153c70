//! Makes the times of a source continuous whose container allows its clock to jump, as MPEG-TS does: recordings joined
//! by `cat`, a receiver that was restarted.
//!
//! Every pass over a file sees the same jumps at the same packets, so all passes agree on the corrected times.

use ffmpeg_next::format::context::Input;
use ffmpeg_next::media::Type;
use ffmpeg_next::{Packet, Rational, Rescale};

use crate::ffi;

const MICROS: Rational = Rational(1, 1_000_000);
/// A decode time this much before the stream's last one means a new clock. Less is jitter.
const BACK: i64 = 1_000_000;
/// A time this much after everything read so far means a new clock. Less is a gap in the recording.
const FORWARD: i64 = 10_000_000;

pub(crate) struct Clock {
    streams: Vec<Stream>,
    /// Added to times of the newest clock, in microseconds.
    offset: i64,
    /// End of the last sound or video packet so far, corrected, in microseconds.
    end: Option<i64>,
    jumps: u32,
}

struct Stream {
    base: Rational,
    /// Sound and video: their packets follow each other closely. Subtitles may pause for hours.
    is_steady: bool,
    /// Corrected, in microseconds.
    last: Option<i64>,
    /// Added to its times. Behind the clock's offset while the stream's packets still come from before the jump: a
    /// transport stream gives a stream's last packet when its next one begins.
    offset: i64,
}

impl Clock {
    /// None for containers whose clock doesn't jump.
    pub(crate) fn of(input: &Input) -> Option<Self> {
        let stream = |s: ffmpeg_next::Stream<'_>| Stream {
            base: s.time_base(),
            is_steady: matches!(s.parameters().medium(), Type::Audio | Type::Video),
            last: None,
            offset: 0,
        };
        let streams = || input.streams().map(stream).collect();
        ffi::starts_anywhere(input).then(|| Self { streams: streams(), offset: 0, end: None, jumps: 0 })
    }

    pub(crate) fn jumps(&self) -> u32 {
        self.jumps
    }

    pub(crate) fn correct(&mut self, packet: &mut Packet) {
        let Some(stream) = self.streams.get_mut(packet.stream()) else { return };
        let Some(time) = packet.dts().or(packet.pts()) else { return };
        let time = time.rescale(stream.base, MICROS);
        if stream.is_steady {
            let (last, end) = (stream.last, self.end);
            let fits = |at: i64| last.is_none_or(|last| at >= last - BACK) && end.is_none_or(|end| at <= end + FORWARD);
            if !fits(time + stream.offset) {
                // Another stream may have come to the new clock first.
                if stream.offset == self.offset || !fits(time + self.offset) {
                    self.offset = end.unwrap_or(0) - time;
                    self.jumps += 1;
                }
                stream.offset = self.offset;
            }
            let at = time + stream.offset;
            stream.last = Some(at);
            let end = at + packet.duration().rescale(stream.base, MICROS);
            self.end = Some(self.end.map_or(end, |so_far| so_far.max(end)));
        }
        let offset = if stream.is_steady { stream.offset } else { self.offset };
        if offset != 0 {
            let shift = offset.rescale(MICROS, stream.base);
            packet.set_pts(packet.pts().map(|t| t + shift));
            packet.set_dts(packet.dts().map(|t| t + shift));
        }
    }
}
