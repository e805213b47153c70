//! The packet index: when each frame of a source is shown and where decoding can start, taken from the packets
//! themselves.
//!
//! The counts and durations that a container states are only used to detect a truncated file.

use std::collections::HashSet;
use std::path::Path;

use ffmpeg_next::Rescale;
use ffmpeg_next::codec::Id;
use ffmpeg_next::codec::packet::side_data;
use serde::{Deserialize, Serialize};

use crate::limits::Limit;
use crate::manifest::Ratio;
use crate::open::Source;
use crate::probe::Terms;
use crate::reader::FrameReader;
use crate::timing::spread;
use crate::{Cancel, Error, ffi, open};

/// One video packet, in decode order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketEntry {
    /// Presentation time of the packet's frame.
    pub pts: i64,
    /// As the container states it; 0 if it doesn't.
    pub duration: i64,
    pub is_key: bool,
    /// True if an edit list hides the frame.
    pub is_hidden: bool,
}

/// A packet where a segment may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyframe {
    pub pts: i64,
    /// Number among the video packets in decode order, from 0.
    pub packet: usize,
    /// True if no frame that follows in decode order is shown before it (closed GOP).
    pub is_closed: bool,
}

/// When every frame of a source is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketIndex {
    /// The video packets in decode order. Empty if packets don't correspond to frames one to one: the times then come
    /// from decoding, and the source can't be cut by copying.
    pub packets: Vec<PacketEntry>,
    /// In ascending order.
    pub shown: Vec<i64>,
    /// Times of all decoded frames in display order, if they come from decoding. Empty otherwise.
    pub decoded: Vec<i64>,
    /// End of the last frame.
    pub end_pts: i64,
    /// Ticks per frame where nothing else gives a duration.
    pub fallback: i64,
}

