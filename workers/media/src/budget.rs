//! What a worker's steps take of its memory, and what they may do with a given amount: pure arithmetic.
//!
//! Each estimate is an upper bound of measured peaks (VmHWM; FFmpeg 5.1, x264 164), as bytes for each pixel of a padded
//! picture. ARCHITECTURE.md has the formula, and `tests/tests/memory.rs` compares it with the peaks of real workers.
//!
//! Invariant: settings that fit are found by giving up first what costs least: decoder threads, then pictures between the
//! stages, then lookahead and encoder threads in turn. What doesn't fit with the least of all is refused.

use serde::{Deserialize, Serialize};

use crate::Error;

/// What a process takes without a video: libraries, threads, the depth model that ships.
pub const RESIDENT: u64 = 130 << 20;
/// For each packet of the source, over all that a stage keeps at one time: the demuxer's index, ours, and the muxer's.
pub const PER_PACKET: u64 = 200;
/// For each cell of the depth model's input, with the activations of the model that ships.
const PER_CELL: u64 = 150;

/// The memory and the processors that one worker may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    pub bytes: u64,
    pub cores: usize,
}

impl Default for Budget {
    /// All memory there is, and two cores.
    fn default() -> Self {
        Self { bytes: u64::MAX, cores: 2 }
    }
}

/// The pictures of a stream, as far as decoding them takes memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footage {
    /// In pixels, as coded.
    pub width: u32,
    /// In pixels, as coded.
    pub height: u32,
    /// Of a decoded frame in memory, for each pixel.
    pub bits_per_pixel: u32,
    /// Most frames that the decoder keeps to decode others.
    pub references: u32,
    /// True for decoders that keep whole transforms of a frame (JPEG 2000).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_heavy: bool,
    /// True if the filter for interlaced video keeps frames.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_deinterlaced: bool,
    /// True if the filter for HDR keeps frames in floating point.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_tone_mapped: bool,
}

/// What pictures are converted to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// How many times as wide as the source's picture.
    pub wider: u32,
    /// How many times as high as the source's picture.
    pub higher: u32,
    /// Of the encoder.
    pub preset: String,
    /// Short side of the depth model's input, in pixels.
    pub resolution: u32,
}

/// How a segment is converted within a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub decoder_threads: usize,
    /// Pictures that wait between two stages.
    pub between: usize,
    pub encoder_threads: usize,
    /// Frames that the encoder looks ahead.
    pub lookahead: u32,
    /// What all of it takes at most.
    pub bytes: u64,
    /// The part of decoding in it, with what a process needs of its own.
    pub decoding_bytes: u64,
}

/// The most pictures between two stages: enough to even out their pace.
const BETWEEN: usize = 4;

impl Footage {
    /// 8-bit 4:2:0 of a codec with the most references, for a stream of which only the size is known.
    #[must_use]
    pub fn unknown(width: u32, height: u32) -> Self {
        let (is_heavy, is_deinterlaced, is_tone_mapped) = (false, false, false);
        Self { width, height, bits_per_pixel: 12, references: 16, is_heavy, is_deinterlaced, is_tone_mapped }
    }

    /// A decoder with so many threads, the frames that the filters keep, and a picture on its way.
    fn decoding(&self, threads: usize) -> u64 {
        // Tables with motion and types of blocks go with each frame.
        let frame = f64::from(self.bits_per_pixel) / 8.0 + 0.8;
        let (kept, for_each_thread) = if self.is_heavy { (7.0, 6.5) } else { (3.0, 2.8) };
        let frames = kept + 1.4 * f64::from(self.references) + for_each_thread * (threads.max(1) - 1) as f64;
        let filters =
            5.0 * frame * f64::from(u8::from(self.is_deinterlaced)) + if self.is_tone_mapped { 80.0 } else { 0.0 };
        bytes(frame * frames + filters, self.width, self.height)
    }

    fn picture(&self) -> u64 {
        bytes(1.5, self.width, self.height)
    }
}

impl Budget {
    /// The number of threads to decode with while a source is examined.
    ///
    /// # Errors
    /// [`Error::TooMuchMemory`] if one is too many.
    pub fn examining(&self, footage: &Footage) -> Result<usize, Error> {
        let needs = |threads| RESIDENT / 2 + footage.decoding(threads) + 3 * footage.picture();
        let threads = (1..=self.cores.clamp(1, 2)).rev().find(|threads| needs(*threads) <= self.bytes);
        threads.ok_or_else(|| self.refusal("decoding", footage, needs(1)))
    }

