use super::*;

fn small(frames: u32, cuts: Vec<u32>) -> Scene {
    Scene::new(SceneSpec { width: 320, height: 180, frames, cuts, ..SceneSpec::default() }).unwrap()
}

/// The horizontal shift at which the patch around (x, y) best matches the other picture.
fn best_shift(source: &Picture, other: &Picture, x: usize, y: usize, reach: i32) -> i32 {
    let cost = |shift: i32| -> i64 {
        (-6..=6)
            .flat_map(|dy: i32| (-6..=6).map(move |dx: i32| (dx, dy)))
            .map(|(dx, dy)| {
                let row = (y as i32 + dy) as usize * source.width();
                let a = source.y[row + (x as i32 + dx) as usize];
                let b = other.y[row + (x as i32 + dx + shift) as usize];
                i64::from(i32::from(a) - i32::from(b)).pow(2)
            })
            .sum()
    };
    (-reach..=reach).min_by_key(|&shift| cost(shift)).unwrap()
}

#[test]
fn equal_specifications_give_equal_bytes_and_other_seeds_other_ones() {
    let (one, two) = (small(9, vec![3, 6]), small(9, vec![3, 6]));
    for n in [8, 0, 4] {
        assert_eq!(one.frame(n), two.frame(n));
        assert_eq!(one.eyes(n), two.eyes(n));
    }
    let spec = SceneSpec { seed: 8, ..one.spec().clone() };
    assert_ne!(Scene::new(spec).unwrap().frame(0).picture, one.frame(0).picture);
}

#[test]
fn depth_needs_no_clamping_and_spans_much_of_its_range() {
    // Frames over the camera's whole path, in the three shots and in their repetition with other places.
    let scene = small(1500, vec![250, 500, 750, 1000, 1250]);
    for n in (0..1500).step_by(14) {
        let frame = scene.frame(n);
        let band = frame_number::band_top(180) * 320;
        let seen = &frame.depth[..band];
        let (low, high) = seen.iter().fold((1.0_f32, 0.0_f32), |(low, high), &d| (low.min(d), high.max(d)));
        assert!(low < 0.02 && high > 0.55, "frame {n} spans {low} to {high}");
        let clamped = seen.iter().filter(|&&d| d >= 1.0).count();
        assert_eq!(clamped, 0, "frame {n} shows something nearer than its near end");
        assert!(frame.depth[band..].iter().all(|&d| d == 0.5));
    }
}

#[test]
fn true_eyes_differ_as_the_formula_says() {
    let spec = SceneSpec { width: 960, height: 540, divergence: 6.0, convergence: 0.4, ..SceneSpec::default() };
    let scene = Scene::new(spec).unwrap();
    let n = 20;
    let frame = scene.frame(n);
    let (left, right) = scene.eyes(n);
    let mut signs = [0, 0];
    let mut checked = 0;
    for y in (40..480).step_by(20) {
        for x in (60..900).step_by(20) {
            let d = frame.depth[y * 960 + x];
            let patch = || (-6..=6).flat_map(|dy: i32| (-6..=6).map(move |dx: i32| (dx, dy)));
            let at = |dx: i32, dy: i32| (y as i32 + dy) as usize * 960 + (x as i32 + dx) as usize;
            // Only a patch at one depth with vertical edges can be located.
            let is_level = patch().all(|(dx, dy)| (frame.depth[at(dx, dy)] - d).abs() < 0.012);
            let detail: i32 = patch()
                .map(|(dx, dy)| i32::from(frame.picture.y[at(dx, dy)].abs_diff(frame.picture.y[at(dx - 1, dy)])))
                .sum();
            if !is_level || detail < 600 {
                continue;
            }
            let expected = 0.06 * 960.0 * (d - 0.4);
            let to_left = best_shift(&frame.picture, &left, x, y, 30);
            let to_right = best_shift(&frame.picture, &right, x, y, 30);
            let found = (to_left - to_right) as f32;
            // Gloss moves with the eye, and shadows hide edges: one point in ten may be wrong, the others must match
            // within a pixel.
            checked += 1;
            if (found - expected).abs() < 1.6 {
                signs[usize::from(found > 0.0)] += 1;
            }
        }
    }
    assert!(checked > 60, "only {checked} points could be looked for");
    assert!((signs[0] + signs[1]) * 10 >= checked * 9, "{signs:?} of {checked} points lie where the formula says");
    assert!(signs[0] > 10 && signs[1] > 10, "{signs:?} points behind and before the screen");
}

