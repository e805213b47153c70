//! Durations, ages, sizes and texts from outside in readable form. Dashboard, commands and control plane share these, so that a
//! value looks the same everywhere.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

/// A duration: `0.4s`, `12s`, `4m10s`, `11m`, `1h05m`, `3d04h`. At most six characters below 100 days.
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

/// An age: like [`duration`], but in whole seconds, because tenths would only flicker on a screen.
#[must_use]
pub fn age(passed: Duration) -> String {
    if passed.as_secs() < 10 { format!("{}s", passed.as_secs()) } else { duration(passed) }
}

/// A size: `312 B`, `1.4 MB`. Units are powers of 1000.
#[must_use]
pub fn size(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64, "B");
    for next in ["kB", "MB", "GB", "TB"] {
        // From 999.95 on, rounding would print 1000.0.
        if value < 999.95 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    format!("{value:.1} {unit}")
}

/// Reads an address to listen on. `localhost` is 127.0.0.1: names are not looked up.
///
/// # Errors
/// What to give instead.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let numeric = match text.rsplit_once(':') {
        Some((host, port)) if host.eq_ignore_ascii_case("localhost") => format!("127.0.0.1:{port}"),
        _ => text.to_owned(),
    };
    numeric
        .parse()
        .map_err(|_| "give an IP address and a port, such as 127.0.0.1:7847, [::1]:7847 or localhost:7847".into())
}

/// `1 message`, `2 messages`.
#[must_use]
pub fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// How a character of a text from outside is shown.
enum Shown {
    AsIs,
    As(char),
    Not,
}

fn shown_as(letter: char) -> Shown {
    match letter {
        '\0'..='\u{1f}' => Shown::As(char::from_u32(0x2400 + letter as u32).unwrap_or(char::REPLACEMENT_CHARACTER)),
        '\u{7f}' => Shown::As('␡'),
        '\u{80}'..='\u{9f}' => Shown::As(char::REPLACEMENT_CHARACTER),
        // Line and paragraph separator.
        '\u{2028}' | '\u{2029}' => Shown::As('␊'),
        // Soft hyphen, bidirectional controls, zero-width spaces and joiners, variation selectors, tags, skin tones: they reorder a
        // line, hide in it, or make terminals disagree about its width.
        '\u{ad}'
        | '\u{61c}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{1f3fb}'..='\u{1f3ff}'
        | '\u{e0000}'..='\u{e0fff}' => Shown::Not,
        _ => Shown::AsIs,
    }
}

/// True for a character that [`shown`] replaces or removes, because it could do more to a terminal than appear on it.
#[must_use]
pub fn is_unprintable(letter: char) -> bool {
    !matches!(shown_as(letter), Shown::AsIs)
}

/// A text from outside (a title, an error, a worker's name, a message, a log line) as one harmless line: controls become visible
/// symbols such as `␊`, and characters that reorder or hide text are removed.
#[must_use]
pub fn shown(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~');
    if text.as_bytes().iter().all(is_plain) || !text.contains(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let show = |letter| match shown_as(letter) {
        Shown::AsIs => Some(letter),
        Shown::As(symbol) => Some(symbol),
        Shown::Not => None,
    };
    Cow::Owned(text.chars().filter_map(show).collect())
}

/// A job's title as one harmless line; `(untitled)` where nothing of it would be seen.
#[must_use]
pub fn title(title: Option<&str>) -> Cow<'_, str> {
    let shown = shown(title.unwrap_or_default());
    if shown.trim().is_empty() { Cow::Borrowed("(untitled)") } else { shown }
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

    #[test]
    fn a_text_from_outside_is_one_line_that_does_nothing_but_appear() {
        let check = |text, expected| assert_eq!(shown(text), expected, "{text:?}");
        check("Ünïcode 片 👍", "Ünïcode 片 👍");
        check("a\nstatus completed", "a␊status completed");
        check("a\r\tb\0c\u{7f}", "a␍␉b␀c␡");
        check("\u{1b}[2J\u{9b}2J", "␛[2J�2J");
        check("safe\u{202e}4pm.\u{2066}x\u{2069}\u{200f}", "safe4pm.x");
        check("👩\u{200d}👩\u{200d}👧 👍🏽 ❤\u{fe0f}", "👩👩👧 👍 ❤");
        check("a\u{2028}b\u{feff}\u{ad}", "a␊b");
    }

    #[test]
    fn localhost_is_an_address() {
        let check = |text, expected: &str| assert_eq!(listen_address(text).unwrap().to_string(), expected);
        check("localhost:7847", "127.0.0.1:7847");
        check("LOCALHOST:0", "127.0.0.1:0");
        check("[::1]:1", "[::1]:1");
        for wrong in ["7847", "localhost", "example.org:1", "127.0.0.1:70000", ""] {
            assert!(listen_address(wrong).unwrap_err().contains("localhost:7847"), "{wrong}");
        }
    }

    #[test]
    fn a_title_of_nothing_says_so() {
        for empty in [None, Some(""), Some("  "), Some("\u{200b}\u{202e}")] {
            assert_eq!(title(empty), "(untitled)");
        }
        assert_eq!(title(Some("clip")), "clip");
    }
}
