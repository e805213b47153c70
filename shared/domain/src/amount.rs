//! Ages and sizes as an operator writes them: `30d`, `200G`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

const AGES: [(&str, u64); 5] = [("w", 604_800), ("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];
/// Powers of 1000, as everywhere on the screens.
const SIZES: [(&str, u64); 5] =
    [("T", 1_000_000_000_000), ("G", 1_000_000_000), ("M", 1_000_000), ("k", 1000), ("", 1)];
/// A hundred years.
const OLDEST_SECS: u64 = 36_500 * 86_400;

/// An age in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Age(pub Duration);

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// The text is no age.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no age: write a whole number with a unit, such as 30d, 12h, 45m or 90s, up to 36500d")]
pub struct NotAnAge(String);

/// The text is no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no size: write a whole number of bytes, or one with a unit, such as 200G, 500M or 2T")]
pub struct NotASize(String);

impl FromStr for Age {
    type Err = NotAnAge;

    fn from_str(text: &str) -> Result<Self, NotAnAge> {
        let (number, unit) = split(text);
        let secs = AGES.iter().find(|(name, _)| *name == unit).and_then(|(_, secs)| number?.checked_mul(*secs));
        let secs = secs.filter(|secs| *secs <= OLDEST_SECS).ok_or_else(|| NotAnAge(text.into()))?;
        Ok(Self(Duration::from_secs(secs)))
    }
}

impl FromStr for Bytes {
    type Err = NotASize;

    fn from_str(text: &str) -> Result<Self, NotASize> {
        let (number, unit) = split(text);
        let unit = unit.trim_end_matches(['B', 'b']);
        let named = |(name, _): &&(&str, u64)| name.eq_ignore_ascii_case(unit);
        let bytes = SIZES.iter().find(named).and_then(|(_, size)| number?.checked_mul(*size));
        bytes.map(Self).ok_or_else(|| NotASize(text.into()))
    }
}

fn split(text: &str) -> (Option<u64>, &str) {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    (number.parse().ok(), unit.trim())
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Weeks are read, not written: no one counts 52 of them.
        let secs = self.0.as_secs();
        let (unit, size) = AGES[1..].iter().find(|(_, size)| secs.is_multiple_of(*size)).unwrap_or(&("s", 1));
        f.pad(&format!("{}{unit}", secs / size))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = SIZES.iter().find(|(_, size)| self.0.is_multiple_of(*size)).unwrap_or(&("", 1));
        f.pad(&if self.0 == 0 { "0".into() } else { format!("{}{unit}", self.0 / size) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_read_with_a_unit_and_written_as_they_were_meant() {
        let check = |text: &str, secs: u64, written: &str| {
            let age: Age = text.parse().unwrap();
            assert_eq!((age.0.as_secs(), age.to_string().as_str()), (secs, written), "{text}");
            assert_eq!(written.parse::<Age>().unwrap(), age);
        };
        check("30d", 2_592_000, "30d");
        check("2w", 1_209_600, "14d");
        check("36h", 129_600, "36h");
        check("90s", 90, "90s");
        check(" 5 m ", 300, "5m");
        check("0d", 0, "0d");
        for wrong in ["30", "d", "", "-1d", "1.5d", "30 days", "99999999d", "18446744073709551615w"] {
            assert!(wrong.parse::<Age>().unwrap_err().to_string().contains(wrong), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_read_with_or_without_a_unit() {
        let check = |text: &str, bytes: u64, written: &str| {
            let size: Bytes = text.parse().unwrap();
            assert_eq!((size.0, size.to_string().as_str()), (bytes, written), "{text}");
            assert_eq!(written.parse::<Bytes>().unwrap(), size);
        };
        check("200G", 200_000_000_000, "200G");
        check("200 gb", 200_000_000_000, "200G");
        check("1500M", 1_500_000_000, "1500M");
        check("1234", 1234, "1234");
        check("7B", 7, "7");
        check("0", 0, "0");
        for wrong in ["", "G", "-1", "1.5G", "200GiB", "99999999999T"] {
            assert!(wrong.parse::<Bytes>().is_err(), "{wrong}");
        }
    }
}
