use super::*;
use stereospot_picture::{Colour, Matrix};

fn check_spans(source: usize, target: usize, expected: &[(usize, &[f32])]) {
    let spans = Spans::new(source, target);
    for (i, (start, weights)) in expected.iter().enumerate() {
        assert_eq!(spans.starts[i], *start, "{source} to {target}, span {i}");
        let got = spans.weights(i);
        assert!(got.iter().zip(*weights).all(|(g, e)| (g - e).abs() < 1e-6), "{source} to {target}, span {i}: {got:?}");
    }
}

#[test]
fn spans_share_cut_samples() {
    check_spans(4, 2, &[(0, &[0.5, 0.5, 0.0]), (1, &[0.0, 0.5, 0.5])]);
    check_spans(3, 2, &[(0, &[2.0 / 3.0, 1.0 / 3.0, 0.0]), (0, &[0.0, 1.0 / 3.0, 2.0 / 3.0])]);
    // With fewer samples than spans, each span covers part of one or two samples.
    check_spans(2, 4, &[(0, &[1.0, 0.0]), (0, &[1.0, 0.0]), (0, &[0.0, 1.0]), (0, &[0.0, 1.0])]);
    for (source, target) in [(1280, 686), (1, 14), (1080, 392), (135, 392)] {
        let spans = Spans::new(source, target);
        for i in 0..target {
            let sum: f32 = spans.weights(i).iter().sum();
            assert!((sum - 1.0).abs() < 1e-5, "{source} to {target}, span {i}: {sum}");
        }
    }
}

fn check_colour(colour: Colour, yuv: [u8; 3], expected: [f32; 3]) {
    let mut picture = Picture::new(64, 36, colour);
    picture.y.fill(yuv[0]);
    picture.u.fill(yuv[1]);
    picture.v.fill(yuv[2]);
    let manifest = Manifest { mean: [0.5, 0.0, 0.0], std: [0.5, 1.0, 1.0], ..Manifest::default() };
    let mut input = DepthInput::default();
    let data = input.fill(&picture, 28, 14, &manifest);
    assert_eq!(data.len(), 3 * 28 * 14);
    for (plane, expected) in data.chunks(28 * 14).zip(expected) {
        assert!(
            plane.iter().all(|v| (v - expected).abs() < 0.02),
            "{colour:?} {yuv:?}: {} is not {expected}",
            plane[0]
        );
    }
}

#[test]
fn matrix_range_mean_and_deviation_are_obeyed() {
    let (limited, full) =
        (Colour { matrix: Matrix::Bt709, is_full_range: false }, Colour { matrix: Matrix::Bt601, is_full_range: true });
    check_colour(limited, [235, 128, 128], [1.0, 1.0, 1.0]);
    check_colour(limited, [16, 128, 128], [-1.0, 0.0, 0.0]);
    check_colour(limited, [63, 102, 240], [1.0, 0.0, 0.0]);
    check_colour(full, [255, 128, 128], [1.0, 1.0, 1.0]);
    check_colour(full, [76, 85, 255], [1.0, 0.0, 0.0]);
    check_colour(full, [128, 128, 128], [0.0, 0.5, 0.5]);
}

#[test]
fn a_shape_that_changes_is_followed() {
    let mut input = DepthInput::default();
    for (width, height) in [(64, 36), (2, 2), (36, 64)] {
        let mut picture = Picture::new(width, height, Colour::default());
        for (i, y) in picture.y.iter_mut().enumerate() {
            *y = if i % width < width / 2 { 16 } else { 235 };
        }
        let data = input.fill(&picture, 28, 14, &Manifest { mean: [0.0; 3], std: [1.0; 3], ..Manifest::default() });
        assert!(data[0] < 0.01 && data[27] > 0.99, "{width}x{height}: {} {}", data[0], data[27]);
    }
}
