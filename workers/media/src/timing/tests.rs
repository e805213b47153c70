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

#[test]
fn frames_before_the_first_known_time_are_counted_back_from_it() {
    assert_eq!(spread(&[None, None, Some(0), Some(40), None], 40, 1000), [-80, -40, 0, 40, 80]);
    assert_eq!(spread(&[None, None], 40, 1000), [0, 40]);
    assert_eq!(spread(&[], 40, 1000), [0_i64; 0]);
}

#[test]
fn times_in_decode_order_are_sorted() {
    assert_eq!(spread(&[0, 3, 1, 2, 4].map(Some), 1, 25), [0, 1, 2, 3, 4]);
}

#[test]
fn a_clock_that_starts_again_goes_on() {
    assert_eq!(spread(&[1000, 1040, 0, 40, 80].map(Some), 40, 1000), [1000, 1040, 1080, 1120, 1160]);
}

#[test]
fn frames_that_share_a_time_are_spread() {
    assert_eq!(spread(&[0, 0, 0, 0, 160].map(Some), 40, 1000), [0, 40, 80, 120, 160]);
    assert_eq!(spread(&[0, 40, 40].map(Some), 40, 1000), [0, 40, 80]);
    assert_eq!(spread(&[0, 0, 0, 1, 2].map(Some), 1, 1000), [0, 1, 2, 3, 4]);
}
