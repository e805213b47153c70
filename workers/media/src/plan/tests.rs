use super::*;
use crate::index::PacketEntry;

fn candidate(pts: i64, is_closed: bool, is_scene_cut: bool) -> Candidate {
    Candidate { keyframe: Keyframe { pts, packet: 0, is_closed }, is_usable: true, is_scene_cut }
}

fn check(candidates: &[Candidate], end: i64, target: i64, expected: &[i64]) {
    let found: Vec<i64> = borders(candidates, 0, end, target).iter().map(|&i| candidates[i].keyframe.pts).collect();
    assert_eq!(found, expected);
}

fn every(step: i64, end: i64) -> Vec<Candidate> {
    (0..end).step_by(step as usize).map(|p| candidate(p, true, false)).collect()
}

#[test]
fn cuts_lie_near_the_target() {
    check(&every(10, 400), 400, 100, &[100, 200, 300]);
    check(&every(30, 300), 300, 100, &[90, 180]);
}

#[test]
fn a_short_source_is_not_cut() {
    check(&every(10, 140), 140, 100, &[]);
    check(&[], 1000, 100, &[]);
}

#[test]
fn closed_groups_and_scene_cuts_draw_the_border() {
    check(&[candidate(100, false, false), candidate(110, true, false)], 220, 100, &[110]);
    check(&[candidate(100, true, false), candidate(120, true, true)], 240, 100, &[120]);
}

#[test]
fn unusable_keyframes_are_passed_over() {
    let mut list = every(50, 250);
    list[2].is_usable = false;
    check(&list, 250, 100, &[50, 150]);
}

#[test]
fn a_distant_keyframe_is_taken_when_none_is_near() {
    check(&[candidate(0, true, false), candidate(250, true, false)], 500, 100, &[250]);
    check(&[candidate(0, true, false), candidate(480, true, false)], 500, 100, &[]);
}

fn index(list: &[(i64, bool)]) -> PacketIndex {
    let packets =
        list.iter().map(|&(pts, is_key)| PacketEntry { pts, duration: 10, is_key, is_hidden: false }).collect();
    PacketIndex::from_packets(packets, 1).expect("usable")
}

#[test]
fn one_keyframe_in_a_long_source_needs_a_recut() {
    assert!(needs_recut(&[], 0, 1000, 100, 100));
    assert!(!needs_recut(&[], 0, 140, 100, 14));
    assert!(!needs_recut(&[300, 600], 0, 900, 300, 90));
    assert!(!needs_recut(&[], 0, 1000, 100, 1));
}

#[test]
fn even_borders_lie_on_frames() {
    let index = index(&[(0, true), (10, false), (20, false), (30, false), (40, false), (50, false)]);
    assert_eq!(even_borders(&index, 25), [30]);
    assert_eq!(even_borders(&index, 20), [20, 40]);
    assert_eq!(even_borders(&index, 1000), [0; 0]);
}

#[test]
fn segments_cover_every_frame_once() {
    let index = index(&[(0, true), (10, false), (40, true), (20, false), (30, false), (50, false)]);
    let specs = segments(&index, &[40], |_| false);
    assert_eq!(specs.iter().map(|s| (s.start_pts, s.end_pts, s.frames)).collect::<Vec<_>>(), [(0, 40, 4), (40, 60, 2)]);
    assert_eq!(specs.iter().map(|s| s.starts_at_scene_cut).collect::<Vec<_>>(), [true, false]);
    // Both files contain the open GOP's keyframe and its leading pictures.
    assert_eq!(packet_range(&index, &specs[0]), Some(0..5));
    assert_eq!(packet_range(&index, &specs[1]), Some(2..6));
}
