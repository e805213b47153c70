//! Estimates the depth of a picture with an ONNX model, run by ONNX Runtime.
//!
//! Inputs and outputs are bound by position: one float32 input [1, 3, H, W] and one output [1, H, W] or [1, 1, H, W]
//! (further outputs are ignored). A manifest beside the model describes what the graph does not say ([`Manifest`]).
//!
//! Invariant: the model runs on the requested execution provider, or opening it fails. There is no silent fallback to
//! the CPU.

use std::path::PathBuf;

use ort::session::Session;
use ort::value::{TensorElementType, TensorRef, ValueType};
use stereospot_picture::{Colour, Picture};

mod error;
mod input;
mod manifest;
mod runtime;

pub use error::{Error, Provider};
use input::DepthInput;
pub use manifest::{Manifest, Polarity};
pub use runtime::find_runtime_library;

/// How to open a model.
#[derive(Debug, Clone)]
pub struct ModelSpec {
    /// The ONNX file. Its manifest, if any, has the same path with the extension `json`.
    pub path: PathBuf,
    /// ONNX Runtime's shared library, see [`find_runtime_library`]. A process can load only one; later values are
    /// ignored.
    pub runtime_library: PathBuf,
    pub provider: Provider,
    /// Threads within one operation, at least 1.
    pub threads: usize,
    /// Short side of the input in pixels, rounded down to the model's multiple. A model of fixed size ignores it.
    pub resolution: u32,
}

/// Raw depth of one picture in the model's own scale; high values are near. The grid covers the whole picture.
#[derive(Debug, Clone, PartialEq)]
pub struct DepthMap {
    pub width: usize,
    pub height: usize,
    /// `width * height` finite values, row by row.
    pub values: Vec<f32>,
}

/// An open depth model.
pub struct DepthModel {
    session: Session,
    path: PathBuf,
    provider: Provider,
    manifest: Manifest,
    resolution: u32,
    input: DepthInput,
}

impl Provider {
    /// The name in commands and files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Provider::Cpu => "cpu",
            Provider::Cuda => "cuda",
            Provider::TensorRt => "tensorrt",
        }
    }
}

impl std::fmt::Display for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Provider {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        [Provider::Cpu, Provider::Cuda, Provider::TensorRt]
            .into_iter()
            .find(|p| p.as_str() == name)
            .ok_or_else(|| format!("unknown execution provider {name:?}, use one of cpu, cuda, tensorrt"))
    }
}

impl Error {
    /// True if the model file or its manifest is at fault, so that another machine would fail as well.
    #[must_use]
    pub fn is_bad_model(&self) -> bool {
        matches!(self, Error::BadModel { .. })
    }
}

impl DepthModel {
    /// Loads ONNX Runtime and the model, and runs the model once on a synthetic frame.
    ///
    /// # Errors
    /// Fails for a library, provider or model that can't be used, with a message that says what to do. Wrong shapes,
    /// wrong types and non-finite outputs are [`Error::BadModel`].
    pub fn open(spec: &ModelSpec) -> Result<Self, Error> {
        let bad = |reason: String| Error::BadModel { path: spec.path.clone(), reason };
        if !spec.path.is_file() {
            return Err(bad("there is no such file".to_owned()));
        }
        let mut manifest = Manifest::beside(&spec.path)?;
        let session = runtime::open_session(spec)?;
        if let Some(fixed) = input_size(&session).map_err(bad)? {
            if manifest.size.is_some_and(|size| size != fixed) {
                return Err(bad(format!("its manifest says {:?} and its graph {fixed:?} for the size", manifest.size)));
            }
            manifest.size = Some(fixed);
        }
        let mut model = Self {
            session,
            path: spec.path.clone(),
            provider: spec.provider,
            manifest,
            resolution: spec.resolution,
            input: DepthInput::default(),
        };
        model.check_itself()?;
        tracing::info!(model = model.name(), provider = model.provider.as_str(), "depth model ready");
        Ok(model)
    }

    /// The provider that runs the model; always the requested one.
    #[must_use]
    pub fn provider_in_use(&self) -> Provider {
        self.provider
    }

    /// The name from the manifest, or else the file name without extension.
    #[must_use]
    pub fn name(&self) -> &str {
        let file = || self.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("model");
        self.manifest.name.as_deref().unwrap_or_else(file)
    }

    /// Sets the short side of the input for the following pictures, as [`ModelSpec::resolution`].
    pub fn set_resolution(&mut self, resolution: u32) {
        self.resolution = resolution;
    }

