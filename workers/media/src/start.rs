//! Sets FFmpeg up, once in a process.

use crate::ffi;

/// Sends FFmpeg's log lines to `tracing` (target `libav`) instead of standard error.
///
/// Every entry point of this crate calls it; calling it again has no effect.
pub fn init() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // Without this, FFmpeg's errors have no message texts.
        ffmpeg_next::util::error::register_all();
        ffi::route_log();
    });
}
