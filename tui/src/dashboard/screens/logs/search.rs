//! A job's log lines: one search at a time, its results, and the cursor.
//!
//! Invariant: a search starts only on request, or while following on the open screen, because CloudWatch bills each one. Stopping
//! a search drops its request, which ends it there too.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use stereospot_api::view::{LogLine, LogPage};
use stereospot_domain::{JobId, Timestamp};

use crate::dashboard::cursor::Cursor;
use crate::dashboard::effect::Effect;
use crate::text::{self, contains, passes};

/// Pause between two searches while following, where a search is free.
const FREE_REST: Duration = Duration::from_secs(2);

/// The same pause where each search is billed by the bytes it reads.
const PAID_REST: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Error,
    Warning,
    Info,
    Debug,
}

impl Level {
    /// The level in at most five letters.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Level::Error => "ERROR",
            Level::Warning => "WARN",
            Level::Info => "INFO",
            Level::Debug => "DEBUG",
        }
    }

    fn read(word: &str) -> Option<Self> {
        Some(match word {
            "ERROR" | "CRITICAL" | "FATAL" => Level::Error,
            "WARN" | "WARNING" => Level::Warning,
            "INFO" => Level::Info,
            "DEBUG" | "TRACE" => Level::Debug,
            _ => return None,
        })
    }
}

/// A line, parsed once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub line: LogLine,
    /// None on lines without a head, such as those of a traceback.
    pub level: Option<Level>,
    /// The text without time and level, which have their own columns, and without the logger's name and the job's id, which most
    /// lines share.
    pub says: Box<str>,
    /// Identifies the line: every search that finds it gives it the same number.
    number: u64,
}

impl Entry {
    /// The program that wrote it: `video-worker`.
    pub(crate) fn writer(&self) -> &str {
        let name = self.line.source.rsplit('/').next().unwrap_or_default();
        name.strip_suffix(".log").unwrap_or(name)
    }

    /// True for errors and warnings.
    pub(crate) fn is_bad(&self) -> bool {
        matches!(self.level, Some(Level::Error | Level::Warning))
    }

    fn matches(&self, needle: &str) -> bool {
        contains(&self.line.text, needle) || contains(&self.line.source, needle) || contains(&self.line.stream, needle)
    }
}

/// Finds the level and the start of the text in `TIME [LEVEL] logger: text`. The level may also come first, without brackets.
fn head(text: &str) -> (Option<Level>, usize) {
    if let Some(open) = text.find('[').filter(|at| *at < 40)
        && let Some(length) = text[open..].find(']').filter(|length| *length < 12)
        && let Some(level) = Level::read(text[open + 1..open + length].trim())
    {
        let rest = text[open + length + 1..].trim_start();
        let says = rest.split_once(": ").filter(|(logger, _)| !logger.contains(' ')).map_or(rest, |(_, says)| says);
        return (Some(level), text.len() - says.len());
    }
    let first = text.split([' ', ':']).next().unwrap_or_default();
    (Level::read(first), 0)
}

/// The state of the search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Search {
    /// Requested, not started yet.
    Due,
    Running {
        since: Duration,
    },
    /// Ended or stopped.
    Over {
        at: Duration,
        was_stopped: bool,
    },
}

/// The logs of one job.
#[derive(Debug)]
pub(crate) struct LogSearch {
    pub id: JobId,
    entries: Vec<Entry>,
    /// Indices of the lines that pass the filter.
    shown: Vec<usize>,
    filter: String,
    pub search: Search,
    pub error: Option<String>,
    pub is_whole: bool,
    pub searched: Vec<String>,
    pub missing: Vec<String>,
    /// Bytes read by all searches of this job, and their number.
    pub scanned: u64,
    pub searches: u32,
    /// When the last one ended, by the server's clock.
    pub read_at: Option<Timestamp>,
    pub wraps: bool,
    pub follows: bool,
    pub cursor: Cursor<u64>,
    /// First line shown in wrap mode, where a line may take several rows.
    pub top: Cell<usize>,
}

impl LogSearch {
    /// Starts empty, with the first search due.
    pub(crate) fn new(id: JobId) -> Self {
        Self {
            id,
            entries: Vec::new(),
            shown: Vec::new(),
            filter: String::new(),
            search: Search::Due,
            error: None,
            is_whole: true,
            searched: Vec::new(),
            missing: Vec::new(),
            scanned: 0,
            searches: 0,
            read_at: None,
            wraps: false,
            follows: false,
            cursor: Cursor::default(),
            top: Cell::new(0),
        }
    }

    /// Requests a search, unless one is running.
    pub(crate) fn ask(&mut self) {
        if !self.is_searching() {
            self.search = Search::Due;
        }
    }

