use super::*;
use proptest::prelude::*;

fn map(values: &[f32]) -> DepthMap {
    DepthMap { width: values.len(), height: 1, values: values.to_vec() }
}

fn track(normaliser: &mut Normaliser, raw: &DepthMap, is_cut: bool) {
    normaliser.track(is_cut, || Ok::<_, ()>(raw.clone())).unwrap();
}

fn plain() -> Options {
    Options { edge_dilation: [0, 0], ..Options::default() }
}

#[test]
fn the_first_picture_fills_the_range() {
    let depth = Normaliser::new(&plain(), 0).normalise(map(&[2.0, 3.0, 6.0]), false);
    assert_eq!(depth.values(), [0.0, 0.25, 1.0]);
}

#[test]
fn the_range_follows_slowly_and_a_cut_resets_it() {
    let options = Options { ema_buffer: 1, ..plain() };
    let mut normaliser = Normaliser::new(&options, 0);
    track(&mut normaliser, &map(&[0.0, 4.0]), false);
    // max: 0.75 * 4 + 0.25 * 8 = 5
    assert_eq!(normaliser.normalise(map(&[0.0, 2.0, 8.0]), false).values(), [0.0, 0.4, 1.0]);
    assert_eq!(normaliser.normalise(map(&[0.0, 2.0, 8.0]), true).values(), [0.0, 0.25, 1.0]);
}

#[test]
fn the_window_remembers_extremes_for_its_length() {
    let options = Options { ema_buffer: 3, ema_decay: 0.0, ..plain() };
    let mut normaliser = Normaliser::new(&options, 0);
    let mut last = |max: f32| normaliser.normalise(map(&[0.0, 1.0, max]), false).values()[1];
    assert_eq!([4.0, 2.0, 2.0, 2.0].map(&mut last), [0.25, 0.25, 0.25, 0.5]);
}

#[test]
fn flat_depth_lies_on_the_screen_plane() {
    let options = Options { convergence: 0.3, ..plain() };
    assert_eq!(Normaliser::new(&options, 0).normalise(map(&[7.0, 7.0]), false).values(), [0.3, 0.3]);
}

fn check_warm_up(ema_decay: f32, ema_buffer: u32, expected: usize) {
    assert_eq!(
        warm_up_frames(&Options { ema_decay, ema_buffer, ..Options::default() }),
        expected,
        "{ema_decay} {ema_buffer}"
    );
}

#[test]
fn warm_up_covers_window_and_smoothing() {
    check_warm_up(0.75, 1, 17);
    check_warm_up(0.75, 30, 46);
    check_warm_up(0.0, 1, 1);
    check_warm_up(0.0, 30, 30);
    check_warm_up(0.99, 1, 459);
}

#[test]
fn a_warm_up_asks_for_every_fifth_depth() {
    let mut normaliser = Normaliser::new(&plain(), 54);
    let mut asked = Vec::new();
    for number in 54..100 {
        let raw = || {
            asked.push(number);
            Ok::<_, ()>(map(&[0.0, 1.0]))
        };
        normaliser.track(number == 77, raw).unwrap();
    }
    // Also the first picture, and the first of a scene.
    assert_eq!(asked, [54, 55, 60, 65, 70, 75, 77, 80, 85, 90, 95]);
}

#[test]
fn a_depth_that_fails_leaves_the_normaliser_as_it_was() {
    let mut normaliser = Normaliser::new(&plain(), 0);
    assert_eq!(normaliser.track(false, || Err("no depth")), Err("no depth"));
    assert_eq!(normaliser.normalise(map(&[2.0, 3.0, 6.0]), false).values(), [0.0, 0.25, 1.0]);
}

proptest! {
    /// Compares warmed-up segments with one run over all pictures: each picture's depth agrees within 1 %.
    #[test]
    fn segments_join_without_a_jump(
        ranges in prop::collection::vec((0.0_f32..1.0, 2.0_f32..3.0), 100..160),
        decay in 0.0_f32..0.9,
        buffer in 1_u32..20,
        length in 7_usize..40,
        cut in 0_usize..100,
    ) {
        let options = Options { ema_decay: decay, ema_buffer: buffer, ..plain() };
        let pictures: Vec<DepthMap> = ranges.iter().map(|&(min, max)| map(&[min, (min + max) / 2.0, max])).collect();
        let run = |from: usize, to: usize, warm_up: usize| {
            let start = from.saturating_sub(warm_up);
            let mut normaliser = Normaliser::new(&options, start as u64);
            for (i, picture) in pictures.iter().enumerate().take(from).skip(start) {
                track(&mut normaliser, picture, i == cut);
            }
            (from..to).map(|i| normaliser.normalise(pictures[i].clone(), i == cut)).collect::<Vec<_>>()
        };
        let whole = run(0, pictures.len(), 0);
        for from in (0..pictures.len()).step_by(length) {
            let to = (from + length).min(pictures.len());
            for (got, expected) in run(from, to, warm_up_frames(&options)).iter().zip(&whole[from..to]) {
                for (g, e) in got.values().iter().zip(expected.values()) {
                    prop_assert!((g - e).abs() < 0.01, "from {from}: {g} is not {e}");
                }
            }
        }
    }

    #[test]
    fn curves_rise_from_0_to_1_and_their_negatives_undo_them(scale in 0.1_f32..3.0, x in 0.0_f32..1.0) {
        let (forth, back) = (Curve::new(scale).unwrap(), Curve::new(-scale).unwrap());
        prop_assert!(forth.at(0.0).abs() < 1e-3 && (forth.at(1.0) - 1.0).abs() < 1e-3);
        prop_assert!(forth.at(x) <= x + 1e-3, "a positive scale leaves more of the range to the foreground");
        prop_assert!((forth.at(back.at(x)) - x).abs() < 0.02, "{} {}", back.at(x), forth.at(back.at(x)));
    }
}

#[test]
fn the_curve_is_the_formula_of_iw3() {
    let expected = |x: f64| {
        let raw = |x: f64| (1.0 + (12.0 * (x - 0.515)).exp()).ln();
        (raw(x) - raw(0.0)) / (raw(1.0) - raw(0.0))
    };
    let curve = Curve::new(2.0).unwrap();
    for x in [0.0, 0.1, 0.4, 0.5, 0.77, 1.0] {
        assert!((f64::from(curve.at(x as f32)) - expected(x)).abs() < 1e-3, "{x}");
    }
    assert!(Curve::new(0.0).is_none());
}

#[test]
fn without_a_warm_up_segments_do_jump() {
    // Shows that the test above can fail.
    let options = Options { ema_buffer: 4, ..plain() };
    let bright = map(&[0.0, 1.0, 10.0]);
    let dim = map(&[0.0, 1.0, 2.0]);
    let mut whole = Normaliser::new(&options, 0);
    track(&mut whole, &bright, false);
    let (joined, alone) = (whole.normalise(dim.clone(), false), Normaliser::new(&options, 1).normalise(dim, false));
    assert!((joined.values()[1] - alone.values()[1]).abs() > 0.1);
}
