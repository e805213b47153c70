//! The time on AWS, for processes on several machines whose wall clocks may be wrong or set.
//!
//! It starts from this machine's wall clock and continues with the monotonic clock, so a jump of the wall clock changes nothing.
//! Each answer of AWS carries a date. Until one of them has confirmed the clock, two that agree set it, so a wall clock that is wrong
//! at the start doesn't count either.
//!
//! A confirmed clock never goes back: readings are ordered by their times, and one from before such a step would stay the newest for
//! as long as the step. It does go forward, because the monotonic clock stands still while a virtual machine is paused.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use stereospot_domain::Timestamp;
use stereospot_ports::{Clock, SystemClock, since_boot};

/// Dates have whole seconds, and answers take a while to arrive. A smaller difference than this confirms the clock.
const TOLERANCE_MS: i64 = 30_000;

/// See the module's description.
#[derive(Debug)]
pub struct AwsClock {
    began: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The time when it began.
    start: Timestamp,
    is_confirmed: bool,
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
        Self { began: since_boot(), state: Mutex::new(State { start, is_confirmed: false, off_ms: None }) }
    }

    /// Takes in the date of an answer.
    pub(crate) fn answered(&self, date: Timestamp) {
        let passed = since_boot().saturating_sub(self.began);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let off_ms = date.as_millis() - state.start.plus(passed).as_millis();
        if off_ms.abs() <= TOLERANCE_MS {
            (state.is_confirmed, state.off_ms) = (true, None);
        } else if state.off_ms.is_none_or(|before| (before - off_ms).abs() > TOLERANCE_MS) {
            // A single date may come from something in between that answers for AWS.
            state.off_ms = Some(off_ms);
        } else if off_ms > 0 || !state.is_confirmed {
            tracing::warn!("the clock is set by {} s, to AWS's time", off_ms / 1000);
            *state = State { start: Timestamp(state.start.as_millis() + off_ms), is_confirmed: true, off_ms: None };
        }
    }
}

impl Clock for AwsClock {
    fn now(&self) -> Timestamp {
        let passed = since_boot().saturating_sub(self.began);
        self.state.lock().unwrap_or_else(PoisonError::into_inner).start.plus(passed)
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
            clock.answered(right.plus(TWO_DAYS * 2));
            clock.answered(right);
            assert_eq!(off_secs(&clock, NOW), 0, "two that disagree");
            clock.answered(right);
            assert_eq!(off_secs(&clock, right), 0);
        }
    }

    #[test]
    fn a_confirmed_clock_goes_forward_and_never_back() {
        let clock = AwsClock::starting_at(NOW);
        clock.answered(NOW);
        for _ in 0..3 {
            clock.answered(NOW.minus(TWO_DAYS));
        }
        assert_eq!(off_secs(&clock, NOW), 0);
        for _ in 0..2 {
            clock.answered(NOW.plus(TWO_DAYS));
        }
        assert_eq!(off_secs(&clock, NOW.plus(TWO_DAYS)), 0, "after a pause of the machine");
    }

    #[test]
    fn answers_that_are_a_little_off_leave_it() {
        let clock = AwsClock::starting_at(NOW);
        for _ in 0..3 {
            clock.answered(Timestamp(NOW.as_millis() - TOLERANCE_MS / 2));
        }
        assert_eq!(off_secs(&clock, NOW), 0);
    }
}
