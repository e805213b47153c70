//! Decides what is read next. Pure: time is an argument, and nothing is read here.
//!
//! Each target has a pause that grows while its readings bring nothing new, and falls back when one does. Due targets share the
//! budget by weight: queues 4, rows 2, job details 3, the rest 1. Within a group the longest wait comes first. What a group does
//! not need goes to the others. So a budget that is too small makes everything older, and nothing stops.
//!
//! Invariant: each target has at most one reading at a time, and no reading begins without a grant from the budget.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use stereospot_domain::JobId;

use super::budget::Budget;
use super::pace::{Pace, Pauses};
pub use super::target::{Freshness, Next, Pressure, ReadOutcome, Reading, Target, Uptime, Watching};

const TIERS: usize = 4;
/// Shares of the budget when all groups need theirs.
const WEIGHTS: [u64; TIERS] = [4, 2, 3, 1];
/// A multiple of all weights, to keep shares whole numbers.
const WHOLE: u64 = 12;
/// Readings of a group that may run at once: several, so that one that hangs does not hold up the rest.
const AT_ONCE: [usize; TIERS] = [32, 4, 8, 2];
/// A target that is later than this, and than two of its own pauses, counts as late.
const LATE_AFTER: Duration = Duration::from_secs(15);
/// After this many unchanged readings at its longest pause, a failed job is no longer read.
const LAST_LOOKS: u32 = 24;
/// After this many unchanged readings, the longest pause of an unfinished job doubles.
const LONG_QUIET: u32 = 30;
/// A reading that takes longer than this hangs, unless it is a log search.
const HANGS: Duration = Duration::from_secs(4);
/// After a slow reading the target rests ten times as long, but at most this, or as long as the reading took if that is more.
const LONGEST_REST: Duration = Duration::from_secs(30);
/// The most times that the pause after a failure doubles.
const LONGEST_RETRY: u32 = 3;

#[derive(Debug)]
struct Watch {
    pause: Duration,
    pauses: Pauses,
    due: Uptime,
    is_running: bool,
    /// Calls granted to the running reading.
    granted: u32,
    /// When the running or last reading began.
    began: Uptime,
    read_at: Option<Uptime>,
    /// When it was last read successfully: the time of its value.
    good_at: Option<Uptime>,
    /// True when that reading made no calls, because the target was known to be empty.
    was_spared: bool,
    with_row: bool,
    /// True if it must be read again once the running reading ends.
    again: bool,
    watching: Watching,
    looks: u32,
    is_failing: bool,
    /// Readings in a row that failed.
    failures: u32,
}

/// All targets, and when each is due.
#[derive(Debug)]
pub struct Schedule {
    pace: Pace,
    budget: Budget,
    watches: HashMap<Target, Watch>,
    waiting: [BTreeSet<(Uptime, Target)>; TIERS],
    running: [usize; TIERS],
    /// What each group has used, divided by its weight (start-time fair queueing).
    used: [u64; TIERS],
    /// The virtual time of the sharing: a group that rested goes on from here, without credit.
    turn: u64,
    /// When the budget last held a reading back.
    blocked_at: Option<Uptime>,
    deferred: u64,
}

impl Schedule {
    /// A schedule without targets.
    pub fn new(pace: Pace, budget: Budget) -> Self {
        Self {
            pace,
            budget,
            watches: HashMap::new(),
            waiting: Default::default(),
            running: [0; TIERS],
            used: [0; TIERS],
            turn: 0,
            blocked_at: None,
            deferred: 0,
        }
    }

    /// The budget of calls.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Watches a target from now on. No effect if it is watched already.
    pub fn watch(&mut self, target: Target, now: Uptime) {
        if !self.watches.contains_key(&target) {
            self.add(target, Watching::Active, now);
        }
    }

