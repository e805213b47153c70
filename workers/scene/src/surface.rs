//! Procedural surfaces: the colour of a point of a solid before lighting.
//!
//! Every pattern is averaged over the pixel's footprint, so that distant surfaces fade to their mean colour and don't
//! shimmer.

use crate::{
    noise::{Noise, chance},
    vector::{Vec3, floor, vec3},
};

/// A pattern in surface coordinates (metres).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pattern {
    /// Soft mottling between the two colours, in texels per metre.
    Mottled(f32),
    /// Squares with the given side.
    Checker(f32),
    /// Bricks of the given length and height; the second colour is the mortar.
    Bricks(f32, f32),
    /// Wavy veins, in texels per metre.
    Marble(f32),
    /// Horizontal rings of the given width.
    Rings(f32),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Surface {
    pub(crate) pattern: Pattern,
    pub(crate) first: Vec3,
    pub(crate) second: Vec3,
    /// 0 is matt; 1 reflects sky and sun like a polished ball.
    pub(crate) gloss: f32,
}

impl Surface {
    pub(crate) fn new(pattern: Pattern, first: Vec3, second: Vec3, gloss: f32) -> Self {
        Self { pattern, first, second, gloss }
    }

    /// The linear-light colour at (u, v), averaged over `footprint` metres.
    pub(crate) fn colour(&self, noise: &Noise, u: f32, v: f32, footprint: f32) -> Vec3 {
        match self.pattern {
            Pattern::Mottled(scale) => {
                let n = noise.at(u * scale, v * scale, footprint * scale);
                self.first.lerp(self.second, contrast(n))
            }
            Pattern::Checker(side) => {
                let k = checker(u / side, v / side, footprint / side);
                let grain = noise.grain(u * 40.0, v * 40.0, footprint * 40.0);
                self.first.lerp(self.second, k) * (0.8 + 0.4 * grain)
            }
            Pattern::Bricks(length, height) => self.bricks(noise, u, v, footprint, length, height),
            Pattern::Marble(scale) => {
                let n = noise.at(u * scale, v * scale, footprint * scale);
                let phase = u * 0.9 + v * 0.6 + n * 2.4;
                let vein = 1.0 - (2.0 * (phase - floor(phase)) - 1.0).abs();
                self.first.lerp(self.second, vein * vein * vein)
            }
            Pattern::Rings(width) => {
                let k = 0.5 - 0.5 * square_mean(v / width, footprint / width);
                let grain = noise.grain(u * 60.0, v * 60.0, footprint * 60.0);
                self.first.lerp(self.second, k) * (0.85 + 0.3 * grain)
            }
        }
    }

    fn bricks(&self, noise: &Noise, u: f32, v: f32, footprint: f32, length: f32, height: f32) -> Vec3 {
        let row = floor(v / height);
        let along = u / length + if row as i64 & 1 == 0 { 0.0 } else { 0.5 };
        let column = floor(along);
        let joint = 0.06 * height;
        // Distance from the nearest joint in metres, blurred by the footprint.
        let du = (0.5 - (along - column - 0.5).abs()) * length;
        let dv = (0.5 - (v / height - row - 0.5).abs()) * height;
        let soft = footprint.max(0.015);
        let inside = |d: f32| ((d - joint) / soft + 0.5).clamp(0.0, 1.0);
        let sharp = inside(du) * inside(dv);
        let fade = (footprint / height * 1.5).clamp(0.0, 1.0);
        let cover = sharp + (0.82 - sharp) * fade;
        let shade = chance(17, row as i64, column as i64);
        let shade = shade + (0.5 - shade) * fade;
        let grain = noise.grain(u * 90.0, v * 90.0, footprint * 90.0);
        let stain = noise.at(u * 12.0, v * 12.0, footprint * 12.0);
        let brick = self.first * (0.65 + 0.6 * shade) * (0.8 + 0.4 * stain);
        self.second.lerp(brick, cover) * (0.75 + 0.5 * grain)
    }
}

/// Converts display values from 0 to 255 to linear light.
pub(crate) fn rgb(r: u8, g: u8, b: u8) -> Vec3 {
    let linear = |v: u8| (f32::from(v) / 255.0).powf(2.2);
    vec3(linear(r), linear(g), linear(b))
}

fn contrast(n: f32) -> f32 {
    let t = ((n - 0.2) / 0.6).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Mean of a ±1 square wave of period 2 over an interval of `width` around `x`.
fn square_mean(x: f32, width: f32) -> f32 {
    let width = width.max(0.001);
    // The integral of a square wave is a triangle wave.
    let triangle = |x: f32| 1.0 - (x - 2.0 * floor(x * 0.5) - 1.0).abs();
    ((triangle(x + width * 0.5) - triangle(x - width * 0.5)) / width).clamp(-1.0, 1.0)
}

fn checker(u: f32, v: f32, width: f32) -> f32 {
    0.5 - 0.5 * square_mean(u, width) * square_mean(v, width)
}
