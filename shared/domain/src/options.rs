//! The options of a job: the output format and the parameters of the conversion.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The coarse output format, `sbs` or `anaglyph`, in the job store of every deployment. The exact layout is a [`Format`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Both views side by side or one above the other.
    Sbs,
    /// Both views in one picture, separated by coloured glasses.
    Anaglyph,
}

impl Mode {
    /// The name in the job store and in segment keys.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Sbs => "sbs",
            Mode::Anaglyph => "anaglyph",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "sbs" => Ok(Mode::Sbs),
            "anaglyph" => Ok(Mode::Anaglyph),
            _ => Err(UnknownName { what: "mode", given: text.into(), known: "sbs, anaglyph".into() }),
        }
    }
}

/// The name is not one of a closed set. The message lists the set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} `{given}`: choose one of {known}")]
pub struct UnknownName {
    /// The kind of thing named, such as `status`.
    pub what: &'static str,
    pub given: String,
    /// The possible names, joined by commas.
    pub known: String,
}

macro_rules! formats {
    ($($(#[$doc:meta])* $variant:ident $name:literal $mode:ident),+ $(,)?) => {
        /// How the two views are packed into the result. The names are iw3's.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum Format {
            #[default]
            $($(#[$doc])* $variant),+
        }

        impl Format {
            /// Every format.
            pub const ALL: &'static [Format] = &[$(Format::$variant),+];

            /// The name in commands and options.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Format::$variant => $name),+ }
            }

            /// The coarser mode that the job store holds.
            #[must_use]
            pub fn mode(self) -> Mode {
                match self { $(Format::$variant => Mode::$mode),+ }
            }
        }
    };
}

formats! {
    /// Left and right side by side, each at full width.
    Sbs "sbs" Sbs,
    /// Left and right side by side, each at half width.
    HalfSbs "half-sbs" Sbs,
    /// Left above right, each at full height.
    Tb "tb" Sbs,
    /// Left above right, each at half height.
    HalfTb "half-tb" Sbs,
    /// Like `sbs` with the views swapped, for viewing without glasses.
    CrossEyed "cross-eyed" Sbs,
    /// Red-cyan by Dubois' least-squares projection: the usual anaglyph.
    Anaglyph "anaglyph" Anaglyph,
    /// Red-cyan in full colour.
    AnaglyphColor "anaglyph-color" Anaglyph,
    /// Red-cyan, the left view grey, the right view in colour.
    AnaglyphHalfColor "anaglyph-half-color" Anaglyph,
    /// Red-cyan, both views grey.
    AnaglyphGray "anaglyph-gray" Anaglyph,
    /// Red-cyan by Wimmer: the red channel comes from the left view's green and blue, so that red objects cause no retinal rivalry.
    AnaglyphWimmer "anaglyph-wimmer" Anaglyph,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Format {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Format::ALL.iter().copied().find(|format| format.as_str() == text).ok_or_else(|| UnknownName {
            what: "mode",
            given: text.into(),
            known: Format::ALL.iter().map(|format| format.as_str()).collect::<Vec<_>>().join(", "),
        })
    }
}

/// What to do with interlaced video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Deinterlace {
    /// Deinterlace the frames that are marked as interlaced.
    #[default]
    Auto,
    Off,
}

impl Deinterlace {
    /// Every choice.
    pub const ALL: &'static [Self] = &[Self::Auto, Self::Off];

    /// The name that users type.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Off => "off",
        }
    }
}

impl FromStr for Deinterlace {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        named("deinterlacing", text, Self::ALL, Self::as_str)
    }
}

/// How the two views of a stereo source are packed, so that its left eye can be converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Packing {
    /// The left eye on the left, at full width.
    Sbs,
    /// The left eye on the left, at half width.
    HalfSbs,
    /// The left eye on top, at full height.
    Tb,
    /// The left eye on top, at half height.
    HalfTb,
}

impl Packing {
    /// Every packing.
    pub const ALL: &'static [Self] = &[Self::Sbs, Self::HalfSbs, Self::Tb, Self::HalfTb];

    /// The name that users type.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sbs => "sbs",
            Self::HalfSbs => "half-sbs",
            Self::Tb => "tb",
            Self::HalfTb => "half-tb",
        }
    }
}

