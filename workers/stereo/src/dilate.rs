//! Enlarges near objects in the raw depth, so that the warp moves their blurred borders with them and not with the
//! background.

/// Replaces each value of a `width`-wide grid by the maximum within `reach` cells along x, then along y.
///
/// High values are near, so near objects grow by `reach[0]` cells left and right and by `reach[1]` cells up and down.
/// Equals iw3's dilation: a maximum over three cells, applied `reach` times.
pub(crate) fn dilate(values: &mut [f32], width: usize, reach: [u32; 2]) {
    let [across, down] = reach.map(|r| r as usize);
    if across > 0 {
        let mut row = vec![0.0; width];
        for values in values.chunks_exact_mut(width) {
            row.copy_from_slice(values);
            for offset in 1..=across.min(width - 1) {
                for (value, other) in values.iter_mut().zip(&row[offset..]) {
                    *value = value.max(*other);
                }
                for (value, other) in values[offset..].iter_mut().zip(&row) {
                    *value = value.max(*other);
                }
            }
        }
    }
    if down > 0 {
        let before = values.to_vec();
        let height = values.len() / width;
        for offset in 1..=down.min(height - 1) {
            let shift = offset * width;
            for (value, other) in values.iter_mut().zip(&before[shift..]) {
                *value = value.max(*other);
            }
            for (value, other) in values[shift..].iter_mut().zip(&before) {
                *value = value.max(*other);
            }
        }
    }
}

#[cfg(test)]
mod tests;