#[test]
fn without_divergence_both_eyes_see_the_source() {
    let spec = SceneSpec { divergence: 0.0, ..small(3, vec![]).spec().clone() };
    let scene = Scene::new(spec).unwrap();
    let source = scene.frame(1).picture;
    assert_eq!(scene.eyes(1), (source.clone(), source));
    assert!(scene.regions(1, Side::Left).iter().all(|&region| region != Region::Disoccluded));
}

#[test]
fn what_the_source_hides_is_disoccluded_beside_near_things_on_the_eyes_own_side() {
    let scene = Scene::new(SceneSpec { divergence: 6.0, ..SceneSpec::default() }).unwrap();
    for (side, step) in [(Side::Left, -3_i64), (Side::Right, 3)] {
        let regions = scene.regions(20, side);
        let depth = scene.eye(20, side).1;
        let count = |wanted| regions.iter().filter(|&&region| region == wanted).count() as f64 / regions.len() as f64;
        assert!((0.002..0.1).contains(&count(Region::Disoccluded)), "{}", count(Region::Disoccluded));
        assert!((0.01..0.4).contains(&count(Region::NearEdge)), "{}", count(Region::NearEdge));
        // The left eye sees past a near object's left side, so what hid the hole is to its right.
        let (mut own, mut other) = (0, 0);
        for at in (0..regions.len()).filter(|&at| regions[at] == Region::Disoccluded) {
            let x = (at % 960) as i64;
            if (40..920).contains(&x) {
                let beside = |offset: i64| depth[(at as i64 + offset) as usize] - depth[at];
                own += usize::from((1..=12).any(|k| beside(-step.signum() * k) > 0.05));
                other += usize::from((1..=12).any(|k| beside(step.signum() * k) > 0.05));
            }
        }
        assert!(own > 4 * other, "{side:?}: {own} holes on the right side of near things, {other} on the wrong one");
    }
}

#[test]
fn cuts_are_flagged_and_change_the_picture() {
    let scene = small(9, vec![3, 6, 40]);
    let flagged: Vec<u32> = (0..9).filter(|&n| scene.frame(n).is_cut).collect();
    assert_eq!(flagged, [3, 6]);
    let difference = |a: u32, b: u32| {
        let (a, b) = (scene.frame(a).picture, scene.frame(b).picture);
        a.y.iter().zip(&b.y).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>() / a.y.len() as u64
    };
    assert!(difference(1, 2) * 4 < difference(2, 3));
    assert!(difference(6, 7) * 4 < difference(5, 6).min(40));
}

#[test]
fn flashes_are_where_they_are_said_to_be_in_both_eyes() {
    let scene = small(225, vec![78, 150]);
    assert_eq!(scene.flash_frames(), [50, 150]);
    for n in [49, 50, 51, 52, 149, 150, 151, 152] {
        let (left, right) = scene.eyes(n);
        let expected = matches!(n, 50 | 51 | 150 | 151);
        for picture in [&left, &right, &scene.frame(n).picture] {
            assert_eq!(crate::detect_flash(picture), expected, "frame {n}");
            assert_eq!(crate::read_frame_number(picture, crate::Eye::Whole), Some(n));
        }
    }
    assert_eq!(small(1, vec![]).flash_frames(), [0_u32; 0]);
}

#[test]
fn what_can_not_be_rendered_is_refused() {
    let check = |change: fn(&mut SceneSpec), expected: Error| {
        let mut spec = SceneSpec::default();
        change(&mut spec);
        assert_eq!(Scene::new(spec).unwrap_err(), expected);
    };
    check(|s| s.width = 321, Error::Side { name: "width", value: 321, least: 64 });
    check(|s| s.height = 4, Error::Side { name: "height", value: 4, least: 48 });
    check(|s| s.frames = 0, Error::NoFrames);
    check(|s| s.frame_rate = (25, 0), Error::FrameRate(25, 0));
    check(|s| s.divergence = 11.0, Error::Divergence(11.0));
    check(|s| s.convergence = -0.5, Error::Convergence(-0.5));
    check(|s| s.cuts = vec![5, 5], Error::Cuts);
}

#[test]
fn upright_and_tiny_clips_work() {
    for (width, height) in [(180, 320), (64, 48), (1000, 62)] {
        let spec = SceneSpec { width, height, frames: 2, ..SceneSpec::default() };
        let frame = Scene::new(spec).unwrap().frame(0);
        assert_eq!((frame.picture.width(), frame.picture.height(), frame.depth.len()), (width, height, width * height));
        assert_eq!(crate::read_frame_number(&frame.picture, crate::Eye::Whole), Some(0));
    }
}
