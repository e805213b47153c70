//! The manifest of a model: what its graph does not say.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::Error;

/// The JSON file beside a model. Every field defaults to the value for Depth Anything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    /// Name in events and metrics; defaults to the file name.
    pub name: Option<String>,
    /// One sentence about the model.
    pub about: Option<String>,
    /// Mean of R, G, B (0 to 1), subtracted from the input.
    pub mean: [f32; 3],
    /// Standard deviation of R, G, B; the input is divided by it.
    pub std: [f32; 3],
    /// Both sides of the input must be multiples of this.
    pub multiple: usize,
    pub polarity: Polarity,
    /// Width and height of the input, if fixed.
    pub size: Option<[usize; 2]>,
}

/// What a model's output values mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Polarity {
    /// Relative disparity: high values are near.
    #[default]
    NearHigh,
    /// Distance in metres: high values are far.
    Metric,
}

impl Default for Manifest {
    fn default() -> Self {
        Self {
            name: None,
            about: None,
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            multiple: 14,
            polarity: Polarity::NearHigh,
            size: None,
        }
    }
}

impl Manifest {
    /// Reads the manifest beside a model; the defaults if there is none.
    ///
    /// # Errors
    /// [`Error::BadModel`] for a manifest that is unreadable or has invalid values.
    pub(super) fn beside(model: &Path) -> Result<Self, Error> {
        let path = manifest_path(model);
        let bad = |reason: String| Error::BadModel { path: path.clone(), reason };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => return Err(bad(format!("its manifest can't be read ({e})"))),
        };
        let manifest: Self = serde_json::from_str(&text).map_err(|e| bad(format!("its manifest is wrong ({e})")))?;
        if manifest.multiple == 0
            || manifest.std.iter().any(|s| !s.is_normal())
            || manifest.size.is_some_and(|s| s.contains(&0))
        {
            return Err(bad("its manifest has a zero for multiple, std or size".to_owned()));
        }
        Ok(manifest)
    }
}

fn manifest_path(model: &Path) -> PathBuf {
    model.with_extension("json")
}
