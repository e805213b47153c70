//! Tests the crate with files made by the `ffmpeg` command, judged by `ffprobe` and `ffmpeg`.

mod bad_sources;
mod cancelling;
mod cases;
mod exact;
mod extras;
mod foreign;
mod fuzz;
mod joining;
mod judge;
mod limits;
mod way;
