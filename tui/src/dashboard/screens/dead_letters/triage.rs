//! One dead-letter queue: its messages as last read, grouped by cause, with marks, filter and cursors.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use stereospot_api::view::MessageView;
use stereospot_domain::{Fingerprint, JobId, QueueName, Timestamp};

use crate::dashboard::cursor::Cursor;
use crate::dashboard::effect::Effect;
use crate::text::{contains, passes};

/// Shortest pause between two reads of the same queue.
const REST: Duration = Duration::from_secs(1);

/// Pause between two reads where a read is free. Messages may change while their count does not.
const FREE_REST: Duration = Duration::from_secs(5);

/// Messages with one fingerprint.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    /// None where no error was reported.
    pub fingerprint: Option<Fingerprint>,
    /// Indices into [`Triage::messages`].
    pub messages: Vec<usize>,
    pub jobs: usize,
    pub most_receives: u32,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub expires_at: Option<Timestamp>,
}

/// The part of the screen that has the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Pane {
    #[default]
    Groups,
    Messages,
}

impl Pane {
    pub(crate) fn next(self) -> Self {
        match self {
            Pane::Groups => Pane::Messages,
            Pane::Messages => Pane::Groups,
        }
    }
}

/// One dead-letter queue.
#[derive(Debug, Default)]
pub(crate) struct Triage {
    pub queue: Option<QueueName>,
    pub messages: Vec<MessageView>,
    pub groups: Vec<Group>,
    /// By the server's clock.
    pub read_at: Option<Timestamp>,
    pub error: Option<String>,
    pub is_reading: bool,
    is_outdated: bool,
    asked_at: Option<Duration>,
    pub marked: BTreeSet<String>,
    pub filter: String,
    pub pane: Pane,
    pub group_cursor: Cursor<Option<Fingerprint>>,
    pub message_cursor: Cursor<String>,
}

impl Triage {
    /// Turns to another queue and drops the last one's messages.
    pub(crate) fn turn_to(&mut self, queue: QueueName) {
        if self.queue != Some(queue) {
            *self = Self { queue: Some(queue), ..Self::default() };
        }
    }

    /// The queue has changed since the last read.
    pub(crate) fn outdate(&mut self) {
        self.is_outdated = true;
    }

    /// After a reconnect the pending read will not be answered.
    pub(crate) fn restart(&mut self) {
        (self.is_outdated, self.is_reading) = (true, false);
    }

    /// The read that is due now, if any: every few seconds where a read is free; elsewhere only after the queue's count has
    /// changed.
    pub(crate) fn due(&mut self, is_paid: bool, now: Duration) -> Option<Effect> {
        let rested = |rest| self.asked_at.is_none_or(|at| now.saturating_sub(at) >= rest);
        let is_due = (self.is_outdated && rested(REST)) || (!is_paid && rested(FREE_REST));
        let queue = self.queue.filter(|_| is_due && !self.is_reading)?;
        (self.is_outdated, self.is_reading, self.asked_at) = (false, true, Some(now));
        Some(Effect::Peek(queue))
    }

    /// Stores the answer.
    pub(crate) fn fill(&mut self, messages: Result<Vec<MessageView>, String>, at: Timestamp) {
        self.is_reading = false;
        match messages {
            Ok(messages) => (self.messages, self.read_at, self.error) = (messages, Some(at), None),
            Err(why) => {
                self.error = Some(why);
                return;
            }
        }
        let held: BTreeSet<&str> = self.messages.iter().map(|message| message.id.as_str()).collect();
        self.marked.retain(|id| held.contains(id.as_str()));
        self.regroup();
    }

    pub(crate) fn set_filter(&mut self, filter: &str) {
        self.filter = filter.to_owned();
        self.group_cursor = Cursor::default();
        self.regroup();
    }

    /// A key was pressed: from now on the cursors follow their entries.
    pub(crate) fn choose(&mut self) {
        self.group_cursor.choose();
        self.message_cursor.choose();
    }

    /// The messages that pass the filter, group by group.
    pub(crate) fn shown(&self) -> impl Iterator<Item = &MessageView> {
        self.groups.iter().flat_map(|group| &group.messages).map(|at| &self.messages[*at])
    }

