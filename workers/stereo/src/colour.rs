//! Converts between 8-bit YUV samples and RGB from 0 to 1, with the matrix and range of a picture.

use stereospot_picture::Colour;

/// A 3 by 3 matrix in row-major order.
pub(crate) type Matrix3 = [[f32; 3]; 3];

/// `rgb = weights · (yuv − black)`, where yuv are sample values from 0 to 255 and rgb is nominally from 0 to 1.
pub(crate) struct ToRgb {
    pub(crate) weights: Matrix3,
    /// The YUV sample values of black.
    pub(crate) black: [f32; 3],
}

/// Builds the conversion to RGB. ITU-R BT.601, 709 and 2020 share these formulas and differ only in Kr and Kb.
pub(crate) fn to_rgb(colour: Colour) -> ToRgb {
    let (kr, kb) = colour.matrix.luma_weights();
    let kg = 1.0 - kr - kb;
    let (y, c, floor) = scales(colour);
    let weights = [
        [y, 0.0, c * 2.0 * (1.0 - kr)],
        [y, -c * 2.0 * kb * (1.0 - kb) / kg, -c * 2.0 * kr * (1.0 - kr) / kg],
        [y, c * 2.0 * (1.0 - kb), 0.0],
    ];
    ToRgb { weights, black: [floor, 128.0, 128.0] }
}

/// The inverse of [`to_rgb`]'s weights: `yuv = result · rgb + black`.
pub(crate) fn from_rgb(colour: Colour) -> Matrix3 {
    let (kr, kb) = colour.matrix.luma_weights();
    let kg = 1.0 - kr - kb;
    let (y, c, _) = scales(colour);
    let (cb, cr) = (1.0 / (c * 2.0 * (1.0 - kb)), 1.0 / (c * 2.0 * (1.0 - kr)));
    [[kr / y, kg / y, kb / y], [-kr * cb, -kg * cb, (1.0 - kb) * cb], [(1.0 - kr) * cr, -kg * cr, -kb * cr]]
}

/// Returns the RGB change per luma step and per chroma step, and the luma of black.
fn scales(colour: Colour) -> (f32, f32, f32) {
    if colour.is_full_range { (1.0 / 255.0, 1.0 / 255.0, 0.0) } else { (1.0 / 219.0, 1.0 / 224.0, 16.0) }
}

#[cfg(test)]
mod tests;