impl PacketIndex {
    /// Builds the index from packets in decode order. Returns None if they can't be frames: two share a pts, or a
    /// hidden one lies between shown ones.
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
        let stated = packets.iter().find(|p| p.pts == last).map_or(0, |p| p.duration);
        let end_pts = last + if stated > 0 { stated } else { last_step(&shown, fallback) };
        Some(Self { packets, shown, decoded: Vec::new(), end_pts, fallback })
    }

    /// Builds the index from the pts of decoded frames, in ascending order.
    #[must_use]
    pub fn from_frames(shown: Vec<i64>, last_duration: i64, fallback: i64) -> Self {
        let last = shown.last().copied().unwrap_or(0);
        let end_pts = last + if last_duration > 0 { last_duration } else { last_step(&shown, fallback) };
        Self { packets: Vec::new(), decoded: shown.clone(), shown, end_pts, fallback }
    }

    /// An edit may end within a frame. A frame of which at most half is left makes room for the frame before it, and the
    /// last frame ends with the last edit.
    fn end_with_edits(&mut self, edited_end: i64) {
        let step = self.usual_step();
        let (decoded, mut at) = (&self.decoded, 0);
        self.shown.retain(|pts| {
            at += 1;
            decoded.get(at).is_none_or(|next| (next - pts) * 2 > step)
        });
        if let Some(last) = self.shown.last().filter(|last| edited_end > **last) {
            self.end_pts = self.end_pts.min(edited_end.max(last + 1));
        }
    }

    /// The median distance of two frames.
    fn usual_step(&self) -> i64 {
        let mut steps: Vec<i64> = self.decoded.windows(2).map(|w| w[1] - w[0]).collect();
        steps.sort_unstable();
        steps.get(steps.len() / 2).copied().unwrap_or(self.fallback)
    }

    /// Keyframes at which the source can be cut exactly: every packet before them in decode order is also shown before
    /// them.
    #[must_use]
    pub fn keyframes(&self) -> Vec<Keyframe> {
        // For each packet, the smallest pts of the packets after it.
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

/// The result of reading all packets of a file.
pub(crate) struct Survey {
    pub(crate) index: PacketIndex,
    /// End of the last packet of any stream.
    pub(crate) end_secs: f64,
    /// Number of video packets read.
    pub(crate) packets: u64,
    /// True if the file ends within the last video packet.
    pub(crate) is_last_cut: bool,
    /// How often the container's clock jumped.
    pub(crate) clock_jumps: u32,
}

/// Reads all packets of a file. If they don't correspond to frames, decodes the file as well.
pub(crate) fn read(
    path: &Path,
    input: &mut Source,
    stream: usize,
    terms: &Terms,
    threads: usize,
    cancel: Cancel<'_>,
) -> Result<Survey, Error> {
    let video = input.stream(stream).expect("the caller chose a stream of this input");
    let (base, rate) = (Ratio::from(video.time_base()), video.avg_frame_rate());
    let fallback = if rate.numerator() > 0 { base.ticks(1.0 / f64::from(rate)).max(1) } else { 1 };
    let codec = video.parameters().id();
    let edited_end = video.start_time().max(0).saturating_add(video.duration().max(0));
    // In these formats a packet may hold no frame, or several.
    let mut is_exact = codec != Id::VP8 && !(codec == Id::MPEG4 && input.format().name() == "avi");
    let mut packets = Vec::new();
    let (mut end_secs, mut count, mut is_last_cut, mut is_timed) = (0.0_f64, 0, false, true);
    let bases: Vec<_> = input.streams().map(|s| Ratio::from(s.time_base())).collect();
    while let Some(packet) = open::next_packet(input, path, cancel)? {
        // Ignore a stream that first appears in the middle of a transport stream.
        let Some(&own_base) = bases.get(packet.stream()) else { continue };
        if let Some(time) = packet.pts().or(packet.dts()) {
            end_secs = end_secs.max(own_base.secs(time + packet.duration()));
        }
        if packet.stream() != stream {
            continue;
        }
        if count == 0 && packet.side_data().any(|data| data.kind() == side_data::Type::EncryptionInfo) {
            return Err(Error::Encrypted);
        }
        count += 1;
        if count % CHECKED_EVERY == 0 {
            terms.limits.check(Limit::Frames, count)?;
            terms.budget.check_packets(count)?;
        }
        is_last_cut = packet.is_corrupt();
        // AVI represents a repeated frame as an empty packet.
        is_exact &= packet.size() > 0;
        match packet.pts() {
            Some(pts) => packets.push(PacketEntry {
                pts,
                duration: packet.duration(),
                is_key: packet.is_key(),
                is_hidden: ffi::is_hidden(&packet),
            }),
            None => is_timed = false,
        }
    }
    terms.limits.check(Limit::Frames, count)?;
    is_exact &= is_timed;
    // More than one edit hides frames between shown ones.
    let has_edits = has_hidden_between(&packets);
    let clock_jumps = input.clock_jumps();
    if is_exact && !starts_whole(&packets) {
        hide_undecodable_head(path, stream, &mut packets, threads, cancel)?;
    }
    // A recording that breaks off within a frame loses that frame. `probe` rejects such an MP4.
    if let Some(last) = packets.last_mut().filter(|_| is_last_cut) {
        last.is_hidden = true;
    }
    let exact = if is_exact { PacketIndex::from_packets(packets, fallback) } else { None };
    let exact = match exact {
        Some(index) if decodes_as_listed(path, stream, &index, threads, cancel)? => Some(index),
        _ => None,
    };
    let index = match exact {
        Some(index) => index,
        None if count == 0 => PacketIndex::from_frames(Vec::new(), 0, fallback),
        None => {
            let how = ByDecoding { base, fallback, is_timed };
            let mut index = by_decoding(path, stream, how, terms, threads, cancel)?;
            if has_edits {
                index.end_with_edits(edited_end);
            }
            index
        }
    };
    Ok(Survey { index, end_secs, packets: count, is_last_cut, clock_jumps })
}

fn has_hidden_between(packets: &[PacketEntry]) -> bool {
    let shown = || packets.iter().filter(|p| !p.is_hidden).map(|p| p.pts);
    match (shown().min(), shown().max()) {
        (Some(first), Some(last)) => packets.iter().any(|p| p.is_hidden && (first..last).contains(&p.pts)),
        _ => false,
    }
}

/// True for MP4 and related formats, whose index lists every packet in advance.
pub(crate) fn is_mp4(input: &Source) -> bool {
    input.format().name().contains("mp4")
}

/// False if frames come before the first keyframe, in decode or display order, as in a recording that starts
/// mid-stream: they may refer to frames that are missing.
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
    threads: usize,
    cancel: Cancel<'_>,
) -> Result<(), Error> {
    let mut keys = packets.iter().filter(|p| p.is_key).map(|p| p.pts);
    let first = keys.next().unwrap_or(i64::MIN);
    let end = keys.find(|&p| p > first).unwrap_or(i64::MAX);
    let mut reader = FrameReader::new(path, open::source(path)?, stream, threads, 0, cancel)?;
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

/// After so many packets, their number is compared with the limits again.
const CHECKED_EVERY: u64 = 1000;
/// How many frames are decoded to check that packets are frames.
const CHECKED_FRAMES: usize = 64;

/// Decodes the first frames and compares their times with the packets'. False if the container's times follow the decode
/// order (MXF with B-frames), or if several packets make one frame (separate fields).
fn decodes_as_listed(
    path: &Path,
    stream: usize,
    index: &PacketIndex,
    threads: usize,
    cancel: Cancel<'_>,
) -> Result<bool, Error> {
    let mut reader = FrameReader::new(path, open::source(path)?, stream, threads, 0, cancel)?;
    let mut decoded = Vec::new();
    while decoded.len() < CHECKED_FRAMES
        && let Some(frame) = reader.next_frame()?
    {
        decoded.extend(frame.pts());
    }
    let (Some(first), Some(last)) = (decoded.iter().min(), decoded.iter().max()) else { return Ok(true) };
    // Damage disturbs the order of a few frames; decode times disturb it in every group of pictures.
    let falls = decoded.windows(2).filter(|w| w[0] >= w[1]).count();
    if falls > 0 && (!reader.has_faults() || falls * 10 > decoded.len()) {
        return Ok(false);
    }
    let listed = index.shown.iter().filter(|p| (first..=last).contains(p)).count();
    // Damaged frames are missing here too, but few of them.
    Ok((listed.saturating_sub(decoded.len())) * 3 < listed)
}

struct ByDecoding {
    base: Ratio,
    fallback: i64,
    /// Every packet has a presentation time, so FFmpeg need not guess.
    is_timed: bool,
}

/// Takes the times from the decoded frames.
fn by_decoding(
    path: &Path,
    stream: usize,
    how: ByDecoding,
    terms: &Terms,
    threads: usize,
    cancel: Cancel<'_>,
) -> Result<PacketIndex, Error> {
    let ByDecoding { base, fallback, is_timed } = how;
    let mut reader = FrameReader::new(path, open::source(path)?, stream, threads, 0, cancel)?;
    let (mut stated, mut last_duration) = (Vec::new(), 0);
    while let Some(frame) = reader.next_frame()? {
        stated.push(if is_timed { frame.pts() } else { frame.timestamp() });
        last_duration = frame.packet().duration;
        // One packet may hold many frames.
        terms.limits.check(Limit::Frames, stated.len() as u64)?;
    }
    let shown = spread(&stated, fallback, base.ticks(1.0).max(1));
    Ok(PacketIndex::from_frames(shown, last_duration, fallback))
}

fn last_step(shown: &[i64], fallback: i64) -> i64 {
    match shown {
        [.., a, b] => b - a,
        _ => fallback,
    }
}

/// Converts microseconds to another time base.
pub(crate) fn micros_in(micros: i64, base: ffmpeg_next::Rational) -> i64 {
    micros.rescale(ffmpeg_next::Rational::new(1, 1_000_000), base)
}

#[cfg(test)]
mod tests;
