//! Who runs the command, when, and whether Ctrl-C ends it.

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use stereospot_domain::Timestamp;

use super::error::{Error, Result};

/// What `work` yields, or a failure with this sentence when Ctrl-C comes first. The work is then dropped, and cleans up.
///
/// # Errors
/// The work's, or [`Error::Failed`].
pub(super) async fn unless_interrupted<T>(work: impl Future<Output = Result<T>>, sentence: &str) -> Result<T> {
    tokio::select! {
        // In this order, so that Ctrl-C is heard from the work's first line on.
        biased;
        _ = tokio::signal::ctrl_c() => Err(Error::Failed(sentence.into())),
        end = work => end,
    }
}

/// This machine's time.
pub(super) fn now() -> Timestamp {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(passed.as_millis()).unwrap_or(i64::MAX))
}

/// The person at this machine, for the action log; `operator` where the environment doesn't name one.
pub(super) fn who() -> String {
    let name = ["USER", "LOGNAME"].iter().find_map(|name| env::var(name).ok().filter(|name| !name.is_empty()));
    name.unwrap_or_else(|| "operator".into())
}
