//! Turns decoded frames into the pictures that are converted: deinterlaced, tone-mapped, upright, the left eye only.
//!
//! Deinterlacing (`bwdif`) keeps the number and times of frames. Tone mapping is FFmpeg's `zscale` and `tonemap`: light
//! is made linear with 100 cd/m² as 1, the primaries become BT.709, Hable's curve maps light up to 1000 cd/m² to the
//! standard range (brighter light clips), and BT.709's transfer function encodes it. The peak is fixed, because a peak
//! taken from each frame's metadata would make the brightness jump.

use std::collections::VecDeque;

use ffmpeg_next::{Rational, Rescale, filter, frame};
use stereospot_picture::Picture;

use crate::convert::Converter;
use crate::manifest::{ColourTags, LeftEye, Manifest, Orientation, Ratio, StereoLayout, Treatment};
use crate::{Error, ffi};

/// What a source's frames are, and what is to become of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recipe {
    /// Of the pictures, after orientation and treatment.
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Of the frames; 0/1 if unknown. Pictures of another shape get bars.
    pub(crate) sample_aspect_ratio: Ratio,
    /// Of the pictures.
    pub(crate) colour: ColourTags,
    pub(crate) orientation: Orientation,
    pub(crate) treatment: Treatment,
    pub(crate) time_base: Ratio,
}

impl Recipe {
    pub(crate) fn of(manifest: &Manifest) -> Self {
        let &Manifest { width, height, sample_aspect_ratio, colour, orientation, treatment, time_base, .. } = manifest;
        Self { width, height, sample_aspect_ratio, colour, orientation, treatment, time_base }
    }

    /// The same without any treatment: the pictures as they are decoded.
    pub(crate) fn plain(self) -> Self {
        let treatment = Treatment { left_eye: self.treatment.left_eye, ..Treatment::default() };
        Self { treatment, ..self }
    }
}

/// Takes frames with times in the recipe's time base and gives back pictures.
pub(crate) struct Prefilter {
    recipe: Recipe,
    converter: Converter,
    /// FFmpeg's notation of the filters, if there is anything to filter.
    chain: Option<String>,
    graph: Option<Graph>,
    ready: VecDeque<(i64, Picture)>,
}

impl Prefilter {
    pub(crate) fn new(recipe: Recipe) -> Self {
        let Recipe { width, height, colour, orientation, treatment, .. } = recipe;
        let (width, height) = treatment
            .left_eye
            .map_or((width, height), |LeftEye { full_width, full_height, .. }| (full_width, full_height));
        let converter = Converter::new(width, height, colour, orientation, recipe.sample_aspect_ratio);
        Self { recipe, converter, chain: chain(&treatment), graph: None, ready: VecDeque::new() }
    }

    /// Takes the next frame, to be shown at `pts`.
    pub(crate) fn push(&mut self, pts: i64, mut frame: frame::Video) -> Result<(), Error> {
        if self.chain.is_some() && self.graph.as_ref().is_some_and(|graph| !graph.fits(&frame)) {
            self.finish()?;
        }
        let Some(chain) = &self.chain else { return self.convert(pts, &frame) };
        let graph = match &mut self.graph {
            Some(graph) => graph,
            none => none.insert(Graph::new(chain, &frame, self.recipe.time_base)?),
        };
        frame.set_pts(Some(pts));
        graph.push(&frame)?;
        self.filtered()
    }

    /// Takes what the filters still hold.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        if let Some(graph) = &mut self.graph {
            graph.end()?;
            self.filtered()?;
        }
        self.graph = None;
        Ok(())
    }

    pub(crate) fn next(&mut self) -> Option<(i64, Picture)> {
        self.ready.pop_front()
    }

    fn filtered(&mut self) -> Result<(), Error> {
        while let Some((pts, frame)) = self.graph.as_mut().and_then(Graph::next) {
            self.convert(pts, &frame)?;
        }
        Ok(())
    }

    fn convert(&mut self, pts: i64, frame: &frame::Video) -> Result<(), Error> {
        let picture = self.converter.picture(frame)?;
        let picture = match self.recipe.treatment.left_eye {
            Some(eye) => left_eye(&picture, eye.layout, self.recipe.width, self.recipe.height),
            None => picture,
        };
        self.ready.push_back((pts, picture));
        Ok(())
    }
}

