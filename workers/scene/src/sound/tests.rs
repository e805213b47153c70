use crate::{Scene, SceneSpec, detect_beeps};

#[test]
fn sound_is_as_long_as_the_clip() {
    for (frames, frame_rate, sample_rate, expected) in
        [(225, (25, 1), 48_000, 432_000), (100, (30_000, 1001), 44_100, 147_147), (1, (24, 1), 48_000, 2000)]
    {
        let scene = Scene::new(SceneSpec { frames, frame_rate, ..SceneSpec::default() }).unwrap();
        assert_eq!(scene.sound(sample_rate).len(), expected);
    }
}

#[test]
fn beeps_are_found_where_the_flashes_are() {
    for frame_rate in [(25, 1), (24, 1), (30_000, 1001)] {
        let scene = Scene::new(SceneSpec { frames: 400, frame_rate, ..SceneSpec::default() }).unwrap();
        let expected: Vec<f64> = scene.flash_frames().iter().map(|&n| scene.spec().start_secs(n)).collect();
        assert!(expected.len() >= 3);
        for (sample_rate, volume) in [(48_000, 1.0), (44_100, 0.2)] {
            let sound: Vec<i16> = scene.sound(sample_rate).iter().map(|&s| (f64::from(s) * volume) as i16).collect();
            let found = detect_beeps(&sound, sample_rate);
            assert_eq!(found.len(), expected.len(), "{found:?} {expected:?}");
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 0.002, "beep at {found}, flash at {expected}");
            }
        }
    }
}

#[test]
fn the_chord_alone_has_no_beep() {
    let sound = Scene::demo().sound(48_000);
    assert!(sound[..48_000].iter().any(|&sample| sample.unsigned_abs() > 300));
    assert_eq!(detect_beeps(&sound[..48_000 * 19 / 10], 48_000), [0.0; 0]);
    assert_eq!(detect_beeps(&[], 48_000), [0.0; 0]);
}
