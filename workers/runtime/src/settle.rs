//! What becomes of a message after its work: deleted, given back, or left for the dead-letter queue.
//!
//! Invariant: giving a message back without a failed attempt (the worker stops, another one has it) never dead-letters it. The
//! backend still counts the receive, so after the last permitted one the message is sent again as a new one.

use std::sync::Arc;
use std::time::Duration;

use stereospot_ports::work_queue::{MAX_DELAY, Message, Outgoing};
use stereospot_ports::{ErrorCode, Result, WorkQueue};
use stereospot_telemetry::record;

use crate::context::Context;
use crate::events::About;
use crate::failure::{Failure, one_line};
use crate::job::{emit_failed, fail_job};

/// A message whose work has ended.
pub(crate) struct Ended<'a> {
    pub(crate) queue: &'a Arc<dyn WorkQueue>,
    pub(crate) message: &'a Message,
    pub(crate) max_receives: Option<u32>,
    /// How long the message stays hidden when it is neither deleted nor given back.
    pub(crate) visibility: Duration,
    pub(crate) about: &'a About,
}

/// Deletes the message or gives it back, and reports what happened.
pub(crate) async fn settle(context: &Context, ended: Ended<'_>, outcome: std::result::Result<(), Failure>) {
    let Ended { queue, message, about, .. } = ended;
    let (name, role) = (queue.name(), queue.name().role.as_str());
    let is_done = outcome.is_ok();
    let settled = match outcome {
        Ok(()) => queue.delete(&message.receipt).await,
        Err(
            failure @ (Failure::Refused(_)
            | Failure::Retry(..)
            | Failure::Damaged(_)
            | Failure::Hindered(..)
            | Failure::NoSpace(_)),
        ) => {
            let is_last = failed(context, &ended, &failure).await;
            // The next receive dead-letters it, and only a dead letter can be seen and replayed: so give it back without delay.
            let delay = if is_last { Duration::ZERO } else { retry_delay(message.receive_count) };
            queue.release(&message.receipt, delay).await
        }
        Err(failure @ (Failure::Away(..) | Failure::NoScratch(..))) => {
            emit_failed(context, about, &failure, false);
            give_back(&ended, retry_delay(message.receive_count)).await
        }
        Err(Failure::Cancelled) => {
            tracing::info!("giving a message of {name} back");
            give_back(&ended, Duration::ZERO).await
        }
        Err(Failure::Broken(error)) => {
            tracing::error!("gave a message of {name} back, since this worker can't go on: {error}");
            give_back(&ended, Duration::ZERO).await
        }
        Err(Failure::Later { why, after }) => {
            tracing::info!("a message of {name} waits {} s: {why}", after.as_secs());
            give_back(&ended, after).await
        }
    };
    match settled {
        Ok(()) if is_done => record::message_deleted(role),
        Ok(()) => record::message_released(role),
        // The message comes again, to this worker or another, which finds the work done.
        Err(error) if error.code() == ErrorCode::LeaseLost => {
            tracing::warn!("a message of {name} came back before it was settled: {error}");
        }
        Err(error) if error.code() == ErrorCode::Denied && !is_done => {
            record::backend_error(error.code().as_str());
            let secs = ended.visibility.as_secs();
            tracing::warn!(
                "a message of {name} comes again by itself, {secs} s after it came last: {}",
                one_line(&error)
            );
        }
        Err(error) => {
            record::backend_error(error.code().as_str());
            let job_id = about.job_id.map_or(String::new(), |job_id| format!(" job_id={job_id}"));
            tracing::error!("a message of {name} could not be settled:{job_id} {}", one_line(&error));
        }
    }
}

/// Reports that the attempt failed; true when it was the last. Then it also marks the job failed, with the reason: the message
/// goes to the dead-letter queue at its next receive, and replaying it takes the job back.
async fn failed(context: &Context, ended: &Ended<'_>, failure: &Failure) -> bool {
    let Ended { message, max_receives, about, .. } = ended;
    let is_last = max_receives.is_some_and(|max| message.receive_count >= max);
    emit_failed(context, about, failure, is_last);
    if !is_last {
        return false;
    }
    record::message_dead(ended.queue.name().role.as_str());
    if let Some(stage) = about.stage {
        let what = about.segment_index.map_or(stage.to_string(), |index| format!("segment {index}"));
        let reason = format!("{what} failed {} times: {failure}", message.receive_count);
        if let Err(error) = fail_job(context, about, &reason, failure.code()).await {
            let job_id = about.job_id.map_or(String::new(), |job_id| format!("job_id={job_id} "));
            tracing::error!("{job_id}could not be marked failed: {}", one_line(&error));
        }
    }
    true
}

/// Gives the message back without counting a failed attempt. A receive count can't be lowered, so when the next receive would
/// dead-letter the message, it is sent again as a new one. The same when giving back is not allowed, since the message would
/// stay hidden for most of an hour.
async fn give_back(ended: &Ended<'_>, after: Duration) -> Result<()> {
    let Ended { queue, message, max_receives, .. } = ended;
    if max_receives.is_some_and(|max| message.receive_count >= max) {
        return send_as_new(ended, after).await;
    }
    match queue.release(&message.receipt, after).await {
        Err(error) if error.code() == ErrorCode::Denied => send_as_new(ended, after).await.map_err(|_| error),
        released => released,
    }
}

async fn send_as_new(ended: &Ended<'_>, after: Duration) -> Result<()> {
    let Ended { queue, message, .. } = ended;
    let delay = after.min(MAX_DELAY);
    // Send first: a crash in between leaves two messages, and work done twice does no harm.
    queue.send(&[Outgoing::after(delay, message.body.clone()).with(message.envelope.clone())]).await?;
    queue.delete(&message.receipt).await
}

/// Two seconds, doubled at each attempt, up to a minute.
fn retry_delay(attempt: u32) -> Duration {
    Duration::from_secs(1 << attempt.clamp(1, 6)).min(Duration::from_secs(60))
}
