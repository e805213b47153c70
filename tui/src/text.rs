//! How values and long texts are written. Dashboard and commands share this, so that a value looks the same everywhere.

use std::borrow::Cow;

use ratatui::text::Span;
use stereospot_api::client;
use stereospot_api::view::Environment;
use stereospot_domain::Timestamp;

use stereospot_domain::text::is_unprintable;
pub(crate) use stereospot_domain::text::{age, duration, plural, shown, size, title};

/// Stands for an unknown value, which is never shown as 0.
pub(crate) const MISSING: &str = "·";

/// `318`, `99999`, `123k`, `4.5M`.
pub(crate) fn count(number: u64) -> String {
    match number {
        0..100_000 => number.to_string(),
        100_000..1_000_000 => format!("{}k", number / 1000),
        _ => format!("{:.1}M", number as f64 / 1e6),
    }
}

/// `0`, `0.4`, `12`: a rate, with a decimal only below ten.
pub(crate) fn rate(number: f32) -> String {
    // An empty sum is -0.0.
    let text = if number != 0.0 && number.abs() < 10.0 { format!("{number:.1}") } else { format!("{number:.0}") };
    match text.as_str() {
        "-0" | "-0.0" => "0".into(),
        _ => text,
    }
}

/// A price: `$0.004`, `$1.27`, `$140`; only as many decimals as matter.
pub(crate) fn usd(dollars: f64) -> String {
    if dollars < 0.0005 {
        "$0".into()
    } else if dollars < 0.1 {
        format!("${dollars:.3}")
    } else if dollars < 100.0 {
        format!("${dollars:.2}")
    } else {
        format!("${dollars:.0}")
    }
}

/// Where an environment is: `eu-west-1 stereo-spot topology B`; none where its name says it all.
pub(crate) fn whereabouts(environment: &Environment) -> Option<String> {
    let prefix = environment.prefix.clone().filter(|prefix| *prefix != environment.name);
    let topology = environment.topology.as_ref().map(|topology| format!("topology {topology}"));
    let words: Vec<String> = [environment.region.clone(), prefix, topology].into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// What a failed call means for the plan it should have applied; none where the error proves that the plan was not applied.
pub(crate) fn unknown_end(error: &client::Error) -> Option<&'static str> {
    matches!(error, client::Error::Broken { .. } | client::Error::Slow { .. })
        .then_some("whether it was applied is not known: the action log says so once the control plane answers")
}

/// The time of day, UTC: `14:05:09`.
pub(crate) fn time_of_day(at: Timestamp) -> String {
    let secs = at.as_secs().rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", secs / 3600, secs % 3600 / 60, secs % 60)
}

/// Whether `text` contains `needle`, which is already in lower case; ASCII letters match in either case.
pub(crate) fn contains(text: &str, needle: &str) -> bool {
    let (text, needle) = (text.as_bytes(), needle.as_bytes());
    let Some(first) = needle.first() else { return true };
    if text.len() < needle.len() {
        return false;
    }
    (0..=text.len() - needle.len()).any(|start| {
        text[start].to_ascii_lowercase() == *first && text[start..start + needle.len()].eq_ignore_ascii_case(needle)
    })
}

/// Whether a text passes a filter: it contains the filter, which is already in lower case; after a `!` it must not. `contains` answers
/// for the text, whose parts may lie in several places.
pub(crate) fn passes(filter: &str, contains: impl FnOnce(&str) -> bool) -> bool {
    match filter.strip_prefix('!') {
        Some("") => true,
        Some(needle) => !contains(needle),
        None => filter.is_empty() || contains(filter),
    }
}

/// JSON with every character escaped that could do more to a terminal than appear on it. Its value stays the same: outside of strings
/// JSON has no such character but line breaks.
pub(crate) fn escaped(json: &str) -> Cow<'_, str> {
    let is_escaped = |letter| letter != '\n' && is_unprintable(letter);
    if !json.contains(is_escaped) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 32);
    for letter in json.chars() {
        if is_escaped(letter) {
            out.extend(letter.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            out.push(letter);
        }
    }
    Cow::Owned(out)
}

/// Terminal columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { Span::raw(text).width() }
}

/// Cuts a text to `columns`; an ellipsis marks the cut.
pub(crate) fn truncate(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    if columns == 0 {
        return Cow::Borrowed("");
    }
    let mut out = String::new();
    let mut used = 0;
    for letter in text.chars() {
        let wide = width(letter.encode_utf8(&mut [0; 4]));
        if used + wide + 1 > columns {
            break;
        }
        out.push(letter);
        used += wide;
    }
    out.push('…');
    Cow::Owned(out)
}

/// Breaks a text into harmless lines of at most `columns`, at spaces if possible. Its own line breaks stay.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split(char::is_whitespace) {
            let mut word = shown(word).into_owned();
            if !line.is_empty() && width(&line) + 1 + width(&word) > columns {
                lines.push(std::mem::take(&mut line));
            }
            while width(&word) > columns {
                let first = head(&word, columns);
                word = word[first.len()..].to_owned();
                lines.push(first);
            }
            if !line.is_empty() && !word.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
        lines.push(line);
    }
    lines
}

/// Like [`wrap`], for a line whose spaces matter: it breaks where the line is full.
pub(crate) fn wrap_kept(line: &str, columns: usize) -> Vec<String> {
    let mut rest = shown(line).into_owned();
    let mut lines = Vec::new();
    while width(&rest) > columns.max(1) {
        let first = head(&rest, columns.max(1));
        rest = rest[first.len()..].to_owned();
        lines.push(first);
    }
    lines.push(rest);
    lines
}

/// The longest prefix of `text` in `columns`, at least one character.
fn head(text: &str, columns: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    for letter in text.chars() {
        used += width(letter.encode_utf8(&mut [0; 4]));
        if used > columns && !out.is_empty() {
            break;
        }
        out.push(letter);
    }
    out
}

/// Like [`wrap`], in at most `rows` lines; an ellipsis marks what is missing.
pub(crate) fn wrap_within(text: &str, columns: usize, rows: usize) -> Vec<String> {
    let mut lines = wrap(text, columns);
    if lines.len() > rows {
        lines.truncate(rows);
        if let Some(last) = lines.last_mut() {
            last.push('…');
            *last = if width(last) > columns { truncate(last, columns).into_owned() } else { std::mem::take(last) };
        }
    }
    lines
}

/// Block glyphs from empty to full.
pub(crate) const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// A row of block glyphs, one value a column, newest at the right. A zero is `▁`, to differ from an unknown value.
pub(crate) fn spark(history: &[u64], columns: usize) -> String {
    let shown = &history[history.len().saturating_sub(columns)..];
    let top = shown.iter().copied().max().unwrap_or(0).max(1);
    let mut out = MISSING.repeat(columns - shown.len());
    // Never quite full, so that adjacent rows stay apart.
    out.extend(shown.iter().map(|value| EIGHTHS[1 + (*value * 6).div_ceil(top).min(6) as usize]));
    out
}

/// A bar of `columns`, to half a column: its filled part and its rest. It is thin, so that adjacent bars stay apart; the parts
/// differ by weight, not only by colour.
pub(crate) fn bar(share: f32, columns: usize) -> (String, String) {
    let halves = (share.clamp(0.0, 1.0) * columns as f32 * 2.0).floor() as usize;
    let (full, half) = (halves / 2, halves % 2);
    let filled = format!("{}{}", "━".repeat(full), "╸".repeat(half));
    (filled, "─".repeat(columns - full - half))
}

#[cfg(test)]
mod tests;
