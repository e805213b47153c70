//! What a worker may use, and what a source may be: options.

use clap::Args;
use stereospot_domain::memory::Memory;
use stereospot_media::probe::Terms;
use stereospot_media::{Budget, Limits};
use stereospot_worker::machine;

/// The memory of this worker, and the largest sources.
#[derive(Debug, Clone, Args)]
pub(crate) struct Bounds {
    /// Memory that this worker may use: 512M, 2G, or 1/4 for a part of this machine's or its cgroup's. It decides threads,
    /// frames in flight and lookahead; what can't fit is refused.
    #[arg(long, env = "STEREOSPOT_MEMORY", value_name = "SIZE", default_value = "1/1")]
    memory: Memory,
    /// Most pixels in a picture.
    #[arg(long, env = "STEREOSPOT_MAX_PIXELS", value_name = "N", default_value_t = Limits::default().pixels, value_parser = positive())]
    max_pixels: u64,
    /// Most frames of a video.
    #[arg(long, env = "STEREOSPOT_MAX_FRAMES", value_name = "N", default_value_t = Limits::default().frames, value_parser = positive())]
    max_frames: u64,
    /// Longest video, in seconds.
    #[arg(long, env = "STEREOSPOT_MAX_DURATION", value_name = "SECS", default_value_t = Limits::default().duration_secs as u64, value_parser = positive())]
    max_duration: u64,
    /// Most tracks of a source, of all kinds.
    #[arg(long, env = "STEREOSPOT_MAX_TRACKS", value_name = "N", default_value_t = Limits::default().tracks, value_parser = positive())]
    max_tracks: u64,
    /// Most chapters of a source.
    #[arg(long, env = "STEREOSPOT_MAX_CHAPTERS", value_name = "N", default_value_t = Limits::default().chapters, value_parser = positive())]
    max_chapters: u64,
}

fn positive() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..)
}

impl Bounds {
    /// The terms for sources, with so many threads at work.
    pub(crate) fn terms(&self, cores: usize) -> Terms {
        let &Self { memory, max_pixels, max_frames, max_duration, max_tracks, max_chapters } = self;
        let limits = Limits {
            pixels: max_pixels,
            frames: max_frames,
            duration_secs: max_duration as f64,
            tracks: max_tracks,
            chapters: max_chapters,
        };
        Terms { limits, budget: Budget { bytes: machine::share(memory), cores } }
    }
}