impl FromStr for Packing {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        named("packing", text, Self::ALL, Self::as_str)
    }
}

fn named<T: Copy>(
    what: &'static str,
    text: &str,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Result<T, UnknownName> {
    all.iter().copied().find(|one| name(*one) == text).ok_or_else(|| UnknownName {
        what,
        given: text.into(),
        known: all.iter().map(|one| name(*one)).collect::<Vec<_>>().join(", "),
    })
}

impl From<Mode> for Format {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Sbs => Format::Sbs,
            Mode::Anaglyph => Format::Anaglyph,
        }
    }
}

/// The options of a job. An absent option takes the worker's default, so a default is defined in one place only. Stored as an extra
/// attribute of the job row, which existing services ignore.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct JobOptions {
    /// Output format; default `sbs`.
    #[serde(default)]
    pub format: Format,
    /// Total range of parallax, in per cent of the base length; default 2.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0.0, maximum = 10.0)]
    pub divergence: Option<f32>,
    /// Normalised depth that appears at the screen, from 0 (far) to 1 (near); default 0.5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub convergence: Option<f32>,
    /// Depth curve, -3 to 3: positive values give the foreground more of the range; default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = -3.0, maximum = 3.0)]
    pub foreground_scale: Option<f32>,
    /// Short side of the depth model's input, in pixels; default 392.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 112, maximum = 2048)]
    pub resolution: Option<u32>,
    /// Constant rate factor of the H.264 encoder, 0 to 51; default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 51)]
    pub crf: Option<u32>,
    /// x264 preset; default `medium`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^((ultra|super|very)?fast|faster|medium|slow|slower|veryslow)$")]
    pub preset: Option<String>,
    /// Target length of a segment, in seconds; default: the worker's setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0.1, maximum = 3600.0)]
    pub segment_secs: Option<f64>,
    /// What to do with interlaced video; default `auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deinterlace: Option<Deinterlace>,
    /// Convert the left eye of a source that is stereo already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Packing>,
    /// Refuse a video with frames that can't be decoded, instead of repeating the frame before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strict: bool,
    /// Refuse a video with a stream that the result can't carry, instead of leaving the stream out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strict_streams: bool,
}

/// An option has a value outside its range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{name} is {given}, but must be {wanted}")]
pub struct OutOfRange {
    pub name: &'static str,
    pub given: String,
    /// The range, in words.
    pub wanted: &'static str,
}

/// The presets of x264, fastest first.
pub const PRESETS: &[&str] =
    &["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"];

impl JobOptions {
    /// This format, everything else by default.
    #[must_use]
    pub fn of(format: Format) -> Self {
        Self { format, ..Self::default() }
    }

    /// Checks that every value is in its range.
    ///
    /// # Errors
    /// [`OutOfRange`] for the first option that is not.
    pub fn check(&self) -> Result<(), OutOfRange> {
        let within = |name, value: Option<f32>, low: f32, high: f32, wanted| match value {
            Some(value) if !(low..=high).contains(&value) => Err(OutOfRange { name, given: value.to_string(), wanted }),
            _ => Ok(()),
        };
        within("divergence", self.divergence, 0.0, 10.0, "from 0 to 10 (per cent)")?;
        within("convergence", self.convergence, 0.0, 1.0, "from 0 (far) to 1 (near)")?;
        within("foreground-scale", self.foreground_scale, -3.0, 3.0, "from -3 to 3")?;
        within("crf", self.crf.map(|crf| crf as f32), 0.0, 51.0, "from 0 (lossless) to 51")?;
        within("resolution", self.resolution.map(|side| side as f32), 112.0, 2048.0, "from 112 to 2048 pixels")?;
        if let Some(secs) = self.segment_secs
            && !(0.1..=3600.0).contains(&secs)
        {
            return Err(OutOfRange {
                name: "segment-secs",
                given: secs.to_string(),
                wanted: "from 0.1 to 3600 seconds",
            });
        }
        if let Some(preset) = &self.preset
            && !PRESETS.contains(&preset.as_str())
        {
            return Err(OutOfRange {
                name: "preset",
                given: preset.clone(),
                wanted: "one of x264's, ultrafast to veryslow",
            });
        }
        Ok(())
    }
}
