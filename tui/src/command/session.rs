//! What commands take from their environment: the user's name, the clock, Ctrl-C.

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use stereospot_domain::Timestamp;

use super::error::{Error, Result};

/// Runs `work` until Ctrl-C, which fails with this sentence. Dropping the work cleans up after it.
///
/// # Errors
/// The errors of `work`, or [`Error::Failed`].
pub(super) async fn unless_interrupted<T>(work: impl Future<Output = Result<T>>, sentence: &str) -> Result<T> {
    tokio::select! {
        // Poll Ctrl-C first, so that it is caught before `work` starts.
        biased;
        _ = tokio::signal::ctrl_c() => Err(Error::Failed(sentence.into())),
        end = work => end,
    }
}

/// The time on this machine.
pub(super) fn now() -> Timestamp {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(passed.as_millis()).unwrap_or(i64::MAX))
}

/// The user's name for the action log; `operator` where the environment has none.
pub(super) fn who() -> String {
    let name = ["USER", "LOGNAME"].iter().find_map(|name| env::var(name).ok().filter(|name| !name.is_empty()));
    name.unwrap_or_else(|| "operator".into())
}
