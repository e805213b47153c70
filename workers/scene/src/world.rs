//! The solids of a shot and their lighting.

use crate::{
    noise::Noise,
    solid::{Ray, Shape, Solid},
    vector::{Vec3, vec3},
};

/// Colours of the sky and its light, all in linear light.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sky {
    pub(crate) zenith: Vec3,
    pub(crate) horizon: Vec3,
    pub(crate) hills: Vec3,
    pub(crate) clouds: Vec3,
    /// Direction to the sun, of length 1.
    pub(crate) sun: Vec3,
    pub(crate) sunlight: Vec3,
    pub(crate) ambient: Vec3,
}

/// Distance from a block's foot up to which it darkens the ground, in metres.
const CORNER: f32 = 0.6;

#[derive(Debug, Clone)]
pub(crate) struct World {
    solids: Vec<Solid>,
    sky: Sky,
    noise: Noise,
    shades: Vec<Eight>,
    /// The area of ground that each solid darkens, in x and z.
    ground_shades: Vec<Eight>,
    across: Vec3,
    along: Vec3,
}

/// Bounding rectangles of eight solids in a plane, stored by component so that the compiler tests all eight at once.
#[derive(Debug, Clone, Copy, Default)]
struct Eight {
    a: [f32; 8],
    b: [f32; 8],
    half_a: [f32; 8],
    half_b: [f32; 8],
    /// Largest extent along the plane's normal.
    top: [f32; 8],
}

/// What a ray hits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight {
    pub(crate) colour: Vec3,
    /// Depth along the camera's axis in metres.
    pub(crate) z: f32,
    /// Differs between two rays if an edge of a solid, face or shadow runs between them.
    pub(crate) id: u32,
}

impl Eight {
    /// Returns a bit for each solid whose rectangle holds (a, b) and that extends above `height`.
    #[inline]
    fn bits(&self, a: f32, b: f32, height: f32) -> u32 {
        // All three margins are positive exactly if their minimum is: one comparison per lane and no branch.
        let mut margins = [0.0_f32; 8];
        for (i, margin) in margins.iter_mut().enumerate() {
            let margin_a = self.half_a[i] - (self.a[i] - a).abs();
            let margin_b = self.half_b[i] - (self.b[i] - b).abs();
            let inside = if margin_a < margin_b { margin_a } else { margin_b };
            let above = self.top[i] - height;
            *margin = if inside < above { inside } else { above };
        }
        // Combine the sign bits as integers, which the compiler vectorises.
        let all_outside = margins.iter().fold(u32::MAX, |joined, margin| joined & margin.to_bits());
        if all_outside >> 31 == 1 {
            return 0;
        }
        margins.iter().rev().fold(0, |bits, &margin| bits << 1 | u32::from(margin > 0.0))
    }
}

/// Calls `found` with the number of each solid whose rectangle holds (a, b) and that extends above `height`, until it
/// returns true.
#[inline]
fn any_reached(eights: &[Eight], a: f32, b: f32, height: f32, mut found: impl FnMut(usize) -> bool) -> bool {
    for (number, eight) in eights.iter().enumerate() {
        let mut bits = eight.bits(a, b, height);
        while bits != 0 {
            if found(number * 8 + bits.trailing_zeros() as usize) {
                return true;
            }
            bits &= bits - 1;
        }
    }
    false
}

impl World {
    pub(crate) fn new(solids: Vec<Solid>, sky: Sky, noise: Noise) -> Self {
        // Most long solids run along z; projected on these axes they stay narrow.
        let across = sky.sun.cross(vec3(0.0, 0.0, 1.0)).normalised();
        let along = sky.sun.cross(across);
        let mut shades = vec![Eight::default(); solids.len().div_ceil(8)];
        let mut ground_shades = shades.clone();
        let (x, z) = (vec3(1.0, 0.0, 0.0), vec3(0.0, 0.0, 1.0));
        for (index, solid) in solids.iter().enumerate() {
            let centre = solid.centre;
            let put = |eights: &mut Vec<Eight>, a: Vec3, b: Vec3, reach: (f32, f32), top: f32| {
                let (eight, lane) = (&mut eights[index / 8], index % 8);
                (eight.a[lane], eight.b[lane]) = (centre.dot(a), centre.dot(b));
                (eight.half_a[lane], eight.half_b[lane], eight.top[lane]) = (reach.0, reach.1, top);
            };
            let reach = (solid.reach_along(across), solid.reach_along(along));
            put(&mut shades, across, along, reach, centre.dot(sky.sun) + solid.reach_along(sky.sun));
            let reach = match solid.shape {
                Shape::Sphere { radius } => (5.0 * radius, 5.0 * radius),
                Shape::Block { half, .. } if centre.y - half.y < 0.2 => {
                    (solid.reach_along(x) + CORNER, solid.reach_along(z) + CORNER)
                }
                _ => (0.0, 0.0),
            };
            put(&mut ground_shades, x, z, reach, f32::MAX);
        }
        Self { solids, sky, noise, shades, ground_shades, across, along }
    }

    pub(crate) fn solids(&self) -> &[Solid] {
        &self.solids
    }

