//! What commands print: JSON, tables fitted to the terminal, and the words for ages, sizes and unknown values.
//!
//! Invariant: `·` stands for what is not known, never 0; `≈` before what is only approximate.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use ratatui::text::Span;
use serde::Serialize;
use stereospot_api::view::{Environment, Observed};
use stereospot_domain::Timestamp;
use stereospot_domain::diagnosis::Severity;

use super::{Error, Result};

/// What stands for an unknown value.
pub const UNKNOWN: &str = "·";

/// Prints bytes on stdout.
///
/// # Errors
/// [`Error::Print`].
pub fn bytes(bytes: &[u8]) -> Result {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(Error::Print)
}

/// Prints a line on stdout.
///
/// # Errors
/// [`Error::Print`].
pub fn line(line: impl AsRef<str>) -> Result {
    bytes(format!("{}\n", plain(line.as_ref())).as_bytes())
}

/// Prints a value as indented JSON on stdout.
///
/// # Errors
/// [`Error::Print`].
pub fn json<T: Serialize>(value: &T) -> Result {
    let text = serde_json::to_string_pretty(value).map_err(|error| Error::Print(error.into()))?;
    line(text)
}

/// Prints a value as JSON in one line on stdout.
///
/// # Errors
/// [`Error::Print`].
pub fn json_line<T: Serialize>(value: &T) -> Result {
    let text = serde_json::to_string(value).map_err(|error| Error::Print(error.into()))?;
    line(text)
}

/// Says something on stderr: progress and notes. Where stderr is gone nobody wants to hear it.
pub fn note(line: impl AsRef<str>) {
    let _ = writeln!(io::stderr(), "{}", plain(line.as_ref()));
}

/// The text without control characters but line breaks: a job's title or an error must not steer the terminal.
#[must_use]
pub fn plain(text: &str) -> String {
    text.replace(|c: char| c.is_control() && c != '\n', " ")
}

/// A file's name for people: whole, in one line, its control characters as `\\n` or `\\u{1b}`.
#[must_use]
pub fn named(path: &Path) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    path.to_string_lossy().chars().map(escaped).collect()
}

/// A table. The last column but those marked is cut to fit the terminal.
#[derive(Debug)]
pub struct Table {
    columns: &'static [Column],
    rows: Vec<Vec<String>>,
}

