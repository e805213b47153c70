//! Follows the control plane: a snapshot, then its changes; reconnects for ever.
//!
//! Invariant: this task never ends on its own and never blocks the keyboard: it only sends into a bounded channel.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use stereospot_api::Client;
use stereospot_api::client;
use stereospot_api::view::Change;
use tokio::sync::mpsc;

use super::input::{Input, Net};
use super::jobs::MAX_JOBS;

/// The longest pause between two attempts.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Jobs per request.
const PAGE: u32 = 1000;

/// How many events from before the connection are requested.
const RECENT_EVENTS: u32 = 1000;

/// Why a connection ended.
enum End {
    /// The receiver is gone.
    Closed,
    /// The server asked for a fresh start; not a failure.
    Reset,
    Lost(String),
}

/// Runs until the receiver is gone.
pub(crate) async fn follow(client: Client, inputs: mpsc::Sender<Input>) {
    let mut attempt = 1;
    loop {
        if inputs.send(Input::Net(Net::Connecting { attempt })).await.is_err() {
            return;
        }
        let mut was_live = false;
        let reason = match connect(&client, &inputs, &mut was_live).await {
            End::Closed => return,
            End::Reset => "the control plane asked for a fresh start".to_owned(),
            End::Lost(reason) => reason,
        };
        attempt = if was_live { 1 } else { attempt + 1 };
        let retry_in = wait_before(attempt, RandomState::new().build_hasher().finish());
        if inputs.send(Input::Net(Net::Lost { attempt, retry_in, reason })).await.is_err() {
            return;
        }
        tokio::time::sleep(retry_in).await;
    }
}

/// The pause before an attempt: doubles from half a second up to [`LONGEST_WAIT`], minus a random part of up to a half, so that
/// many dashboards don't reconnect at the same instant.
pub(crate) fn wait_before(attempt: u32, chance: u64) -> Duration {
    let longest = Duration::from_millis(500).saturating_mul(1 << attempt.saturating_sub(1).min(10)).min(LONGEST_WAIT);
    longest.mul_f64(0.5 + 0.5 * (chance as f64 / u64::MAX as f64))
}

async fn connect(client: &Client, inputs: &mpsc::Sender<Input>, was_live: &mut bool) -> End {
    match stay_connected(client, inputs, was_live).await {
        Ok(end) => end,
        Err(error) => End::Lost(error.to_string()),
    }
}

async fn stay_connected(client: &Client, inputs: &mpsc::Sender<Input>, was_live: &mut bool) -> client::Result<End> {
    let snapshot = client.snapshot().await?;
    let (revision, boot) = (snapshot.revision, snapshot.boot);
    let has_more_jobs = (snapshot.jobs.len() as u64) < snapshot.jobs_total;
    // Open the stream first: changes made during the reads below wait in it.
    let mut changes = pin!(client.changes(revision, boot).await?);
    *was_live = true;
    if inputs.send(Input::Net(Net::Snapshot(Box::new(snapshot)))).await.is_err() {
        return Ok(End::Closed);
    }
    // Before any change, to keep the order of events; the rest of the screen doesn't depend on them.
    if let Ok(events) = client.events(RECENT_EVENTS).await
        && inputs.send(Input::Net(Net::Events(events))).await.is_err()
    {
        return Ok(End::Closed);
    }
    let more = async {
        if let Ok(actions) = client.actions(100).await {
            inputs.send(Input::Net(Net::Actions(actions))).await.ok()?;
        }
        if has_more_jobs {
            older_jobs(client, inputs).await?;
        }
        Some(())
    };
    let mut more = pin!(more);
    let mut is_reading_more = true;
    loop {
        tokio::select! {
            end = &mut more, if is_reading_more => {
                is_reading_more = false;
                if end.is_none() {
                    return Ok(End::Closed);
                }
            }
            change = changes.next() => match change {
                Some(Ok((_, Change::Reset))) => return Ok(End::Reset),
                Some(Ok((_, change))) => {
                    if inputs.send(Input::Net(Net::Change(change))).await.is_err() {
                        return Ok(End::Closed);
                    }
                }
                Some(Err(error)) => return Err(error),
                None => return Ok(End::Lost("the stream of changes ended".into())),
            },
        }
    }
}

/// Reads the jobs missing from the snapshot, page by page. `None` when the receiver is gone. A failed page ends the loop, and the
/// list then says that it is incomplete.
async fn older_jobs(client: &Client, inputs: &mpsc::Sender<Input>) -> Option<()> {
    let (mut cursor, mut read) = (None::<String>, 0);
    while read < MAX_JOBS {
        let Ok(page) = client.jobs(None, PAGE, cursor.as_deref()).await else { break };
        read += page.jobs.len();
        inputs.send(Input::Net(Net::Jobs(page.jobs))).await.ok()?;
        let Some(next) = page.next else { break };
        cursor = Some(next);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_ten_seconds_and_no_further() {
        assert_eq!(wait_before(1, u64::MAX), Duration::from_millis(500));
        assert_eq!(wait_before(2, u64::MAX), Duration::from_secs(1));
        for attempt in 1..200 {
            let (short, long) = (wait_before(attempt, 0), wait_before(attempt, u64::MAX));
            assert!(long <= LONGEST_WAIT && short == long / 2, "{attempt}: {short:?} {long:?}");
        }
        assert_eq!(wait_before(200, u64::MAX), LONGEST_WAIT);
    }

    #[tokio::test]
    async fn a_missing_server_is_reported_and_tried_again() {
        // Port 9 on loopback: nothing listens there.
        let client = Client::new("http://127.0.0.1:9").unwrap();
        let (sender, mut inputs) = mpsc::channel(8);
        let follower = tokio::spawn(follow(client, sender));
        let mut next = async || match inputs.recv().await {
            Some(Input::Net(net)) => net,
            other => panic!("{other:?}"),
        };
        assert!(matches!(next().await, Net::Connecting { attempt: 1 }));
        let Net::Lost { attempt: 2, retry_in, reason } = next().await else { panic!() };
        assert!(retry_in <= Duration::from_secs(1));
        assert!(reason.contains("stereospot up"), "{reason}");
        assert!(matches!(next().await, Net::Connecting { attempt: 2 }));
        drop(inputs);
        follower.await.unwrap();
    }
}
