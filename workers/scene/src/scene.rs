//! A clip: any frame on demand, with its ground truth.

use stereospot_picture::Picture;

use crate::{
    camera::{Camera, Side},
    frame_number,
    noise::Noise,
    region::{self, Region},
    render::render,
    shots::shot,
    sound,
    spec::{Error, SceneSpec},
};

/// A clip that renders any frame, in any order.
#[derive(Debug, Clone)]
pub struct Scene {
    spec: SceneSpec,
    noise: Noise,
}

/// One frame, as the source camera sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// BT.709, limited range.
    pub picture: Picture,
    /// Normalised depth d = (1/Z − 1/Zf) / (1/Zn − 1/Zf) at each pixel's centre, row by row, 0 far … 1 near. The range
    /// Zn … Zf is constant within a shot. The frame number's band lies at the screen (d = convergence).
    pub depth: Vec<f32>,
    /// True for the first frame of every shot except the clip's first.
    pub is_cut: bool,
}

impl Scene {
    /// Checks the specification and makes the clip.
    ///
    /// # Errors
    /// If a value of the specification is out of range.
    pub fn new(spec: SceneSpec) -> Result<Self, Error> {
        spec.check()?;
        let noise = Noise::new(spec.seed);
        Ok(Self { spec, noise })
    }

    /// The demo's clip, [`SceneSpec::default`].
    #[must_use]
    pub fn demo() -> Self {
        Self::new(SceneSpec::default()).expect("the default specification is valid")
    }

    /// The clip's specification.
    #[must_use]
    pub fn spec(&self) -> &SceneSpec {
        &self.spec
    }

    /// Renders picture and depth of frame `n`, using all cores.
    ///
    /// # Panics
    /// If the clip has no frame `n`.
    #[must_use]
    pub fn frame(&self, n: u32) -> Frame {
        let (picture, depth) = self.view(n, None);
        Frame { picture, depth, is_cut: self.is_cut(n) }
    }

    /// Renders the true left and right pictures of frame `n`, from two off-axis cameras. A point of depth d lies at x_L
    /// − x_R = divergence · 0.01 · max(width, height) · (d − convergence), in front of the screen if that is positive.
    ///
    /// # Panics
    /// If the clip has no frame `n`.
    #[must_use]
    pub fn eyes(&self, n: u32) -> (Picture, Picture) {
        (self.eye(n, Side::Left).0, self.eye(n, Side::Right).0)
    }

    /// Renders one true eye's picture of frame `n`, and the normalised depth that this eye sees at each pixel.
    ///
    /// # Panics
    /// If the clip has no frame `n`.
    #[must_use]
    pub fn eye(&self, n: u32, side: Side) -> (Picture, Vec<f32>) {
        self.view(n, Some(side))
    }

    /// Classifies each pixel of one true eye's picture of frame `n` by what a converter can know about it.
    ///
    /// # Panics
    /// If the clip has no frame `n`.
    #[must_use]
    pub fn regions(&self, n: u32, side: Side) -> Vec<Region> {
        let source = self.view(n, None).1;
        let seen = self.view(n, Some(side)).1;
        region::regions(&source, &seen, self.spec.width, side, self.parallax(), self.spec.convergence)
    }

    /// True if frame `n` is the first of a shot but not of the clip.
    #[must_use]
    pub fn is_cut(&self, n: u32) -> bool {
        n > 0 && self.spec.cuts.contains(&n)
    }

    /// Frame numbers at which a flash starts. A flash is [`Scene::FLASH_FRAMES`] long, all white except for the frame
    /// number. The first starts after 2 s (or halfway through a clip shorter than 4 s), the next ones every 4 s.
    #[must_use]
    pub fn flash_frames(&self) -> Vec<u32> {
        let rate = f64::from(self.spec.frame_rate.0) / f64::from(self.spec.frame_rate.1);
        let first = ((2.0 * rate).round() as u32).min(self.spec.frames / 2);
        let every = ((4.0 * rate).round() as u32).max(Self::FLASH_FRAMES + 1);
        if first == 0 { Vec::new() } else { (first..self.spec.frames).step_by(every as usize).collect() }
    }

    /// Length of a flash in frames.
    pub const FLASH_FRAMES: u32 = 2;

    /// The clip's sound: mono samples of exactly the clip's duration (rounded to a sample), with a quiet chord, and a 1
    /// kHz beep that starts with each flash.
    #[must_use]
    pub fn sound(&self, sample_rate: u32) -> Vec<i16> {
        let beeps: Vec<f64> = self.flash_frames().iter().map(|&n| self.spec.start_secs(n)).collect();
        sound::samples(self.spec.start_secs(self.spec.frames), &beeps, sample_rate)
    }

    /// Disparity between d = 0 and d = 1, in pixels.
    fn parallax(&self) -> f32 {
        self.spec.divergence * 0.01 * self.spec.width.max(self.spec.height) as f32
    }

    fn view(&self, n: u32, side: Option<Side>) -> (Picture, Vec<f32>) {
        let SceneSpec { width, height, frames, convergence, .. } = self.spec;
        assert!(n < frames, "the clip has {frames} frames, there is no frame {n}");
        let past = self.spec.cuts.iter().filter(|&&cut| cut <= n && cut > 0);
        let (number, start) = past.fold((0, 0), |(count, _), &cut| (count + 1, cut));
        let secs = self.spec.start_secs(n - start) as f32;
        let shot = shot(number, secs, self.spec.seed, &self.noise);
        let camera = Camera::new(&shot.pose, width, height, side, self.parallax(), convergence);
        let (mut picture, mut depth) = render(&shot.world, &camera, width, height);
        if self.flash_frames().iter().any(|&flash| (flash..flash + Self::FLASH_FRAMES).contains(&n)) {
            picture.y.fill(235);
            picture.u.fill(128);
            picture.v.fill(128);
        }
        frame_number::burn_in(&mut picture, n);
        depth[frame_number::band_top(height) * width..].fill(convergence);
        (picture, depth)
    }
}

#[cfg(test)]
mod tests;
