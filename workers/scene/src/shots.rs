//! The shots of a clip: a courtyard that the camera circles, an arcade that it walks through, a plain at dusk.
//!
//! Invariant: nothing visible in a shot is ever nearer than its near end, and everything beyond its far end is painted
//! on a backdrop at the far end, so normalised depth needs no clamping.

use std::f32::consts::PI;

use crate::{
    camera::Pose,
    noise::{Noise, chance},
    solid::Solid,
    surface::{Pattern, Surface, rgb},
    vector::{Vec3, vec3},
    world::{Sky, World},
};

/// The world and the camera at one moment.
pub(crate) struct Shot {
    pub(crate) world: World,
    pub(crate) pose: Pose,
}

/// The shot of the given number, `secs` after its start. Shots repeat every three numbers, with other colours and
/// places.
pub(crate) fn shot(number: u32, secs: f32, seed: u64, noise: &Noise) -> Shot {
    let dice = Dice { seed: seed.wrapping_mul(31).wrapping_add(u64::from(number)) };
    // The camera moves back and forth in ten seconds, so that it never leaves the scene however long the clip.
    let path = 0.5 - 0.5 * ((secs + 0.8) * PI / 5.0).cos();
    match number % 3 {
        0 => courtyard(&dice, secs, path, noise),
        1 => arcade(&dice, secs, path, noise),
        _ => dusk(&dice, secs, path, noise),
    }
}

struct Dice {
    seed: u64,
}

impl Dice {
    fn between(&self, low: f32, high: f32, a: i64, b: i64) -> f32 {
        low + (high - low) * chance(self.seed, a, b)
    }

    fn tint(&self, index: i64) -> Vec3 {
        const TINTS: [(u8, u8, u8); 6] =
            [(196, 62, 48), (226, 162, 44), (46, 120, 168), (64, 142, 92), (150, 82, 150), (214, 108, 60)];
        let start = (chance(self.seed, 99, 0) * 6.0) as i64;
        let (r, g, b) = TINTS[((start + index) % 6) as usize];
        rgb(r, g, b)
    }
}

