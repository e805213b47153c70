//! From a picture to its two eyes: depth, normalisation, warp, packing.
//!
//! The stages are separate, so that a worker can run them on different threads: [`DepthStage`] turns pictures into
//! [`NormalisedDepth`] in display order, [`Warper`] renders each picture with its depth into a [`Layout`].
//! [`Converter`] is both behind one another.
//!
//! Invariant: nothing here depends on a clock, on randomness or on how many threads run, so that the same pictures give the
//! same bytes wherever a segment is converted.

mod anaglyph;
mod colour;
mod converter;
mod cut;
mod depth;
mod dilate;
mod layout;
mod normalise;
mod options;
mod warp;

pub use converter::{Converter, DepthStage};
pub use cut::SceneCut;
pub use depth::{DepthMap, DepthModel, Error, Manifest, ModelSpec, Polarity, Provider, find_runtime_library};
pub use layout::{AnaglyphKind, Layout, UnknownLayout};
pub use normalise::{NormalisedDepth, Normaliser, warm_up_frames};
pub use options::{InvalidOption, Method, Options};
pub use warp::{Code, Eye, Warper, warp_row};

/// The model that comes with the project, an ONNX file: a fixed graph of monocular depth cues, made by `models/make_cues.py`.
/// It has learned nothing; it keeps the contract of the models that users bring.
pub const OWN_MODEL: &[u8] = include_bytes!("../models/cues.onnx");

/// The manifest that belongs beside [`OWN_MODEL`], with the extension `json`.
pub const OWN_MODEL_MANIFEST: &[u8] = include_bytes!("../models/cues.json");
