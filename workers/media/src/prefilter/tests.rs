use stereospot_picture::{Colour, Matrix};

use super::*;

#[test]
fn the_left_eye_is_the_left_or_the_upper_half() {
    let mut full = Picture::new(8, 4, Colour { matrix: Matrix::Bt709, is_full_range: false });
    let [(luma, ..), ..] = full.planes_mut();
    luma.iter_mut().enumerate().for_each(|(at, sample)| *sample = at as u8);
    let eye = left_eye(&full, StereoLayout::SideBySide, 4, 4);
    assert_eq!(eye.planes()[0].0, [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27]);
    let eye = left_eye(&full, StereoLayout::TopBottom, 8, 2);
    assert_eq!(eye.planes()[0].0, (0..16).collect::<Vec<u8>>());
    // An odd half gets its last column twice.
    let eye = left_eye(&full, StereoLayout::SideBySide, 3, 4);
    assert_eq!(eye.planes()[0].0[..8], [0, 1, 2, 2, 8, 9, 10, 10]);
}
