use stereospot_picture::{Colour, Matrix};

use super::*;

/// Decodes frames with these times; asks for others. Each picture is marked with its time.
fn check(decoded: &[u8], asked: &[i64], expected: &[(u8, bool)]) {
    let mut decoded = decoded.iter().map(|time| {
        let mut picture = Picture::new(2, 2, Colour { matrix: Matrix::Bt709, is_full_range: false });
        picture.planes_mut()[0].0.fill(*time);
        (i64::from(*time), picture)
    });
    let mut gaps = Gaps::default();
    let found: Vec<(u8, bool)> = asked
        .iter()
        .filter_map(|pts| {
            let found = gaps.at(*pts, || Ok(decoded.next())).expect("no decoder fails");
            found.map(|(picture, is_repeated)| (picture.planes()[0].0[0], is_repeated))
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn a_missing_picture_repeats_the_one_before() {
    check(&[0, 1, 3], &[0, 1, 2, 3, 4], &[(0, false), (1, false), (1, true), (3, false), (3, true)]);
    check(&[2, 3], &[0, 1, 2, 3], &[(2, true), (2, true), (2, false), (3, false)]);
    check(&[], &[0, 1], &[]);
}

#[test]
fn pictures_out_of_order_find_their_place() {
    check(&[0, 3, 1, 2], &[0, 1, 2, 3], &[(0, false), (1, false), (2, false), (3, false)]);
}

#[test]
fn pictures_that_no_one_asks_for_are_skipped() {
    check(&[0, 1, 2, 3, 4, 5, 6], &[1, 5, 6], &[(1, false), (5, false), (6, false)]);
}