    /// Sets how a job is watched from now on; on a change it is read at once, except that `Idle` waits for its first pause. An
    /// ended job that was not watched is not added.
    pub fn watch_job(&mut self, job_id: JobId, watching: Watching, now: Uptime) {
        let target = Target::Job(job_id);
        let Some(watch) = self.watches.get(&target) else {
            if watching != Watching::Last {
                self.add(target, watching, now);
            }
            return;
        };
        if watch.watching != watching {
            let (is_running, with_row) = (watch.is_running, watch.with_row);
            let pauses = self.pauses(target, watching);
            let watch = self.watches.get_mut(&target).expect("it was just found");
            (watch.watching, watch.pauses, watch.pause, watch.looks) = (watching, pauses, pauses.0, 0);
            let has_ended = matches!(watching, Watching::Last | Watching::Failed);
            (watch.again, watch.with_row) = (is_running && has_ended, with_row);
            let due = if watching == Watching::Idle { now + pauses.0 } else { now };
            self.set_due(target, due);
        }
    }

    /// Stops watching a target.
    pub fn forget(&mut self, target: Target) {
        if let Some(watch) = self.watches.remove(&target) {
            self.waiting[target.tier() as usize].remove(&(watch.due, target));
            if watch.is_running {
                self.running[target.tier() as usize] -= 1;
            }
        }
    }

    /// Reads a job soon, row included, because something was heard of it or its status changed.
    pub fn nudge(&mut self, job_id: JobId, now: Uptime) {
        let target = Target::Job(job_id);
        let hush = self.pace.hush;
        let Some(watch) = self.watches.get_mut(&target) else {
            self.add(target, Watching::Last, now);
            self.watches.get_mut(&target).expect("it was just added").with_row = true;
            return;
        };
        watch.with_row = true;
        watch.again = watch.is_running;
        watch.pause = watch.pauses.0;
        let soon = watch.read_at.map_or(now, |read_at| now.max(read_at + hush)).min(watch.due);
        self.set_due(target, soon);
    }

    /// Makes a target due now, because it is known to have changed.
    pub fn hurry(&mut self, target: Target, now: Uptime) {
        if let Some(watch) = self.watches.get_mut(&target) {
            watch.pause = watch.pauses.0;
            watch.again = watch.is_running;
            let due = now.min(watch.due);
            self.set_due(target, due);
        }
    }

    /// What to read now. `cost` returns the most calls that a reading may take.
    pub fn next(&mut self, now: Uptime, cost: impl Fn(Target, bool) -> u32) -> Next {
        let is_due = |set: &BTreeSet<(Uptime, Target)>| set.first().is_some_and(|(due, _)| *due <= now);
        let ready = (0..TIERS).filter(|tier| self.running[*tier] < AT_ONCE[*tier] && is_due(&self.waiting[*tier]));
        let Some(tier) = ready.min_by_key(|tier| (self.used[*tier].max(self.turn), *tier)) else {
            let free = (0..TIERS).filter(|tier| self.running[*tier] < AT_ONCE[*tier]);
            return Next::Wait(free.filter_map(|tier| Some(self.waiting[tier].first()?.0)).min());
        };
        let (due, target) = *self.waiting[tier].first().expect("this kind was found to have a due target");
        let with_row = self.watches.get(&target).is_some_and(|watch| watch.with_row);
        let calls = cost(target, with_row);
        if let Err(when) = self.budget.take(calls, now) {
            self.blocked_at = Some(now);
            return Next::Wait(Some(when));
        }
        let began = self.used[tier].max(self.turn);
        self.turn = began;
        self.used[tier] = began + u64::from(calls) * WHOLE / WEIGHTS[tier];
        self.waiting[tier].remove(&(due, target));
        self.running[tier] += 1;
        if self.blocked_at.is_some_and(|at| at >= due) {
            self.deferred += 1;
        }
        if let Some(watch) = self.watches.get_mut(&target) {
            (watch.is_running, watch.with_row, watch.again, watch.granted) = (true, false, false, calls);
            watch.began = now;
        }
        Next::Read(Reading { target, with_row, granted: calls })
    }

