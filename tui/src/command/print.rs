//! Command output: JSON, tables fitted to the terminal, ages, unknown values.
//!
//! Invariant: an unknown value is `·`, never 0; an approximate one is prefixed with `≈`.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use serde::Serialize;
use stereospot_api::view::Observed;
use stereospot_domain::Timestamp;
use stereospot_domain::diagnosis::Severity;

use super::error::{Error, Result};
use crate::text;

/// Stands for an unknown value.
pub(crate) const UNKNOWN: &str = text::MISSING;

/// Prints bytes on stdout.
///
/// # Errors
/// [`Error::Print`].
pub(crate) fn bytes(bytes: &[u8]) -> Result {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(Error::Print)
}

/// Prints one line on stdout, whatever texts from outside are part of it.
///
/// # Errors
/// [`Error::Print`].
pub(crate) fn line(line: impl AsRef<str>) -> Result {
    bytes(format!("{}\n", text::shown(line.as_ref())).as_bytes())
}

/// Prints a value as indented JSON on stdout.
///
/// # Errors
/// [`Error::Print`].
pub(crate) fn json<T: Serialize>(value: &T) -> Result {
    let json = serde_json::to_string_pretty(value).map_err(|error| Error::Print(error.into()))?;
    bytes(format!("{}\n", text::escaped(&json)).as_bytes())
}

/// Prints a value as one line of JSON on stdout.
///
/// # Errors
/// [`Error::Print`].
pub(crate) fn json_line<T: Serialize>(value: &T) -> Result {
    let json = serde_json::to_string(value).map_err(|error| Error::Print(error.into()))?;
    bytes(format!("{}\n", text::escaped(&json)).as_bytes())
}

/// True for a terminal that can't place its cursor, by the variable TERM.
pub(crate) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Prints progress or a note on stderr. A closed stderr is not an error: the command continues.
pub(crate) fn note(line: impl AsRef<str>) {
    let _ = writeln!(io::stderr(), "{}", text::shown(line.as_ref()));
}

/// A file's name in one line.
pub(crate) fn named(path: &Path) -> String {
    text::shown(&path.to_string_lossy()).into_owned()
}

/// A table of rows, built column by column and then printed.
pub(crate) struct Table<'a, Row> {
    rows: &'a [Row],
    columns: Vec<Column<'a, Row>>,
}

/// A column: its title, how it fits, and its cell in a row.
struct Column<'a, Row> {
    title: &'static str,
    fit: Fit,
    cell: Box<dyn Fn(&Row) -> String + 'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Left,
    Right,
    /// Like `Left`, and cut where the terminal is too narrow.
    Cut,
    /// Like `Left`, and in lines of its own below each row where the terminal is too narrow.
    Below,
}

/// A table of these rows, without columns.
pub(crate) fn table<Row>(rows: &[Row]) -> Table<'_, Row> {
    Table { rows, columns: Vec::new() }
}

impl<'a, Row> Table<'a, Row> {
    /// Adds a column of words, as wide as the widest.
    pub(crate) fn left(self, title: &'static str, cell: impl Fn(&Row) -> String + 'a) -> Self {
        self.with(title, Fit::Left, cell)
    }

    /// Adds a column of numbers.
    pub(crate) fn right(self, title: &'static str, cell: impl Fn(&Row) -> String + 'a) -> Self {
        self.with(title, Fit::Right, cell)
    }

    /// Adds a column of words that may be cut where the terminal is too narrow.
    pub(crate) fn cut(self, title: &'static str, cell: impl Fn(&Row) -> String + 'a) -> Self {
        self.with(title, Fit::Cut, cell)
    }

    /// Adds a column of words that is never cut: where the terminal is too narrow, they follow below each row.
    pub(crate) fn below(self, title: &'static str, cell: impl Fn(&Row) -> String + 'a) -> Self {
        self.with(title, Fit::Below, cell)
    }

    fn with(mut self, title: &'static str, fit: Fit, cell: impl Fn(&Row) -> String + 'a) -> Self {
        self.columns.push(Column { title, fit, cell: Box::new(cell) });
        self
    }

    /// Prints the table, fitted to the terminal; in full when stdout is not a terminal.
    ///
    /// # Errors
    /// [`Error::Print`].
    pub(crate) fn print(self) -> Result {
        let size = io::stdout().is_terminal().then(|| crossterm::terminal::size().ok()).flatten();
        self.lines(size.map(|(columns, _)| usize::from(columns))).iter().try_for_each(line)
    }