    pub(crate) fn is_searching(&self) -> bool {
        matches!(self.search, Search::Running { .. })
    }

    /// The search that is due now, if any.
    pub(crate) fn due(&mut self, is_paid: bool, now: Duration) -> Option<Effect> {
        let is_due = match self.search {
            Search::Due => true,
            Search::Running { .. } => false,
            Search::Over { .. } => self.next_in(is_paid, now) == Some(Duration::ZERO),
        };
        if !is_due {
            return None;
        }
        self.search = Search::Running { since: now };
        Some(Effect::SearchLogs { job_id: self.id })
    }

    /// Time until the next automatic search; none without one.
    pub(crate) fn next_in(&self, is_paid: bool, now: Duration) -> Option<Duration> {
        let rest = if is_paid { PAID_REST } else { FREE_REST };
        match self.search {
            Search::Over { at, .. } if self.follows => Some((at + rest).saturating_sub(now)),
            _ => None,
        }
    }

    /// Stops the running search and following. Returns whether a search was running.
    pub(crate) fn stop(&mut self, now: Duration) -> bool {
        let was_running = self.is_searching();
        if was_running {
            self.search = Search::Over { at: now, was_stopped: true };
            self.follows = false;
        }
        was_running
    }

    /// Stores a search's result.
    pub(crate) fn fill(&mut self, page: Result<LogPage, String>, at: Timestamp, now: Duration) {
        self.search = Search::Over { at: now, was_stopped: false };
        let page = match page {
            Ok(page) => page,
            Err(why) => {
                self.error = Some(why);
                return;
            }
        };
        let was_at_end = self.index().is_none_or(|at| at + 1 == self.shown.len());
        self.error = None;
        (self.is_whole, self.searched, self.missing) = (page.is_whole, page.searched, page.missing);
        self.scanned += page.bytes_scanned;
        self.searches += 1;
        self.read_at = Some(at);
        self.entries = entries(self.id, page.lines);
        self.refilter();
        if !self.is_whole {
            self.follows = false;
        }
        // The first search shows the end, because the newest lines matter most.
        if was_at_end {
            self.seek_end();
        }
    }

    /// Shows only the lines that contain `filter`; if it begins with `!`, the others.
    pub(crate) fn set_filter(&mut self, filter: &str) {
        self.filter = filter.to_ascii_lowercase();
        self.refilter();
    }

    pub(crate) fn filter(&self) -> &str {
        &self.filter
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn shown_len(&self) -> usize {
        self.shown.len()
    }

    /// The line shown at an index; oldest first.
    pub(crate) fn shown(&self, at: usize) -> &Entry {
        &self.entries[self.shown[at]]
    }

    /// The index of the cursor.
    pub(crate) fn index(&self) -> Option<usize> {
        self.cursor.index(self.shown.len(), |at| self.shown(at).number)
    }

    /// The line under the cursor.
    pub(crate) fn under_cursor(&self) -> Option<&Entry> {
        self.index().map(|at| self.shown(at))
    }

    pub(crate) fn select(&mut self, at: usize) {
        let number = self.shown(at).number;
        self.cursor.select(at, number);
    }

    pub(crate) fn step(&mut self, by: isize) {
        if let Some(index) = self.index() {
            self.select(index.saturating_add_signed(by).min(self.shown.len() - 1));
        }
    }

    pub(crate) fn seek_end(&mut self) {
        if let Some(last) = self.shown.len().checked_sub(1) {
            self.select(last);
        }
    }

    fn refilter(&mut self) {
        let lets_through = |entry: &Entry| passes(&self.filter, |needle| entry.matches(needle));
        self.shown = (0..self.entries.len()).filter(|at| lets_through(&self.entries[*at])).collect();
        self.top.set(0);
    }
}

/// Parses the lines and numbers each by its content; a line written twice gets two numbers.
fn entries(id: JobId, lines: Vec<LogLine>) -> Vec<Entry> {
    let job = format!("job_id={id} ");
    let mut times: HashMap<u64, u64> = HashMap::new();
    let read = |mut line: LogLine| {
        let mut hasher = DefaultHasher::new();
        (line.time.0, &line.source, &line.stream, &line.text).hash(&mut hasher);
        let hash = hasher.finish();
        let nth = times.entry(hash).or_default();
        let number = hash.wrapping_add(*nth);
        *nth += 1;
        if let Cow::Owned(shown) = text::shown(line.text.trim_end()) {
            line.text = shown;
        }
        let (level, says_from) = head(&line.text);
        let says = line.text[says_from..].trim_end();
        let says = says.strip_suffix(job.trim_end()).unwrap_or(says).replace(&job, "").trim_end().into();
        Entry { line, level, says, number }
    };
    lines.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests;
