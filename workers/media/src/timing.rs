//! Computes decode times and durations from presentation times: containers often drop or distort the former, but keep
//! the latter exact.

/// Decode times and durations of one stream, in decode order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    /// Strictly increasing, and never later than the frame's pts.
    pub(crate) dts: Vec<i64>,
    /// Distance to the next pts in display order; the last frame shown lasts until `end_pts`.
    pub(crate) durations: Vec<i64>,
}

impl Timing {
    /// Expects the pts in decode order, all different, and the end of the last frame shown.
    ///
    /// `dts[i] = sorted_pts[i - d]`, with the smallest reorder depth `d` that keeps every dts at or before its pts. The
    /// first `d` decode times lie before the first pts. They are spaced so that the decode steps add up to the
    /// displayed duration, because MP4 stores a track's duration as the sum of its decode steps.
    pub(crate) fn from_pts(pts: &[i64], end_pts: i64) -> Self {
        let mut sorted = pts.to_vec();
        sorted.sort_unstable();
        let rank = |value: &i64| sorted.binary_search(value).expect("sorted holds the same values");
        let ranks: Vec<usize> = pts.iter().map(rank).collect();
        let depth = ranks.iter().enumerate().map(|(i, &rank)| i.saturating_sub(rank)).max().unwrap_or(0);
        let durations: Vec<i64> =
            ranks.iter().map(|&r| (sorted.get(r + 1).copied().unwrap_or(end_pts) - sorted[r]).max(1)).collect();
        let lead = match durations.last() {
            Some(last) => (end_pts - sorted[pts.len() - 1 - depth] - last).max(depth as i64),
            None => 0,
        };
        let dts = (0..pts.len())
            .map(|i| match i.checked_sub(depth) {
                Some(shown) => sorted[shown],
                None => sorted[0] - (lead * (depth - i) as i64).div_euclid(depth as i64),
            })
            .collect();
        Self { dts, durations }
    }
}

/// Gives every decoded frame a time of its own, in the order of the frames, from times that may be missing, shuffled,
/// repeated, or start again.
///
/// - Frames without a time before the first one that has one get times counted back from it by `step` (Matroska can't
///   express times before zero). Later ones follow the frame before by `step`.
/// - Times that fall back by `far` or more are a new clock, which goes on after the frames before it.
/// - Times that are only shuffled (as where a container stores decode times) are sorted: frames come in display order.
/// - Frames that share a time are spread up to the next time.
pub(crate) fn spread(stated: &[Option<i64>], step: i64, far: i64) -> Vec<i64> {
    let step = step.max(1);
    let leading = stated.iter().take_while(|t| t.is_none()).count();
    let first = stated.get(leading).copied().flatten().unwrap_or(step * leading as i64);
    let mut times: Vec<i64> = (0..leading as i64).map(|i| first - step * (leading as i64 - i)).collect();
    let (mut offset, mut latest) = (0, i64::MIN);
    for time in &stated[leading..] {
        let mut at = time.map_or_else(|| times.last().map_or(0, |last| last + step), |time| time + offset);
        if time.is_some() && latest != i64::MIN && at <= latest - far {
            let resumed = latest + step;
            (offset, at) = (offset + resumed - at, resumed);
        }
        latest = latest.max(at);
        times.push(at);
    }
    times.sort_unstable();
    let mut from = 0;
    while from < times.len() {
        let at = times[from];
        let run = times[from..].iter().take_while(|t| **t == at).count();
        let room = times.get(from + run).map_or(step * run as i64, |next| next - at);
        // Without room for them all, the frames push those after them.
        for i in 1..run {
            times[from + i] = at + (room * i as i64 / run as i64).max(i as i64);
        }
        let last = times[from + run - 1];
        times[from + run..].iter_mut().take_while(|t| **t <= last).for_each(|t| *t = last + 1);
        from += run;
    }
    times
}

/// FNV-1a (64 bit) over the pts in display order.
pub(crate) fn pts_hash(pts: impl IntoIterator<Item = i64>) -> u64 {
    let mut hash = PtsHash::default();
    pts.into_iter().for_each(|p| hash.add(p));
    hash.value()
}

/// [`pts_hash`] fed one value at a time.
#[derive(Debug)]
pub(crate) struct PtsHash(u64);

impl Default for PtsHash {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl PtsHash {
    pub(crate) fn add(&mut self, pts: i64) {
        for byte in pts.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) fn value(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests;