    /// Groups the messages, largest group first.
    fn regroup(&mut self) {
        let mut groups: BTreeMap<Option<Fingerprint>, Vec<usize>> = BTreeMap::new();
        let filter = self.filter.to_ascii_lowercase();
        for (at, message) in self.messages.iter().enumerate() {
            let error = message.error.as_deref().unwrap_or_default();
            if passes(&filter, |needle| contains(error, needle) || contains(&message.body, needle)) {
                groups.entry(message.fingerprint.clone()).or_default().push(at);
            }
        }
        self.groups = groups
            .into_iter()
            .map(|(fingerprint, messages)| {
                let of = |at: &usize| &self.messages[*at];
                let when = |at: &usize| of(at).dead_lettered_at.unwrap_or(of(at).enqueued_at);
                let jobs: BTreeSet<JobId> = messages.iter().filter_map(|at| of(at).job_id).collect();
                Group {
                    jobs: jobs.len(),
                    most_receives: messages.iter().map(|at| of(at).receive_count).max().unwrap_or(0),
                    first_at: messages.iter().map(when).min().unwrap_or_default(),
                    last_at: messages.iter().map(when).max().unwrap_or_default(),
                    expires_at: messages.iter().filter_map(|at| of(at).expires_at).min(),
                    fingerprint,
                    messages,
                }
            })
            .collect();
        self.groups.sort_by(|a, b| b.messages.len().cmp(&a.messages.len()).then(a.fingerprint.cmp(&b.fingerprint)));
        self.settle();
    }

    /// The selected group.
    pub(crate) fn group(&self) -> Option<&Group> {
        let index = self.group_cursor.index(self.groups.len(), |at| self.groups[at].fingerprint.clone())?;
        self.groups.get(index)
    }

    /// The messages of the selected group.
    pub(crate) fn group_messages(&self) -> Vec<&MessageView> {
        self.group().map(|group| group.messages.iter().map(|at| &self.messages[*at]).collect()).unwrap_or_default()
    }

    /// The selected message.
    pub(crate) fn message(&self) -> Option<&MessageView> {
        let messages = self.group_messages();
        let index = self.message_cursor.index(messages.len(), |at| messages[at].id.clone())?;
        messages.get(index).copied()
    }

    /// Moves in the active pane.
    pub(crate) fn step(&mut self, by: isize) {
        match self.pane {
            Pane::Groups => {
                let names: Vec<Option<Fingerprint>> =
                    self.groups.iter().map(|group| group.fingerprint.clone()).collect();
                self.group_cursor.step(by, names.len(), |at| names[at].clone());
                self.message_cursor = Cursor::default();
            }
            Pane::Messages => {
                let ids: Vec<String> = self.group_messages().iter().map(|message| message.id.clone()).collect();
                self.message_cursor.step(by, ids.len(), |at| ids[at].clone());
            }
        }
        self.settle();
    }

    /// The index of the active pane's cursor.
    pub(crate) fn place(&self) -> Option<usize> {
        match self.pane {
            Pane::Groups => self.group_cursor.index(self.groups.len(), |at| self.groups[at].fingerprint.clone()),
            Pane::Messages => {
                let messages = self.group_messages();
                self.message_cursor.index(messages.len(), |at| messages[at].id.clone())
            }
        }
    }

    /// Selects an entry of the active pane.
    pub(crate) fn select(&mut self, at: usize) {
        let from = self.place().unwrap_or(0);
        self.step(at as isize - from as isize);
    }

    /// What a replay or a purge applies to: the marked messages, else the message or the whole group under the cursor.
    pub(crate) fn targets(&self) -> Vec<String> {
        if !self.marked.is_empty() {
            return self.marked.iter().cloned().collect();
        }
        self.under_cursor()
    }

    /// The messages under the cursor: one, or a whole group.
    fn under_cursor(&self) -> Vec<String> {
        match self.pane {
            Pane::Groups => self.group_messages().iter().map(|message| message.id.clone()).collect(),
            Pane::Messages => self.message().map(|message| message.id.clone()).into_iter().collect(),
        }
    }

    /// Marks or unmarks what is under the cursor.
    pub(crate) fn mark(&mut self) {
        self.toggle(self.under_cursor());
    }

    /// Marks every message that passes the filter; unmarks all if all are marked.
    pub(crate) fn mark_all(&mut self) {
        let ids = self.shown().map(|message| message.id.clone()).collect();
        self.toggle(ids);
    }

    fn toggle(&mut self, ids: Vec<String>) {
        let all_are_marked = ids.iter().all(|id| self.marked.contains(id));
        for id in ids {
            if all_are_marked {
                self.marked.remove(&id);
            } else {
                self.marked.insert(id);
            }
        }
    }

    fn settle(&mut self) {
        let names: Vec<Option<Fingerprint>> = self.groups.iter().map(|group| group.fingerprint.clone()).collect();
        self.group_cursor.settle(names.len(), |at| names[at].clone());
        let ids: Vec<String> = self.group_messages().iter().map(|message| message.id.clone()).collect();
        self.message_cursor.settle(ids.len(), |at| ids[at].clone());
    }
}
