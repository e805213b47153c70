//! The options of a conversion, with iw3's names and defaults where the meaning is the same.

use serde::{Deserialize, Serialize};

/// The options of one conversion. Every field has a default; unknown names are rejected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Options {
    /// Total parallax range, in per cent of the picture's longer side, 0 to 10.
    pub divergence: f32,
    /// The normalised depth that appears at the screen: 0 is the farthest, 1 the nearest.
    pub convergence: f32,
    /// Depth curve, -3 to 3: positive values give the foreground more of the range, negative values the background.
    pub foreground_scale: f32,
    /// How many cells of the raw depth near objects grow along x and y, 0 to 20 each.
    pub edge_dilation: [u32; 2],
    /// Short side of the model's input in pixels, 112 to 2048; rounded down to the model's multiple.
    pub resolution: u32,
    /// Weight of previous pictures in the smoothed depth range, 0 (no smoothing) to 0.99.
    pub ema_decay: f32,
    /// Number of frames over which the minimum and maximum of the depth range are taken, 1 to 300.
    pub ema_buffer: u32,
    pub method: Method,
}

/// How to render the eyes from a picture and its depth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Move each pixel along its row; fill holes with the background beside them.
    #[default]
    ForwardFill,
}

/// An option outside its range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{name} must be {allowed}, got {got}")]
pub struct InvalidOption {
    /// As the user writes it.
    pub name: &'static str,
    /// In words.
    pub allowed: &'static str,
    pub got: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            divergence: 2.0,
            convergence: 0.5,
            foreground_scale: 0.0,
            edge_dilation: [2, 1],
            resolution: 392,
            ema_decay: 0.75,
            ema_buffer: 30,
            method: Method::ForwardFill,
        }
    }
}

impl Options {
    /// Checks every range.
    ///
    /// # Errors
    /// Reports the first option outside its range. NaN is outside every range.
    pub fn check(&self) -> Result<(), InvalidOption> {
        let number = |name, value: f32, low: f32, high: f32, allowed| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(InvalidOption { name, allowed, got: value.to_string() })
            }
        };
        let count = |name, value: u32, low: u32, high: u32, allowed| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(InvalidOption { name, allowed, got: value.to_string() })
            }
        };
        number("divergence", self.divergence, 0.0, 10.0, "between 0 and 10 (per cent of the longer side)")?;
        number("convergence", self.convergence, 0.0, 1.0, "between 0 (far) and 1 (near)")?;
        number("foreground-scale", self.foreground_scale, -3.0, 3.0, "between -3 and 3")?;
        for cells in self.edge_dilation {
            count("edge-dilation", cells, 0, 20, "two whole numbers between 0 and 20")?;
        }
        count(
            "resolution",
            self.resolution,
            112,
            2048,
            "between 112 and 2048 (pixels of the depth input's short side)",
        )?;
        number("ema-decay", self.ema_decay, 0.0, 0.99, "between 0 and 0.99")?;
        count("ema-buffer", self.ema_buffer, 1, 300, "between 1 and 300 frames")
    }

    /// Returns `s` of the shift `x ± s·(d − c)`: `divergence · 0.01 · max(width, height) / 2`. That is how many pixels
    /// a point of normalised depth 1 moves in each eye when depth 0 is at the screen.
    #[must_use]
    pub fn half_range(&self, width: usize, height: usize) -> f32 {
        self.divergence * 0.01 * width.max(height) as f32 / 2.0
    }
}

#[cfg(test)]
mod tests;
