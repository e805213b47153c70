//! How often each kind of target is read: often while it changes, with growing pauses while it doesn't.

use std::time::Duration;

use super::target::Target;

/// Where calls cost money, the shortest pause is this many times that of the embedded backend.
const METERED: u32 = 10;

/// Each log search starts this long before the end of the last one, because lines arrive late.
pub const LOG_OVERLAP: Duration = Duration::from_secs(90);

/// Shortest and longest pause between two readings.
pub type Pauses = (Duration, Duration);

/// The pauses between readings of each kind of target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Counts of one queue of the pipeline.
    queue: Pauses,
    /// Counts of one of the other queues.
    further: Pauses,
    /// Messages on one dead-letter queue.
    dead_letters: Pauses,
    /// Rows of an unfinished status.
    active: Pauses,
    /// Newest rows of an ended status.
    newest: Pauses,
    /// All rows of an ended status.
    all: Pauses,
    /// Details of an unfinished job.
    job: Pauses,
    /// Details of a failed job, which may have a result all the same.
    failed: Pauses,
    /// Details of a job whose source will hardly come any more.
    idle: Pauses,
    services: Pauses,
    logs: Pauses,
    /// One page of the objects. The longest pause is the one between two looks whether all of them are due again.
    objects: Pauses,
    /// A job that was nudged is read this long after its last reading at the earliest.
    pub hush: Duration,
    /// A failed reading is tried again after this, or a few times as long.
    pub retry: Duration,
}

impl Pace {
    /// The pauses where calls are free: what moves is read once in each `poll`, what rests a few times less often.
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
            objects: (poll, poll * 60),
            hush: Duration::ZERO,
            retry: poll,
        }
    }

    /// The pauses where calls cost money. The unit is ten `poll`s, by default ten seconds.
    pub fn metered(poll: Duration, logs: Duration) -> Self {
        let unit = poll * METERED;
        Self {
            queue: (unit, unit * 3),
            // Nothing urgent depends on them, so they are read rarely while idle.
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
            objects: (unit, unit * 60),
            hush: unit / 2,
            retry: unit / 2,
        }
    }

    /// The pauses of a target. For failed and idle jobs see [`Pace::of_failed`] and [`Pace::of_idle`].
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
            Target::Objects => self.objects,
        }
    }

    /// The pauses of a job that is not expected to go on.
    pub fn of_idle(&self) -> Pauses {
        self.idle
    }

    /// The pauses of a failed job.
    pub fn of_failed(&self) -> Pauses {
        self.failed
    }
}
