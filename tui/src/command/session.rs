//! What commands take from their environment: the user's name, the control plane's clock, Ctrl-C.

use std::env;

use stereospot_api::{Client, client};
use stereospot_domain::Timestamp;

use super::error::{Error, Result};
use super::patience::answered;

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

/// The control plane's time. Ages are computed with it, since its clock may differ from this machine's.
///
/// # Errors
/// The call's.
pub(super) async fn server_time(client: &Client) -> client::Result<Timestamp> {
    Ok(answered(client, client.health()).await?.time)
}

/// The user's name for the action log; `operator` where the environment has none.
pub(super) fn who() -> String {
    let name = ["USER", "LOGNAME"].iter().find_map(|name| env::var(name).ok().filter(|name| !name.is_empty()));
    name.unwrap_or_else(|| "operator".into())
}
