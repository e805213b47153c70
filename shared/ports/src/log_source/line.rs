//! Reads one log line: `TIME [LEVEL] logger: text`, with `job_id=` and `segment_index=` in the text.
//!
//! Existing services and ours write the same shape. Reading never fails: a part that can't be read is absent.

use chrono::{NaiveDate, NaiveTime};
use stereospot_domain::{JobId, Timestamp};

/// The parts of a line. Time, level and logger are absent on lines without a head, such as those of a traceback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed<'t> {
    pub time: Option<Timestamp>,
    /// `INFO`, `WARNING`, `ERROR` …
    pub level: Option<&'t str>,
    pub logger: Option<&'t str>,
    /// The rest of the line, without the head.
    pub text: &'t str,
    /// Absent when the line says `?` or names no job.
    pub job_id: Option<JobId>,
    pub segment_index: Option<u32>,
    /// Only some lines have it, as `segment_index=3/12`.
    pub total_segments: Option<u32>,
}

/// Parses a line.
#[must_use]
pub fn parse(line: &str) -> Parsed<'_> {
    let (time, level, logger, text) = match head(line) {
        Some((time, level, logger, text)) => (Some(time), Some(level), Some(logger), text),
        None => (None, None, None, line),
    };
    let segment = value(text, "segment_index=").map(|value| {
        let (index, total) = value.split_once('/').unwrap_or((value, ""));
        (leading_number(index), leading_number(total))
    });
    Parsed {
        time,
        level,
        logger,
        text,
        job_id: value(text, "job_id=").and_then(job_id),
        segment_index: segment.and_then(|(index, _)| index),
        total_segments: segment.and_then(|(_, total)| total),
    }
}

/// The number after `name` (which includes its `=`), up to the next blank.
#[must_use]
pub fn number_after(text: &str, name: &str) -> Option<f64> {
    value(text, name)?.trim_end_matches([',', ')', ';']).parse().ok()
}

/// Reads a time such as `2026-11-21T19:49:57Z`, `2026-11-21T19:49:57.123456Z`, `2026-11-21 19:49:57,123` or
/// `2026-11-21 19:49:57.123` (as Logs Insights writes it). A time without a zone is UTC: containers run in UTC.
#[must_use]
pub fn time(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, clock) = text.split_once(['T', ' '])?;
    let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    let clock = NaiveTime::parse_from_str(&clock.replacen(',', ".", 1), "%H:%M:%S%.f").ok()?;
    Some(Timestamp(date.and_time(clock).and_utc().timestamp_millis()))
}

fn head(line: &str) -> Option<(Timestamp, &str, &str, &str)> {
    let (before, rest) = line.split_once(" [")?;
    let time = time(before)?;
    let (level, rest) = rest.split_once("] ")?;
    let (logger, text) = rest.split_once(": ")?;
    Some((time, level.trim(), logger, text))
}

/// The text after `name`, up to the next blank. Finds `name` only at the start of a word.
fn value<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let at = text.match_indices(name).map(|(at, _)| at).find(|at| {
        let before = text[..*at].chars().next_back();
        before.is_none_or(|before| !before.is_alphanumeric() && before != '_')
    })?;
    text[at + name.len()..].split_whitespace().next()
}

/// A UUID is always 36 characters here, so punctuation after it is cut off.
fn job_id(value: &str) -> Option<JobId> {
    let value = value.trim_start_matches('"');
    value.get(..36).unwrap_or(value).parse().ok()
}

fn leading_number(text: &str) -> Option<u32> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    text[..digits].parse().ok()
}

#[cfg(test)]
mod tests;
