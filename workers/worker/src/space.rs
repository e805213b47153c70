//! Lets a worker that starts on a full disk wait for space, as it does in the middle of its work.

use std::time::Duration;

use stereospot_ports::ErrorCode;
use stereospot_runtime::stage::chain;
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(5);

/// Repeats a step of the start until there is space for it.
///
/// # Errors
/// Any other failure; and the lack of space too, once the process is asked to stop.
pub(crate) async fn given_space<T>(
    stop: &CancellationToken,
    step: impl AsyncFnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    given_space_every(EVERY, stop, step).await
}

async fn given_space_every<T>(
    pause: Duration,
    stop: &CancellationToken,
    mut step: impl AsyncFnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    loop {
        match step().await {
            Err(error) if is_for_space(&error) && !stop.is_cancelled() => {
                let (every, why) = (pause.as_secs(), chain(error.as_ref()));
                tracing::warn!("waiting for space to start, and looking every {every} s whether there is some: {why}");
                tokio::select! { () = tokio::time::sleep(pause) => {}, () = stop.cancelled() => {} }
            }
            done => return done,
        }
    }
}

fn is_for_space(error: &anyhow::Error) -> bool {
    let is_full = |ours: &stereospot_ports::Error| ours.code() == ErrorCode::Full;
    stereospot_ports::error::is_full(error.as_ref())
        || error.chain().any(|cause| cause.downcast_ref().is_some_and(is_full))
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use anyhow::Context as _;

    use super::*;

    /// Runs a step that fails with each of these first. Returns its outcome, and how often it was tried.
    async fn check(failures: Vec<anyhow::Error>, stop: &CancellationToken) -> (anyhow::Result<()>, usize) {
        let (mut failures, mut tried) = (failures.into_iter(), 0);
        let done = given_space_every(Duration::ZERO, stop, async || {
            tried += 1;
            failures.next().map_or(Ok(()), Err)
        });
        let done = done.await;
        (done, tried)
    }

    #[tokio::test]
    async fn a_start_waits_for_space_and_for_nothing_else() {
        let stop = CancellationToken::new();
        let full = || Err::<(), _>(Error::from(ErrorKind::StorageFull)).context("the lock can't be written");
        let database = stereospot_ports::Error::new(ErrorCode::Full, "no space left in the data directory: free some");
        let failures = vec![full().unwrap_err(), database.into()];
        let (done, tried) = check(failures, &stop).await;
        done.unwrap();
        assert_eq!(tried, 3);
        let denied = Error::from(ErrorKind::PermissionDenied);
        let (done, tried) = check(vec![full().unwrap_err(), denied.into()], &stop).await;
        assert_eq!((done.is_err(), tried), (true, 2));
        stop.cancel();
        let (done, tried) = check(vec![full().unwrap_err()], &stop).await;
        assert_eq!((done.unwrap_err().to_string().as_str(), tried), ("the lock can't be written", 1));
    }
}
