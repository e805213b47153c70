//! Converts a picture to a stereo pair: depth, normalisation, warp, packing.
//!
//! The two stages can run on different threads: [`DepthStage`] turns pictures into [`NormalisedDepth`] in display
//! order, and [`Warper`] renders each picture with its depth into a [`Layout`]. [`Converter`] runs one after the other.
//!
//! Invariant: results do not depend on a clock, randomness or the number of threads, so the same pictures give the same
//! bytes wherever a segment is converted.

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

/// The ONNX model that ships with the project: a fixed graph of monocular depth cues, made by `models/make_cues.py`,
/// without learned weights. It has the same inputs and outputs as the models that users bring.
pub const OWN_MODEL: &[u8] = include_bytes!("../models/cues.onnx");

/// The manifest of [`OWN_MODEL`]. Store it beside the model, with the extension `json`.
pub const OWN_MODEL_MANIFEST: &[u8] = include_bytes!("../models/cues.json");
