//! What is polled, how polls are grouped, and how a poll can end.

use std::fmt;
use std::time::Duration;

use stereospot_domain::{Collector, JobId, JobStatus, QueueName};

/// Time since the process began.
pub type Uptime = Duration;

/// Something that is read repeatedly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// Counts and settings of a queue.
    Queue(QueueName),
    /// Messages on a dead-letter queue.
    DeadLetters(QueueName),
    /// The platform's services.
    Services,
    /// All rows of an unfinished status.
    Active(JobStatus),
    /// The newest rows of an ended status, down to the first known one.
    Newest(JobStatus),
    /// All rows of an ended status.
    All(JobStatus),
    /// Completions, lock and objects of a job.
    Job(JobId),
    /// The workers' log lines.
    Logs,
    /// The results of completed jobs: the next page of the objects.
    Objects,
}

/// Groups of targets that share the budget by weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tier {
    /// Queues and services.
    Queues,
    /// Rows of unfinished jobs, and the newest rows.
    Rows,
    /// Details of jobs.
    Jobs,
    /// All rows, logs.
    Background,
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
            Target::Objects => Collector::Objects,
        }
    }

    pub(super) fn tier(self) -> Tier {
        match self {
            Target::Queue(_) | Target::DeadLetters(_) | Target::Services => Tier::Queues,
            Target::Active(_) | Target::Newest(_) => Tier::Rows,
            Target::Job(_) => Tier::Jobs,
            Target::All(_) | Target::Logs | Target::Objects => Tier::Background,
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
            Target::Objects => f.write_str("objects"),
        }
    }
}

/// How a job is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watching {
    /// It is unfinished.
    Active,
    /// Its source probably won't come: read rarely.
    Idle,
    /// It failed: read with long, growing pauses, for about a day.
    Failed,
    /// It has ended: read once more, then never again.
    Last,
}

/// How a reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOutcome {
    /// Something new.
    Changed,
    /// Nothing new.
    Same,
    /// There is another page: read on at once.
    More,
    /// With an error.
    Failed,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Begin this reading, and report its end to [`super::schedule::Schedule::done`].
    Read(Reading),
    /// Wait until this moment, or until something is nudged or ends.
    Wait(Option<Uptime>),
}

/// One reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    pub target: Target,
    /// For a job: read its row too, because something was heard of it, or it is no longer listed.
    pub with_row: bool,
    /// Calls that were granted.
    pub granted: u32,
}

/// How fresh the values of a group of targets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Freshness {
    pub targets: usize,
    /// Targets whose last reading failed.
    pub failing: usize,
    /// Other targets whose reading runs, and takes longer than it should.
    pub hanging: usize,
    /// Targets that were never read and wait for their turn, or have just begun.
    pub unread: usize,
    /// How overdue the most overdue waiting target is.
    pub most_overdue: Duration,
    /// Age of the oldest value, of targets that count and don't fail; absent when none was read.
    pub oldest: Option<Duration>,
    /// The longest pause among the targets that count.
    pub pause: Option<Duration>,
}

impl Freshness {
    /// True when none of the targets is answered. Where the first ones hang, the others may not even have been asked.
    pub fn is_down(&self) -> bool {
        let unanswered = self.failing + self.hanging;
        unanswered > 0 && unanswered + self.unread == self.targets
    }
}

/// How much the budget holds readings back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pressure {
    pub waiting: usize,
    /// How late the most overdue of them is.
    pub most_overdue: Duration,
}
