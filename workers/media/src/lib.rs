//! Video in and out, by FFmpeg in process: probe a source, split it into segments, decode them to pictures, encode pictures,
//! and join the results with the source's sound, subtitles and chapters.
//!
//! Everything is synchronous: callers put it on threads of their own, and stop what takes long by [`Cancel`]. No other crate of the workspace names FFmpeg.
//!
//! Invariant: a segment is a **display range** `[start_pts, end_pts)` in the source's time base plus its frame count, never "what
//! happens to lie in the file". A segment file may hold more (the next keyframe and what leads to it, at an open GOP); decoding
//! drops it. No timestamp that a container wrote is trusted to be absolute: the first packet of a segment file is laid on
//! `start_pts`.

mod aac;
pub mod cancel;
mod convert;
pub mod decode;
pub mod encode;
mod error;
mod extras;
mod ffi;
pub mod foreign;
pub mod index;
pub mod join;
pub mod manifest;
mod open;
pub mod plan;
pub mod probe;
mod reader;
mod recut;
mod resound;
pub mod soundtrack;
pub mod split;
mod subtitle;
mod survey;
mod timing;

pub use cancel::Cancel;
pub use decode::{Decoded, SegmentDecoder};
pub use encode::{EncodedSummary, Encoder, EncoderOptions};
pub use error::Error;
pub use join::{JoinSummary, join};
pub use manifest::{ColourTags, Manifest, Orientation, Ratio, SegmentSpec, StereoLayout};
pub use probe::{SourceInfo, probe};
pub use split::split;

/// Prepares FFmpeg: its log lines go to `tracing` (target `libav`) instead of standard error.
///
/// May be called any number of times from any thread; every entry point of this crate calls it.
pub fn init() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // Until then FFmpeg's errors have no words.
        ffmpeg_next::util::error::register_all();
        ffi::route_log();
    });
}