    /// Takes in the end of a reading. The calls that it did not use go back to the budget.
    pub fn done(&mut self, target: Target, outcome: ReadOutcome, took: Duration, calls: u32, now: Uptime) {
        let Some(watch) = self.watches.get_mut(&target) else { return };
        if !std::mem::take(&mut watch.is_running) {
            return;
        }
        self.budget.refund(watch.granted.saturating_sub(calls));
        self.budget.overdraw(calls.saturating_sub(watch.granted), now);
        self.running[target.tier() as usize] -= 1;
        watch.read_at = Some(now);
        watch.is_failing = outcome == ReadOutcome::Failed;
        if !watch.is_failing {
            (watch.good_at, watch.was_spared) = (Some(now), calls == 0);
        }
        watch.failures = if watch.is_failing { watch.failures + 1 } else { 0 };
        let is_last = watch.watching == Watching::Last && outcome != ReadOutcome::Failed && !watch.again;
        let is_at_longest = watch.pause >= watch.pauses.1;
        watch.looks = if outcome == ReadOutcome::Same && is_at_longest { watch.looks + 1 } else { 0 };
        if is_last || (watch.watching == Watching::Failed && watch.looks > LAST_LOOKS) {
            self.watches.remove(&target);
            return;
        }
        let is_long_quiet = watch.watching == Watching::Active && watch.looks > LONG_QUIET;
        let longest = if is_long_quiet { watch.pauses.1 * 2 } else { watch.pauses.1 };
        watch.pause = match outcome {
            ReadOutcome::Changed | ReadOutcome::More => watch.pauses.0,
            ReadOutcome::Same if matches!(target, Target::Job(_)) => (watch.pause * 3 / 2).min(longest),
            ReadOutcome::Same => (watch.pause * 3 / 2).min(watch.pauses.1),
            // Retry soon even if the target is read rarely: long pauses are for unchanged values, not unknown ones.
            ReadOutcome::Failed => self.pace.retry * (1 << watch.failures.min(LONGEST_RETRY)),
        };
        // Reading takes at most about a tenth of the time, or half if a reading takes very long.
        let pause = watch.pause.max((took * 10).min(LONGEST_REST.max(took)));
        watch.due = match outcome {
            ReadOutcome::More => now,
            _ if std::mem::take(&mut watch.again) => now + self.pace.hush,
            _ => now + pause,
        };
        self.waiting[target.tier() as usize].insert((watch.due, target));
    }

    /// Charges calls that were made outside the schedule.
    pub fn charge(&mut self, calls: u32, now: Uptime) {
        self.budget.charge(calls, now);
    }

    /// How fresh the values of a group of targets are.
    pub fn freshness(&self, now: Uptime, belongs: impl Fn(Target) -> bool) -> Freshness {
        let mut all = Freshness::default();
        for (target, watch) in self.watches.iter().filter(|(target, _)| belongs(**target)) {
            all.targets += 1;
            all.failing += usize::from(watch.is_failing);
            let hangs = watch.hangs(*target, now);
            all.hanging += usize::from(hangs && !watch.is_failing);
            all.unread += usize::from(!hangs && !watch.is_failing && watch.good_at.is_none());
            if !watch.is_failing && !watch.is_running {
                all.most_overdue = all.most_overdue.max(now.saturating_sub(watch.due));
            }
            if watch.counts(*target) {
                all.pause = all.pause.max(Some(if watch.is_failing { watch.pauses.1 } else { watch.pause }));
                all.oldest = all.oldest.max(self.value_age(*target, watch, now).filter(|_| !watch.is_failing));
            }
        }
        all
    }

    /// Targets whose reading failed or hangs, and began at this moment or later.
    pub fn unanswered(&self, since: Uptime, now: Uptime) -> impl Iterator<Item = Target> {
        self.watches.iter().filter_map(move |(target, watch)| {
            let has_trouble = (watch.is_failing && !watch.is_running) || watch.hangs(*target, now);
            (has_trouble && watch.began >= since).then_some(*target)
        })
    }

