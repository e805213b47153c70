use super::*;
use crate::layout::Layout;
use stereospot_picture::Matrix;

const KINDS: [AnaglyphKind; 5] =
    [AnaglyphKind::Dubois, AnaglyphKind::Color, AnaglyphKind::HalfColor, AnaglyphKind::Gray, AnaglyphKind::Wimmer];

/// Mixes two flat pictures and returns the result's YUV.
fn mixed(kind: AnaglyphKind, colour: Colour, left: [u8; 3], right: [u8; 3]) -> [u8; 3] {
    let mut out = Picture::new(6, 2, colour);
    let mut mixer = Mixer::new(kind, colour, 6);
    for y in [0, 1] {
        mixer.put(0, y, &[left[0]; 6], &[right[0]; 6], &mut out);
    }
    for plane in [1, 2] {
        mixer.put(plane, 0, &[left[plane]; 3], &[right[plane]; 3], &mut out);
    }
    assert!(out.y.iter().all(|y| *y == out.y[0]) && out.u.iter().all(|u| *u == out.u[0]));
    [out.y[0], out.u[0], out.v[0]]
}

#[test]
fn grey_keeps_its_luma_and_stays_grey() {
    for matrix in [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020] {
        for is_full_range in [false, true] {
            for kind in KINDS {
                for y in [16, 60, 128, 200, 235] {
                    let [got, u, v] = mixed(kind, Colour { matrix, is_full_range }, [y, 128, 128], [y, 128, 128]);
                    let is_near = |a: u8, b: u8| a.abs_diff(b) <= 1;
                    assert!(
                        is_near(got, y) && is_near(u, 128) && is_near(v, 128),
                        "{kind:?} {matrix:?} full {is_full_range}: {y} became {got} {u} {v}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_left_eye_is_red_and_the_right_one_cyan() {
    let colour = Colour { matrix: Matrix::Bt601, is_full_range: false };
    let (black, white) = ([16, 128, 128], [235, 128, 128]);
    let check = |kind, left, right, expected: [u8; 3]| {
        let got = mixed(kind, colour, left, right);
        assert!(got.iter().zip(expected).all(|(g, e)| g.abs_diff(e) <= 1), "{kind:?}: {got:?} is not {expected:?}");
    };
    for kind in [AnaglyphKind::Color, AnaglyphKind::HalfColor, AnaglyphKind::Gray, AnaglyphKind::Wimmer] {
        check(kind, white, black, [81, 90, 240]);
        check(kind, black, white, [170, 166, 16]);
    }
    // Dubois mixes a little of each eye into the other on purpose, but only a little.
    let [_, _, red] = mixed(AnaglyphKind::Dubois, colour, white, black);
    let [_, _, cyan] = mixed(AnaglyphKind::Dubois, colour, black, white);
    assert!(red > 220 && cyan < 40, "{red} {cyan}");
}

#[test]
fn colours_survive_where_the_kind_keeps_them() {
    let colour = Colour { matrix: Matrix::Bt709, is_full_range: true };
    let teal = [120, 140, 90];
    assert_eq!(mixed(AnaglyphKind::Color, colour, teal, teal), teal);
    let [_, u, v] = mixed(AnaglyphKind::Gray, colour, teal, teal);
    assert_eq!([u, v], [128, 128]);
    assert_eq!(Layout::ALL.iter().filter(|l| matches!(l, Layout::Anaglyph(_))).count(), KINDS.len());
}
