//! Makes the clip's sound, and detects its flashes and beeps.

use std::f64::consts::TAU;

use stereospot_picture::Picture;

const BEEP_HERTZ: f64 = 1000.0;
const BEEP_SECS: f64 = 0.12;

/// True if the picture is a flash: nearly all white except for the band with the frame number. Works for every layout,
/// anaglyphs included.
#[must_use]
pub fn detect_flash(picture: &Picture) -> bool {
    let white = |rows: std::ops::Range<usize>| {
        let samples = &picture.y[rows.start * picture.width()..rows.end * picture.width()];
        samples.iter().filter(|&&sample| sample > 205).count() as f64 / samples.len() as f64
    };
    // Over-under pictures have a second band in the middle.
    white(0..picture.height() * 2 / 5) > 0.9 && white(picture.height() * 11 / 20..picture.height() * 9 / 10) > 0.9
}

/// Finds the starts of the 1 kHz beeps in mono samples, in seconds, accurate to 4 ms. Tolerates lossy coding, and
/// volumes down to a fifth.
#[must_use]
pub fn detect_beeps(samples: &[i16], sample_rate: u32) -> Vec<f64> {
    let rate = f64::from(sample_rate);
    // Four periods: long enough to distinguish the beep from the chord, short enough to locate it.
    let window = (rate * 4.0 / BEEP_HERTZ) as usize;
    let hop = (rate / 2000.0).max(1.0) as usize;
    if window == 0 || samples.len() < window {
        return Vec::new();
    }
    let strengths: Vec<f64> =
        (0..=samples.len() - window).step_by(hop).map(|at| strength(&samples[at..at + window], rate)).collect();
    let peak = strengths.iter().copied().fold(0.0, f64::max);
    if peak < 0.05 {
        return Vec::new();
    }
    let quiet_windows = (0.05 * rate / hop as f64) as usize;
    let mut beeps = Vec::new();
    let mut since_loud = usize::MAX;
    for (index, &now) in strengths.iter().enumerate() {
        if now > peak * 0.5 {
            if since_loud > quiet_windows {
                // When the strength passes one half, half of the window is inside the beep.
                beeps.push((index * hop + window / 2) as f64 / rate);
            }
            since_loud = 0;
        } else {
            since_loud = since_loud.saturating_add(1);
        }
    }
    beeps
}

/// Makes `secs` of sound, with beeps at the given times.
pub(crate) fn samples(secs: f64, beeps: &[f64], sample_rate: u32) -> Vec<i16> {
    let rate = f64::from(sample_rate);
    let count = (secs * rate).round() as usize;
    let chord = |t: f64| {
        let swell = 0.75 + 0.25 * (TAU * 0.23 * t).sin();
        let voices = [(110.0, 0.022), (164.81, 0.014), (220.0, 0.011), (277.18, 0.007)];
        voices.iter().map(|(hertz, loudness)| loudness * (TAU * hertz * t).sin()).sum::<f64>() * swell
    };
    (0..count)
        .map(|i| {
            let t = i as f64 / rate;
            // Avoids a click at the start and the end of the clip.
            let fade = (t / 0.08).min((secs - t) / 0.08).clamp(0.0, 1.0);
            let beep: f64 = beeps
                .iter()
                .map(|start| t - start)
                .filter(|since| (0.0..BEEP_SECS).contains(since))
                .map(|since| {
                    let edge = (since / 0.001).min((BEEP_SECS - since) / 0.01).min(1.0);
                    0.35 * edge * (TAU * BEEP_HERTZ * since).sin()
                })
                .sum();
            ((chord(t) * fade + beep) * 32767.0).round() as i16
        })
        .collect()
}

/// Amplitude of the beep's frequency in a window; 1 is full scale.
fn strength(window: &[i16], rate: f64) -> f64 {
    let (mut sine, mut cosine) = (0.0, 0.0);
    let step = TAU * BEEP_HERTZ / rate;
    for (i, &sample) in window.iter().enumerate() {
        let (s, c) = (step * i as f64).sin_cos();
        // A raised-cosine window suppresses the chord's frequencies.
        let weight = 1.0 - (TAU * (i as f64 + 0.5) / window.len() as f64).cos();
        sine += f64::from(sample) * s * weight;
        cosine += f64::from(sample) * c * weight;
    }
    (sine * sine + cosine * cosine).sqrt() * 2.0 / (window.len() as f64 * 32768.0)
}

#[cfg(test)]
mod tests;
