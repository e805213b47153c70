use super::*;
use proptest::prelude::*;
use stereospot_picture::Colour;

fn both(eye: Eye, source: &[u8], distances: &[i16]) -> Vec<u8> {
    let mut scalar = vec![1; source.len()];
    warp_row(Code::Scalar, eye, source, distances, &mut scalar);
    let mut fast = vec![2; source.len()];
    warp_row(Code::detect(), eye, source, distances, &mut fast);
    assert_eq!(scalar, fast, "{eye:?} of {source:?} by {distances:?}");
    scalar
}

fn check(source: &str, distances: &[i16], left: &str, right: &str) {
    let seen = |eye| String::from_utf8(both(eye, source.as_bytes(), distances)).unwrap();
    assert_eq!((seen(Eye::Left).as_str(), seen(Eye::Right).as_str()), (left, right), "{source} by {distances:?}");
}

#[test]
fn a_near_thing_moves_right_in_the_left_eye_and_its_hole_takes_the_background() {
    // background abcd, near object XYZ, background efgh; 4 pixels between the eyes
    check("abcdXYZefgh", &[0, 0, 0, 0, 4, 4, 4, 0, 0, 0, 0], "abcdddXYZgh", "abXYZeeefgh");
}

#[test]
fn a_far_background_uncovers_the_other_side() {
    // The near object is at the screen, the background 4 pixels behind it.
    check("abcdXYZefgh", &[-4, -4, -4, -4, 0, 0, 0, -4, -4, -4, -4], "cdddXYZghhh", "aaabXYZeeef");
}

#[test]
fn an_odd_pixel_goes_to_the_left_eye() {
    check("abcdef", &[1; 6], "aabcde", "abcdef");
    check("abcdef", &[-1; 6], "abcdef", "aabcde");
}

#[test]
fn no_distance_changes_nothing() {
    check("abc", &[0, 0, 0], "abc", "abc");
    check("a", &[0], "a", "a");
    check("a", &[900], "a", "a");
}

proptest! {
    #[test]
    fn fast_and_scalar_rows_agree(
        source in prop::collection::vec(any::<u8>(), 1..300),
        seeds in prop::collection::vec((-60_i16..60, 1_usize..50), 1..60),
        wild in any::<bool>(),
    ) {
        let spread = if wild { 30 } else { 1 };
        let runs = seeds.iter().cycle().flat_map(|&(value, length)| std::iter::repeat_n(value * spread, length));
        let distances: Vec<i16> = runs.take(source.len()).collect();
        both(Eye::Left, &source, &distances);
        both(Eye::Right, &source, &distances);
    }

    #[test]
    fn fast_and_scalar_pictures_agree_in_every_layout(
        (half_width, half_height) in (1_usize..80, 1_usize..12),
        (grid_width, grid_height) in (1_usize..60, 1_usize..20),
        (divergence, convergence) in (0.0_f32..10.0, 0.0_f32..1.0),
        layout in 0_usize..10,
        seed in any::<u64>(),
    ) {
        let (picture, depth) = noise(2 * half_width, 2 * half_height, grid_width, grid_height, seed);
        let options = Options { divergence, convergence, ..Options::default() };
        let layout = Layout::ALL[layout];
        let (width, height) = layout.output_size(picture.width(), picture.height());
        let [scalar, fast] = [Code::Scalar, Code::detect()].map(|code| {
            // Start from different bytes, so that samples left unwritten make the comparison fail.
            let mut out = Picture::new(width, height, Colour::default());
            out.y.fill(if code == Code::Scalar { 1 } else { 2 });
            out.u.fill(if code == Code::Scalar { 3 } else { 4 });
            Warper::with_code(&options, code).render(&picture, &depth, layout, &mut out);
            out
        });
        prop_assert_eq!(scalar, fast);
    }
}

