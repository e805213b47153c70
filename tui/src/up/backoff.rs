//! How long to wait before restarting a dead child.

use std::time::Duration;

/// Doubling pauses with jitter, up to thirty times the first.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    first: Duration,
    deaths: u32,
}

/// The longest pause, as a multiple of the first.
const LONGEST: u32 = 30;

/// A child that lived this long counts as healthy: its next death starts the series again.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

impl Backoff {
    /// The series of a child that has not died yet.
    pub(super) fn from(first: Duration) -> Self {
        Self { first, deaths: 0 }
    }

    /// The pause after a death. `chance`, from 0 to 1, spreads it by up to a quarter either way, so that children that died
    /// together don't restart together.
    pub(super) fn after_death(&mut self, lived: Duration, chance: f64) -> Duration {
        if lived >= HEALTHY_AFTER {
            self.deaths = 0;
        }
        let pause = self.first.saturating_mul((1 << self.deaths.min(5)).min(LONGEST));
        self.deaths += 1;
        pause.mul_f64(0.75 + 0.5 * chance.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_up_to_a_limit_and_start_again_after_a_healthy_minute() {
        let mut backoff = Backoff::from(FIRST);
        let short = Duration::from_millis(10);
        let pauses: Vec<u64> = (0..7).map(|_| backoff.after_death(short, 0.5).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(backoff.after_death(HEALTHY_AFTER, 0.5), FIRST);
    }

    #[test]
    fn chance_spreads_the_pause_by_a_quarter() {
        let pause = |chance| Backoff::from(FIRST).after_death(Duration::ZERO, chance);
        assert_eq!(pause(0.0), Duration::from_millis(750));
        assert_eq!(pause(1.0), Duration::from_millis(1250));
    }
}
