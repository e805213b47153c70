//! The parts of the state: what was read of a job, what can't be read, what has changed.

use std::collections::BTreeSet;
use std::time::Duration;

use stereospot_api::view::JobView;
use stereospot_domain::diagnosis::{Fact, Finding, FindingCode};
use stereospot_domain::message::{self, Request};
use stereospot_domain::queue::Peeked;
use stereospot_domain::{Job, JobId, Lock, QueueName, Timestamp, keys};

use super::observed::Unreported;
use super::progress::JobProgress;
use stereospot_domain::Collector;

/// What was last read of a job from the backend. `None`: not read yet.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Truth {
    /// Segments with a completion, sorted.
    pub completed: Option<Fact<Vec<u32>>>,
    pub lock: Option<Fact<Option<Lock>>>,
    /// Size of the source in bytes, where it exists.
    pub source: Option<Fact<Option<u64>>>,
    /// Size of the result in bytes, where it exists.
    pub result: Option<Fact<Option<u64>>>,
    /// Segments whose output exists, sorted.
    pub outputs: Option<Fact<Vec<u32>>>,
    /// Segments whose dead-lettered messages ask for an object that is gone, sorted.
    pub gone: Option<Fact<Vec<u32>>>,
    /// Why the result is not what was written.
    pub damage: Option<Fact<String>>,
    /// The completion times, in the order of `completed`.
    pub completed_at: Vec<Timestamp>,
}

impl Truth {
    /// Takes in the completions, sorted by segment.
    pub fn set_completions(&mut self, done: &[(u32, Timestamp)], at: Timestamp) {
        let (segments, times) = done.iter().copied().unzip();
        self.completed = Some(Fact::exact(segments, at));
        self.completed_at = times;
    }

    /// Each completed segment with its time.
    pub fn completions(&self) -> impl Iterator<Item = (u32, Timestamp)> {
        let segments = self.completed.iter().flat_map(|done| done.value.iter().copied());
        segments.zip(self.completed_at.iter().copied())
    }

    /// True when only the times of reading differ.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        fn of<T>(fact: &Option<Fact<T>>) -> Option<&T> {
            fact.as_ref().map(|fact| &fact.value)
        }
        of(&self.completed) == of(&other.completed)
            && of(&self.lock) == of(&other.lock)
            && of(&self.source) == of(&other.source)
            && of(&self.result) == of(&other.result)
            && of(&self.outputs) == of(&other.outputs)
            && of(&self.gone) == of(&other.gone)
            && of(&self.damage) == of(&other.damage)
    }

    /// The newest time recorded in what was read.
    pub fn newest(&self) -> Timestamp {
        let lock = self.lock.as_ref().and_then(|lock| lock.value.as_ref());
        let of_lock = lock.map(|lock| lock.triggered_at.max(lock.reassembly_started_at.unwrap_or_default()));
        self.completed_at.iter().copied().max().max(of_lock).unwrap_or_default()
    }
}

/// What a reading of a row showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// A job that was unknown.
    New,
    /// A row that differs from the last one.
    Changed,
    /// Nothing new.
    Same,
}

/// A queue that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub error: String,
    pub since: Timestamp,
    /// True when the queue does not exist, and therefore holds nothing.
    pub is_missing: bool,
}

/// How much the call budget holds readings back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Polling {
    /// Calls a minute.
    pub budget: u32,
    /// Readings that wait.
    pub waiting: usize,
    /// How late the most overdue of them is.
    pub most_overdue: Duration,
    pub since: Timestamp,
}

/// What is known of one job.
#[derive(Debug, Clone)]
pub struct Entry {
    pub job: Job,
    /// When the row was last read.
    pub observed_at: Timestamp,
    /// When we last saw it change, or changed it ourselves.
    pub touched_at: Timestamp,
    /// None until its events are loaded.
    pub progress: Option<JobProgress>,
    pub truth: Truth,
    /// Since when its row is gone, though it was completed.
    pub row_gone_since: Option<Timestamp>,
    /// When its row was seen with another status after `deleted`.
    pub deleted_before: Option<Timestamp>,
    pub findings: Vec<Finding>,
    /// Which finding's repair was tried last and failed, and why.
    pub failed_repair: Option<(FindingCode, String)>,
    /// What the stream of changes last showed of it, and when.
    pub shown: Option<(Box<JobView>, Timestamp)>,
    pub(super) unreported: Unreported,
}

impl Entry {
    /// A job of which only the row was read.
    pub(super) fn new(job: Job, at: Timestamp) -> Self {
        Self {
            job,
            observed_at: at,
            touched_at: Timestamp(0),
            progress: None,
            truth: Truth::default(),
            row_gone_since: None,
            deleted_before: None,
            findings: Vec::new(),
            failed_repair: None,
            shown: None,
            unreported: Unreported::new(),
        }
    }
}

/// Neither queues nor rows can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// When one of them last answered.
    pub since: Timestamp,
    pub error: String,
    /// True when AWS does not answer, false when this machine's disk doesn't.
    pub of_aws: bool,
    /// True when it may pass soon. A disk's error does not.
    pub may_pass: bool,
    /// True when the platform's other services answer.
    pub others_answer: bool,
}

/// A time in which events could not be written to the control-plane database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WriteOutage {
    pub(super) since: Timestamp,
    pub(super) last_failure: Timestamp,
    /// Events in the largest batch that could not be written.
    pub(super) events: usize,
}

/// A message seen on a dead-letter queue.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenDead {
    pub message_id: String,
    /// Its job and segment; none when its body can't be parsed.
    pub about: Option<(JobId, Option<u32>)>,
    pub kind: LetterKind,
    pub since: Timestamp,
}

/// What a dead letter's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterKind {
    /// Work, as far as can be read.
    Work,
    /// S3's notice that notifications were configured: nothing to do.
    TestNotice,
    /// No worker can read it.
    Unreadable,
}

impl LetterKind {
    fn of(name: QueueName, body: &str) -> Self {
        match message::parse(name.role, body).as_deref() {
            Ok([Request::Test]) => LetterKind::TestNotice,
            Ok(_) => LetterKind::Work,
            // Handlers of outputs look it up.
            Err(message::Error::Key(key)) if keys::is_invocation_end(key) => LetterKind::Work,
            Err(_) => LetterKind::Unreadable,
        }
    }
}

impl SeenDead {
    /// A message seen on a dead-letter queue, there since then.
    pub(super) fn new(name: QueueName, message: &Peeked, since: Timestamp) -> Self {
        Self {
            message_id: message.id.clone(),
            about: message::job_of(name.role, &message.body),
            kind: LetterKind::of(name, &message.body),
            since,
        }
    }
}

/// What has changed since this was last taken.
#[derive(Debug, Default)]
pub struct Dirty {
    pub jobs: BTreeSet<JobId>,
    pub queues: BTreeSet<QueueName>,
    pub workers: BTreeSet<String>,
    pub collectors: BTreeSet<Collector>,
    pub services: bool,
}