/// Cuts out the left eye. Its sides are those of the result, rounded up to even; a missing column or row is repeated.
fn left_eye(full: &Picture, layout: StereoLayout, width: u32, height: u32) -> Picture {
    let even = |side: u32| (side as usize).next_multiple_of(2);
    let mut eye = Picture::new(even(width), even(height), full.colour);
    let (wide, high) = match layout {
        StereoLayout::SideBySide => (width as usize, usize::MAX),
        _ => (usize::MAX, height as usize),
    };
    let planes = eye.planes_mut().into_iter().zip(full.planes()).enumerate();
    for (i, ((to, to_width, _), (from, from_width, from_height))) in planes {
        let limit = |side: usize| if i == 0 { side } else { side.div_ceil(2) };
        let (last_column, last_row) = (limit(wide).min(from_width) - 1, limit(high).min(from_height) - 1);
        for (y, row) in to.chunks_exact_mut(to_width).enumerate() {
            let source = &from[y.min(last_row) * from_width..][..from_width];
            row.iter_mut().enumerate().for_each(|(x, sample)| *sample = source[x.min(last_column)]);
        }
    }
    eye
}

fn chain(treatment: &Treatment) -> Option<String> {
    let mut filters = Vec::new();
    if treatment.is_deinterlaced {
        filters.push("bwdif=mode=send_frame:parity=auto:deint=interlaced".to_owned());
    }
    if let Some(colour) = treatment.tone_mapped_from {
        let transfer = if colour.transfer == HLG { "arib-std-b67" } else { "smpte2084" };
        let range = if colour.is_full_range { "full" } else { "limited" };
        filters.push(format!(
            "format=yuv444p12,zscale=tin={transfer}:pin=bt2020:min=bt2020nc:rin={range}:t=linear:npl=100,format=gbrpf32le,\
             zscale=p=bt709,tonemap=tonemap=hable:desat=0:peak=10,zscale=t=bt709:m=bt709:r=limited,format=yuv444p"
        ));
    }
    (!filters.is_empty()).then(|| filters.join(","))
}

/// H.273's TransferCharacteristics of SMPTE ST 2084.
pub(crate) const PQ: u8 = 16;
/// H.273's TransferCharacteristics of ARIB STD-B67.
pub(crate) const HLG: u8 = 18;

/// FFmpeg's filters, for frames of one format and size.
struct Graph {
    graph: filter::Graph,
    chain: String,
    input: (i32, u32, u32),
    base: Rational,
    base_out: Rational,
}

impl Graph {
    fn new(chain: &str, frame: &frame::Video, base: Ratio) -> Result<Self, Error> {
        let failed = |source| Error::Filter { chain: chain.to_owned(), source };
        let input = shape(frame);
        let (format, width, height) = input;
        let mut graph = filter::Graph::new();
        let missing = || failed(ffmpeg_next::Error::FilterNotFound);
        let (source, sink) = (filter::find("buffer"), filter::find("buffersink"));
        let (source, sink) = (source.ok_or_else(missing)?, sink.ok_or_else(missing)?);
        let arguments = format!(
            "video_size={width}x{height}:pix_fmt={format}:time_base={}/{}:pixel_aspect=1/1",
            base.num, base.den
        );
        graph.add(&source, "in", &arguments).map_err(failed)?;
        graph.add(&sink, "out", "").map_err(failed)?;
        graph.output("in", 0).and_then(|p| p.input("out", 0)).and_then(|p| p.parse(chain)).map_err(failed)?;
        graph.validate().map_err(failed)?;
        let base_out = graph.get("out").expect("it was added above").sink().time_base();
        Ok(Self { graph, chain: chain.to_owned(), input, base: base.into(), base_out })
    }

    fn fits(&self, frame: &frame::Video) -> bool {
        self.input == shape(frame)
    }

    fn push(&mut self, frame: &frame::Video) -> Result<(), Error> {
        let added = self.graph.get("in").expect("it was added in new").source().add(frame);
        added.map_err(|source| Error::Filter { chain: self.chain.clone(), source })
    }

    fn end(&mut self) -> Result<(), Error> {
        let flushed = self.graph.get("in").expect("it was added in new").source().flush();
        flushed.map_err(|source| Error::Filter { chain: self.chain.clone(), source })
    }

    fn next(&mut self) -> Option<(i64, frame::Video)> {
        let mut frame = frame::Video::empty();
        self.graph.get("out").expect("it was added in new").sink().frame(&mut frame).ok()?;
        let pts = frame.pts()?.rescale(self.base_out, self.base);
        Some((pts, frame))
    }
}

fn shape(frame: &frame::Video) -> (i32, u32, u32) {
    (ffi::format_number(frame), frame.width(), frame.height())
}

#[cfg(test)]
mod tests;
