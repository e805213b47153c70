use super::*;

fn check(pts: &[i64], end: i64, dts: &[i64], durations: &[i64]) {
    let found = Timing::from_pts(pts, end);
    assert_eq!(found.dts, dts);
    assert_eq!(found.durations, durations);
    assert!(found.dts.windows(2).all(|w| w[0] < w[1]));
    assert!(found.dts.iter().zip(pts).all(|(d, p)| d <= p));
}

#[test]
fn frames_in_display_order_need_no_depth() {
    check(&[0, 10, 20], 30, &[0, 10, 20], &[10, 10, 10]);
}

#[test]
fn one_frame_out_of_order_is_depth_one() {
    check(&[0, 30, 10, 20, 60, 40, 50], 70, &[-10, 0, 10, 20, 30, 40, 50], &[10, 10, 10, 10, 10, 10, 10]);
}

#[test]
fn a_pyramid_is_depth_two() {
    check(&[0, 40, 20, 10, 30], 50, &[-20, -10, 0, 10, 20], &[10, 10, 10, 10, 10]);
}

#[test]
fn uneven_steps_stay_uneven() {
    check(&[5, 7, 40], 41, &[5, 7, 40], &[2, 33, 1]);
}

#[test]
fn nothing_gives_nothing() {
    check(&[], 0, &[], &[]);
}

#[test]
fn the_hash_sees_order_and_value() {
    assert_eq!(pts_hash([]), 0xcbf2_9ce4_8422_2325);
    assert_ne!(pts_hash([1, 2]), pts_hash([2, 1]));
    assert_ne!(pts_hash([1, 2]), pts_hash([1, 3]));
}
