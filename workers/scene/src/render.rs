//! Renders a world seen by a camera: one ray per pixel, and four more at edges.
//!
//! Invariant: the result depends only on the world and the camera, not on the number of threads.

use std::{num::NonZero, sync::Mutex, thread};

use stereospot_picture::{Colour, Picture};

use crate::{
    camera::Camera,
    vector::{Vec3, vec3},
    world::{Sight, World},
};

const BAND: usize = 16;
const TILE: usize = 32;

/// Renders a picture, and for each pixel the normalised depth at its centre (row by row, clamped to 0 … 1).
pub(crate) fn render(world: &World, camera: &Camera, width: usize, height: usize) -> (Picture, Vec<f32>) {
    let nothing = Sight { colour: Vec3::default(), z: 0.0, id: 0 };
    let tiles = Tiles::new(world, camera, width, height);
    let mut sights = vec![nothing; width * height];
    share_out(sights.chunks_mut(BAND * width).enumerate(), |(band, rows)| {
        for left in (0..width).step_by(TILE) {
            let right = (left + TILE).min(width);
            let candidates = tiles.at(left, band);
            for (row, line) in rows.chunks_mut(width).enumerate() {
                let y = (band * BAND + row) as f32 + 0.5;
                for (x, sight) in line[left..right].iter_mut().enumerate() {
                    let ray = camera.ray((left + x) as f32 + 0.5, y);
                    *sight = world.look(&ray, candidates, camera.far, camera.centre, camera.pixel());
                }
            }
        }
    });

    let mut picture = Picture::new(width, height, Colour::default());
    let mut depth = vec![0.0; width * height];
    let sights = &sights;
    let tone = ToneCurve::new();
    let bands = {
        let Picture { y, u, v, .. } = &mut picture;
        let chroma = BAND / 2 * (width / 2);
        let planes = y.chunks_mut(BAND * width).zip(u.chunks_mut(chroma)).zip(v.chunks_mut(chroma));
        planes.zip(depth.chunks_mut(BAND * width)).enumerate().collect::<Vec<_>>()
    };
    share_out(bands.into_iter(), |(band, (((y, u), v), depth))| {
        let first = band * BAND;
        let rows = y.len() / width;
        let mut shown = Vec::with_capacity(y.len());
        for row in first..first + rows {
            for x in 0..width {
                let at = row * width + x;
                depth[at - first * width] = camera.normalised(sights[at].z).clamp(0.0, 1.0);
                let colour = if is_edge(sights, width, x, row) {
                    smoothed(world, camera, tiles.at(x, band), x, row, sights[at].colour)
                } else {
                    sights[at].colour
                };
                shown.push(tone.shown(colour));
            }
        }
        write_luma(&shown, y);
        write_chroma(&shown, width, u, v);
    });
    (picture, depth)
}

/// Runs `work` on every item, on up to 16 cores.
fn share_out<T: Send>(items: impl Iterator<Item = T> + Send, work: impl Fn(T) + Sync) {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(16);
    let items = Mutex::new(items);
    let next = || items.lock().expect("no holder of this lock panics while it takes an item").next();
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| {
                while let Some(item) = next() {
                    work(item);
                }
            });
        }
        while let Some(item) = next() {
            work(item);
        }
    });
}

/// For each tile, the solids that may be visible in it.
struct Tiles {
    columns: usize,
    lists: Vec<Vec<u16>>,
}

impl Tiles {
    fn new(world: &World, camera: &Camera, width: usize, height: usize) -> Self {
        let columns = width.div_ceil(TILE);
        let mut lists = vec![Vec::new(); columns * height.div_ceil(BAND)];
        for (index, solid) in world.solids().iter().enumerate() {
            let index = u16::try_from(index).expect("a shot has fewer than 65536 solids");
            let Some([left, top, right, bottom]) = camera.bounds(solid) else { continue };
            for (tile, list) in lists.iter_mut().enumerate() {
                // One pixel more on every side than the tile.
                let (x, y) = ((tile % columns * TILE) as f32 - 1.0, (tile / columns * BAND) as f32 - 1.0);
                if left <= x + TILE as f32 + 2.0 && right >= x && top <= y + BAND as f32 + 2.0 && bottom >= y {
                    list.push(index);
                }
            }
        }
        Self { columns, lists }
    }

