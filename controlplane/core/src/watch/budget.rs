//! How many calls a minute watching may make.
//!
//! Invariant: in no sixty seconds are more calls granted than the budget holds. A part of it may be used at once (the burst), the
//! rest comes back evenly. Only a single reading that is larger than the burst, or that took more than it was granted, overdraws it;
//! then that is paid back before anything else is granted. Calls that were not asked for here (an operator's, or an attempt that was
//! tried again) use up what is there, and no more: whoever asks a lot must not stop the watching.

use std::time::Duration;

/// Share of the budget that may be used at once.
const BURST: i64 = 5;
/// The smallest burst: the dearest ordinary reading of one job.
const LEAST_BURST: i64 = 6;
/// One call, in the unit of the account: then what comes back in a millisecond is a whole number.
const CALL: i64 = 60_000;

/// An account of calls. Time is counted from any fixed moment.
#[derive(Debug, Clone)]
pub struct Budget {
    per_minute: u32,
    /// Most that is kept, in [`CALL`]s.
    burst: i64,
    /// What comes back in a millisecond.
    rate: i64,
    held: i64,
    at: Duration,
}

impl Budget {
    /// The least that a budget may hold.
    pub const LEAST: u32 = 10;

    /// A full account of so many calls a minute, [`Budget::LEAST`] at least.
    pub fn new(per_minute: u32) -> Self {
        let per_minute = per_minute.max(Self::LEAST);
        let calls = i64::from(per_minute);
        let burst = (calls / BURST).max(LEAST_BURST);
        Self { per_minute, burst: burst * CALL, rate: calls - burst, held: burst * CALL, at: Duration::ZERO }
    }

    /// Calls a minute.
    pub fn per_minute(&self) -> u32 {
        self.per_minute
    }

    /// Calls that may be used at once.
    pub fn burst(&self) -> u32 {
        u32::try_from(self.burst / CALL).unwrap_or(u32::MAX)
    }

    /// Takes calls that are about to be made; or says when they may be.
    pub fn take(&mut self, calls: u32, now: Duration) -> Result<(), Duration> {
        self.refill(now);
        let price = i64::from(calls) * CALL;
        // What is larger than the burst waits for a full account, and leaves a debt.
        let short = price.min(self.burst) - self.held;
        if short <= 0 {
            self.held -= price;
            return Ok(());
        }
        let millis = u64::try_from(short.div_euclid(self.rate) + 1).unwrap_or(u64::MAX);
        Err(self.at + Duration::from_millis(millis))
    }

    /// Takes calls that a reading made beyond those it was granted.
    pub fn overdraw(&mut self, calls: u32, now: Duration) {
        self.refill(now);
        self.held -= i64::from(calls) * CALL;
    }

    /// Takes calls that others made, as far as the account goes.
    pub fn charge(&mut self, calls: u32, now: Duration) {
        self.refill(now);
        self.held = (self.held - i64::from(calls) * CALL).max(self.held.min(0));
    }

    /// Gives back calls that were taken and not made.
    pub fn refund(&mut self, calls: u32) {
        self.held = (self.held + i64::from(calls) * CALL).min(self.burst);
    }

    fn refill(&mut self, now: Duration) {
        // Whole milliseconds only, so that no part of one is counted twice.
        let passed = i64::try_from(now.saturating_sub(self.at).as_millis()).unwrap_or(i64::MAX);
        self.held = self.held.saturating_add(passed.saturating_mul(self.rate)).min(self.burst);
        self.at += Duration::from_millis(u64::try_from(passed).unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
mod tests;
