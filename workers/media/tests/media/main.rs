//! The crate against files that the `ffmpeg` command made, judged by `ffprobe` and `ffmpeg`.

mod bad_sources;
mod cancelling;
mod exact;
mod extras;
mod foreign;
mod joining;
mod judge;
mod way;
