//! What stands in one log line: `TIME [LEVEL] logger: text`, the text with `job_id=` and `segment_index=`.
//!
//! The shape is that of existing deployments and of ours. Nothing here fails: what can't be read is absent.

use stereospot_domain::{JobId, Timestamp};

/// The parts of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed<'t> {
    /// When it was written; absent on lines without a head, such as those of a traceback.
    pub time: Option<Timestamp>,
    /// `INFO`, `WARNING`, `ERROR` …; absent as above.
    pub level: Option<&'t str>,
    /// Who wrote it; absent as above.
    pub logger: Option<&'t str>,
    /// What it says, without the head.
    pub text: &'t str,
    /// The job it is about; absent when it says `?` or nothing.
    pub job_id: Option<JobId>,
    /// The segment it is about; absent as above.
    pub segment_index: Option<u32>,
    /// Of how many segments; only some lines say so.
    pub total_segments: Option<u32>,
}

/// Reads a line.
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

/// The number that follows `name` (with its `=`), up to the next blank.
#[must_use]
pub fn number_after(text: &str, name: &str) -> Option<f64> {
    value(text, name)?.trim_end_matches([',', ')', ';']).parse().ok()
}

/// Reads a time such as `2026-11-21T19:49:57Z`, `2026-11-21T19:49:57.123456Z`, `2026-11-21 19:49:57,123` or
/// `2026-11-21 19:49:57.123` (as Logs Insights writes it). A time without a zone is taken for UTC: containers run in UTC.
#[must_use]
pub fn time(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, clock) = text.split_once(['T', ' '])?;
    let (year, month, day) = three(date, '-')?;
    let (whole, fraction) = clock.split_once(['.', ',']).unwrap_or((clock, "0"));
    let (hour, minute, second) = three(whole, ':')?;
    let is_possible = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
    if !is_possible || fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let secs = ((days_since_epoch(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    Some(Timestamp(secs * 1000 + millis))
}

fn head(line: &str) -> Option<(Timestamp, &str, &str, &str)> {
    let (before, rest) = line.split_once(" [")?;
    let time = time(before)?;
    let (level, rest) = rest.split_once("] ")?;
    let (logger, text) = rest.split_once(": ")?;
    Some((time, level.trim(), logger, text))
}

/// What follows `name` where it begins a word, up to the next blank.
fn value<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let at = text.match_indices(name).map(|(at, _)| at).find(|at| {
        let before = text[..*at].chars().next_back();
        before.is_none_or(|before| !before.is_alphanumeric() && before != '_')
    })?;
    text[at + name.len()..].split_whitespace().next()
}

/// A UUID is always 36 characters here; what punctuation follows it is not part of it.
fn job_id(value: &str) -> Option<JobId> {
    let value = value.trim_start_matches('"');
    value.get(..36).unwrap_or(value).parse().ok()
}

fn leading_number(text: &str) -> Option<u32> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    text[..digits].parse().ok()
}

fn three(text: &str, separator: char) -> Option<(i64, i64, i64)> {
    let mut parts = text.split(separator).map(|part| leading_number(part).filter(|_| is_number(part)).map(i64::from));
    let three = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(three)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Days from 1970-01-01 in the Gregorian calendar, counted from March so that the leap day comes last (Howard Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`).
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests;
