//! The packet index: when each frame of a source is shown and where decoding can start, read from the packets themselves.
//!
//! Containers' own counts and durations are not used for anything but noticing that a file was cut short.

use std::collections::HashSet;
use std::path::Path;

use ffmpeg_next::Rescale;
use ffmpeg_next::codec::Id;
use ffmpeg_next::format::context::Input;
use serde::{Deserialize, Serialize};

use crate::manifest::Ratio;
use crate::reader::FrameReader;
use crate::{Cancel, Error, ffi, open};

/// One video packet, in decode order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketEntry {
    /// When the packet's frame is shown.
    pub pts: i64,
    /// How long, as the container says (0 where it does not).
    pub duration: i64,
    /// True where decoding can start.
    pub is_key: bool,
    /// True when an edit list hides the frame.
    pub is_hidden: bool,
}

/// A packet at which a segment may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyframe {
    /// The frame's pts.
    pub pts: i64,
    /// Number of the packet among the video packets in decode order, from 0.
    pub packet: usize,
    /// True when nothing that follows in decode order is shown before it.
    pub is_closed: bool,
}

/// Every frame of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketIndex {
    /// The video packets in decode order. Empty when packets don't stand for frames one to one: then only decoding told the pts,
    /// and the source can't be cut by copying.
    pub packets: Vec<PacketEntry>,
    /// The pts of all frames shown, rising.
    pub shown: Vec<i64>,
    /// Where the last frame ends.
    pub end_pts: i64,
    /// Ticks a frame where nothing else tells.
    pub fallback: i64,
}

impl PacketIndex {
    /// From packets in decode order; `fallback` is a frame's duration where nothing tells it. None when the packets can't be
    /// taken for frames (a pts twice, or a hidden frame between shown ones).
    #[must_use]
    pub fn from_packets(packets: Vec<PacketEntry>, fallback: i64) -> Option<Self> {
        let mut all: Vec<i64> = packets.iter().map(|p| p.pts).collect();
        all.sort_unstable();
        if all.windows(2).any(|w| w[0] == w[1]) {
            return None;
        }
        let mut shown: Vec<i64> = packets.iter().filter(|p| !p.is_hidden).map(|p| p.pts).collect();
        shown.sort_unstable();
        let (first, last) = (*shown.first()?, *shown.last()?);
        if packets.iter().any(|p| p.is_hidden && (first..=last).contains(&p.pts)) {
            return None;
        }
        let told = packets.iter().find(|p| p.pts == last).map_or(0, |p| p.duration);
        let end_pts = last + if told > 0 { told } else { last_step(&shown, fallback) };
        Some(Self { packets, shown, end_pts, fallback })
    }

    /// From the pts of decoded frames, rising.
    #[must_use]
    pub fn from_frames(shown: Vec<i64>, last_duration: i64, fallback: i64) -> Self {
        let last = shown.last().copied().unwrap_or(0);
        let end_pts = last + if last_duration > 0 { last_duration } else { last_step(&shown, fallback) };
        Self { packets: Vec::new(), shown, end_pts, fallback }
    }

    /// Keyframes at which the source can be cut exactly: everything before in decode order is also shown before.
    #[must_use]
    pub fn keyframes(&self) -> Vec<Keyframe> {
        // For each packet the least pts of those after it.
        let mut least_after = vec![i64::MAX; self.packets.len() + 1];
        for (i, packet) in self.packets.iter().enumerate().rev() {
            least_after[i] = least_after[i + 1].min(packet.pts);
        }
        let mut greatest_before = i64::MIN;
        let mut keyframes = Vec::new();
        for (i, packet) in self.packets.iter().enumerate() {
            if packet.is_key && !packet.is_hidden && greatest_before < packet.pts {
                keyframes.push(Keyframe { pts: packet.pts, packet: i, is_closed: least_after[i + 1] > packet.pts });
            }
            greatest_before = greatest_before.max(packet.pts);
        }
        keyframes
    }
}

/// What reading all packets of a file told.
pub(crate) struct Survey {
    pub(crate) index: PacketIndex,
    /// Where the last packet of any stream ends, seconds.
    pub(crate) end_secs: f64,
    /// Video packets read.
    pub(crate) packets: u64,
    /// The last video packet came short.
    pub(crate) is_last_cut: bool,
}

