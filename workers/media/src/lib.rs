//! Video input and output with FFmpeg's libraries in this process: probe a source, split it into segments, decode
//! segments to pictures, encode pictures, and join the results with the source's sound, subtitles and chapters.
//!
//! All functions block; call them from dedicated threads. [`Cancel`] stops the long ones. No other crate of the
//! workspace uses FFmpeg.
//!
//! Invariant: a segment is defined by its **display range** `[start_pts, end_pts)` in the source's time base and its
//! frame count, not by what its file contains. At an open GOP the file also holds the next keyframe and the frames that
//! refer to it; decoding drops the frames outside the range. Timestamps in a segment file are relative to its first packet, which
//! belongs at `first_packet_pts`.

mod aac;
pub mod budget;
pub mod cancel;
mod clock;
mod convert;
mod copy;
pub mod decode;
mod downmix;
mod dry_mux;
pub mod encode;
mod error;
mod extras;
mod ffi;
pub mod foreign;
mod gaps;
mod header;
pub mod index;
pub mod join;
mod keyframes;
pub mod limits;
pub mod manifest;
mod open;
pub mod plan;
mod prefilter;
pub mod probe;
mod protected;
mod reader;
mod reencode;
mod sound_transcoder;
pub mod soundtrack;
pub mod split;
mod start;
mod subtitle;
mod timing;
mod track;

pub use budget::{Budget, Footage};
pub use cancel::Cancel;
pub use decode::{Decoded, SegmentDecoder};
pub use encode::{EncodedSummary, Encoder, EncoderOptions};
pub use error::Error;
pub use join::{JoinSummary, join};
pub use limits::Limits;
pub use manifest::{ColourTags, Manifest, Orientation, Ratio, SegmentSpec, StereoLayout};
pub use open::memory_is_limited_to;
pub use probe::{SourceInfo, probe};
pub use split::split;
pub use start::init;
