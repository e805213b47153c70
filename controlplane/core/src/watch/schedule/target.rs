//! What is read, in which order of importance, and what a reading brings.

use std::fmt;
use std::time::Duration;

use stereospot_domain::{Collector, JobId, JobStatus, QueueName};

use super::Moment;

/// Something that is read again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// Numbers and settings of a queue.
    Queue(QueueName),
    /// What lies on a dead-letter queue.
    DeadLetters(QueueName),
    /// The platform's services.
    Services,
    /// All rows of a status that is not an end.
    Active(JobStatus),
    /// The newest rows of an ended status, up to those that are known.
    Newest(JobStatus),
    /// All rows of an ended status.
    All(JobStatus),
    /// Completions, lock and objects of a job.
    Job(JobId),
    /// Lines of the workers' logs.
    Logs,
}

impl Target {
    /// The collector that reads it.
    #[must_use]
    pub fn collector(self) -> Collector {
        match self {
            Target::Queue(_) => Collector::Queues,
            Target::DeadLetters(_) => Collector::DeadLetters,
            Target::Active(_) => Collector::Jobs,
            Target::Newest(_) | Target::All(_) => Collector::SettledJobs,
            Target::Job(_) => Collector::JobDetails,
            Target::Services => Collector::Services,
            Target::Logs => Collector::Logs,
        }
    }
}

/// Kinds of targets, by which the budget is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tier {
    /// Numbers of queues, services.
    Queues,
    /// Rows that move, and the newest.
    Rows,
    /// Details of jobs.
    Jobs,
    /// All rows, logs.
    Background,
}

impl Target {
    pub(super) fn tier(self) -> Tier {
        match self {
            Target::Queue(_) | Target::DeadLetters(_) | Target::Services => Tier::Queues,
            Target::Active(_) | Target::Newest(_) => Tier::Rows,
            Target::Job(_) => Tier::Jobs,
            Target::All(_) | Target::Logs => Tier::Background,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Queue(name) => write!(f, "queue {name}"),
            Target::DeadLetters(name) => write!(f, "messages of {name}"),
            Target::Services => f.write_str("services"),
            Target::Active(status) => write!(f, "jobs {status}"),
            Target::Newest(status) => write!(f, "newest jobs {status}"),
            Target::All(status) => write!(f, "all jobs {status}"),
            Target::Job(job_id) => write!(f, "job_id={job_id}"),
            Target::Logs => f.write_str("logs"),
        }
    }
}

/// How a job is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watching {
    /// It is under way.
    Active,
    /// It waits for something that hardly comes any more: read seldom.
    Idle,
    /// It failed: read with long and growing pauses, for about a day.
    Failed,
    /// It has just ended: read once more, then never.
    Last,
}

/// What a reading brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Something new.
    Changed,
    /// Nothing new.
    Same,
    /// It is not read to the end: the next part follows at once.
    More,
    /// An error.
    Failed,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Begin this reading, and tell [`super::Schedule::done`] when it has ended.
    Read(Reading),
    /// Nothing before this moment, unless something is nudged or ends.
    Wait(Option<Moment>),
}

/// One reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Of what.
    pub target: Target,
    /// Of a job: its row too, as it was heard of or is no longer listed.
    pub with_row: bool,
    /// Calls that were granted.
    pub granted: u32,
}

/// How fresh the values of a collection of targets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Freshness {
    /// How many there are.
    pub targets: usize,
    /// Of these: their last reading failed.
    pub failing: usize,
    /// Of the others: their reading runs, and takes longer than it should.
    pub hanging: usize,
    /// By how much the latest of those is late that wait for their turn.
    pub latest: Duration,
    /// Age of the oldest value of those that count and don't fail; absent when none has been read.
    pub oldest: Option<Duration>,
    /// The longest pause among those that count; absent when there is none.
    pub pause: Option<Duration>,
}

impl Freshness {
    /// None of them is answered.
    pub fn is_down(&self) -> bool {
        self.targets > 0 && self.failing + self.hanging == self.targets
    }
}

/// The budget holds readings back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pressure {
    /// Targets that wait.
    pub waiting: usize,
    /// How late the latest of them is.
    pub latest: Duration,
}
