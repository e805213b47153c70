//! A queue over time: its last counts, its rates and its history.

use std::collections::VecDeque;
use std::time::Duration;

use stereospot_api::view::{Observed, QueueView};
use stereospot_domain::queue::{Settings, Stats};
use stereospot_domain::{QueueName, Timestamp};

/// Rates are averages over this time.
const RATE_WINDOW: Duration = Duration::from_secs(120);
/// The drain estimate uses a shorter time, so that a past burst does not hide that the queue drains.
const TREND_WINDOW: Duration = Duration::from_secs(30);
/// Samples kept, one a minute: the last half hour.
pub const HISTORY: usize = 31;

/// Approximate counts may be this old (SQS's documentation: "about one minute").
pub(super) const LAG: Duration = Duration::from_secs(60);
/// Readings after which an approximate 0 is believed.
const SURE_READINGS: u32 = 3;

/// One queue over time.
#[derive(Debug, Clone)]
pub struct Flow {
    name: QueueName,
    stats: Option<(Stats, Timestamp)>,
    settings: Option<Settings>,
    /// Minutes since the epoch, each with the ready messages.
    history: VecDeque<(i64, u64)>,
    /// All messages by time, over the rate window.
    totals: VecDeque<(Timestamp, u64)>,
    /// When steps of the queue's stage succeeded, over the rate window.
    done: VecDeque<Timestamp>,
    purged_at: Option<Timestamp>,
    /// Since when it reads as empty, and in how many readings.
    empty: Option<(Timestamp, u32)>,
    waiting_since: Option<Timestamp>,
    held_since: Option<Timestamp>,
}

impl Flow {
    /// A queue that was not read yet.
    pub fn new(name: QueueName) -> Self {
        Self {
            name,
            stats: None,
            settings: None,
            history: VecDeque::new(),
            totals: VecDeque::new(),
            done: VecDeque::new(),
            purged_at: None,
            empty: None,
            waiting_since: None,
            held_since: None,
        }
    }

    /// Takes in counts and settings read at this time; true when they differ from the last.
    pub fn observe(&mut self, stats: Stats, settings: Settings, at: Timestamp) -> bool {
        let has_changed = self.settings != Some(settings) || self.stats.is_none_or(|(last, _)| last != stats);
        (self.stats, self.settings) = (Some((stats, at)), Some(settings));
        self.empty = (total(stats) == 0).then(|| match self.empty {
            Some((since, readings)) => (since, readings.saturating_add(1)),
            None => (at, 1),
        });
        self.waiting_since = (stats.ready > 0).then(|| self.waiting_since.unwrap_or(at));
        self.held_since = (stats.in_flight > 0).then(|| self.held_since.unwrap_or(at));
        let minute = at.as_secs().div_euclid(60);
        match self.history.back_mut() {
            // Keep the minute's peak: a queue that fills and drains within a minute must not look empty.
            Some((last, ready)) if *last == minute => *ready = stats.ready.max(*ready),
            _ => self.history.push_back((minute, stats.ready)),
        }
        while self.history.len() > HISTORY {
            self.history.pop_front();
        }
        self.totals.push_back((at, total(stats)));
        while self.totals.front().is_some_and(|(time, _)| at.since(*time) > RATE_WINDOW) {
            self.totals.pop_front();
        }
        has_changed
    }

    /// Forgets the counts of a queue that can no longer be read; true when there were any.
    pub fn forget_numbers(&mut self) -> bool {
        (self.empty, self.waiting_since, self.held_since) = (None, None, None);
        self.totals.clear();
        self.stats.take().is_some()
    }

    /// True when it is surely empty: its counts are exact, or were 0 in several readings, for longer than counts lag.
    pub fn is_surely_empty(&self) -> bool {
        let (Some((stats, at)), Some((since, readings))) = (self.stats, self.empty) else { return false };
        stats.is_exact || (readings >= SURE_READINGS && at.since(since) > LAG)
    }

    /// From this time on, the counts of other queues include every message that left this one. None while it is not empty.
    pub fn settled_at(&self) -> Option<Timestamp> {
        let ((stats, _), (since, _)) = (self.stats?, self.empty?);
        Some(if stats.is_exact { since } else { since.plus(LAG) })
    }

    /// The settings last read.
    pub fn settings(&self) -> Option<Settings> {
        self.settings
    }

    /// Since when every reading found messages that wait.
    pub fn waiting_since(&self) -> Option<Timestamp> {
        self.waiting_since
    }

    /// Since when every reading found messages in flight.
    pub fn held_since(&self) -> Option<Timestamp> {
        self.held_since
    }

