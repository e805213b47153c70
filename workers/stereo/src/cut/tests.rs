use super::*;
use stereospot_picture::Colour;

/// A gradient between two levels, with a bright square at `x`.
fn scene(low: u8, high: u8, x: usize) -> Picture {
    let mut picture = Picture::new(160, 90, Colour::default());
    for (i, sample) in picture.y.iter_mut().enumerate() {
        let (column, row) = (i % 160, i / 160);
        let is_square = (x..x + 30).contains(&column) && (20..50).contains(&row);
        *sample = if is_square { 235 } else { low + ((high - low) as usize * column / 160) as u8 };
    }
    picture
}

#[test]
fn motion_and_a_slow_fade_are_no_cut_and_a_new_scene_is() {
    let mut cut = SceneCut::new();
    assert!(!cut.push(&scene(30, 90, 0)), "the first picture is no cut");
    for step in 1..30 {
        assert!(!cut.push(&scene(30 + step, 90 + step, usize::from(step) * 4)), "step {step}");
    }
    assert!(cut.push(&scene(150, 220, 50)));
    assert!(!cut.push(&scene(150, 220, 54)));
}
