use stereospot_picture::Colour;

use super::*;
use crate::noise::chance;

/// A picture of medium noise, with the number burnt in.
fn numbered(width: usize, height: usize, number: u32) -> Picture {
    let mut picture = Picture::new(width, height, Colour::default());
    for (at, sample) in picture.y.iter_mut().enumerate() {
        *sample = 60 + (chance(3, at as i64, 0) * 120.0) as u8;
    }
    burn_in(&mut picture, number);
    picture
}

/// Resamples a picture's luma: `source` maps x and y in 0 … 1 to the place to read.
fn resampled(picture: &Picture, width: usize, height: usize, source: impl Fn(f32, f32) -> (f32, f32)) -> Picture {
    let mut out = Picture::new(width, height, Colour::default());
    for y in 0..height {
        for x in 0..width {
            let (sx, sy) = source((x as f32 + 0.5) / width as f32, (y as f32 + 0.5) / height as f32);
            let sx = ((sx * picture.width() as f32).max(0.0) as usize).min(picture.width() - 1);
            let sy = ((sy * picture.height() as f32).max(0.0) as usize).min(picture.height() - 1);
            out.y[y * width + x] = picture.y[sy * picture.width() + sx];
        }
    }
    out
}

/// Applies a 5 × 5 blur and noise of ±25, worse than any watchable compression.
fn damaged(picture: &Picture) -> Picture {
    let (width, height) = (picture.width() as i64, picture.height() as i64);
    let mut out = picture.clone();
    for (at, sample) in out.y.iter_mut().enumerate() {
        let (x, y) = (at as i64 % width, at as i64 / width);
        let near = (-2..=2).flat_map(|dy| (-2..=2).map(move |dx| (dx, dy)));
        let sum: i64 = near
            .map(|(dx, dy)| {
                let (x, y) = ((x + dx).clamp(0, width - 1), (y + dy).clamp(0, height - 1));
                i64::from(picture.y[(y * width + x) as usize])
            })
            .sum();
        let noise = (chance(5, x, y) * 50.0) as i64 - 25;
        *sample = (sum / 25 + noise).clamp(0, 255) as u8;
    }
    out
}

const NUMBERS: [u32; 9] = [0, 1, 2, 77, 224, 0x5555, 0xAAAA, 40_000, FRAME_NUMBERS - 1];

#[test]
fn every_number_reads_back_and_larger_ones_wrap() {
    let mut picture = numbered(320, 180, 0);
    for number in 0..FRAME_NUMBERS {
        burn_in(&mut picture, number);
        assert_eq!(read_frame_number(&picture, Eye::Whole), Some(number));
    }
    burn_in(&mut picture, FRAME_NUMBERS + 5);
    assert_eq!(read_frame_number(&picture, Eye::Whole), Some(5));
}

#[test]
fn warped_eyes_read_back_in_every_layout() {
    for (width, height) in [(320, 180), (960, 540), (1280, 720)] {
        for number in NUMBERS {
            let source = numbered(width, height, number);
            // Shift each eye by up to 1.5 % of the width, varying along the row, then pack.
            let shift = |x: f32, sign: f32| x + sign * 0.015 * (x * 37.0 + 1.0).sin();
            let side_by_side =
                |x: f32, y: f32| if x < 0.5 { (shift(2.0 * x, 1.0), y) } else { (shift(2.0 * x - 1.0, -1.0), y) };
            let over_under =
                |x: f32, y: f32| if y < 0.5 { (shift(x, 1.0), 2.0 * y) } else { (shift(x, -1.0), 2.0 * y - 1.0) };
            let check = |picture: Picture, eyes: &[Eye]| {
                let picture = damaged(&picture);
                for &eye in eyes {
                    assert_eq!(read_frame_number(&picture, eye), Some(number), "{width}x{height} {eye:?}");
                }
            };
            let (beside, over) = ([Eye::LeftHalf, Eye::RightHalf], [Eye::TopHalf, Eye::BottomHalf]);
            check(resampled(&source, width, height, |x, y| (shift(x, 1.0), y)), &[Eye::Whole]);
            check(resampled(&source, 2 * width, height, side_by_side), &beside);
            check(resampled(&source, width, 2 * height, over_under), &over);
            if width >= 960 {
                check(resampled(&source, width, height, side_by_side), &beside);
                check(resampled(&source, width, height, over_under), &over);
            }
        }
    }
}

#[test]
fn eyes_mixed_as_an_anaglyph_mixes_them_read_back() {
    for number in NUMBERS {
        let source = numbered(960, 540, number);
        let left = resampled(&source, 960, 540, |x, y| (x + 0.012, y));
        let right = resampled(&source, 960, 540, |x, y| (x - 0.012, y));
        // In an anaglyph of grey blocks, luma is the left eye's with the weight of red plus the right eye's with the
        // other weights.
        let mut mixed = left.clone();
        for (out, right) in mixed.y.iter_mut().zip(&right.y) {
            *out = (0.2126 * f32::from(*out) + 0.7874 * f32::from(*right)) as u8;
        }
        assert_eq!(read_frame_number(&damaged(&mixed), Eye::Whole), Some(number));
    }
}

#[test]
fn what_carries_no_number_gives_none() {
    let plain = resampled(&numbered(960, 540, 9), 960, 540, |x, y| (x, y * 0.9));
    assert_eq!(read_frame_number(&plain, Eye::Whole), None);
    assert_eq!(read_frame_number(&Picture::new(960, 540, Colour::default()), Eye::Whole), None);
    assert_eq!(read_frame_number(&Picture::new(4, 4, Colour::default()), Eye::RightHalf), None);
    // A plain picture has no number in its right half.
    assert_eq!(read_frame_number(&numbered(960, 540, 9), Eye::RightHalf), None);
}

#[test]
fn a_single_wrong_block_is_noticed() {
    let source = numbered(960, 540, 1234);
    for block in 2..BLOCKS {
        let mut picture = source.clone();
        let (from, to) = (MARGIN + BLOCK * block as f32, MARGIN + BLOCK * (block as f32 + 1.0));
        for y in band_top(540)..540 {
            for x in (from * 960.0) as usize..(to * 960.0) as usize {
                let sample = &mut picture.y[y * 960 + x];
                *sample = 248 - *sample;
            }
        }
        assert_eq!(read_frame_number(&picture, Eye::Whole), None, "block {block}");
    }
}
