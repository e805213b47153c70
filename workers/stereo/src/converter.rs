//! The stages behind one another, as a segment needs them.

use stereospot_picture::Picture;

use crate::cut::SceneCut;
use crate::depth::{DepthModel, Error};
use crate::layout::Layout;
use crate::normalise::{NormalisedDepth, Normaliser};
use crate::options::Options;
use crate::warp::Warper;

/// First stage: pictures in, normalised depth out. Holds state between pictures, so it takes them in display order.
#[derive(Debug)]
pub struct DepthStage {
    model: DepthModel,
    cut: SceneCut,
    normaliser: Normaliser,
}

/// Both stages for one thread.
#[derive(Debug)]
pub struct Converter {
    depth: DepthStage,
    warper: Warper,
    layout: Layout,
}

impl DepthStage {
    /// A stage for one segment. The model's resolution is set to that of the options. `first` is the number in the video,
    /// from 0, of the first picture that will be pushed, for a warm-up or not.
    #[must_use]
    pub fn new(mut model: DepthModel, options: &Options, first: u64) -> Self {
        model.set_resolution(options.resolution);
        Self { model, cut: SceneCut::new(), normaliser: Normaliser::new(options, first) }
    }

    /// Takes a picture that lies before the segment into the depth range; see [`crate::warm_up_frames`]. The model runs on
    /// about one picture in five.
    ///
    /// # Errors
    /// Those of [`DepthModel::infer`].
    pub fn warm_up(&mut self, picture: &Picture) -> Result<(), Error> {
        let is_cut = self.cut.push(picture);
        self.normaliser.track(is_cut, || self.model.infer(picture))
    }

    /// Depth of the next picture.
    ///
    /// # Errors
    /// Those of [`DepthModel::infer`].
    pub fn depth(&mut self, picture: &Picture) -> Result<NormalisedDepth, Error> {
        let is_cut = self.cut.push(picture);
        let raw = self.model.infer(picture)?;
        Ok(self.normaliser.normalise(raw, is_cut))
    }

    /// The model, to be used for another segment: opening it is what costs.
    #[must_use]
    pub fn into_model(self) -> DepthModel {
        self.model
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &DepthModel {
        &self.model
    }
}

impl Converter {
    /// A converter for one segment; `first` as for [`DepthStage::new`].
    #[must_use]
    pub fn new(model: DepthModel, options: &Options, layout: Layout, first: u64) -> Self {
        Self { depth: DepthStage::new(model, options, first), warper: Warper::new(options), layout }
    }

    /// As [`DepthStage::warm_up`].
    ///
    /// # Errors
    /// Those of [`DepthModel::infer`].
    pub fn warm_up(&mut self, picture: &Picture) -> Result<(), Error> {
        self.depth.warm_up(picture)
    }

    /// As [`DepthStage::depth`].
    ///
    /// # Errors
    /// Those of [`DepthModel::infer`].
    pub fn depth(&mut self, picture: &Picture) -> Result<NormalisedDepth, Error> {
        self.depth.depth(picture)
    }

    /// A picture and its depth as both eyes, in a new picture of the layout's size.
    #[must_use]
    pub fn render(&mut self, picture: &Picture, depth: &NormalisedDepth) -> Picture {
        let (width, height) = self.layout.output_size(picture.width(), picture.height());
        let mut out = Picture::new(width, height, picture.colour);
        self.warper.render(picture, depth, self.layout, &mut out);
        out
    }

    /// The two stages, for two threads.
    #[must_use]
    pub fn into_stages(self) -> (DepthStage, Warper) {
        (self.depth, self.warper)
    }
}
