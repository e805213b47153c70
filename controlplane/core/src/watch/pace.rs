//! How often each kind of thing is read: often while it changes, with growing pauses while it doesn't.

use std::time::Duration;

use super::schedule::Target;

/// On a platform where calls cost money, the shortest pause is so many times that of the embedded backend.
const METERED: u32 = 10;

/// How far a look at the logs goes back behind the end of the last: lines come late.
pub const LOG_OVERLAP: Duration = Duration::from_secs(90);

/// Shortest and longest pause between two readings.
pub type Pauses = (Duration, Duration);

/// The pauses of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Numbers of one queue of the pipeline.
    queue: Pauses,
    /// Numbers of one of the other queues.
    further: Pauses,
    /// What lies on one dead-letter queue.
    dead_letters: Pauses,
    /// Rows of an unfinished status.
    active: Pauses,
    /// Newest rows of an ended status.
    newest: Pauses,
    /// All rows of an ended status.
    all: Pauses,
    /// Details of an unfinished job.
    job: Pauses,
    /// Details of a failed job: it may have a result all the same.
    failed: Pauses,
    /// Details of a job that waits for something that hardly comes any more.
    idle: Pauses,
    services: Pauses,
    logs: Pauses,
    /// A job that was just heard of is read no sooner than so long after its last reading.
    pub hush: Duration,
    /// What failed is tried again after this, or a few times as long.
    pub retry: Duration,
}

impl Pace {
    /// Where calls cost nothing: everything that moves is read once in each `poll`, or a few times less often while it rests.
    pub fn free(poll: Duration, logs: Duration) -> Self {
        Self {
            queue: (poll, poll),
            further: (poll, poll),
            dead_letters: (poll, poll),
            active: (poll, poll),
            newest: (poll * 30, poll * 30),
            all: (poll * 600, poll * 600),
            job: (poll, poll * 3),
            failed: (poll * 30, poll * 1_800),
            idle: (poll * 10, poll * 60),
            services: (poll * 5, poll * 5),
            logs: (logs, logs),
            hush: Duration::ZERO,
            retry: poll,
        }
    }

    /// Where calls are paid for. The unit is ten `poll`s: ten seconds as it is usually set.
    pub fn metered(poll: Duration, logs: Duration) -> Self {
        let unit = poll * METERED;
        Self {
            queue: (unit, unit * 3),
            // Nothing urgent rests on them: while they are idle they are read seldom.
            further: (unit, unit * 12),
            dead_letters: (unit * 3, unit * 60),
            active: (unit, unit * 3),
            newest: (unit * 3, unit * 12),
            all: (unit * 360, unit * 360),
            job: (unit, unit * 12),
            failed: (unit * 6, unit * 360),
            idle: (unit * 60, unit * 2_160),
            services: (unit * 3, unit * 6),
            logs: (logs, logs),
            hush: unit / 2,
            retry: unit / 2,
        }
    }

    /// Of one target. A failed job's are [`Pace::of_failed`], an idle one's [`Pace::of_idle`].
    pub fn of(&self, target: Target) -> Pauses {
        match target {
            Target::Queue(name) if name.role.is_in_pipeline() => self.queue,
            Target::Queue(_) => self.further,
            Target::DeadLetters(_) => self.dead_letters,
            Target::Active(_) => self.active,
            Target::Newest(_) => self.newest,
            Target::All(_) => self.all,
            Target::Job(_) => self.job,
            Target::Services => self.services,
            Target::Logs => self.logs,
        }
    }

    /// Of a job that hardly goes on any more.
    pub fn of_idle(&self) -> Pauses {
        self.idle
    }

    /// Of a failed job.
    pub fn of_failed(&self) -> Pauses {
        self.failed
    }
}
