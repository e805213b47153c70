//! `submit`: what to convert, and how.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use stereospot_domain::options::{Deinterlace, Packing};
use stereospot_domain::{Format, JobOptions};

/// `submit`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Submit {
    /// Video files
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// How the two eyes are packed
    #[arg(long, value_name = "MODE", default_value = "sbs", value_parser = super::named::formats())]
    pub mode: Format,
    /// What to call the job [default: the file's name]
    #[arg(long)]
    pub title: Option<String>,
    /// Total parallax range in per cent of the width, 0 to 10 [default: 2]
    #[arg(long, value_name = "PERCENT")]
    pub divergence: Option<f32>,
    /// The depth that lies on the screen, 0 far to 1 near [default: 0.5]
    #[arg(long, value_name = "DEPTH")]
    pub convergence: Option<f32>,
    /// Depth curve, -3 to 3 [default: 0]
    #[arg(long, value_name = "SCALE", allow_negative_numbers = true)]
    pub foreground_scale: Option<f32>,
    /// Short side of the depth input in pixels [default: 392]
    #[arg(long, value_name = "PIXELS")]
    pub resolution: Option<u32>,
    /// Constant rate factor of the H.264 encoder, 0 to 51 [default: 20]
    #[arg(long)]
    pub crf: Option<u32>,
    /// Preset of the H.264 encoder [default: medium]
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(stereospot_domain::options::PRESETS))]
    pub preset: Option<String>,
    /// Wanted length of a segment in seconds [default: the workers']
    #[arg(long, value_name = "N")]
    pub segment_secs: Option<f64>,
    /// What to do with interlaced video [default: auto]
    #[arg(long, value_name = "HOW", value_parser = super::named::deinterlace())]
    pub deinterlace: Option<Deinterlace>,
    /// Convert the left eye of a video that is stereo already, packed like this
    #[arg(long, value_name = "PACKING", value_parser = super::named::packings())]
    pub from: Option<Packing>,
    /// Refuse a video with frames that can't be decoded, instead of repeating the frame before
    #[arg(long)]
    pub strict: bool,
    /// Refuse a video with sound, subtitles or data that the result can't carry, instead of leaving them out
    #[arg(long)]
    pub strict_streams: bool,
    /// Wait until the job ends, showing its progress
    #[arg(long)]
    pub wait: bool,
    /// Where to put the result, a file or (with several sources) a folder; implies --wait
    #[arg(long, short, value_name = "OUT", value_hint = ValueHint::AnyPath)]
    pub output: Option<PathBuf>,
    /// Overwrite OUT
    #[arg(long, requires = "output")]
    pub force: bool,
    /// Stop waiting after so many seconds; the job goes on
    #[arg(long, value_name = "SECS")]
    pub timeout: Option<u64>,
    /// Print one JSON object for each file at the end
    #[arg(long)]
    pub json: bool,
}

impl Submit {
    /// The job's options.
    pub(crate) fn options(&self) -> JobOptions {
        JobOptions {
            divergence: self.divergence,
            convergence: self.convergence,
            foreground_scale: self.foreground_scale,
            resolution: self.resolution,
            crf: self.crf,
            preset: self.preset.clone(),
            segment_secs: self.segment_secs,
            deinterlace: self.deinterlace,
            from: self.from,
            strict: self.strict,
            strict_streams: self.strict_streams,
            ..JobOptions::of(self.mode)
        }
    }
}
