//! All events received, and those that pass the filter.
//!
//! Invariant: each event updates the shown list as it arrives; drawing never searches.

use std::collections::{HashSet, VecDeque};

use stereospot_domain::{Event, JobId};
use uuid::Uuid;

use super::cursor::Cursor;
use crate::text::{contains, passes};

/// Events kept; older ones are dropped and counted.
pub(crate) const MAX_EVENTS: usize = 5000;

/// An event with its number in the order of arrival.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub number: u64,
    pub event: Event,
    /// The text that a filter searches; the end of the line shows it.
    pub facts: String,
}

/// The log.
#[derive(Debug, Default)]
pub(crate) struct Log {
    entries: VecDeque<Entry>,
    next: u64,
    /// Numbers of the events that pass the filter.
    shown: VecDeque<u64>,
    filter: String,
    only_job: Option<JobId>,
    is_held: bool,
    held_back: u64,
    dropped: u64,
    /// Events from before the connection: the stream may repeat the last of them.
    recalled: HashSet<Uuid>,
    /// True while the cursor follows the newest event.
    pub follows: bool,
    pub cursor: Cursor<u64>,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self { follows: true, ..Self::default() }
    }

    /// Adds the latest events from before a connection, if they arrived after the last one here. What this list has dropped in
    /// the meantime stays dropped, because it would sort behind newer events.
    pub(crate) fn recall(&mut self, events: Vec<Event>) {
        let known: HashSet<Uuid> = self.entries.iter().map(|entry| entry.event.id).collect();
        let ids = events.iter().map(|event| event.id).collect();
        let last_known = events.iter().rposition(|event| known.contains(&event.id));
        let newest = self.entries.back().map(|entry| entry.event.time).filter(|_| last_known.is_none());
        self.recalled.clear();
        events
            .into_iter()
            .skip(last_known.map_or(0, |at| at + 1))
            .filter(|event| newest.is_none_or(|newest| event.time > newest))
            .for_each(|event| self.push(event));
        self.recalled = ids;
    }

    /// Adds an event, unless it is a repetition.
    pub(crate) fn push(&mut self, event: Event) {
        if self.recalled.contains(&event.id) {
            return;
        }
        let entry = Entry { number: self.next, facts: facts(&event), event };
        self.next += 1;
        if self.is_held {
            self.held_back += u64::from(self.lets_through(&entry));
        } else if self.lets_through(&entry) {
            self.shown.push_back(entry.number);
        }
        self.entries.push_back(entry);
        if self.entries.len() > MAX_EVENTS {
            self.entries.pop_front();
            self.dropped += 1;
            let oldest = self.entries.front().map_or(0, |entry| entry.number);
            while self.shown.front().is_some_and(|number| *number < oldest) {
                self.shown.pop_front();
            }
        }
        if self.follows && !self.is_held {
            self.seek_end();
        }
    }

    /// Shows only events that contain `filter`; those that don't, if it begins with `!`.
    pub(crate) fn set_filter(&mut self, filter: &str) {
        self.filter = filter.to_ascii_lowercase();
        self.reselect();
    }

    pub(crate) fn filter(&self) -> &str {
        &self.filter
    }

    /// Shows only one job's events, or every job's.
    pub(crate) fn set_only_job(&mut self, job: Option<JobId>) {
        self.only_job = job;
        self.reselect();
    }

    pub(crate) fn only_job(&self) -> Option<JobId> {
        self.only_job
    }

    /// Freezes the shown list, or releases it.
    pub(crate) fn hold(&mut self, is_held: bool) {
        self.is_held = is_held;
        if !is_held {
            self.reselect();
        }
    }

    /// Events received while frozen.
    pub(crate) fn held_back(&self) -> u64 {
        self.held_back
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn shown_len(&self) -> usize {
        self.shown.len()
    }

    /// The event shown at an index; oldest first.
    pub(crate) fn shown(&self, index: usize) -> Option<&Entry> {
        let number = self.shown.get(index)?;
        let oldest = self.entries.front()?.number;
        self.entries.get(usize::try_from(number.checked_sub(oldest)?).ok()?)
    }

    /// The newest events, whatever the filter; newest first.
    pub(crate) fn newest(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().rev()
    }

    /// The event under the cursor.
    pub(crate) fn under_cursor(&self) -> Option<&Entry> {
        self.shown(self.index()?)
    }

    /// The index of the cursor.
    pub(crate) fn index(&self) -> Option<usize> {
        self.cursor.index(self.shown.len(), |at| self.shown[at])
    }

    pub(crate) fn step(&mut self, by: isize) {
        let shown = &self.shown;
        self.cursor.step(by, shown.len(), |at| shown[at]);
        self.follows = self.index().is_none_or(|index| index + 1 == self.shown.len());
    }

    /// Selects the event at an index.
    pub(crate) fn select(&mut self, at: usize) {
        if let Some(number) = self.shown.get(at) {
            self.cursor.select(at, *number);
            self.follows = at + 1 == self.shown.len();
        }
    }

    /// Moves to the next error event, in the direction of `by`.
    pub(crate) fn seek_error(&mut self, by: isize) -> bool {
        let Some(index) = self.index() else { return false };
        let is_error = |at: &usize| self.shown(*at).is_some_and(|entry| entry.event.kind().is_error());
        let found = if by > 0 { (index + 1..self.shown.len()).find(is_error) } else { (0..index).rev().find(is_error) };
        if let Some(at) = found {
            self.cursor.select(at, self.shown[at]);
            self.follows = false;
        }
        found.is_some()
    }

    /// Selects the newest event and follows it.
    pub(crate) fn seek_end(&mut self) {
        self.follows = true;
        if let Some(number) = self.shown.back() {
            self.cursor.select(self.shown.len() - 1, *number);
        }
    }

    fn reselect(&mut self) {
        self.held_back = 0;
        self.shown = self.entries.iter().filter(|entry| self.lets_through(entry)).map(|entry| entry.number).collect();
        if self.follows {
            self.seek_end();
        }
    }

    fn lets_through(&self, entry: &Entry) -> bool {
        if self.only_job.is_some() && entry.event.job_id != self.only_job {
            return false;
        }
        let event = &entry.event;
        passes(&self.filter, |needle| {
            contains(event.payload.name(), needle)
                || contains(&event.source, needle)
                || contains(&entry.facts, needle)
                || event.job_id.is_some_and(|id| contains(&id.to_string(), needle))
        })
    }
}

/// An event's own data in one line, as `name=value`.
pub(crate) fn facts(event: &Event) -> String {
    let mut line = String::new();
    for (name, value) in &event.data() {
        if !line.is_empty() {
            line.push(' ');
        }
        match value {
            serde_json::Value::String(text) => line.push_str(&format!("{name}={text}")),
            serde_json::Value::Number(number) if number.is_f64() => {
                line.push_str(&format!("{name}={:.2}", number.as_f64().unwrap_or_default()));
            }
            other => line.push_str(&format!("{name}={other}")),
        }
    }
    line
}

/// An event's subject: `7f3a2c1e/17`, `7f3a2c1e`, or nothing.
pub(crate) fn subject(event: &Event) -> String {
    match (event.job_id, event.segment_index) {
        (Some(id), Some(index)) => format!("{}/{index}", id.short()),
        (Some(id), None) => id.short(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
