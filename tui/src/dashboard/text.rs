//! How numbers, ages and long texts are written. One place, so that the same value looks the same on every screen.

use std::borrow::Cow;
use std::time::Duration;

use ratatui::text::Span;
use stereospot_domain::{JobId, Timestamp};

/// Stands for a value that is not known. Never a zero.
pub(crate) const MISSING: &str = "·";

/// `0.4s`, `12s`, `4m10s`, `11m`, `1h05m`, `3d04h`: at most five characters wherever possible.
pub(crate) fn age(duration: Duration) -> String {
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

/// As [`age`], in whole seconds: for ages in lists, where tenths would only flicker.
pub(crate) fn whole_age(duration: Duration) -> String {
    if duration.as_secs() < 10 { format!("{}s", duration.as_secs()) } else { age(duration) }
}

/// `318`, `99999`, `123k`, `4.5M`.
pub(crate) fn count(number: u64) -> String {
    match number {
        0..100_000 => number.to_string(),
        100_000..1_000_000 => format!("{}k", number / 1000),
        _ => format!("{:.1}M", number as f64 / 1e6),
    }
}

/// `0`, `0.4`, `12`: a rate, with a decimal only where it tells something.
pub(crate) fn rate(number: f32) -> String {
    // A sum of nothing is -0.0.
    let text = if number != 0.0 && number.abs() < 10.0 { format!("{number:.1}") } else { format!("{number:.0}") };
    match text.as_str() {
        "-0" | "-0.0" => "0".into(),
        _ => text,
    }
}

/// `812 B`, `4.2 MB`.
pub(crate) fn bytes(number: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let power = (number.max(1).ilog10() / 3).min(4);
    if power == 0 {
        format!("{number} B")
    } else {
        format!("{:.1} {}", number as f64 / 1000f64.powi(power as i32), units[power as usize])
    }
}

/// A price in US dollars, written as commands write it.
pub(crate) use crate::command::print::usd;

/// The time of day, UTC: `14:05:09`.
pub(crate) fn time_of_day(at: Timestamp) -> String {
    let secs = at.as_secs().rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", secs / 3600, secs % 3600 / 60, secs % 60)
}

/// The first eight digits of a job's id: enough to tell jobs apart and to find one again.
pub(crate) fn short_id(id: JobId) -> String {
    let mut buffer = [0; 36];
    id.0.as_hyphenated().encode_lower(&mut buffer)[..8].to_owned()
}

/// `1 message`, `2 messages`.
pub(crate) fn plural(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Columns that a text takes on the terminal.
pub(crate) fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { Span::raw(text).width() }
}

/// A text cut to `columns`, with an ellipsis where something was cut.
pub(crate) fn fit(text: &str, columns: usize) -> Cow<'_, str> {
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

/// A text in lines of at most `columns`, broken at spaces where there are any. Control characters become spaces.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split(|letter: char| letter.is_whitespace() || letter.is_control()) {
            let mut word = word.to_owned();
            if !line.is_empty() && width(&line) + 1 + width(&word) > columns {
                lines.push(std::mem::take(&mut line));
            }
            while width(&word) > columns {
                let head: String = fit_plain(&word, columns);
                word = word[head.len()..].to_owned();
                lines.push(head);
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

/// As [`wrap`], for a line whose spaces matter: broken wherever it is full.
pub(crate) fn wrap_kept(line: &str, columns: usize) -> Vec<String> {
    let mut rest: String = line.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let mut lines = Vec::new();
    while width(&rest) > columns.max(1) {
        let head = fit_plain(&rest, columns.max(1));
        rest = rest[head.len()..].to_owned();
        lines.push(head);
    }
    lines.push(rest);
    lines
}

/// The longest head of `text` in `columns`, at least one character.
fn fit_plain(text: &str, columns: usize) -> String {
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

/// Block glyphs from empty to full.
pub(crate) const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// A row of block glyphs, newest at the right, one value a column; a zero is `▁`, so that "nothing" and "not known" differ.
pub(crate) fn spark(history: &[u64], columns: usize) -> String {
    let shown = &history[history.len().saturating_sub(columns)..];
    let top = shown.iter().copied().max().unwrap_or(0).max(1);
    let mut out = MISSING.repeat(columns - shown.len());
    // Never quite full: rows of sparks under each other would run into one.
    out.extend(shown.iter().map(|value| EIGHTHS[1 + (*value * 6).div_ceil(top).min(6) as usize]));
    out
}

/// A bar of `columns`: its filled part and its rest, to half a column. Thin, so that bars under each other stay apart; told
/// apart by weight, not only by colour.
pub(crate) fn bar(share: f32, columns: usize) -> (String, String) {
    let halves = (share.clamp(0.0, 1.0) * columns as f32 * 2.0).floor() as usize;
    let (full, half) = (halves / 2, halves % 2);
    let filled = format!("{}{}", "━".repeat(full), "╸".repeat(half));
    (filled, "─".repeat(columns - full - half))
}

#[cfg(test)]
mod tests;