    /// The age of a target's value. Where the queue's count showed that there is nothing to read, it is the age of the count.
    fn value_age(&self, target: Target, watch: &Watch, now: Uptime) -> Option<Duration> {
        let good_at = match target {
            Target::DeadLetters(name) if watch.was_spared => self.watches.get(&Target::Queue(name))?.good_at,
            _ => watch.good_at,
        };
        Some(now.saturating_sub(good_at?))
    }

    /// True when any target of a group was read, successfully or not.
    pub fn was_read(&self, belongs: impl Fn(Target) -> bool) -> bool {
        self.watches.iter().any(|(target, watch)| belongs(*target) && watch.read_at.is_some())
    }

    /// True when the budget held back any reading lately.
    pub fn is_held_back(&self, now: Uptime) -> bool {
        self.blocked_at.is_some_and(|at| now.saturating_sub(at) < LATE_AFTER)
    }

    /// How much the budget holds readings back; none when it is too little to report.
    pub fn pressure(&self, now: Uptime) -> Option<Pressure> {
        if !self.is_held_back(now) {
            return None;
        }
        let due = self.waiting.iter().flat_map(|waiting| waiting.iter().take_while(|(due, _)| *due <= now));
        let late = due.filter_map(|(due, target)| {
            let (late, pause) = (now - *due, self.watches.get(target)?.pause);
            (late >= LATE_AFTER && late > pause * 2).then_some(late)
        });
        let (waiting, most_overdue) =
            late.fold((0, Duration::ZERO), |(count, most_overdue), late| (count + 1, most_overdue.max(late)));
        (waiting > 0).then_some(Pressure { waiting, most_overdue })
    }

    /// Readings that had to wait for the budget, since this was last called.
    pub fn take_deferred(&mut self) -> u64 {
        std::mem::take(&mut self.deferred)
    }

    fn add(&mut self, target: Target, watching: Watching, now: Uptime) {
        let pauses = self.pauses(target, watching);
        let watch = Watch {
            pause: pauses.0,
            pauses,
            due: now,
            is_running: false,
            granted: 0,
            began: now,
            read_at: None,
            good_at: None,
            was_spared: false,
            with_row: false,
            again: false,
            watching,
            looks: 0,
            is_failing: false,
            failures: 0,
        };
        self.watches.insert(target, watch);
        self.waiting[target.tier() as usize].insert((now, target));
    }

    fn pauses(&self, target: Target, watching: Watching) -> Pauses {
        match watching {
            Watching::Failed => self.pace.of_failed(),
            Watching::Idle => self.pace.of_idle(),
            Watching::Active | Watching::Last => self.pace.of(target),
        }
    }

    /// Sets when a target is due, unless its reading runs.
    fn set_due(&mut self, target: Target, due: Uptime) {
        let Some(watch) = self.watches.get_mut(&target).filter(|watch| !watch.is_running) else { return };
        let waiting = &mut self.waiting[target.tier() as usize];
        waiting.remove(&(watch.due, target));
        watch.due = due;
        waiting.insert((due, target));
    }
}

impl Watch {
    fn hangs(&self, target: Target, now: Uptime) -> bool {
        self.is_running && target != Target::Logs && now.saturating_sub(self.began) >= HANGS
    }

    /// True when the age of its value matters. Targets that hardly change, or on which nothing depends, are read rarely and shown
    /// with
    /// their own age.
    fn counts(&self, target: Target) -> bool {
        match target {
            Target::Queue(name) | Target::DeadLetters(name) => name.role.is_in_pipeline(),
            Target::Job(_) => self.watching == Watching::Active,
            Target::All(_) | Target::Objects => false,
            Target::Active(_) | Target::Newest(_) | Target::Services | Target::Logs => true,
        }
    }
}

#[cfg(test)]
mod tests;
