//! Where to cut. Pure: from the frames' times and the keyframes to the segments' ranges.

use crate::index::{Keyframe, PacketIndex};
use crate::manifest::SegmentSpec;
use crate::timing::pts_hash;

/// A keyframe with what is known of the picture there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The keyframe.
    pub keyframe: Keyframe,
    /// True when the keyframe was seen to decode by itself.
    pub is_usable: bool,
    /// True when its picture differs abruptly from the keyframe before.
    pub is_scene_cut: bool,
}

/// How far from the target a segment's length may be stretched for a better border, as a share of the target.
const REACH: f64 = 0.5;
/// What an open group of pictures costs, in shares of the target length: the files overlap there.
const OPEN_COST: f64 = 0.15;
/// What a scene cut is worth: no warm-up is needed there.
const SCENE_GAIN: f64 = 0.35;

/// Chooses borders near every multiple of `target` ticks after the previous border. Returns indices into `candidates`; the source's
/// start is not among them. Empty when no cut is wanted or possible.
#[must_use]
pub fn borders(candidates: &[Candidate], start_pts: i64, end_pts: i64, target: i64) -> Vec<usize> {
    let target = target.max(1) as f64;
    let mut chosen = Vec::new();
    let mut from = start_pts;
    // What remains is cut as long as both parts are longer than half a target.
    while (end_pts - from) as f64 > target * (1.0 + REACH) {
        let usable = |c: &Candidate| c.is_usable && c.keyframe.pts > from;
        let length = |c: &Candidate| (c.keyframe.pts - from) as f64 / target;
        let cost = |c: &Candidate| {
            let open = if c.keyframe.is_closed { 0.0 } else { OPEN_COST };
            let scene = if c.is_scene_cut { SCENE_GAIN } else { 0.0 };
            (length(c) - 1.0).abs() + open - scene
        };
        let within = candidates
            .iter()
            .enumerate()
            .filter(|(_, c)| usable(c) && (1.0 - REACH..=1.0 + REACH).contains(&length(c)))
            .min_by(|a, b| cost(a.1).total_cmp(&cost(b.1)));
        // No keyframe within reach: the next one, however late, as long as it leaves something worth a segment.
        let next = within.or_else(|| candidates.iter().enumerate().find(|(_, c)| usable(c) && length(c) > 1.0 - REACH));
        let Some((index, candidate)) = next else { break };
        if ((end_pts - candidate.keyframe.pts) as f64) < target * REACH && within.is_none() {
            break;
        }
        chosen.push(index);
        from = candidate.keyframe.pts;
    }
    chosen
}

/// True when copying can't give segments near the target: some piece would be more than twice as long, though it holds frames
/// to cut at.
#[must_use]
pub fn needs_recut(borders: &[i64], start_pts: i64, end_pts: i64, target: i64, frames: usize) -> bool {
    let mut last = start_pts;
    let mut longest = 0;
    for &border in borders.iter().chain([&end_pts]) {
        longest = longest.max(border - last);
        last = border;
    }
    frames > 1 && longest > target.saturating_mul(2)
}

/// Borders for a source that is re-encoded: the first frame at or after each multiple of the target, evenly spread.
#[must_use]
pub fn even_borders(index: &PacketIndex, target: i64) -> Vec<i64> {
    let (Some(&start), end) = (index.shown.first(), index.end_pts) else { return Vec::new() };
    let span = (end - start) as f64;
    let pieces = (span / target.max(1) as f64).round().max(1.0) as usize;
    let mut found: Vec<i64> = (1..pieces)
        .filter_map(|i| {
            let wanted = start + (span * i as f64 / pieces as f64) as i64;
            index.shown.get(index.shown.partition_point(|&p| p < wanted)).copied()
        })
        .filter(|&p| p > start)
        .collect();
    found.dedup();
    found
}

/// The segments between the borders, each with its frames counted. `is_scene_cut` answers for a border's pts.
#[must_use]
pub fn segments(index: &PacketIndex, borders: &[i64], is_scene_cut: impl Fn(i64) -> bool) -> Vec<SegmentSpec> {
    let Some(&start) = index.shown.first() else { return Vec::new() };
    let mut starts = vec![start];
    starts.extend_from_slice(borders);
    let ends = starts.iter().skip(1).copied().chain([index.end_pts]);
    starts
        .iter()
        .zip(ends)
        .enumerate()
        .map(|(i, (&start_pts, end_pts))| {
            let from = index.shown.partition_point(|&p| p < start_pts);
            let to = index.shown.partition_point(|&p| p < end_pts);
            let frames = &index.shown[from..to];
            let mut spec = SegmentSpec {
                index: i as u32,
                start_pts,
                end_pts,
                first_packet_pts: start_pts,
                frames: frames.len() as u64,
                starts_at_scene_cut: i == 0 || is_scene_cut(start_pts),
                pts_hash: pts_hash(frames.iter().copied()),
            };
            if let Some(range) = packet_range(index, &spec) {
                spec.first_packet_pts = index.packets[range.start].pts;
            }
            spec
        })
        .collect()
}

/// The packets that a segment file must hold: from the segment's keyframe to the last packet shown before its end, in decode order.
/// At an open group of pictures that includes the next segment's keyframe and what leads to it.
#[must_use]
pub fn packet_range(index: &PacketIndex, spec: &SegmentSpec) -> Option<std::ops::Range<usize>> {
    let in_range = |p: &crate::index::PacketEntry| !p.is_hidden && spec.holds(p.pts);
    let first = index.packets.iter().position(|p| p.pts == spec.start_pts)?;
    // The first frame shown may be hidden behind others by an edit list: start at the keyframe that decodes it.
    let first = index.packets[..=first].iter().rposition(|p| p.is_key)?;
    let last = index.packets.iter().rposition(in_range)?;
    Some(first..last + 1)
}

#[cfg(test)]
mod tests;
