use super::*;

const ONE: i32 = 1 << 16;

fn check(m: [i32; 4], transposed: bool, x: bool, y: bool, degrees: u32) {
    let found = Orientation::from_display_matrix(&[m[0], m[1], 0, m[2], m[3], 0, 0, 0, 1 << 30]);
    assert_eq!(found, Orientation { is_transposed: transposed, is_mirrored_x: x, is_mirrored_y: y });
    assert_eq!(found.clockwise_degrees(), degrees);
}

#[test]
fn display_matrices_of_phones_are_read() {
    check([ONE, 0, 0, ONE], false, false, false, 0);
    check([0, ONE, -ONE, 0], true, true, false, 90);
    check([-ONE, 0, 0, -ONE], false, true, true, 180);
    check([0, -ONE, ONE, 0], true, false, true, 270);
    check([-ONE, 0, 0, ONE], false, true, false, 0);
}

#[test]
fn a_slanted_matrix_is_no_rotation() {
    check([ONE / 2, ONE / 2, -ONE / 2, ONE / 2], false, false, false, 0);
}

#[test]
fn ticks_and_seconds_agree() {
    let base = Ratio { num: 1001, den: 30000 };
    assert_eq!(base.ticks(1.001), 30);
    assert!((base.secs(30) - 1.001).abs() < 1e-12);
}
