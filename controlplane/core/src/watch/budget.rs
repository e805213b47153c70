//! The budget of calls a minute: a token bucket.
//!
//! Invariant: no sixty seconds see more calls granted than the budget. A part of it may be used at once (the burst), the rest is
//! refilled evenly. Only a reading larger than the burst, or one that took more than its grant, overdraws the budget; nothing else is
//! granted until that is refilled. Calls made outside the schedule (an operator's, or retries) use up what is there and no more, so
//! that a busy operator cannot stop the polling.

use std::time::Duration;

/// The burst is one part in this many of the budget.
const BURST: i64 = 5;
/// The smallest burst, in calls: an ordinary reading of one job makes no more.
const LEAST_BURST: i64 = 6;
/// Units in one call. In these units the refill per millisecond is a whole number.
const CALL: i64 = 60_000;

/// A token bucket of calls. Times count from any fixed moment.
#[derive(Debug, Clone)]
pub struct Budget {
    per_minute: u32,
    /// The most that it holds, in units of 1/[`CALL`] calls.
    burst: i64,
    /// Refill in a millisecond.
    rate: i64,
    held: i64,
    at: Duration,
}

impl Budget {
    /// The smallest budget.
    pub const LEAST: u32 = 10;

    /// A full bucket for this many calls a minute, at least [`Budget::LEAST`].
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

    /// Calls that may be made at once.
    pub fn burst(&self) -> u32 {
        u32::try_from(self.burst / CALL).unwrap_or(u32::MAX)
    }

    /// Takes the calls of a reading; or returns when it may begin.
    pub fn take(&mut self, calls: u32, now: Duration) -> Result<(), Duration> {
        self.refill(now);
        let price = i64::from(calls) * CALL;
        // A reading larger than the burst waits for a full bucket, then leaves it in debt.
        let short = price.min(self.burst) - self.held;
        if short <= 0 {
            self.held -= price;
            return Ok(());
        }
        let millis = u64::try_from(short.div_euclid(self.rate) + 1).unwrap_or(u64::MAX);
        Err(self.at + Duration::from_millis(millis))
    }

    /// Takes calls that a reading made beyond its grant.
    pub fn overdraw(&mut self, calls: u32, now: Duration) {
        self.refill(now);
        self.held -= i64::from(calls) * CALL;
    }

    /// Takes calls made outside the schedule, but never into debt.
    pub fn charge(&mut self, calls: u32, now: Duration) {
        self.refill(now);
        self.held = (self.held - i64::from(calls) * CALL).max(self.held.min(0));
    }

    /// Returns calls that were granted and not made.
    pub fn refund(&mut self, calls: u32) {
        self.held = (self.held + i64::from(calls) * CALL).min(self.burst);
    }

    fn refill(&mut self, now: Duration) {
        // Count whole milliseconds, so that no part of one counts twice.
        let passed = i64::try_from(now.saturating_sub(self.at).as_millis()).unwrap_or(i64::MAX);
        self.held = self.held.saturating_add(passed.saturating_mul(self.rate)).min(self.burst);
        self.at += Duration::from_millis(u64::try_from(passed).unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
mod tests;