/// A table's column.
#[derive(Debug, Clone, Copy)]
pub enum Column {
    /// Words, as wide as the widest.
    Left(&'static str),
    /// Numbers.
    Right(&'static str),
    /// Words that may be cut where the terminal is too narrow.
    Cut(&'static str),
}

impl Column {
    fn title(self) -> &'static str {
        match self {
            Column::Left(title) | Column::Right(title) | Column::Cut(title) => title,
        }
    }
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new(columns: &'static [Column]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row of as many cells as there are columns.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.columns.len());
        // A title or an error text must not break the lines.
        self.rows.push(cells.into_iter().map(|cell| cell.replace(|c: char| c.is_control(), " ")).collect());
    }

    /// Prints it, fitted to the terminal, or whole when stdout is none.
    ///
    /// # Errors
    /// [`Error::Print`].
    pub fn print(&self) -> Result {
        let width = io::stdout().is_terminal().then(|| crossterm::terminal::size().ok()).flatten();
        bytes(self.lines(width.map(|(columns, _)| usize::from(columns))).join("\n").as_bytes())?;
        bytes(b"\n")
    }

    /// Its lines, none wider than `width` unless even the uncut columns are.
    fn lines(&self, width: Option<usize>) -> Vec<String> {
        let titles: Vec<String> = self.columns.iter().map(|column| column.title().to_owned()).collect();
        let all = || std::iter::once(&titles).chain(&self.rows);
        let mut widths: Vec<usize> =
            (0..self.columns.len()).map(|at| all().map(|cells| columns_of(&cells[at])).max().unwrap_or(0)).collect();
        if let Some(width) = width {
            let gaps = 2 * self.columns.len().saturating_sub(1);
            let mut over = (widths.iter().sum::<usize>() + gaps).saturating_sub(width);
            for (at, column) in self.columns.iter().enumerate().rev() {
                if matches!(column, Column::Cut(_)) {
                    let floor = columns_of(column.title()).max(8).min(widths[at]);
                    let take = over.min(widths[at] - floor);
                    widths[at] -= take;
                    over -= take;
                }
            }
        }
        all().map(|cells| self.one_line(cells, &widths)).collect()
    }

    fn one_line(&self, cells: &[String], widths: &[usize]) -> String {
        let parts: Vec<String> = cells
            .iter()
            .zip(widths)
            .zip(self.columns)
            .map(|((cell, width), column)| {
                let cell = cut(cell, *width);
                let fill = " ".repeat(width - columns_of(&cell));
                if matches!(column, Column::Right(_)) { fill + &cell } else { cell + &fill }
            })
            .collect();
        parts.join("  ").trim_end().to_owned()
    }
}

/// Cuts a text to so many terminal columns, with `…` where something is missing.
#[must_use]
pub fn cut(text: &str, width: usize) -> String {
    if columns_of(text) <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        if columns_of(&out) + columns_of(c.encode_utf8(&mut [0; 4])) + 1 > width {
            break;
        }
        out.push(c);
    }
    if width > 0 {
        out.push('…');
    }
    out
}

fn columns_of(text: &str) -> usize {
    Span::raw(text).width()
}

/// How long: `0.4s`, `42s`, `3m04s`, `2h05m`, `4d03h`.
#[must_use]
pub fn duration(duration: Duration) -> String {
    let secs = duration.as_secs();
    match secs {
        0..10 => format!("{:.1}s", duration.as_secs_f64()),
        10..60 => format!("{secs}s"),
        60..3600 => format!("{}m{:02}s", secs / 60, secs % 60),
        3600..86_400 => format!("{}h{:02}m", secs / 3600, secs % 3600 / 60),
        _ => format!("{}d{:02}h", secs / 86_400, secs % 86_400 / 3600),
    }
}

/// How long ago.
#[must_use]
pub fn age(at: Option<Timestamp>, now: Timestamp) -> String {
    at.map_or_else(|| UNKNOWN.into(), |at| duration(now.since(at)))
}

/// A polled number, with `≈` where it is approximate.
#[must_use]
pub fn observed(value: Option<Observed<u64>>) -> String {
    match value {
        None => UNKNOWN.into(),
        Some(value) if value.is_exact => value.value.to_string(),
        Some(value) => format!("≈{}", value.value),
    }
}

/// A value that may be unknown.
#[must_use]
pub fn known<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| UNKNOWN.into(), |value| value.to_string())
}

/// A rate with one decimal.
#[must_use]
pub fn rate(value: Option<f32>) -> String {
    // A sum of nothing is -0.0, and little less than nothing is printed like it.
    known(value.map(|value| format!("{value:.1}")).map(|text| if text == "-0.0" { "0.0".into() } else { text }))
}

/// A size: `312 B`, `1.4 MB`; powers of 1000.
#[must_use]
pub fn size(bytes: u64) -> String {
    let (mut value, mut units) = (bytes as f64, ["kB", "MB", "GB", "TB"].iter());
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut unit = "B";
    while value >= 999.95
        && let Some(next) = units.next()
    {
        value /= 1000.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// A price: `$0.004`, `$1.27`, `$140`; as many decimals as tell something.
#[must_use]
pub fn usd(dollars: f64) -> String {
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

/// Where an environment is, beside its name: `eu-west-1 stereo-spot topology B`; none where there is no more to say.
#[must_use]
pub fn whereabouts(environment: &Environment) -> Option<String> {
    let prefix = environment.prefix.clone().filter(|prefix| *prefix != environment.name);
    let topology = environment.topology.as_ref().map(|topology| format!("topology {topology}"));
    let words: Vec<String> = [environment.region.clone(), prefix, topology].into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// The mark of a severity: never colour alone.
#[must_use]
pub fn mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "✗",
        Severity::Warning => "!",
        Severity::Notice => "·",
    }
}

#[cfg(test)]
mod tests;