    fn at(&self, x: usize, band: usize) -> &[u16] {
        &self.lists[band * self.columns + x / TILE]
    }
}

/// True if a visible edge runs between the pixel and one of its neighbours.
fn is_edge(sights: &[Sight], width: usize, x: usize, row: usize) -> bool {
    let at = row * width + x;
    let own = &sights[at];
    let differs = |other: usize| {
        let other = &sights[other];
        other.id != own.id && {
            let step = other.colour - own.colour;
            let sum = other.colour + own.colour;
            step.dot(step) > 0.004 * sum.dot(sum) + 1e-5
        }
    };
    (x > 0 && differs(at - 1))
        || (x + 1 < width && differs(at + 1))
        || (row > 0 && differs(at - width))
        || (at + width < sights.len() && differs(at + width))
}

fn smoothed(world: &World, camera: &Camera, candidates: &[u16], x: usize, row: usize, middle: Vec3) -> Vec3 {
    // A rotated square, so that horizontal and vertical edges don't get steps of half a pixel.
    const AROUND: [(f32, f32); 4] = [(0.375, 0.125), (0.875, 0.375), (0.125, 0.625), (0.625, 0.875)];
    // Limit highlights: a value far above white would dominate the average and make the edge jagged.
    let bounded = |c: Vec3| vec3(c.x.min(1.5), c.y.min(1.5), c.z.min(1.5));
    let sum = AROUND.iter().fold(bounded(middle), |sum, (dx, dy)| {
        let ray = camera.ray(x as f32 + dx, row as f32 + dy);
        sum + bounded(world.look(&ray, candidates, camera.far, camera.centre, camera.pixel()).colour)
    });
    sum * 0.2
}

/// Converts linear light to display values 0 … 255, with soft highlights.
struct ToneCurve {
    table: Vec<f32>,
}

impl ToneCurve {
    const STEPS: usize = 4096;
    const WHITE: f32 = 4.0;

    fn new() -> Self {
        let table = (0..=Self::STEPS)
            .map(|i| {
                // Index the table by the square root, which gives dark values more entries; they need more precision.
                let linear = (i as f32 / Self::STEPS as f32).powi(2) * Self::WHITE;
                (1.0 - (-1.55 * linear).exp()).powf(1.0 / 2.2) * 255.0
            })
            .collect();
        Self { table }
    }

    fn shown(&self, colour: Vec3) -> Vec3 {
        let look = |v: f32| {
            let root = (v.max(0.0) * (1.0 / Self::WHITE)).sqrt();
            self.table[((root * Self::STEPS as f32) as usize).min(Self::STEPS)]
        };
        vec3(look(colour.x), look(colour.y), look(colour.z))
    }
}

fn write_luma(shown: &[Vec3], y: &mut [u8]) {
    for (out, c) in y.iter_mut().zip(shown) {
        let luma = 0.2126 * c.x + 0.7152 * c.y + 0.0722 * c.z;
        *out = (16.5 + luma * (219.0 / 255.0)) as u8;
    }
}

fn write_chroma(shown: &[Vec3], width: usize, u: &mut [u8], v: &mut [u8]) {
    for (at, (u, v)) in u.iter_mut().zip(v.iter_mut()).enumerate() {
        let (x, row) = (at % (width / 2) * 2, at / (width / 2) * 2);
        let corner = row * width + x;
        let mean = (shown[corner] + shown[corner + 1] + shown[corner + width] + shown[corner + width + 1]) * 0.25;
        let luma = 0.2126 * mean.x + 0.7152 * mean.y + 0.0722 * mean.z;
        *u = (128.5 + (mean.z - luma) / 1.8556 * (224.0 / 255.0)) as u8;
        *v = (128.5 + (mean.x - luma) / 1.5748 * (224.0 / 255.0)) as u8;
    }
}