/// A picture and a depth of random values.
fn noise(width: usize, height: usize, grid_width: usize, grid_height: usize, seed: u64) -> (Picture, NormalisedDepth) {
    let mut state = seed | 1;
    let mut next = move || {
        // Marsaglia's xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut picture = Picture::new(width, height, Colour::default());
    for (samples, _, _) in picture.planes_mut() {
        samples.iter_mut().for_each(|sample| *sample = next() as u8);
    }
    let values = (0..grid_width * grid_height).map(|_| (next() % 1001) as f32 / 1000.0).collect();
    (picture, NormalisedDepth::new(grid_width, grid_height, values))
}

fn rendered(options: &Options, picture: &Picture, depth: &NormalisedDepth, layout: Layout) -> Picture {
    let (width, height) = layout.output_size(picture.width(), picture.height());
    let mut out = Picture::new(width, height, Colour { is_full_range: true, ..Colour::default() });
    Warper::new(options).render(picture, depth, layout, &mut out);
    out
}

/// Cuts a rectangle of even sides out of a picture.
fn part(picture: &Picture, x: usize, y: usize, width: usize, height: usize) -> Picture {
    let mut out = Picture::new(width, height, picture.colour);
    let stride = picture.width();
    for (plane, (target, w, h)) in out.planes_mut().into_iter().enumerate() {
        let (x, y, stride) = if plane == 0 { (x, y, stride) } else { (x / 2, y / 2, stride / 2) };
        let source = picture.planes()[plane].0;
        for row in 0..h {
            target[row * w..(row + 1) * w].copy_from_slice(&source[(y + row) * stride + x..][..w]);
        }
    }
    out
}

#[test]
fn without_divergence_both_eyes_are_the_source() {
    let (picture, depth) = noise(100, 60, 31, 17, 5);
    let options = Options { divergence: 0.0, ..Options::default() };
    let out = rendered(&options, &picture, &depth, Layout::Sbs);
    assert_eq!(part(&out, 0, 0, 100, 60), picture);
    assert_eq!(part(&out, 100, 0, 100, 60), picture);
    assert_eq!(
        rendered(&options, &picture, &depth, Layout::Anaglyph(crate::AnaglyphKind::Color)).colour,
        picture.colour
    );
}

#[test]
fn layouts_hold_the_same_eyes() {
    let (picture, depth) = noise(100, 60, 31, 17, 9);
    let render = |layout| rendered(&Options::default(), &picture, &depth, layout);
    let beside = render(Layout::Sbs);
    let (left, right) = (part(&beside, 0, 0, 100, 60), part(&beside, 100, 0, 100, 60));
    assert_ne!(left, right);
    let crossed = render(Layout::CrossEyed);
    assert_eq!((part(&crossed, 100, 0, 100, 60), part(&crossed, 0, 0, 100, 60)), (left.clone(), right.clone()));
    let above = render(Layout::Tb);
    assert_eq!((part(&above, 0, 0, 100, 60), part(&above, 0, 60, 100, 60)), (left.clone(), right.clone()));
    let half = render(Layout::HalfSbs);
    let pair = |eye: &Picture, a: usize, b: usize| (u16::from(eye.y[a]) + u16::from(eye.y[b])).div_ceil(2) as u8;
    assert_eq!((half.y[3], half.y[50 + 3]), (pair(&left, 6, 7), pair(&right, 6, 7)));
    let half = render(Layout::HalfTb);
    assert_eq!((half.y[100 * 2 + 5], half.y[100 * 32 + 5]), (pair(&left, 405, 505), pair(&right, 405, 505)));
}

#[test]
fn squeezed_layouts_of_odd_halves_repeat_the_last_line() {
    let (picture, depth) = noise(26, 14, 5, 5, 3);
    let left = part(&rendered(&Options::default(), &picture, &depth, Layout::Sbs), 0, 0, 26, 14);
    let half = rendered(&Options::default(), &picture, &depth, Layout::HalfSbs);
    assert_eq!((half.width(), half.y[13]), (28, left.y[25]));
    let half = rendered(&Options::default(), &picture, &depth, Layout::HalfTb);
    assert_eq!((half.height(), &half.y[7 * 26..8 * 26]), (16, &left.y[13 * 26..14 * 26]));
    // Seven chroma rows are packed into four; the last one has no partner.
    assert_eq!(half.u[3 * 13..4 * 13], left.u[6 * 13..7 * 13]);
}

#[test]
fn full_hd_at_the_defaults_moves_the_nearest_and_the_farthest_by_9_or_10_pixels() {
    let mut picture = Picture::new(1920, 4, Colour::default());
    picture.y[960] = 200;
    let place = |depth: f32, offset: usize| {
        // The longer side counts, so 4 rows give the same distances as 1080.
        let depth = NormalisedDepth::new(1, 1, vec![depth]);
        let out = rendered(&Options::default(), &picture, &depth, Layout::Sbs);
        out.y[offset..offset + 1920].iter().position(|y| *y == 200).map(|x| x as isize - 960)
    };
    // Twice 9.6 is 19.2, rounded to 19: 10 pixels for the left eye, 9 for the right.
    assert_eq!((place(1.0, 0), place(1.0, 1920)), (Some(10), Some(-9)));
    assert_eq!((place(0.0, 0), place(0.0, 1920)), (Some(-9), Some(10)));
    assert_eq!((place(0.5, 0), place(0.5, 1920)), (Some(0), Some(0)));
}

#[test]
fn a_near_square_in_a_picture_shifts_apart_with_its_colour() {
    let mut picture = Picture::new(320, 180, Colour::default());
    let is_near = |x: usize, y: usize| (120..200).contains(&x) && (60..120).contains(&y);
    for (plane, (samples, width, _)) in picture.planes_mut().into_iter().enumerate() {
        let zoom = if plane == 0 { 1 } else { 2 };
        for (i, sample) in samples.iter_mut().enumerate() {
            *sample = if is_near(i % width * zoom, i / width * zoom) { 220 } else { 90 };
        }
    }
    let values = (0..320 * 180).map(|i| if is_near(i % 320, i / 320) { 1.0 } else { 0.5 }).collect();
    let depth = NormalisedDepth::new(320, 180, values);
    // 10 per cent of 320 over the whole range, half of it in front of the screen: 16 pixels between the eyes.
    let options = Options { divergence: 10.0, ..Options::default() };
    let out = rendered(&options, &picture, &depth, Layout::Sbs);
    let edges = |samples: &[u8]| (samples.iter().position(|s| *s == 220), samples.iter().rposition(|s| *s == 220));
    let row = &out.y[90 * 640..91 * 640];
    assert_eq!(edges(&row[..320]), (Some(128), Some(207)), "left eye");
    assert_eq!(edges(&row[320..]), (Some(112), Some(191)), "right eye");
    assert!(row.iter().all(|s| [90, 220].contains(s)), "holes take the background and nothing else");
    let row = &out.v[45 * 320..46 * 320];
    assert_eq!(edges(&row[..160]), (Some(64), Some(103)), "left eye, chroma");
    assert_eq!(edges(&row[160..]), (Some(56), Some(95)), "right eye, chroma");
}