    /// Takes in the samples of an earlier run of this process, oldest first.
    pub fn recall(&mut self, samples: impl IntoIterator<Item = (i64, u64)>) {
        self.history = samples.into_iter().collect();
    }

    /// The current minute's sample.
    pub fn sample(&self) -> Option<(i64, u64)> {
        self.history.back().copied()
    }

    /// Counts a step of the queue's stage that succeeded.
    pub fn step_done(&mut self, at: Timestamp) {
        if self.done.len() < 100_000 {
            self.done.push_back(at);
        }
    }

    /// Notes that we purged it.
    pub fn purged(&mut self, at: Timestamp) {
        self.purged_at = Some(at);
    }

    /// The last counts, and when they were read.
    pub fn stats(&self) -> Option<(Stats, Timestamp)> {
        self.stats
    }

    /// The queue as shown on screens.
    pub fn view(&mut self, consumers: Option<u32>, now: Timestamp) -> QueueView {
        while self.done.front().is_some_and(|time| now.since(*time) > RATE_WINDOW) {
            self.done.pop_front();
        }
        let rates = self.rates(RATE_WINDOW, now);
        let observed = |of: fn(&Stats) -> u64| {
            self.stats.as_ref().map(|(stats, at)| Observed { value: of(stats), at: *at, is_exact: stats.is_exact })
        };
        let is_exact = self.stats.is_some_and(|(stats, _)| stats.is_exact);
        let newest_minute = self.history.back().map_or(0, |(minute, _)| *minute);
        let kept = self.history.iter().filter(|(minute, _)| newest_minute - minute < HISTORY as i64);
        QueueView {
            name: self.name,
            ready: observed(|stats| stats.ready),
            in_flight: observed(|stats| stats.in_flight),
            delayed: observed(|stats| stats.delayed),
            oldest_enqueued_at: self.stats.and_then(|(stats, _)| stats.oldest_enqueued_at),
            in_per_minute: rates.map(|(came, _)| came),
            out_per_minute: rates.map(|(_, left)| left),
            history: kept.map(|(_, ready)| *ready).collect(),
            drains_in_secs: self.drains_in_secs(now),
            // Where counts are approximate, the queue is a platform's, and other services may receive from it without reporting.
            consumers: consumers.filter(|count| *count > 0 || is_exact),
            visibility_secs: self.settings.map(|settings| settings.visibility.as_secs_f32()),
            max_receives: self.settings.and_then(|settings| settings.max_receives),
            purged_at: self.purged_at,
        }
    }

    /// Seconds until it is empty, at the recent rate; none when it doesn't drain.
    fn drains_in_secs(&self, now: Timestamp) -> Option<f32> {
        let (stats, _) = self.stats?;
        if stats.ready == 0 {
            return Some(0.0);
        }
        let (_, usually_left) = self.rates(RATE_WINDOW, now)?;
        let (comes, leaves) = self.rates(TREND_WINDOW, now).or_else(|| self.rates(RATE_WINDOW, now))?;
        // Work may take longer than the short window. If nothing left in it, use the rate of the long one.
        let leaves = if leaves > 0.0 { leaves } else { usually_left };
        (leaves > comes).then(|| stats.ready as f32 / (leaves - comes) * 60.0)
    }

    /// Messages in and out a minute over a window; none while too little of it was seen. Counts alone show only the difference: the
    /// events of the stage that consumes the queue show what left, and what came in follows.
    fn rates(&self, window: Duration, now: Timestamp) -> Option<(f32, f32)> {
        self.stats?;
        let totals = || self.totals.iter().filter(|(time, _)| now.since(*time) <= window);
        let (first_at, _) = *totals().next()?;
        let minutes = now.since(first_at).as_secs_f32() / 60.0;
        if minutes < 5.0 / 60.0 {
            return None;
        }
        let (mut risen, mut fallen) = (0_u64, 0_u64);
        for ((_, before), (_, after)) in totals().zip(totals().skip(1)) {
            risen += after.saturating_sub(*before);
            fallen += before.saturating_sub(*after);
        }
        let done = self.done.iter().filter(|time| **time >= first_at).count() as u64;
        // Messages may come and go between two readings: only the events show them.
        let out = fallen.max(done);
        let came = (risen + out).saturating_sub(fallen);
        Some((came as f32 / minutes, out as f32 / minutes))
    }
}

/// All messages, in any state.
pub fn total(stats: Stats) -> u64 {
    stats.ready + stats.in_flight + stats.delayed
}

#[cfg(test)]
mod tests;
