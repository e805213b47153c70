//! Cameras: a centre camera and two off-axis cameras with parallel axes.
//!
//! Invariant: with focal length f in pixels and baseline b, f·b·(1/Zn − 1/Zf) is `divergence` % of the longer side, and
//! the two eyes agree at Zc with 1/Zc = 1/Zf + convergence·(1/Zn − 1/Zf). So a point of normalised depth d has exactly
//! the disparity x_L − x_R = divergence · 0.01 · base · (d − convergence), where base is the longer side in pixels.

use crate::{
    solid::{Ray, Shape, Solid},
    vector::{Vec3, vec3},
};

/// One of the two off-axis cameras.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

/// A shot's camera position and depth range.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pose {
    pub(crate) position: Vec3,
    pub(crate) target: Vec3,
    /// Tangent of half the horizontal field of view.
    pub(crate) half_width: f32,
    pub(crate) near: f32,
    pub(crate) far: f32,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Camera {
    /// The point midway between the eyes.
    pub(crate) centre: Vec3,
    pub(crate) near: f32,
    pub(crate) far: f32,
    origin: Vec3,
    right: Vec3,
    down: Vec3,
    forward: Vec3,
    focal: f32,
    middle_x: f32,
    middle_y: f32,
}

impl Camera {
    /// `parallax` is f·b·(1/Zn − 1/Zf) in pixels. It has no effect without a `side`.
    pub(crate) fn new(
        pose: &Pose,
        width: usize,
        height: usize,
        side: Option<Side>,
        parallax: f32,
        convergence: f32,
    ) -> Self {
        let forward = (pose.target - pose.position).normalised();
        let right = vec3(0.0, 1.0, 0.0).cross(forward).normalised();
        let down = right.cross(forward);
        let focal = width as f32 * 0.5 / pose.half_width;
        let range = 1.0 / pose.near - 1.0 / pose.far;
        let baseline = parallax / (focal * range);
        let sign = match side {
            None => 0.0,
            Some(Side::Left) => -1.0,
            Some(Side::Right) => 1.0,
        };
        let inverse_screen = 1.0 / pose.far + convergence * range;
        Self {
            centre: pose.position,
            near: pose.near,
            far: pose.far,
            origin: pose.position + right * (sign * baseline * 0.5),
            right,
            down,
            forward,
            focal,
            middle_x: width as f32 * 0.5 + sign * focal * baseline * 0.5 * inverse_screen,
            middle_y: height as f32 * 0.5,
        }
    }

    pub(crate) fn pixel(&self) -> f32 {
        1.0 / self.focal
    }

    /// The ray through (x, y) in pixels; integers are pixel corners.
    pub(crate) fn ray(&self, x: f32, y: f32) -> Ray {
        let across = (x - self.middle_x) / self.focal;
        let down = (y - self.middle_y) / self.focal;
        Ray { origin: self.origin, direction: self.forward + self.right * across + self.down * down }
    }

    /// The normalised depth of axial depth `z`: 1 at the near end, 0 at the far end, not clamped.
    pub(crate) fn normalised(&self, z: f32) -> f32 {
        (1.0 / z - 1.0 / self.far) / (1.0 / self.near - 1.0 / self.far)
    }

    /// Returns the pixel position (x, y) and depth Z of a point.
    pub(crate) fn project(&self, point: Vec3) -> (f32, f32, f32) {
        let from = point - self.origin;
        let z = from.dot(self.forward);
        let x = self.middle_x + self.focal * from.dot(self.right) / z;
        (x, self.middle_y + self.focal * from.dot(self.down) / z, z)
    }

    /// A rectangle of pixels (left, top, right, bottom) that contains the visible part of the solid; `None` if it is
    /// behind the camera.
    pub(crate) fn bounds(&self, solid: &Solid) -> Option<[f32; 4]> {
        const EVERYWHERE: [f32; 4] = [f32::MIN, f32::MIN, f32::MAX, f32::MAX];
        let corners = match solid.shape {
            Shape::Ground => return Some(EVERYWHERE),
            Shape::Sphere { radius: r } => {
                let axes = [self.right * r, self.down * r, self.forward * r];
                corners(solid.centre, axes)
            }
            Shape::Block { half, sin, cos } => corners(
                solid.centre,
                [
                    vec3(half.x, 0.0, 0.0).turned(sin, cos),
                    vec3(0.0, half.y, 0.0),
                    vec3(0.0, 0.0, half.z).turned(sin, cos),
                ],
            ),
        };
        let projected = corners.map(|corner| self.project(corner));
        if projected.iter().all(|p| p.2 <= 0.0) {
            return None;
        }
        if projected.iter().any(|p| p.2 <= 0.05) {
            return Some(EVERYWHERE);
        }
        Some(projected.iter().fold([f32::MAX, f32::MAX, f32::MIN, f32::MIN], |b, p| {
            [b[0].min(p.0), b[1].min(p.1), b[2].max(p.0), b[3].max(p.1)]
        }))
    }
}

fn corners(centre: Vec3, axes: [Vec3; 3]) -> [Vec3; 8] {
    std::array::from_fn(|i| {
        let sign = |bit: usize| if i >> bit & 1 == 0 { -1.0 } else { 1.0 };
        centre + axes[0] * sign(0) + axes[1] * sign(1) + axes[2] * sign(2)
    })
}
