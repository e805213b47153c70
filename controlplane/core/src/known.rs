//! The parts of what is known: what was read of a job, what can't be read, what changed.

use std::collections::BTreeSet;
use std::time::Duration;

use stereospot_domain::diagnosis::{Fact, Finding, FindingCode};
use stereospot_domain::{Job, JobId, Lock, QueueName, Timestamp};

use super::observed::Untold;
use super::progress::JobProgress;
use stereospot_domain::Collector;

/// What was last read of one job from the backend. `None`: not read yet.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Truth {
    /// Segments with a completion, sorted.
    pub completed: Option<Fact<Vec<u32>>>,
    /// Its lock.
    pub lock: Option<Fact<Option<Lock>>>,
    /// Size of the source, where it exists.
    pub source: Option<Fact<Option<u64>>>,
    /// Size of the result, where it exists.
    pub result: Option<Fact<Option<u64>>>,
    /// Segments whose output exists, sorted.
    pub outputs: Option<Fact<Vec<u32>>>,
    /// Segments whose dead-lettered messages ask for an object that is gone, sorted.
    pub gone: Option<Fact<Vec<u32>>>,
    /// When each completed segment was, in the order of `completed`.
    pub completed_at: Vec<Timestamp>,
}

impl Truth {
    /// Takes in the completions, sorted by segment.
    pub fn set_completions(&mut self, done: &[(u32, Timestamp)], at: Timestamp) {
        let (segments, times) = done.iter().copied().unzip();
        self.completed = Some(Fact::exact(segments, at));
        self.completed_at = times;
    }

    /// Each completed segment, and when.
    pub fn completions(&self) -> impl Iterator<Item = (u32, Timestamp)> {
        let segments = self.completed.iter().flat_map(|done| done.value.iter().copied());
        segments.zip(self.completed_at.iter().copied())
    }

    /// True when nothing but the times of reading differ.
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
    }

    /// The newest of the times that stand in what was read.
    pub fn newest(&self) -> Timestamp {
        let lock = self.lock.as_ref().and_then(|lock| lock.value.as_ref());
        let of_lock = lock.map(|lock| lock.triggered_at.max(lock.reassembly_started_at.unwrap_or_default()));
        self.completed_at.iter().copied().max().max(of_lock).unwrap_or_default()
    }
}

/// What a reading of a row brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// A job that was not known.
    New,
    /// A job that is no longer as it was.
    Changed,
    /// Nothing new.
    Same,
}

/// A queue that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Why.
    pub error: String,
    /// Since when.
    pub since: Timestamp,
    /// True when there is no such queue: then it holds nothing.
    pub is_missing: bool,
}

/// The budget of calls holds readings back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Polling {
    /// Calls a minute.
    pub budget: u32,
    /// Readings that wait.
    pub waiting: usize,
    /// How late the latest of them is.
    pub latest: Duration,
    /// Since when.
    pub since: Timestamp,
}

/// One job.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its row as last read.
    pub job: Job,
    /// When that was.
    pub observed_at: Timestamp,
    /// When we last saw something of it change, or moved it ourselves.
    pub touched_at: Timestamp,
    /// What its events say; none until they are loaded.
    pub progress: Option<JobProgress>,
    /// What the backend says.
    pub truth: Truth,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
    /// Which finding's repair was tried last and failed, and why.
    pub unmended: Option<(FindingCode, String)>,
    /// What was last shown of it, by its hash, and when.
    pub shown: Option<(u64, Timestamp)>,
    /// What was seen to have happened, since when, and nobody has told yet.
    pub(super) untold: Untold,
}

/// A message that was seen on a dead-letter queue.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenDead {
    /// Its id.
    pub message_id: String,
    /// Its job and segment.
    pub about: Option<(JobId, Option<u32>)>,
    /// Since when it is there.
    pub since: Timestamp,
}

/// What changed since it was last taken.
#[derive(Debug, Default)]
pub struct Dirty {
    /// Jobs.
    pub jobs: BTreeSet<JobId>,
    /// Queues.
    pub queues: BTreeSet<QueueName>,
    /// Workers.
    pub workers: BTreeSet<String>,
    /// Collectors.
    pub collectors: BTreeSet<Collector>,
    /// The list of services.
    pub services: bool,
}
