use super::*;
use stereospot_picture::Matrix;

fn rgb(colour: Colour, yuv: [f32; 3]) -> [f32; 3] {
    let to = to_rgb(colour);
    to.weights.map(|row| (0..3).map(|i| row[i] * (yuv[i] - to.black[i])).sum())
}

fn check(matrix: Matrix, is_full_range: bool, yuv: [f32; 3], expected: [f32; 3]) {
    let colour = Colour { matrix, is_full_range };
    let got = rgb(colour, yuv);
    assert!(
        got.iter().zip(expected).all(|(g, e)| (g - e).abs() < 0.01),
        "{colour:?} {yuv:?}: {got:?} is not {expected:?}"
    );
    let black = to_rgb(colour).black;
    let back: Vec<f32> =
        from_rgb(colour).iter().zip(black).map(|(row, b)| (0..3).map(|i| row[i] * got[i]).sum::<f32>() + b).collect();
    assert!(back.iter().zip(yuv).all(|(g, e)| (g - e).abs() < 0.01), "{colour:?} {yuv:?} comes back as {back:?}");
}

#[test]
fn known_colours_of_the_recommendations() {
    for matrix in [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020] {
        check(matrix, false, [16.0, 128.0, 128.0], [0.0; 3]);
        check(matrix, false, [235.0, 128.0, 128.0], [1.0; 3]);
        check(matrix, true, [0.0, 128.0, 128.0], [0.0; 3]);
        check(matrix, true, [255.0, 128.0, 128.0], [1.0; 3]);
    }
    // Pure red, 8-bit limited range.
    check(Matrix::Bt601, false, [81.0, 90.0, 240.0], [1.0, 0.0, 0.0]);
    check(Matrix::Bt709, false, [63.0, 102.0, 240.0], [1.0, 0.0, 0.0]);
    // Pure blue.
    check(Matrix::Bt709, false, [32.0, 240.0, 118.0], [0.0, 0.0, 1.0]);
}