    /// How to encode a source again while it is cut.
    ///
    /// # Errors
    /// [`Error::TooMuchMemory`] if it can't be done.
    pub fn reencoding(&self, footage: &Footage, preset: &str) -> Result<Settings, Error> {
        let cost = Cost::of(preset, footage.width, footage.height);
        let needs = |settings: &Settings| {
            let decoding = RESIDENT / 2 + footage.decoding(settings.decoder_threads) + 8 * footage.picture();
            (decoding, decoding + cost.bytes(settings))
        };
        self.fit(cost.most(self.cores), needs).map_err(|least| self.refusal("encoding again", footage, least))
    }

    /// How to convert a segment of this footage, beside what the process holds anyway.
    ///
    /// # Errors
    /// [`Error::TooMuchMemory`] if it can't be done.
    pub fn converting(&self, footage: &Footage, target: &Target, resident: u64) -> Result<Settings, Error> {
        let (width, height) =
            (footage.width.saturating_mul(target.wider), footage.height.saturating_mul(target.higher));
        let (cost, packed) = (Cost::of(&target.preset, width, height), bytes(1.5, width, height));
        let model = PER_CELL * cells(footage.width, footage.height, target.resolution);
        let needs = |settings: &Settings| {
            let between = settings.between as u64;
            let decoding = footage.decoding(settings.decoder_threads) + 7 * footage.picture();
            let waiting = 2 * between * footage.picture() + (between + 3) * packed;
            (decoding + RESIDENT / 2, resident + model + decoding + waiting + cost.bytes(settings))
        };
        let what = format!("converting to {width}x{height} with the preset {}", target.preset);
        self.fit(cost.most(self.cores), needs).map_err(|least| self.refusal(&what, footage, least))
    }

    /// Checks that an index of so many packets fits.
    ///
    /// # Errors
    /// [`Error::TooManyPackets`] if it doesn't.
    pub fn check_packets(&self, packets: u64) -> Result<(), Error> {
        let needs = packets.saturating_mul(PER_PACKET).saturating_add(RESIDENT / 2);
        if needs <= self.bytes {
            return Ok(());
        }
        Err(Error::TooManyPackets { packets, needs, budget: self.bytes })
    }

    /// The best settings that fit, or what the least of all takes.
    fn fit(&self, most: Settings, needs: impl Fn(&Settings) -> (u64, u64)) -> Result<Settings, u64> {
        let mut settings = most;
        loop {
            (settings.decoding_bytes, settings.bytes) = needs(&settings);
            if settings.bytes <= self.bytes {
                return Ok(settings);
            }
            if !settings.shrink() {
                return Err(settings.bytes);
            }
        }
    }

    fn refusal(&self, what: &str, footage: &Footage, needs: u64) -> Error {
        let &Footage { width, height, .. } = footage;
        Error::TooMuchMemory { what: what.to_owned(), width, height, needs, budget: self.bytes }
    }
}

impl Settings {
    /// What is best where memory doesn't matter.
    #[must_use]
    pub fn most(cores: usize, preset: &str) -> Self {
        Cost::of(preset, 0, 0).most(cores)
    }

    /// Gives up a little. False if nothing is left to give up.
    fn shrink(&mut self) -> bool {
        let Self { decoder_threads, between, encoder_threads, lookahead, .. } = self;
        if *decoder_threads > 1 {
            *decoder_threads /= 2;
        } else if *between > 1 {
            *between /= 2;
        } else if *lookahead > 10 {
            *lookahead = (*lookahead / 2).max(10);
        } else if *encoder_threads > 1 {
            *encoder_threads -= 1;
        } else if *lookahead > 0 {
            *lookahead /= 2;
        } else if *between > 0 {
            *between = 0;
        } else {
            return false;
        }
        true
    }
}

/// Cells of the depth model's input: the long side is at most five times the short one.
fn cells(width: u32, height: u32, resolution: u32) -> u64 {
    let (long, short) = (u64::from(width.max(height)), u64::from(width.min(height)).max(1));
    let resolution = u64::from(resolution).min(short);
    resolution * (long * resolution / short).min(5 * resolution)
}

/// Codecs align rows and lines, and surround a picture with a border.
fn bytes(for_each_pixel: f64, width: u32, height: u32) -> u64 {
    let side = |side: u32| f64::from(side.next_multiple_of(64)) + 80.0;
    (for_each_pixel * side(width) * side(height)) as u64
}

