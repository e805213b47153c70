use super::*;

fn packets(list: &[(i64, bool)]) -> Vec<PacketEntry> {
    list.iter().map(|&(pts, is_key)| PacketEntry { pts, duration: 10, is_key, is_hidden: false }).collect()
}

fn check_keyframes(list: &[(i64, bool)], expected: &[(i64, bool)]) {
    let index = PacketIndex::from_packets(packets(list), 1).expect("a usable index");
    let found: Vec<_> = index.keyframes().iter().map(|k| (k.pts, k.is_closed)).collect();
    assert_eq!(found, expected);
}

#[test]
fn closed_and_open_groups_are_told_apart() {
    check_keyframes(&[(0, true), (20, false), (10, false), (30, true), (40, false)], &[(0, true), (30, true)]);
    check_keyframes(
        &[(0, true), (10, false), (40, true), (20, false), (30, false), (50, false)],
        &[(0, true), (40, false)],
    );
}

#[test]
fn a_keyframe_shown_before_an_earlier_packet_is_no_cut() {
    check_keyframes(&[(0, true), (30, false), (20, true), (10, false)], &[(0, true)]);
}

#[test]
fn the_end_is_the_last_shown_frames_end() {
    let mut list = packets(&[(0, true), (30, false), (10, false), (20, false)]);
    list[1].duration = 7;
    assert_eq!(PacketIndex::from_packets(list, 1).expect("usable").end_pts, 37);
}

#[test]
fn a_missing_duration_is_taken_from_the_last_step() {
    let mut list = packets(&[(0, true), (12, false)]);
    list[1].duration = 0;
    assert_eq!(PacketIndex::from_packets(list, 1).expect("usable").end_pts, 24);
    let single = vec![PacketEntry { pts: 4, duration: 0, is_key: true, is_hidden: false }];
    assert_eq!(PacketIndex::from_packets(single, 3).expect("usable").end_pts, 7);
}

#[test]
fn packets_that_are_not_frames_are_refused() {
    assert_eq!(PacketIndex::from_packets(packets(&[(0, true), (0, false)]), 1), None);
    let mut list = packets(&[(0, true), (10, false), (20, false)]);
    list[1].is_hidden = true;
    assert_eq!(PacketIndex::from_packets(list, 1), None);
}

#[test]
fn frames_hidden_before_the_start_are_kept_for_decoding_only() {
    let mut list = packets(&[(-20, true), (-10, false), (0, false), (10, true)]);
    list[0].is_hidden = true;
    list[1].is_hidden = true;
    let index = PacketIndex::from_packets(list, 1).expect("usable");
    assert_eq!(index.shown, [0, 10]);
    assert_eq!(index.keyframes().iter().map(|k| k.pts).collect::<Vec<_>>(), [10]);
}

#[test]
fn a_start_without_its_keyframe_is_noticed() {
    assert!(starts_whole(&packets(&[(0, true), (20, false), (10, false)])));
    assert!(!starts_whole(&packets(&[(0, false), (10, true)])));
    assert!(!starts_whole(&packets(&[(20, true), (10, false), (30, false)])));
    assert!(!starts_whole(&packets(&[(0, false)])));
    let mut hidden = packets(&[(20, true), (10, false), (30, false)]);
    hidden[1].is_hidden = true;
    assert!(starts_whole(&hidden));
}