    /// Follows a ray to the nearest of the candidate solids, or to the backdrop at depth `far`.
    ///
    /// `centre` is the point midway between the eyes: the backdrop is painted as seen from there, so that it lies
    /// exactly at `far` for both eyes. `pixel` is the size of a pixel at depth 1.
    pub(crate) fn look(&self, ray: &Ray, candidates: &[u16], far: f32, centre: Vec3, pixel: f32) -> Sight {
        let (mut z, mut nearest) = (far, None);
        for &index in candidates {
            if let Some(t) = self.solids[usize::from(index)].meet(ray)
                && t < z
            {
                (z, nearest) = (t, Some(index));
            }
        }
        let point = ray.origin + ray.direction * z;
        let backdrop = |point: Vec3| self.backdrop((point - centre).normalised());
        let Some(index) = nearest else {
            return Sight { colour: backdrop(point), z: far, id: 0 };
        };
        let (mut colour, face_and_shadow) = self.lit(usize::from(index), point, ray.direction, z * pixel);
        let haze = ((z / far - 0.25) * (1.0 / 0.75)).max(0.0);
        if haze > 0.0 {
            let level = vec3(point.x - centre.x, 0.02 * far, point.z - centre.z).normalised();
            colour = colour.lerp(self.sky_colour(level), haze * haze);
        }
        Sight { colour, z, id: 8 * (u32::from(index) + 1) + face_and_shadow }
    }

    fn lit(&self, index: usize, point: Vec3, direction: Vec3, width: f32) -> (Vec3, u32) {
        let solid = &self.solids[index];
        let contact = solid.contact(point);
        let toward = direction.normalised();
        let facing = (-toward.dot(contact.normal)).max(0.08);
        let base = solid.surface.colour(&self.noise, contact.u, contact.v, width / facing.sqrt());
        let sun = contact.normal.dot(self.sky.sun).max(0.0);
        let shaded = sun > 0.0 && self.shaded(point + contact.normal * 2e-3, index);
        let mut ambient = 0.62 + 0.38 * contact.normal.y;
        if matches!(solid.shape, Shape::Ground) {
            ambient *= self.openness(point);
        }
        let mut light = self.sky.ambient * ambient;
        if !shaded {
            light += self.sky.sunlight * sun;
        }
        let mut colour = base * light;
        let gloss = solid.surface.gloss;
        if gloss > 0.0 {
            let mirror = toward - contact.normal * (2.0 * toward.dot(contact.normal));
            let rim = (1.0 - facing).powi(4);
            let sky = self.sky_colour(vec3(mirror.x, mirror.y.abs(), mirror.z));
            colour = colour.lerp(sky, gloss * (0.06 + 0.5 * rim));
            if !shaded {
                let glint = mirror.dot(self.sky.sun).max(0.0).powi(90);
                colour += self.sky.sunlight * (glint * gloss * 1.6);
            }
        }
        (colour, contact.face * 2 + u32::from(shaded))
    }

    /// True if a solid stands between the point and the sun.
    fn shaded(&self, point: Vec3, own: usize) -> bool {
        let (a, b, height) = (point.dot(self.across), point.dot(self.along), point.dot(self.sky.sun));
        let ray = Ray { origin: point, direction: self.sky.sun };
        any_reached(&self.shades, a, b, height, |index| index != own && self.solids[index].meet(&ray).is_some())
    }

    /// Share of the sky that is visible from a point of the ground between nearby solids.
    fn openness(&self, point: Vec3) -> f32 {
        let mut open = 1.0;
        any_reached(&self.ground_shades, point.x, point.z, 0.0, |index| {
            let solid = &self.solids[index];
            let from = solid.centre - point;
            match solid.shape {
                Shape::Sphere { radius } => {
                    let square = from.dot(from);
                    let cover = radius * radius * from.y / (square * square.sqrt());
                    open *= 1.0 - 0.85 * cover.min(1.0);
                }
                Shape::Block { half, sin, cos } => {
                    let local = from.turned(-sin, cos);
                    let (x, z) = ((local.x.abs() - half.x).max(0.0), (local.z.abs() - half.z).max(0.0));
                    let gap = (x * x + z * z).sqrt() / CORNER;
                    open *= 1.0 - 0.4 * (1.0 - gap).max(0.0).powi(2);
                }
                Shape::Ground => {}
            }
            false
        });
        open
    }

    fn sky_colour(&self, direction: Vec3) -> Vec3 {
        let height = direction.y.clamp(0.0, 1.0);
        let base = self.sky.horizon.lerp(self.sky.zenith, height.sqrt());
        let near_sun = direction.dot(self.sky.sun).max(0.0);
        let square = near_sun * near_sun;
        let glow = square * square * square * 0.35;
        base + self.sky.sunlight * (glow * 0.3)
    }

    fn backdrop(&self, direction: Vec3) -> Vec3 {
        let mut colour = self.sky_colour(direction);
        let height = direction.y.max(0.0);
        let cloud = self.noise.at(direction.x / (height + 0.12) * 14.0, direction.z / (height + 0.12) * 14.0, 1.0);
        let cover = ((cloud - 0.52) * 4.0).clamp(0.0, 1.0) * (height * 9.0).clamp(0.0, 1.0);
        colour = colour.lerp(self.sky.clouds, cover * 0.75);
        let near_sun = direction.dot(self.sky.sun);
        colour += self.sky.sunlight * (((near_sun - 0.9982) * 1500.0).clamp(0.0, 1.0) * 0.8);
        let azimuth = direction.x / direction.z.max(0.05);
        // No hill is higher than this.
        if direction.y > 0.15 {
            return colour;
        }
        for (range, tint) in [(0_u8, 0.45), (1, 0.8)] {
            let at = azimuth * (34.0 + 26.0 * f32::from(range)) + 90.0 * f32::from(range);
            let ridge = self.noise.at(at, 40.0 + 60.0 * f32::from(range), 1.0);
            let top = (0.10 - 0.035 * f32::from(range)) * ridge * 1.3 + 0.008;
            let cover = ((top - direction.y) * 500.0).clamp(0.0, 1.0);
            colour = colour.lerp(self.sky.horizon.lerp(self.sky.hills, tint), cover);
        }
        colour
    }
}