    /// The lines of the table. They exceed `width` only when the columns that can't be cut already do.
    fn lines(&self, width: Option<usize>) -> Vec<String> {
        let titles = self.columns.iter().map(|column| column.title.to_owned()).collect();
        let cells = |row| self.columns.iter().map(|column| text::shown(&(column.cell)(row)).into_owned()).collect();
        let all: Vec<Vec<String>> = std::iter::once(titles).chain(self.rows.iter().map(cells)).collect();
        let (widths, is_below) = self.widths(&all, width);
        let mut lines = Vec::new();
        for (row, cells) in all.iter().enumerate() {
            let (mut parts, mut below) = (Vec::new(), Vec::new());
            for ((cell, width), column) in cells.iter().zip(&widths).zip(&self.columns) {
                if is_below && column.fit == Fit::Below {
                    below.push(cell);
                    continue;
                }
                let cell = text::truncate(cell, *width);
                let fill = " ".repeat(width - text::width(&cell));
                parts.push(if column.fit == Fit::Right { format!("{fill}{cell}") } else { format!("{cell}{fill}") });
            }
            lines.push(parts.join("  ").trim_end().to_owned());
            let columns = width.unwrap_or(usize::MAX).saturating_sub(5);
            let below = below.into_iter().filter(|words| row > 0 && !words.is_empty());
            for (at, words) in below.flat_map(|words| text::wrap(words, columns).into_iter().enumerate()) {
                lines.push(format!("   {} {words}", if at == 0 { "→" } else { " " }));
            }
        }
        lines
    }

    /// The width of each column: its widest cell, reduced where the table has to fit into `width`; and whether the columns that
    /// may go below do.
    fn widths(&self, all: &[Vec<String>], width: Option<usize>) -> (Vec<usize>, bool) {
        let widest = |at: usize| all.iter().map(|cells| text::width(&cells[at])).max().unwrap_or(0);
        let mut widths: Vec<usize> = (0..self.columns.len()).map(widest).collect();
        let Some(width) = width else { return (widths, false) };
        let over = |widths: &[usize]| {
            let beside = widths.iter().filter(|width| **width > 0).count();
            (widths.iter().sum::<usize>() + 2 * beside.saturating_sub(1)).saturating_sub(width)
        };
        let can_give: usize = self
            .columns
            .iter()
            .zip(&widths)
            .filter(|(column, _)| column.fit == Fit::Cut)
            .map(|(column, width)| width - floor(column.title, *width))
            .sum();
        let has_below = self.columns.iter().any(|column| column.fit == Fit::Below);
        let is_below = has_below && over(&widths) > can_give / 2;
        for (width, _) in
            widths.iter_mut().zip(&self.columns).filter(|(_, column)| is_below && column.fit == Fit::Below)
        {
            *width = 0;
        }
        let mut over = over(&widths);
        for (at, column) in self.columns.iter().enumerate().rev().filter(|(_, column)| column.fit == Fit::Cut) {
            let take = over.min(widths[at] - floor(column.title, widths[at]));
            widths[at] -= take;
            over -= take;
        }
        (widths, is_below)
    }
}

/// A column that is cut keeps its title's width.
fn floor(title: &str, width: usize) -> usize {
    text::width(title).max(8).min(width)
}

/// An age, from now.
pub(crate) fn age(at: Option<Timestamp>, now: Timestamp) -> String {
    at.map_or_else(|| UNKNOWN.into(), |at| text::duration(now.since(at)))
}

/// A polled number, with `≈` where it is approximate.
pub(crate) fn observed(value: Option<Observed<u64>>) -> String {
    match value {
        None => UNKNOWN.into(),
        Some(value) if value.is_exact => value.value.to_string(),
        Some(value) => format!("≈{}", value.value),
    }
}

/// A value that may be unknown.
pub(crate) fn known<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| UNKNOWN.into(), |value| value.to_string())
}

/// A rate with one decimal.
pub(crate) fn rate(value: Option<f32>) -> String {
    // An empty sum is -0.0, and tiny negative rates print the same.
    known(value.map(|value| format!("{value:.1}")).map(|text| if text == "-0.0" { "0.0".into() } else { text }))
}

/// The mark of a severity, so that colour never stands alone.
pub(crate) fn mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "✗",
        Severity::Warning => "!",
        Severity::Notice => "·",
    }
}

#[cfg(test)]
mod tests;
