//! The time on AWS, for processes on several machines whose wall clocks may be wrong or set.
//!
//! It starts from this machine's wall clock and goes on with its monotonic clock, so setting the wall clock changes nothing. Every
//! answer of AWS carries a date. If two in a row show that the clock is far off, it is set to theirs.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use stereospot_domain::Timestamp;
use stereospot_ports::{Clock, SystemClock};

/// Dates have whole seconds, and answers take a while to arrive. A smaller difference than this stays.
const TOLERANCE: Duration = Duration::from_secs(30);

/// See the module's description.
#[derive(Debug)]
pub struct AwsClock {
    began: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The time when it began.
    start: Timestamp,
    /// How far off the last answer showed it to be, if that was too far.
    off_ms: Option<i64>,
}

impl Default for AwsClock {
    fn default() -> Self {
        Self::starting_at(SystemClock.now())
    }
}

impl AwsClock {
    fn starting_at(start: Timestamp) -> Self {
        Self { began: Instant::now(), state: Mutex::new(State { start, off_ms: None }) }
    }

    /// Takes in the date of an answer.
    pub(crate) fn answered(&self, date: Timestamp) {
        let limit = i64::try_from(TOLERANCE.as_millis()).expect("half a minute fits");
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let off_ms = date.as_millis() - state.start.plus(self.began.elapsed()).as_millis();
        if off_ms.abs() <= limit {
            state.off_ms = None;
        } else if state.off_ms.is_none_or(|before| (before - off_ms).abs() > limit) {
            // A single date may come from something in between that answers for AWS.
            state.off_ms = Some(off_ms);
        } else {
            tracing::warn!("the clock is set by {} s, to AWS's time", off_ms / 1000);
            *state = State { start: Timestamp(state.start.as_millis() + off_ms), off_ms: None };
        }
    }
}

impl Clock for AwsClock {
    fn now(&self) -> Timestamp {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).start.plus(self.began.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const TWO_DAYS: Duration = Duration::from_secs(2 * 24 * 3600);

    fn off_secs(clock: &AwsClock, from: Timestamp) -> i64 {
        (clock.now().as_millis() - from.as_millis()) / 1000
    }

    #[test]
    fn two_answers_that_agree_set_it() {
        for right in [NOW.plus(TWO_DAYS), NOW.minus(TWO_DAYS)] {
            let clock = AwsClock::starting_at(NOW);
            clock.answered(right);
            assert_eq!(off_secs(&clock, NOW), 0, "one answer alone");
            clock.answered(NOW);
            clock.answered(right);
            assert_eq!(off_secs(&clock, NOW), 0, "not in a row");
            clock.answered(right);
            assert_eq!(off_secs(&clock, right), 0);
        }
    }

    #[test]
    fn answers_that_are_a_little_off_leave_it() {
        let clock = AwsClock::starting_at(NOW);
        for _ in 0..3 {
            clock.answered(NOW.minus(TOLERANCE / 2));
        }
        assert_eq!(off_secs(&clock, NOW), 0);
    }
}
