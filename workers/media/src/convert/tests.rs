use super::*;

/// Turns this 3x2 plane, which has a padding byte after each row:
fn check(turn: (bool, bool, bool), out_width: usize, expected: &[u8]) {
    let plane = Plane { samples: &[1, 2, 3, 99, 4, 5, 6, 99], stride: 4, width: 3, height: 2 };
    let turn = Orientation { is_transposed: turn.0, is_mirrored_x: turn.1, is_mirrored_y: turn.2 };
    let mut out = vec![0; expected.len()];
    plane.copy_to(&mut out, out_width, turn);
    assert_eq!(out, expected);
}

#[test]
fn a_plane_is_copied_without_its_padding() {
    check((false, false, false), 3, &[1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_larger_plane_repeats_the_last_column_and_row() {
    check((false, false, false), 4, &[1, 2, 3, 3, 4, 5, 6, 6, 4, 5, 6, 6]);
    check((true, true, false), 4, &[4, 1, 1, 1, 5, 2, 2, 2, 6, 3, 3, 3, 6, 3, 3, 3]);
}

#[test]
fn a_plane_is_turned() {
    check((true, true, false), 2, &[4, 1, 5, 2, 6, 3]);
    check((false, true, true), 3, &[6, 5, 4, 3, 2, 1]);
    check((true, false, true), 2, &[3, 6, 2, 5, 1, 4]);
    check((false, true, false), 3, &[3, 2, 1, 6, 5, 4]);
    check((false, false, true), 3, &[4, 5, 6, 1, 2, 3]);
}