/// Reads all packets of a file; where they don't stand for frames, decodes it as well.
pub(crate) fn read(path: &Path, input: &mut Input, stream: usize, cancel: Cancel<'_>) -> Result<Survey, Error> {
    let video = input.stream(stream).expect("the caller chose a stream of this input");
    let (base, rate) = (Ratio::from(video.time_base()), video.avg_frame_rate());
    let fallback = if rate.numerator() > 0 { base.ticks(1.0 / f64::from(rate)).max(1) } else { 1 };
    let codec = video.parameters().id();
    // One packet of these may hold no frame or several.
    let mut is_exact = codec != Id::VP8 && !(codec == Id::MPEG4 && input.format().name() == "avi");
    let mut packets = Vec::new();
    let (mut end_secs, mut count, mut is_last_cut) = (0.0_f64, 0, false);
    let bases: Vec<_> = input.streams().map(|s| Ratio::from(s.time_base())).collect();
    while let Some(packet) = open::next_packet(input, path, cancel)? {
        // A stream that turns up in the middle of a transport stream is not ours.
        let Some(&own_base) = bases.get(packet.stream()) else { continue };
        if let Some(time) = packet.pts().or(packet.dts()) {
            end_secs = end_secs.max(own_base.secs(time + packet.duration()));
        }
        if packet.stream() != stream {
            continue;
        }
        count += 1;
        is_last_cut = packet.is_corrupt();
        // AVI marks a repeated frame by a packet of no bytes.
        is_exact &= packet.size() > 0;
        match packet.pts() {
            Some(pts) => packets.push(PacketEntry {
                pts,
                duration: packet.duration(),
                is_key: packet.is_key(),
                is_hidden: ffi::is_hidden(&packet),
            }),
            None => is_exact = false,
        }
    }
    if is_exact && !starts_whole(&packets) {
        hide_undecodable_head(path, stream, &mut packets, cancel)?;
    }
    // A recording that ends within a frame loses that frame. In MP4 it is an error of its own.
    if let Some(last) = packets.last_mut().filter(|_| is_last_cut) {
        last.is_hidden = true;
    }
    let exact = if is_exact { PacketIndex::from_packets(packets, fallback) } else { None };
    let index = match exact {
        Some(index) => index,
        None if count == 0 => PacketIndex::from_frames(Vec::new(), 0, fallback),
        None => by_decoding(path, stream, fallback, cancel)?,
    };
    Ok(Survey { index, end_secs, packets: count, is_last_cut })
}

/// True for MP4 and its kin, whose index lists every packet before they are read.
pub(crate) fn is_mp4(input: &Input) -> bool {
    input.format().name().contains("mp4")
}

/// False when shown frames come before the first keyframe, in decode order or on the screen, as in a recording that starts anywhere:
/// they may need what is not there.
fn starts_whole(packets: &[PacketEntry]) -> bool {
    match packets.iter().position(|p| p.is_key) {
        Some(key) => {
            let first = packets[key].pts;
            packets.iter().enumerate().all(|(i, p)| p.is_hidden || (i >= key && p.pts >= first))
        }
        None => packets.is_empty(),
    }
}

/// Decodes the first group of pictures and hides the packets that give no frame.
fn hide_undecodable_head(
    path: &Path,
    stream: usize,
    packets: &mut [PacketEntry],
    cancel: Cancel<'_>,
) -> Result<(), Error> {
    let mut keys = packets.iter().filter(|p| p.is_key).map(|p| p.pts);
    let first = keys.next().unwrap_or(i64::MIN);
    let end = keys.find(|&p| p > first).unwrap_or(i64::MAX);
    let mut reader = FrameReader::new(path, open::source(path)?, stream, 2, 0, cancel)?;
    let mut decoded = HashSet::new();
    while let Some(frame) = reader.next_frame()? {
        match frame.pts() {
            Some(pts) if pts >= end => break,
            Some(pts) => decoded.insert(pts),
            None => continue,
        };
    }
    packets.iter_mut().filter(|p| p.pts < end).for_each(|p| p.is_hidden |= !decoded.contains(&p.pts));
    Ok(())
}

/// Lists the frames by decoding the whole file.
fn by_decoding(path: &Path, stream: usize, fallback: i64, cancel: Cancel<'_>) -> Result<PacketIndex, Error> {
    let mut reader = FrameReader::new(path, open::source(path)?, stream, 2, 0, cancel)?;
    let (mut shown, mut last_duration) = (Vec::<i64>::new(), 0);
    while let Some(frame) = reader.next_frame()? {
        shown.push(strict_pts(frame.timestamp(), shown.last().copied(), fallback));
        last_duration = frame.packet().duration;
    }
    Ok(PacketIndex::from_frames(shown, last_duration, fallback))
}

/// A decoded frame's pts where the container's can't be relied on: later than the last one's in any case, since two frames can't
/// share a time in the result.
pub(crate) fn strict_pts(told: Option<i64>, last: Option<i64>, fallback: i64) -> i64 {
    let pts = told.unwrap_or_else(|| last.map_or(0, |p| p + fallback));
    last.map_or(pts, |last| pts.max(last + 1))
}

fn last_step(shown: &[i64], fallback: i64) -> i64 {
    match shown {
        [.., a, b] => b - a,
        _ => fallback,
    }
}

/// Microseconds in another base, for offsets between streams.
pub(crate) fn micros_in(micros: i64, base: ffmpeg_next::Rational) -> i64 {
    micros.rescale(ffmpeg_next::Rational::new(1, 1_000_000), base)
}

#[cfg(test)]
mod tests;
