//! Ray-cast clips with known depth: the demo's source, and the truth that tests and measures compare with.
//!
//! A [`Scene`] answers, for any frame number and in any order: the picture, its exact normalised depth, what true left and
//! right cameras see, whether it starts a new shot, and which pixels a converter can't know ([`Region`]). The frame's number is
//! burnt into the picture ([`read_frame_number`]), and white flashes come with beeps ([`Scene::sound`]), so that lost, doubled
//! or shifted frames and sound are found in whatever comes out at the other end.
//!
//! Invariant: equal specifications give equal bytes, in any order of calls and on any number of threads. This crate makes
//! pictures and samples only; encoding them is for others.

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