fn courtyard(dice: &Dice, secs: f32, path: f32, noise: &Noise) -> Shot {
    let stone = Surface::new(Pattern::Checker(0.8), rgb(196, 186, 168), rgb(118, 110, 104), 0.12);
    let brick = Surface::new(Pattern::Bricks(0.62, 0.22), rgb(178, 88, 62), rgb(186, 178, 166), 0.0);
    let plaster = Surface::new(Pattern::Mottled(30.0), rgb(226, 212, 186), rgb(190, 170, 140), 0.0);
    let marble = Surface::new(Pattern::Marble(26.0), rgb(238, 234, 226), rgb(92, 98, 112), 0.7);
    let mut solids = vec![
        Solid::ground(stone),
        Solid::block(vec3(-4.6, 0.0, 7.0), vec3(7.0, 2.9, 0.6), 0.0, brick),
        Solid::block(vec3(4.9, 0.0, 7.0), vec3(7.0, 2.9, 0.6), 0.0, brick),
        Solid::block(vec3(-1.1, 0.0, 7.0), vec3(0.7, 3.6, 0.9), 0.0, plaster),
        Solid::block(vec3(1.4, 0.0, 7.0), vec3(0.7, 3.6, 0.9), 0.0, plaster),
        Solid::block(vec3(0.15, 3.6, 7.0), vec3(3.7, 0.5, 1.1), 0.0, plaster),
        Solid::block(vec3(-2.5, 0.0, 1.6), vec3(1.1, 0.9, 1.1), 0.5, plaster),
        Solid::sphere(vec3(-2.5, 1.62, 1.6), 0.72, marble),
        Solid::block(vec3(2.7, 0.0, 2.2), vec3(0.9, 2.1, 0.9), 0.35, brick),
        Solid::sphere(
            vec3(2.7, 2.5, 2.2),
            0.42,
            Surface::new(Pattern::Rings(0.14), dice.tint(3), rgb(240, 230, 210), 0.6),
        ),
    ];
    let bounce = (secs * 2.6).sin().abs() * 1.1;
    let striped = Surface::new(Pattern::Rings(0.21), dice.tint(0), rgb(244, 238, 226), 0.6);
    solids.push(Solid::sphere(vec3(0.25, 0.62 + bounce, 0.4), 0.62, striped));
    let along = -1.6 + 0.55 * secs.min(9.0);
    let rolling = Surface::new(Pattern::Checker(0.22), dice.tint(2), rgb(236, 236, 230), 0.7);
    solids.push(Solid::sphere(vec3(along, 0.36, -1.9), 0.36, rolling));
    for i in 0..6_i64 {
        let place = vec3(dice.between(-5.5, 5.5, 1, i), 0.0, dice.between(3.6, 5.6, 2, i));
        let side = dice.between(0.35, 0.75, 3, i);
        let crate_top = Surface::new(Pattern::Mottled(50.0), dice.tint(i), dice.tint(i) * 0.55, 0.1);
        solids.push(Solid::block(place, vec3(side, side, side), dice.between(0.0, 1.5, 4, i), crate_top));
    }
    let sky = Sky {
        zenith: rgb(58, 112, 190),
        horizon: rgb(196, 214, 226),
        hills: rgb(74, 104, 96),
        clouds: vec3(0.95, 0.95, 0.95),
        sun: vec3(-0.55, 0.68, -0.48).normalised(),
        sunlight: vec3(1.15, 1.05, 0.88),
        ambient: vec3(0.34, 0.41, 0.52),
    };
    let angle = -0.36 + 0.62 * path;
    let position = vec3(8.2 * angle.sin(), 2.1 + 0.5 * path, -8.2 * angle.cos());
    let pose = Pose { position, target: vec3(0.0, 1.15, 0.6), half_width: 0.62, near: 5.0, far: 42.0 };
    Shot { world: World::new(solids, sky, noise.clone()), pose }
}

fn arcade(dice: &Dice, secs: f32, path: f32, noise: &Noise) -> Shot {
    let tiles = Surface::new(Pattern::Checker(0.6), rgb(226, 216, 196), rgb(86, 50, 44), 0.35);
    let wall = Surface::new(Pattern::Bricks(0.7, 0.26), rgb(188, 128, 92), rgb(150, 132, 116), 0.0);
    let stone = Surface::new(Pattern::Mottled(26.0), rgb(224, 206, 176), rgb(168, 146, 118), 0.0);
    let wood = Surface::new(Pattern::Mottled(44.0), rgb(120, 82, 52), rgb(72, 48, 34), 0.0);
    let mut solids = vec![
        Solid::ground(tiles),
        Solid::block(vec3(-3.3, 0.0, 14.0), vec3(0.6, 3.7, 34.0), 0.0, wall),
        Solid::block(vec3(3.3, 0.0, 14.0), vec3(0.6, 2.3, 34.0), 0.0, wall),
    ];
    for i in 0..9_u8 {
        let z = 3.0 + 3.0 * f32::from(i);
        for x in [-2.35, 2.35] {
            solids.push(Solid::block(vec3(x, 0.0, z), vec3(0.62, 0.3, 0.62), 0.0, stone));
            solids.push(Solid::block(vec3(x, 0.3, z), vec3(0.42, 3.0, 0.42), 0.0, stone));
        }
        solids.push(Solid::block(vec3(0.0, 3.3, z), vec3(6.6, 0.34, 0.4), 0.0, wood));
    }
    for i in 0..6_i64 {
        let phase = dice.between(0.0, 6.0, 5, i);
        let x = dice.between(-1.25, 1.25, 6, i);
        let y = dice.between(0.9, 2.3, 7, i) + 0.22 * (secs * 1.5 + phase).sin();
        let z = 4.6 + 2.4 * i as f32 + 0.3 * (secs + phase).cos();
        let pattern = [Pattern::Rings(0.12), Pattern::Marble(30.0), Pattern::Checker(0.2)][(i % 3) as usize];
        let surface = Surface::new(pattern, dice.tint(i), rgb(242, 234, 214), 0.8);
        solids.push(Solid::sphere(vec3(x, y, z), dice.between(0.26, 0.46, 8, i), surface));
    }
    let sky = Sky {
        zenith: rgb(92, 146, 206),
        horizon: rgb(240, 226, 200),
        hills: rgb(112, 122, 122),
        clouds: vec3(1.0, 0.96, 0.9),
        sun: vec3(0.62, 0.70, 0.36).normalised(),
        sunlight: vec3(1.45, 1.2, 0.85),
        ambient: vec3(0.36, 0.36, 0.42),
    };
    let position = vec3(-0.5 + 0.7 * path, 1.55, -1.4 + 3.2 * path);
    let target = position + vec3(0.12 - 0.2 * path, -0.02, 1.0);
    let pose = Pose { position, target, half_width: 0.72, near: 2.45, far: 36.0 };
    Shot { world: World::new(solids, sky, noise.clone()), pose }
}

