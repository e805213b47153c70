//! Deletes what jobs leave behind, when the deployment has a deletion queue. That is the media-worker's task, so ours when our
//! worker takes its place.
//!
//! Existing services set the status `deleted` before they send the message; without it, it is set here.

use std::sync::Arc;
use std::time::Duration;

use stereospot_domain::QueueRole;
use stereospot_domain::message::{self, Request};
use stereospot_ports::WorkQueue;
use stereospot_ports::deletion::{self, Remains};
use stereospot_ports::work_queue::{Message, Receive};
use stereospot_runtime::poll::{self, FIRST_LEASE, Polled};
use stereospot_runtime::protection::Protection;
use stereospot_runtime::stage::{Context, Failure};
use stereospot_telemetry::record;

/// How long one receive waits for a message. No one waits for a deletion.
const WAIT: Duration = Duration::from_secs(10);
/// The visibility timeout of the queue in existing deployments. Each message gets it once it has arrived, so that the queue's settings
/// need not be read.
const VISIBILITY: Duration = Duration::from_secs(600);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Deletes the jobs named by the queue's messages, until the context's `stop`.
pub async fn run(context: &Context, queue: Arc<dyn WorkQueue>) {
    let mut pause = FIRST_PAUSE;
    while !context.stop.is_cancelled() {
        match step(context, &*queue, WAIT).await {
            Ok(_) => pause = FIRST_PAUSE,
            Err(error) => {
                record::backend_error(error.code().as_str());
                tracing::warn!("the deletion queue can't be asked, trying again in {} s: {error}", pause.as_secs());
                tokio::select! { () = tokio::time::sleep(pause) => {}, () = context.stop.cancelled() => return }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Receives one message, if one comes in time, and deletes its job; false when none came. A message that can't be carried out
/// comes again, and ends in the queue's own dead-letter queue.
///
/// # Errors
/// When the queue can't be reached.
pub async fn step(context: &Context, queue: &dyn WorkQueue, wait: Duration) -> stereospot_ports::Result<bool> {
    let how = Receive { max: 1, wait, visibility: Some(FIRST_LEASE) };
    let received = match poll::receive(queue, how, &context.stop).await {
        Polled::InTime(received) => received?,
        Polled::Stopping(late) => {
            for message in late {
                queue.release(&message.receipt, Duration::ZERO).await?;
            }
            return Ok(false);
        }
    };
    let Some(message) = received.first() else { return Ok(false) };
    if let Err(error) = queue.extend(&message.receipt, VISIBILITY).await {
        // Another worker may delete the same job: that does no harm.
        tracing::debug!("the lease on a deletion is still short: {error}");
    }
    let _protected = context.protection.as_ref().map(Protection::hold);
    // Half a deletion is taken up by the next one.
    let taken = tokio::select! {
        taken = take(context, message) => taken,
        () = context.stop.cancelled() => {
            queue.release(&message.receipt, Duration::ZERO).await?;
            return Ok(false);
        }
    };
    match taken {
        Ok(()) => queue.delete(&message.receipt).await?,
        Err(error) => tracing::error!("a deletion could not be done (attempt {}): {error}", message.receive_count),
    }
    Ok(true)
}

async fn take(context: &Context, message: &Message) -> Result<(), Failure> {
    let asked = message::parse(QueueRole::Deletion, &message.body).map_err(|error| {
        Failure::Refused(format!("the message {} is no request to delete a job: {error}", message.id))
    })?;
    for request in asked {
        if let Request::Delete(job_id) = request {
            let deleted = deletion::delete(&context.backend, job_id).await?;
            let Remains { objects, completions, .. } = deleted;
            tracing::info!("deleted job_id={job_id}: {objects} objects, {completions} completions");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
