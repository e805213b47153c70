//! Renders ray-cast clips with known depth: the demo's source, and the ground truth for tests and measurements.
//!
//! For any frame number, in any order, a [`Scene`] provides: the picture, its exact normalised depth, the views of true
//! left and right cameras, whether the frame starts a new shot, and which pixels a converter can't know ([`Region`]).
//! The frame number is burnt into the picture ([`read_frame_number`]), and white flashes coincide with beeps
//! ([`Scene::sound`]). Tests use both to detect lost, duplicated or shifted frames and sound in a converted clip.
//!
//! Invariant: equal specifications give equal bytes, in any order of calls and on any number of threads. This crate
//! produces pictures and samples; it does not encode.

mod camera;
mod frame_number;
mod noise;
mod region;
mod render;
mod scene;
mod shots;
mod solid;
mod sound;
mod spec;
mod surface;
mod vector;
mod world;

pub use camera::Side;
pub use frame_number::{Eye, FRAME_NUMBERS, read_frame_number};
pub use region::Region;
pub use scene::{Frame, Scene};
pub use sound::{detect_beeps, detect_flash};
pub use spec::{Error, SceneSpec};