/// What x264 takes with a preset.
struct Cost {
    lookahead: u32,
    /// With one thread and no lookahead, for each pixel.
    least: f64,
    /// For each further thread and pixel.
    for_each_thread: f64,
    /// As soon as there are further threads, for each pixel.
    for_threads: f64,
    width: u32,
    height: u32,
}

/// For each frame of lookahead and pixel.
const LOOKAHEAD: f64 = 3.2;
/// Whatever the picture's size.
const ENCODER: u64 = 12 << 20;

impl Cost {
    fn of(preset: &str, width: u32, height: u32) -> Self {
        let (least, lookahead) = match preset {
            "ultrafast" => (17.0, 0),
            "superfast" => (48.0, 0),
            "veryfast" => (48.0, 10),
            "faster" => (48.0, 20),
            "fast" => (48.0, 30),
            "medium" => (49.0, 40),
            "slow" => (54.0, 50),
            "slower" => (99.0, 60),
            _ => (202.0, 60),
        };
        let is_light = preset == "ultrafast";
        let least = if is_light || keeps_b_frames(width, height) { least } else { 20.0 };
        let (for_each_thread, for_threads) = if is_light { (6.0, 0.0) } else { (9.5, 13.0) };
        Self { lookahead, least, for_each_thread, for_threads, width, height }
    }

    fn most(&self, cores: usize) -> Settings {
        let (decoder_threads, encoder_threads) = (cores.max(1), encoder_threads(cores));
        Settings {
            decoder_threads,
            between: BETWEEN,
            encoder_threads,
            lookahead: self.lookahead,
            bytes: 0,
            decoding_bytes: 0,
        }
    }

    fn bytes(&self, settings: &Settings) -> u64 {
        let further = (settings.encoder_threads.max(1) - 1) as f64;
        let threads = self.for_each_thread * further + if further > 0.0 { self.for_threads } else { 0.0 };
        let for_each_pixel = self.least + LOOKAHEAD * f64::from(settings.lookahead) + threads;
        ENCODER + bytes(for_each_pixel, self.width, self.height)
    }
}

/// Frame threads wait for rows of each other's frames: 1.5 threads per core keep all cores busy.
#[must_use]
pub fn encoder_threads(cores: usize) -> usize {
    (cores.max(1) * 3 / 2).max(1)
}

/// The decoded pictures that H.264's highest level lets a decoder keep (MaxDpbMbs of level 6.2), in macroblocks.
const KEPT_MACROBLOCKS: u64 = 696_320;

/// False for pictures so large that H.264's highest level lets a decoder keep fewer than four of them: they are encoded
/// with one reference and no B-frames. Depends on nothing but the size, so that all segments of a job are alike.
#[must_use]
pub fn keeps_b_frames(width: u32, height: u32) -> bool {
    4 * macroblocks(width, height) <= KEPT_MACROBLOCKS
}

/// Most references of an H.264 stream of this level (MaxDpbMbs in table A-1). The level is FFmpeg's: ten times the number.
#[must_use]
pub fn h264_references(width: u32, height: u32, level: i32) -> u32 {
    let kept: u64 = match level {
        9..=10 => 396,
        11 => 900,
        12..=20 => 2376,
        21 => 4752,
        22..=30 => 8100,
        31 => 18_000,
        32 => 20_480,
        40..=41 => 32_768,
        42 => 34_816,
        50 => 110_400,
        51..=52 => 184_320,
        // Not stated, or such as no standard knows.
        _ => KEPT_MACROBLOCKS,
    };
    (kept / macroblocks(width, height).max(1)).clamp(1, 16) as u32
}

/// Most references of an HEVC stream of this level (A.4.2). The level is FFmpeg's: thirty times the number.
#[must_use]
pub fn hevc_references(width: u32, height: u32, level: i32) -> u32 {
    let most: u64 = match level {
        30 => 36_864,
        60 => 122_880,
        63 => 245_760,
        90 => 552_960,
        93 => 983_040,
        120 | 123 => 2_228_224,
        150 | 153 | 156 => 8_912_896,
        _ => 35_651_584,
    };
    match u64::from(width) * u64::from(height) * 4 {
        quarters if quarters <= most => 16,
        quarters if quarters <= 2 * most => 12,
        quarters if quarters <= 3 * most => 8,
        _ => 6,
    }
}

fn macroblocks(width: u32, height: u32) -> u64 {
    u64::from(width.div_ceil(16)) * u64::from(height.div_ceil(16))
}

#[cfg(test)]
mod tests;
