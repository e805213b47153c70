//! Decides where to cut, from the frames' times and the keyframes. Pure functions.

use crate::index::{Keyframe, PacketIndex};
use crate::manifest::SegmentSpec;
use crate::timing::pts_hash;

/// A keyframe, and what decoding it showed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    pub keyframe: Keyframe,
    /// True if decoding this keyframe alone gives its picture.
    pub is_usable: bool,
    /// True if its picture differs abruptly from the previous keyframe's.
    pub is_scene_cut: bool,
}

/// How much longer or shorter than the target a segment may be, as a share of the target.
const REACH: f64 = 0.5;
/// Cost of cutting at an open GOP, as a share of the target length: the two segment files overlap there.
const OPEN_COST: f64 = 0.15;
/// Gain of cutting at a scene cut, as a share of the target length: the depth range needs no warm-up there.
const SCENE_GAIN: f64 = 0.35;

/// Chooses borders, each about `target` ticks after the previous one. Returns indices into `candidates`, without the
/// start of the source. Empty if the source needs no cut or has no place for one.
#[must_use]
pub fn borders(candidates: &[Candidate], start_pts: i64, end_pts: i64, target: i64) -> Vec<usize> {
    let target = target.max(1) as f64;
    let mut chosen = Vec::new();
    let mut from = start_pts;
    // Cut only while both parts stay longer than half a target.
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
        // Without a keyframe in reach, take the next one, however late, if what follows is worth a segment.
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

/// True if copying packets would leave a segment more than twice as long as the target, although it has frames to cut
/// at.
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

/// Evenly spread borders for a source that is re-encoded, each moved to the next frame.
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

/// Builds the segments between the borders and counts their frames. `is_scene_cut` takes a border's pts.
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

/// The packets that a segment file must contain, in decode order: from the segment's keyframe to the last packet shown
/// before its end. At an open GOP that includes the next segment's keyframe and the frames in front of it that refer to
/// it.
#[must_use]
pub fn packet_range(index: &PacketIndex, spec: &SegmentSpec) -> Option<std::ops::Range<usize>> {
    let in_range = |p: &crate::index::PacketEntry| !p.is_hidden && spec.holds(p.pts);
    let first = index.packets.iter().position(|p| p.pts == spec.start_pts)?;
    // An edit list may make the source start between keyframes. Then start at the keyframe that its first frame needs.
    let first = index.packets[..=first].iter().rposition(|p| p.is_key)?;
    let last = index.packets.iter().rposition(in_range)?;
    Some(first..last + 1)
}

#[cfg(test)]
mod tests;
