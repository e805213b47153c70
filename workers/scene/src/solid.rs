//! Solids, and where a ray hits them.

use crate::{
    surface::Surface,
    vector::{Vec3, vec3},
};

/// A ray whose direction has length 1 along the camera's axis, so its parameter is the depth Z.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ray {
    pub(crate) origin: Vec3,
    pub(crate) direction: Vec3,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// The ground, y = 0.
    Ground,
    Sphere {
        radius: f32,
    },
    /// Half the side lengths, and the rotation about the vertical axis as sine and cosine.
    Block {
        half: Vec3,
        sin: f32,
        cos: f32,
    },
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Solid {
    pub(crate) shape: Shape,
    pub(crate) centre: Vec3,
    pub(crate) surface: Surface,
}

/// The surface at a point: normal, surface coordinates, and the number of the face.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Contact {
    pub(crate) normal: Vec3,
    pub(crate) u: f32,
    pub(crate) v: f32,
    pub(crate) face: u32,
}

impl Solid {
    pub(crate) fn ground(surface: Surface) -> Self {
        Self { shape: Shape::Ground, centre: Vec3::default(), surface }
    }

    pub(crate) fn sphere(centre: Vec3, radius: f32, surface: Surface) -> Self {
        Self { shape: Shape::Sphere { radius }, centre, surface }
    }

    /// A block whose base is centred on `base`, rotated by `yaw` radians.
    pub(crate) fn block(base: Vec3, size: Vec3, yaw: f32, surface: Surface) -> Self {
        let half = size * 0.5;
        let (sin, cos) = yaw.sin_cos();
        Self { shape: Shape::Block { half, sin, cos }, centre: base + vec3(0.0, half.y, 0.0), surface }
    }

    /// How far the solid extends from its centre along a unit vector; 0 for the ground, which casts no shadow.
    pub(crate) fn reach_along(&self, axis: Vec3) -> f32 {
        match self.shape {
            Shape::Ground => 0.0,
            Shape::Sphere { radius } => radius,
            Shape::Block { half, sin, cos } => {
                let local = axis.turned(-sin, cos);
                half.x * local.x.abs() + half.y * local.y.abs() + half.z * local.z.abs()
            }
        }
    }

    /// The ray's parameter at the first hit in front of its origin.
    #[inline]
    pub(crate) fn meet(&self, ray: &Ray) -> Option<f32> {
        let t = match self.shape {
            Shape::Ground => -ray.origin.y / ray.direction.y,
            Shape::Sphere { radius } => {
                let from = ray.origin - self.centre;
                let a = ray.direction.dot(ray.direction);
                let b = from.dot(ray.direction);
                let c = from.dot(from) - radius * radius;
                let root = b * b - a * c;
                if root < 0.0 {
                    return None;
                }
                (-b - root.sqrt()) / a
            }
            Shape::Block { half, sin, cos } => {
                let from = (ray.origin - self.centre).turned(-sin, cos);
                let toward = ray.direction.turned(-sin, cos);
                let inverse = vec3(1.0 / toward.x, 1.0 / toward.y, 1.0 / toward.z);
                let middle = -(from * inverse);
                let span = vec3(half.x * inverse.x.abs(), half.y * inverse.y.abs(), half.z * inverse.z.abs());
                let enter = (middle.x - span.x).max(middle.y - span.y).max(middle.z - span.z);
                let leave = (middle.x + span.x).min(middle.y + span.y).min(middle.z + span.z);
                if enter > leave {
                    return None;
                }
                enter
            }
        };
        (t > 1e-3).then_some(t)
    }

    pub(crate) fn contact(&self, point: Vec3) -> Contact {
        match self.shape {
            Shape::Ground => Contact { normal: vec3(0.0, 1.0, 0.0), u: point.x, v: point.z, face: 0 },
            Shape::Sphere { radius } => {
                let normal = (point - self.centre) * (1.0 / radius);
                // The seam is at the back, which no shot shows.
                let u = normal.x.atan2(-normal.z) * radius;
                Contact { normal, u, v: normal.y.clamp(-1.0, 1.0).asin() * radius, face: 0 }
            }
            Shape::Block { half, sin, cos } => {
                let local = (point - self.centre).turned(-sin, cos);
                let near = vec3(half.x - local.x.abs(), half.y - local.y.abs(), half.z - local.z.abs());
                let (axis, u, v, face) = if near.x < near.y && near.x < near.z {
                    (vec3(local.x.signum(), 0.0, 0.0), local.z, local.y + half.y, 0)
                } else if near.y < near.z {
                    (vec3(0.0, local.y.signum(), 0.0), local.x, local.z, 1)
                } else {
                    (vec3(0.0, 0.0, local.z.signum()), local.x, local.y + half.y, 2)
                };
                Contact { normal: axis.turned(sin, cos), u, v, face }
            }
        }
    }
}