    /// Size of the model's input for a picture: the short side rounded down to the model's multiple, the long side in
    /// proportion, but at most five times the short one. Never larger than the picture, as far as the multiple allows: what
    /// the picture doesn't show can't be found in it.
    #[must_use]
    pub fn input_size(&self, width: usize, height: usize) -> (usize, usize) {
        if let Some([width, height]) = self.manifest.size {
            return (width, height);
        }
        let multiple = self.manifest.multiple;
        let floor = |length: usize| (length / multiple).max(1) * multiple;
        let (long_side, short_side) = (width.max(height), width.min(height));
        let resolution = (self.resolution as usize).min(short_side);
        let short = floor(resolution);
        let long = floor((long_side * resolution / short_side).min(5 * short)).max(short);
        if width >= height { (long, short) } else { (short, long) }
    }

    /// Estimates the depth of a picture. High values are near; metres are converted to their reciprocals.
    ///
    /// # Errors
    /// [`Error::Inference`] if ONNX Runtime fails, [`Error::BadModel`] if the output is not depth.
    pub fn infer(&mut self, picture: &Picture) -> Result<DepthMap, Error> {
        let (width, height) = self.input_size(picture.width(), picture.height());
        let data = self.input.fill(picture, width, height, &self.manifest);
        let failed = |e: ort::Error| Error::Inference { reason: runtime::first_line(&e) };
        let tensor = TensorRef::from_array_view(([1_usize, 3, height, width], data)).map_err(failed)?;
        let outputs = self.session.run(ort::inputs![tensor]).map_err(failed)?;
        let bad = |reason: String| Error::BadModel { path: self.path.clone(), reason };
        let (shape, values) = outputs[0]
            .try_extract_tensor::<f32>()
            .map_err(|e| bad(format!("its output is no float32 tensor ({e})")))?;
        let (height, width) = match **shape {
            [1, h, w] | [1, 1, h, w] if h > 0 && w > 0 => (h as usize, w as usize),
            _ => return Err(bad(format!("its output has the shape {:?}, not [1, H, W]", &**shape))),
        };
        let mut values = values.to_vec();
        if self.manifest.polarity == Polarity::Metric {
            // At least one millimetre, so that the reciprocal of 0 stays finite.
            values.iter_mut().for_each(|z| *z = 1.0 / z.max(1e-3));
        }
        if values.iter().any(|v| !v.is_finite()) {
            return Err(bad("its output holds values that are no finite numbers".to_owned()));
        }
        Ok(DepthMap { width, height, values })
    }

    /// Runs the model on a small frame with a gradient and a square. The output must be valid depth and must vary.
    fn check_itself(&mut self) -> Result<(), Error> {
        let mut frame = Picture::new(256, 144, Colour::default());
        for (i, sample) in frame.y.iter_mut().enumerate() {
            let (x, y) = (i % 256, i / 256);
            let is_square = (100..150).contains(&x) && (50..100).contains(&y);
            *sample = if is_square { 200 } else { 40 + y as u8 + (x % 7) as u8 };
        }
        let asked = self.resolution;
        self.resolution = 112;
        // The input is ours and small, so if ONNX Runtime fails here, the graph is at fault.
        let depth = self.infer(&frame).map_err(|e| match e {
            Error::Inference { reason } => Error::BadModel { path: self.path.clone(), reason },
            other => other,
        });
        self.resolution = asked;
        let depth = depth?;
        if depth.values.iter().all(|v| *v == depth.values[0]) {
            let reason = "it gives the same depth everywhere for a picture with a gradient and a square".to_owned();
            return Err(Error::BadModel { path: self.path.clone(), reason });
        }
        Ok(())
    }
}

impl std::fmt::Debug for DepthModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, provider, manifest, resolution, .. } = self;
        f.debug_struct("DepthModel")
            .field("path", path)
            .field("provider", provider)
            .field("manifest", manifest)
            .field("resolution", resolution)
            .finish_non_exhaustive()
    }
}

/// Checks a graph's input and output. Returns the input's width and height if they are fixed.
fn input_size(session: &Session) -> Result<Option<[usize; 2]>, String> {
    let [input] = session.inputs() else {
        return Err(format!("it has {} inputs, a depth model has one picture", session.inputs().len()));
    };
    let fits = |dim: i64, wanted: i64| dim == wanted || dim < 0;
    let size = match input.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } => match **shape {
            [n, c, h, w] if fits(n, 1) && fits(c, 3) => (h, w),
            _ => return Err(format!("its input has the shape {:?}, not [1, 3, H, W]", &**shape)),
        },
        ValueType::Tensor { ty, .. } => return Err(format!("its input takes {ty:?}, not float32")),
        other => return Err(format!("its input is {other:?}, not a tensor")),
    };
    match session.outputs().first().map(|o| o.dtype()) {
        Some(ValueType::Tensor { ty: TensorElementType::Float32, shape, .. }) if matches!(shape.len(), 3 | 4) => {}
        Some(ValueType::Tensor { ty, shape, .. }) => {
            return Err(format!("its output is {ty:?} of the shape {:?}, not float32 [1, H, W]", &**shape));
        }
        _ => return Err("it has no tensor as its output".to_owned()),
    }
    Ok(match size {
        (h, w) if h > 0 && w > 0 => Some([w as usize, h as usize]),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
