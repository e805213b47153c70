//! SQS counts in whole seconds.

use std::time::Duration;

/// Rounds up to whole seconds: a lease must not be shorter than requested.
pub(super) fn ceil(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs() + u64::from(duration.subsec_nanos() > 0))
}

/// The same as the SDK wants it.
pub(super) fn whole_secs(duration: Duration) -> i32 {
    i32::try_from(ceil(duration).as_secs()).unwrap_or(i32::MAX)
}
