//! A queue over time: its last numbers, its rates and its history.

use std::collections::VecDeque;
use std::time::Duration;

use stereospot_api::view::{Observed, QueueView};
use stereospot_domain::queue::{Settings, Stats};
use stereospot_domain::{QueueName, Timestamp};

/// How far back rates look.
const RATE_WINDOW: Duration = Duration::from_secs(120);
/// How far back is looked for what becomes of a queue: a burst that is over must not hide that it drains.
const TREND_WINDOW: Duration = Duration::from_secs(30);
/// Samples a minute apart that are kept: the last half hour.
pub const HISTORY: usize = 31;

/// Approximate numbers may be so old (SQS's documentation: "about one minute").
pub(super) const LAG: Duration = Duration::from_secs(60);
/// An approximate number is relied on after so many readings.
const SURE_READINGS: u32 = 3;

/// One queue.
#[derive(Debug, Clone)]
pub struct Flow {
    name: QueueName,
    stats: Option<(Stats, Timestamp)>,
    settings: Option<Settings>,
    /// Minute since the epoch and ready messages then.
    history: VecDeque<(i64, u64)>,
    /// Messages in all by time, over the rate window.
    totals: VecDeque<(Timestamp, u64)>,
    /// Steps of the queue's stage that ended well, by time, over the rate window.
    done: VecDeque<Timestamp>,
    purged_at: Option<Timestamp>,
    /// Since when it is empty, and how often it was read so.
    empty: Option<(Timestamp, u32)>,
    /// Since when messages wait to be received.
    waiting_since: Option<Timestamp>,
}

impl Flow {
    /// A queue of which nothing is known yet.
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
        }
    }

    /// Takes in numbers read at a time; true when they differ from the last.
    pub fn observe(&mut self, stats: Stats, settings: Settings, at: Timestamp) -> bool {
        let has_changed = self.settings != Some(settings) || self.stats.is_none_or(|(last, _)| last != stats);
        (self.stats, self.settings) = (Some((stats, at)), Some(settings));
        self.empty = (total(stats) == 0).then(|| match self.empty {
            Some((since, readings)) => (since, readings.saturating_add(1)),
            None => (at, 1),
        });
        self.waiting_since = (stats.ready > 0).then(|| self.waiting_since.unwrap_or(at));
        let minute = at.as_secs().div_euclid(60);
        match self.history.back_mut() {
            // The minute's peak: a queue that fills and drains within a minute must not look empty.
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

    /// Its numbers can't be read any more; true when there were some.
    pub fn forget_numbers(&mut self) -> bool {
        (self.empty, self.waiting_since) = (None, None);
        self.totals.clear();
        self.stats.take().is_some()
    }

    /// True when it is empty, and that can be relied on: its numbers are exact, or were 0 in several readings, for longer than
    /// they lag.
    pub fn is_surely_empty(&self) -> bool {
        let (Some((stats, at)), Some((since, readings))) = (self.stats, self.empty) else { return false };
        stats.is_exact || (readings >= SURE_READINGS && at.since(since) > LAG)
    }

    /// From when on whatever left it was also counted where it went: since it is empty, and numbers may lag.
    pub fn settled_at(&self) -> Option<Timestamp> {
        let ((stats, _), (since, _)) = (self.stats?, self.empty?);
        Some(if stats.is_exact { since } else { since.plus(LAG) })
    }

    /// Its settings, as last read.
    pub fn settings(&self) -> Option<Settings> {
        self.settings
    }

    /// Since when messages wait to be received, as often as it was read.
    pub fn waiting_since(&self) -> Option<Timestamp> {
        self.waiting_since
    }

    /// Samples of an earlier life of this process, oldest first.
    pub fn recall(&mut self, samples: impl IntoIterator<Item = (i64, u64)>) {
        self.history = samples.into_iter().collect();
    }

    /// The present minute's sample.
    pub fn sample(&self) -> Option<(i64, u64)> {
        self.history.back().copied()
    }

    /// A step of the queue's stage ended well.
    pub fn step_done(&mut self, at: Timestamp) {
        if self.done.len() < 100_000 {
            self.done.push_back(at);
        }
    }

    /// It was purged by us.
    pub fn purged(&mut self, at: Timestamp) {
        self.purged_at = Some(at);
    }

    /// The last numbers, and when they were read.
    pub fn stats(&self) -> Option<(Stats, Timestamp)> {
        self.stats
    }

    /// As shown.
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
            // Where numbers are approximate the queue is a platform's, and others may receive from it unheard.
            consumers: consumers.filter(|count| *count > 0 || is_exact),
            visibility_secs: self.settings.map(|settings| settings.visibility.as_secs_f32()),
            max_receives: self.settings.and_then(|settings| settings.max_receives),
            purged_at: self.purged_at,
        }
    }

    /// Seconds until it is empty, as it went lately; none when it doesn't drain.
    fn drains_in_secs(&self, now: Timestamp) -> Option<f32> {
        let (stats, _) = self.stats?;
        if stats.ready == 0 {
            return Some(0.0);
        }
        let (_, usually_left) = self.rates(RATE_WINDOW, now)?;
        let (comes, leaves) = self.rates(TREND_WINDOW, now).or_else(|| self.rates(RATE_WINDOW, now))?;
        // Work may take longer than the short window: that nothing was done in it says little.
        let leaves = if leaves > 0.0 { leaves } else { usually_left };
        (leaves > comes).then(|| stats.ready as f32 / (leaves - comes) * 60.0)
    }

    /// Messages in and out a minute over a window; none while too little of it was seen. A count alone shows only the difference:
    /// what left is known from the stage's own events (where a stage consumes the queue), what came in follows.
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
        // Messages may come and go between two readings: the events know of them.
        let out = fallen.max(done);
        let came = (risen + out).saturating_sub(fallen);
        Some((came as f32 / minutes, out as f32 / minutes))
    }
}

/// Messages in all.
pub fn total(stats: Stats) -> u64 {
    stats.ready + stats.in_flight + stats.delayed
}

#[cfg(test)]
mod tests;
