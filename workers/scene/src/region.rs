//! Classifies the pixels of an eye by what a converter can know about them.

use crate::camera::Side;

/// What a converter that only has the source frame can know about one pixel of an eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Region {
    /// The source camera sees the same point, away from depth edges.
    Visible,
    /// The source camera sees the same point, within 8 pixels of a depth edge in its row.
    NearEdge,
    /// The source camera does not see this point: something hides it, or it is outside the frame.
    Disoccluded,
}

/// Distance to an edge, in pixels, below which a pixel counts as near it.
const NEAR: usize = 8;

/// Classifies every pixel of an eye. `source` and `seen` are the normalised depths that the source camera and the eye
/// see; `parallax` is the disparity between d = 0 and d = 1 in pixels.
pub(crate) fn regions(
    source: &[f32],
    seen: &[f32],
    width: usize,
    side: Side,
    parallax: f32,
    convergence: f32,
) -> Vec<Region> {
    let sign = match side {
        Side::Left => 0.5,
        Side::Right => -0.5,
    };
    // A depth step of one pixel of disparity is an edge. With little parallax, so is a depth step of 0.05.
    let step = (1.0 / parallax.max(1e-6)).min(0.05);
    let mut regions = Vec::with_capacity(seen.len());
    for (source, seen) in source.chunks(width).zip(seen.chunks(width)) {
        let edges: Vec<usize> = (1..width).filter(|&x| (seen[x] - seen[x - 1]).abs() > step).collect();
        regions.extend(seen.iter().enumerate().map(|(x, &d)| {
            let origin = x as f32 - sign * parallax * (d - convergence);
            let left = origin.floor();
            // The point falls between two source pixels; either of them may show it.
            let is_seen = [left, left + 1.0]
                .into_iter()
                .any(|at| (0.0..width as f32).contains(&at) && (source[at as usize] - d).abs() < step);
            let after = edges.partition_point(|&edge| edge + NEAR <= x);
            let is_near = edges.get(after).is_some_and(|&edge| edge <= x + NEAR);
            match (is_seen, is_near) {
                (false, _) => Region::Disoccluded,
                (true, true) => Region::NearEdge,
                (true, false) => Region::Visible,
            }
        }));
    }
    regions
}
