//! Follows a job to its end over the stream of changes, across lost connections and control plane restarts.
//!
//! Invariant: no change is missed for good. Each connection first reads the job, then reads it again every five seconds.

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

/// Pause between two reads of the job beside the stream.
const READ_AGAIN: Duration = Duration::from_secs(5);

/// The longest pause between two connection attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Waits until the job is completed, failed or deleted; returns it with its frame count, if known.
///
/// # Errors
/// Permanent ones only: the job is unknown, or the server is not a control plane.
pub(super) async fn to_the_end(client: &Client, job_id: JobId, meter: &mut Meter) -> Result<(JobDetail, Option<u64>)> {
    let mut progress = Progress::default();
    let (mut pause, mut is_away) = (Duration::from_millis(250), false);
    loop {
        match connection(client, job_id, &mut progress, meter, &mut is_away).await {
            Ok(Some(detail)) => return Ok((detail, progress.frames())),
            // A clean end of the stream: the server restarts, or this client fell behind.
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

/// Follows the job over one connection; returns it once it has ended.
async fn connection(
    client: &Client,
    job_id: JobId,
    progress: &mut Progress,
    meter: &mut Meter,
    is_away: &mut bool,
) -> client::Result<Option<JobDetail>> {
    // Take the position before reading the job, so that the stream repeats any change made in between.
    let position = client.snapshot().await?;
    progress.set_clock(position.now);
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