fn dusk(dice: &Dice, secs: f32, path: f32, noise: &Noise) -> Shot {
    let sand = Surface::new(Pattern::Mottled(9.0), rgb(206, 150, 106), rgb(146, 98, 78), 0.0);
    let slate = Surface::new(Pattern::Bricks(0.9, 0.45), rgb(112, 104, 124), rgb(70, 62, 78), 0.1);
    let mut solids = vec![Solid::ground(sand)];
    for (i, (x, z, height)) in
        [(-4.4, 9.0, 4.6), (-1.7, 13.5, 6.2), (3.2, 10.5, 3.8), (6.4, 15.0, 6.8), (-8.8, 16.0, 5.4)]
            .into_iter()
            .enumerate()
    {
        let width = 0.9 + 0.12 * height;
        solids.push(Solid::block(vec3(x, 0.0, z), vec3(width, height, width), 0.3 + i as f32 * 0.35, slate));
    }
    for i in 0..13_i64 {
        let column = (i % 5) as f32 - 2.0;
        let row = (i / 5) as f32;
        let x = column * (1.5 + 0.75 * row) + dice.between(-0.4, 0.4, 9, i);
        let z = 3.4 + 2.7 * row + dice.between(-0.5, 0.5, 10, i);
        let radius = dice.between(0.22, 0.5 + 0.12 * row, 11, i);
        let floating = if i % 4 == 1 { 0.7 + 0.2 * (secs * 1.3 + i as f32).sin() } else { 0.0 };
        let pattern = [Pattern::Marble(24.0), Pattern::Mottled(60.0), Pattern::Rings(0.16)][(i % 3) as usize];
        let second = if i % 3 == 1 { dice.tint(i) * 0.5 } else { rgb(240, 226, 206) };
        let surface = Surface::new(pattern, dice.tint(i), second, 0.75);
        solids.push(Solid::sphere(vec3(x, radius + floating, z), radius, surface));
    }
    let sky = Sky {
        zenith: rgb(52, 62, 122),
        horizon: rgb(250, 172, 110),
        hills: rgb(84, 58, 92),
        clouds: vec3(0.95, 0.5, 0.42),
        sun: vec3(0.62, 0.30, 0.72).normalised(),
        sunlight: vec3(1.5, 0.86, 0.46),
        ambient: vec3(0.38, 0.34, 0.48),
    };
    let position = vec3(-1.5 + 3.0 * path, 1.25 + 0.5 * path, -1.2);
    let target = vec3(0.1 + 0.6 * path, 1.05, 6.0);
    let pose = Pose { position, target, half_width: 0.70, near: 3.25, far: 60.0 };
    Shot { world: World::new(solids, sky, noise.clone()), pose }
}
