//! Durations, ages and sizes as people read them. Dashboard, commands and control plane share these, so that a value looks the
//! same everywhere.

use std::time::Duration;

/// How long something took: `0.4s`, `12s`, `4m10s`, `11m`, `1h05m`, `3d04h`. At most five characters wherever possible.
#[must_use]
pub fn duration(duration: Duration) -> String {
    let secs = duration.as_secs();
    match secs {
        0..10 => format!("{:.1}s", (duration.as_millis() / 100) as f64 / 10.0),
        10..60 => format!("{secs}s"),
        60..600 => format!("{}m{:02}s", secs / 60, secs % 60),
        600..3600 => format!("{}m", secs / 60),
        3600..86_400 => format!("{}h{:02}m", secs / 3600, secs % 3600 / 60),
        _ => format!("{}d{:02}h", secs / 86_400, secs % 86_400 / 3600),
    }
}

/// How long ago something happened: like [`duration`], in whole seconds, because tenths would only flicker in a list.
#[must_use]
pub fn age(passed: Duration) -> String {
    if passed.as_secs() < 10 { format!("{}s", passed.as_secs()) } else { duration(passed) }
}

/// A size: `312 B`, `1.4 MB`; powers of 1000.
#[must_use]
pub fn size(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64, "B");
    for next in ["kB", "MB", "GB", "TB"] {
        // 999.95 would be printed as 1000.0.
        if value < 999.95 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    format!("{value:.1} {unit}")
}

/// `1 message`, `2 messages`.
#[must_use]
pub fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short_at_every_length() {
        let check = |millis, expected| assert_eq!(duration(Duration::from_millis(millis)), expected);
        check(0, "0.0s");
        check(449, "0.4s");
        check(12_000, "12s");
        check(250_000, "4m10s");
        check(660_000, "11m");
        check(3_900_000, "1h05m");
        check(273_600_000, "3d04h");
    }

    #[test]
    fn ages_have_no_tenths() {
        assert_eq!(age(Duration::from_millis(9_999)), "9s");
        assert_eq!(age(Duration::from_secs(250)), "4m10s");
    }

    #[test]
    fn sizes_have_a_unit() {
        let check = |bytes, expected| assert_eq!(size(bytes), expected);
        check(0, "0 B");
        check(999, "999 B");
        check(1000, "1.0 kB");
        check(999_960, "1.0 MB");
        check(1_400_000, "1.4 MB");
        check(u64::MAX, "18446744.1 TB");
    }
}
