//! Runs the stages in sequence for one segment.

use stereospot_picture::Picture;

use crate::cut::SceneCut;
use crate::depth::{DepthModel, Error};
use crate::layout::Layout;
use crate::normalise::{NormalisedDepth, Normaliser};
use crate::options::Options;
use crate::warp::Warper;

/// The first stage: turns pictures into normalised depth. Keeps state between pictures, so they must come in display
/// order.
#[derive(Debug)]
pub struct DepthStage {
    model: DepthModel,
    cut: SceneCut,
    normaliser: Normaliser,
}

/// Both stages, for use on one thread.
#[derive(Debug)]
pub struct Converter {
    depth: DepthStage,
    warper: Warper,
    layout: Layout,
}

impl DepthStage {
    /// A stage for one segment, with the model at the options' resolution. `first` is the number in the video, from 0,
    /// of the first picture that will be pushed, whether for warm-up or conversion.
    #[must_use]
    pub fn new(mut model: DepthModel, options: &Options, first: u64) -> Self {
        model.set_resolution(options.resolution);
        Self { model, cut: SceneCut::new(), normaliser: Normaliser::new(options, first) }
    }

    /// Feeds a picture from before the segment into the depth range; see [`crate::warm_up_frames`]. Runs the model on
    /// about one picture in five.
    ///
    /// # Errors
    /// The errors of [`DepthModel::infer`].
    pub fn warm_up(&mut self, picture: &Picture) -> Result<(), Error> {
        let is_cut = self.cut.push(picture);
        self.normaliser.track(is_cut, || self.model.infer(picture))
    }

    /// Returns the depth of the next picture.
    ///
    /// # Errors
    /// The errors of [`DepthModel::infer`].
    pub fn depth(&mut self, picture: &Picture) -> Result<NormalisedDepth, Error> {
        let is_cut = self.cut.push(picture);
        let raw = self.model.infer(picture)?;
        Ok(self.normaliser.normalise(raw, is_cut))
    }

    /// Returns the model for use on another segment, because opening a model is slow.
    #[must_use]
    pub fn into_model(self) -> DepthModel {
        self.model
    }

    /// The model in use.
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

    /// See [`DepthStage::warm_up`].
    ///
    /// # Errors
    /// The errors of [`DepthModel::infer`].
    pub fn warm_up(&mut self, picture: &Picture) -> Result<(), Error> {
        self.depth.warm_up(picture)
    }

    /// See [`DepthStage::depth`].
    ///
    /// # Errors
    /// The errors of [`DepthModel::infer`].
    pub fn depth(&mut self, picture: &Picture) -> Result<NormalisedDepth, Error> {
        self.depth.depth(picture)
    }

    /// Renders both eyes of a picture into a new picture of the layout's size.
    #[must_use]
    pub fn render(&mut self, picture: &Picture, depth: &NormalisedDepth) -> Picture {
        let (width, height) = self.layout.output_size(picture.width(), picture.height());
        let mut out = Picture::new(width, height, picture.colour);
        self.warper.render(picture, depth, self.layout, &mut out);
        out
    }

    /// Splits the converter into its stages, for use on two threads.
    #[must_use]
    pub fn into_stages(self) -> (DepthStage, Warper) {
        (self.depth, self.warper)
    }
}
