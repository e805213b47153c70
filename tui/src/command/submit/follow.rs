//! Follows a job to its end: by the stream of changes, over lost connections and restarts of the control plane.
//!
//! Invariant: a change is never missed for good: each connection begins with the job as it stands, and every few seconds it is
//! read again.

use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use stereospot_api::view::{Change, JobDetail};
use stereospot_api::{Client, client};
use stereospot_domain::JobId;
use tokio::time::{MissedTickBehavior, interval_at, sleep};

use super::super::error::Result;
use super::meter::Meter;
use super::progress::Progress;

/// Between two readings of the job beside the stream.
const READ_AGAIN: Duration = Duration::from_secs(5);

/// Longest pause between two attempts to connect.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Waits until the job is completed, failed or deleted; yields it, and its number of frames where that is known.
///
/// # Errors
/// What can't pass by waiting: the job is unknown, or something else answers.
pub(super) async fn to_the_end(client: &Client, job_id: JobId, meter: &mut Meter) -> Result<(JobDetail, Option<u64>)> {
    let mut progress = Progress::default();
    let (mut pause, mut is_away) = (Duration::from_millis(250), false);
    loop {
        match connection(client, job_id, &mut progress, meter, &mut is_away).await {
            Ok(Some(detail)) => return Ok((detail, progress.frames())),
            // The stream ended in order: the server restarts, or this client fell behind.
            Ok(None) => pause = Duration::from_millis(250),
            Err(error) if error.retryable() => {
                if !is_away {
                    meter.note(&format!("{error}; still waiting: the job goes on without it"));
                    is_away = true;
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(error) => return Err(error.into()),
        }
        sleep(pause).await;
    }
}

/// One connection's time; the job, once it has ended.
async fn connection(
    client: &Client,
    job_id: JobId,
    progress: &mut Progress,
    meter: &mut Meter,
    is_away: &mut bool,
) -> client::Result<Option<JobDetail>> {
    // The position first, then the job: what changes in between is told again.
    let position = client.snapshot().await?;
    let detail = client.job(job_id).await?;
    if std::mem::take(is_away) {
        meter.note("the control plane answers again");
    }
    progress.read(&detail);
    meter.show(progress);
    if detail.view.job.status.is_final() {
        return Ok(Some(detail));
    }
    let mut changes = pin!(client.changes(position.revision, position.boot).await?);
    let mut again = interval_at(tokio::time::Instant::now() + READ_AGAIN, READ_AGAIN);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_to_read = tokio::select! {
            change = changes.next() => match change.transpose()?.map(|(_, change)| change) {
                None | Some(Change::Reset) => return Ok(None),
                Some(Change::Job(view)) if view.job.job_id == job_id => {
                    progress.note(&view);
                    view.job.status.is_final()
                }
                Some(Change::Event(event)) if event.job_id == Some(job_id) => {
                    progress.hear(&event);
                    false
                }
                Some(_) => continue,
            },
            _ = again.tick() => true,
        };
        if is_to_read {
            let detail = client.job(job_id).await?;
            progress.read(&detail);
            meter.show(progress);
            if detail.view.job.status.is_final() {
                return Ok(Some(detail));
            }
        } else {
            meter.show(progress);
        }
    }
}
