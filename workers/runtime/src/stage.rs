//! The loop that every stage runs: receive, work under a lease, acknowledge last.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use stereospot_domain::QueueRole;
use stereospot_domain::keys::OutputKey;
use stereospot_domain::message::{self, Request};
use stereospot_ports::ErrorCode;
use stereospot_ports::work_queue::Message;
use stereospot_telemetry::catalogue::StepOutcome;
use stereospot_telemetry::record;
use tokio_util::sync::CancellationToken;

use crate::ended_job::JobWatch;
use crate::events::About;
use crate::intake::Intake;
use crate::job;
use crate::lease::Lease;
use crate::poll::{self, Polled};
use crate::protection::Protection;
use crate::settle::settle;

pub use crate::context::Context;
pub use crate::failure::{Failure, chain, one_line};

/// How long one receive waits for a message.
const WAIT: Duration = Duration::from_secs(10);
/// First pause after a failed receive; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// First pause between two tries while the backend is away; doubles up to [`MOST_WHILE_AWAY`].
const WHILE_AWAY: Duration = Duration::from_secs(1);
const MOST_WHILE_AWAY: Duration = Duration::from_secs(30);
/// First pause between two tries on a full disk; doubles up to [`MOST_UNTIL_SPACE`].
const UNTIL_SPACE: Duration = Duration::from_secs(10);
const MOST_UNTIL_SPACE: Duration = Duration::from_secs(60);
/// Truncate unparsable bodies in logs: one may be a megabyte.
const TOLD_CHARS: usize = 300;

/// One request of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A request that every pipeline knows.
    Known(Request),
    /// Look at the output object of this key, whose meaning only this deployment's inference knows.
    Object(String),
    /// A record that this stage can do nothing with, beside others that it can.
    Unread(message::Error),
}

/// One request's work.
#[derive(Debug, Clone)]
pub struct Task {
    pub asked: Asked,
    /// What the events about it are about.
    pub about: About,
    /// Cancelled when the work must stop: the lease is lost, the job has failed or was deleted, or the process stops.
    pub cancel: CancellationToken,
}

/// The work of a stage.
#[async_trait]
pub trait Handler: Send + Sync {
    /// The queue to receive from.
    fn role(&self) -> QueueRole;

    /// Reads the records of a message's body.
    ///
    /// # Errors
    /// When this stage can do nothing with any of them: the first one's.
    fn read(&self, body: &str) -> Result<Vec<Asked>, message::Error> {
        let records = message::records(self.role(), body)?;
        let asked = records.into_iter().map(|record| match record {
            Ok(request) => Asked::Known(request),
            Err(error) => self.read_odd(&error).unwrap_or(Asked::Unread(error)),
        });
        let asked: Vec<Asked> = asked.collect();
        match asked.first() {
            Some(Asked::Unread(first)) if asked.iter().all(|asked| matches!(asked, Asked::Unread(_))) => {
                Err(first.clone())
            }
            _ => Ok(asked),
        }
    }

    /// What a record asks for that is no request of the pipeline; none where it asks for nothing.
    fn read_odd(&self, _: &message::Error) -> Option<Asked> {
        None
    }

    /// Does the work of one request. Everything must be durable when it returns `Ok`; it must be safe to do twice; and it must
    /// end soon after `task.cancel`.
    ///
    /// # Errors
    /// A [`Failure`] decides what becomes of the message.
    async fn handle(&self, context: &Context, task: &Task) -> Result<(), Failure>;
}

/// Why a stage's loop ended without being asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The queue is not deployed, or can't be used.
    #[error(transparent)]
    Backend(#[from] stereospot_ports::Error),
    #[error("this worker can't go on: {0}")]
    Broken(String),
}

/// Runs a stage until the context's `stop`. Returns when the message in hand is done or given back.
///
/// # Errors
/// When the queue is not deployed, or the worker can't go on.
pub async fn run(context: &Context, handler: &dyn Handler, busy: &AtomicBool) -> Result<(), Error> {
    let queue = Arc::clone(context.backend.queue(handler.role())?);
    let at = loop {
        match Intake::look(Arc::clone(&queue)).await {
            Ok(at) => break at,
            Err(error) if error.retryable() => pause_after(context, &one_line(&error), FIRST_PAUSE).await,
            Err(error) => return Err(error.into()),
        }
        if context.stop.is_cancelled() {
            return Ok(());
        }
    };
    let mut pause = FIRST_PAUSE;
    while let Some(received) = receive(context, &at).await {
        match received {
            Ok(messages) => {
                pause = FIRST_PAUSE;
                record::messages_received(handler.role().as_str(), messages.len() as u64);
                for message in messages {
                    busy.store(true, Ordering::Relaxed);
                    let gone_on = one(context, handler, &at, message).await;
                    busy.store(false, Ordering::Relaxed);
                    gone_on?;
                }
            }
            Err(error) => {
                record::backend_error(error.code().as_str());
                pause_after(context, &one_line(&error), pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
    Ok(())
}

/// Waits for a message; `None` when the process stops. A message that arrives at that very moment is given back.
async fn receive(context: &Context, at: &Intake) -> Option<stereospot_ports::Result<Vec<Message>>> {
    let late = match poll::receive(&*at.queue, at.how(WAIT), &context.stop).await {
        Polled::InTime(received) => return Some(received),
        Polled::Stopping(late) => late,
    };
    for message in late {
        let about = About { attempt: Some(message.receive_count), ..About::default() };
        settle(context, at.ended(&message, &about), Err(Failure::Cancelled)).await;
    }
    None
}

/// Receives one message, if there is one, and does its work; false when there was none.
///
/// # Errors
/// When the queue is not deployed or can't be reached, or the worker can't go on.
pub async fn step(context: &Context, handler: &dyn Handler) -> Result<bool, Error> {
    let at = Intake::look(Arc::clone(context.backend.queue(handler.role())?)).await?;
    let received = at.queue.receive(at.how(Duration::ZERO)).await?;
    let is_any = !received.is_empty();
    for message in received {
        one(context, handler, &at, message).await?;
    }
    Ok(is_any)
}

async fn pause_after(context: &Context, error: &str, pause: Duration) {
    tracing::warn!("the queue can't be asked, trying again in {:.1} s: {error}", pause.as_secs_f32());
    tokio::select! { () = tokio::time::sleep(pause) => {}, () = context.stop.cancelled() => {} }
}

/// Names a record that is left out, while the message's others are done: the message is deleted with it.
fn left_out(context: &Context, at: &Intake, message: &Message, error: message::Error) {
    let error: String = error.to_string().chars().take(TOLD_CHARS).collect();
    let name = at.queue.name();
    let said = format!("a record of a message of {name} is left out, its others are done: {error} (id {})", message.id);
    tracing::warn!("{said}");
    if let Some(stage) = name.role.stage() {
        let about = About { stage: Some(stage), attempt: Some(message.receive_count), ..About::default() };
        job::emit_failed(context, &about, &Failure::Retry(ErrorCode::Invalid, said), false);
    }
}

/// Does a message's work and settles it.
///
/// # Errors
/// When the worker can't go on.
async fn one(context: &Context, handler: &dyn Handler, at: &Intake, message: Message) -> Result<(), Error> {
    let role = handler.role();
    if !at.hold(&message).await {
        return Ok(());
    }
    let _protected = context.protection.as_ref().map(Protection::hold);
    let asked = match handler.read(&message.body) {
        Ok(asked) => asked,
        Err(error) => {
            // No stage can act on it: after its last attempt it is in the dead-letter queue, where operators see it.
            let error: String = error.to_string().chars().take(TOLD_CHARS).collect();
            let (name, bytes) = (at.queue.name(), message.body.len());
            tracing::error!("a message of {name} can't be read: {error} (id {}, {bytes} bytes)", message.id);
            let about = About { stage: role.stage(), attempt: Some(message.receive_count), ..About::default() };
            settle(context, at.ended(&message, &about), Err(Failure::Retry(ErrorCode::Invalid, error))).await;
            return Ok(());
        }
    };
    let first = asked.iter().find(|asked| !matches!(asked, Asked::Unread(_)));
    let mut about = about(role, first, message.receive_count);
    let lease = Lease::keep(
        Arc::clone(&at.queue),
        message.receipt.clone(),
        at.settings.visibility,
        context.events.clone(),
        about.clone(),
        &context.stop,
    );
    let mut outcome = Ok(());
    for asked in asked {
        if let Asked::Unread(error) = asked {
            left_out(context, at, &message, error);
            continue;
        }
        let own = self::about(role, Some(&asked), message.receive_count);
        let watch = JobWatch::start(context, own.job_id.filter(|_| own.stage.is_some()), &lease.lost).await;
        let done = timed(context, handler, &Task { asked, about: own.clone(), cancel: watch.cancel.clone() }).await;
        match done {
            Ok(()) => {}
            // The next receive finds nothing to do, or the job taken back.
            Err(_) if watch.has_ended() => (outcome, about) = (Err(Failure::Cancelled), own),
            // The message's other requests may succeed: try them all the same.
            Err(
                failure @ (Failure::Retry(..)
                | Failure::Damaged(_)
                | Failure::Hindered(..)
                | Failure::NoSpace(_)
                | Failure::Refused(_)),
            ) => {
                (outcome, about) = (Err(failure), own);
            }
            Err(failure) => {
                (outcome, about) = (Err(failure), own);
                break;
            }
        }
    }
    let is_ours = !lease.lost.is_cancelled() || context.stop.is_cancelled();
    drop(lease);
    let broken = match &outcome {
        Err(Failure::Broken(why)) => Err(Error::Broken(why.clone())),
        _ => Ok(()),
    };
    if is_ours {
        settle(context, at.ended(&message, &about), outcome).await;
    }
    broken
}

/// Does one request's work, and counts it. A bad source ends here: the job is marked failed, and the message is done.
async fn timed(context: &Context, handler: &dyn Handler, task: &Task) -> Result<(), Failure> {
    if matches!(task.asked, Asked::Known(Request::Test)) {
        tracing::info!("S3 reports that its notifications were configured: nothing to do");
        return Ok(());
    }
    let _busy = task.about.stage.map(|stage| record::busy(stage.as_str()));
    let started = Instant::now();
    let outcome = handle_in_time(context, handler, task).await;
    if let Some(stage) = task.about.stage {
        record::step(stage.as_str(), step_outcome(&outcome), started.elapsed());
    }
    let Err(failure @ Failure::Refused(reason)) = &outcome else { return outcome };
    if !job::may_fail(context, &task.about) {
        // This worker may not write the reason into the job's row, so the dead letter has to carry it.
        return Err(Failure::Retry(ErrorCode::Invalid, reason.clone()));
    }
    job::emit_failed(context, &task.about, failure, true);
    job::fail_job(context, &task.about, reason, failure.code()).await?;
    Ok(())
}

/// Does the work. While the disk is full, the worker's folder can't be used or the backend is away, waits and tries again.
async fn handle_in_time(context: &Context, handler: &dyn Handler, task: &Task) -> Result<(), Failure> {
    let (mut until_space, mut while_away) = (UNTIL_SPACE, WHILE_AWAY);
    let mut away_since = None;
    loop {
        let outcome = handler.handle(context, task).await;
        if let Err(Failure::Away(code, _) | Failure::Hindered(code, _)) = &outcome {
            record::backend_error(code.as_str());
        }
        let pause = match outcome {
            Err(failure @ Failure::NoSpace(_)) => {
                job::emit_failed(context, &task.about, &failure, false);
                let pause = until_space;
                until_space = (until_space * 2).min(MOST_UNTIL_SPACE);
                pause
            }
            Err(failure @ (Failure::Away(..) | Failure::Hindered(..) | Failure::NoScratch(..)))
                if away_since.get_or_insert_with(Instant::now).elapsed() < context.patience =>
            {
                job::emit_failed(context, &task.about, &failure, false);
                let pause = while_away;
                while_away = (while_away * 2).min(MOST_WHILE_AWAY);
                pause
            }
            outcome => return outcome,
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = task.cancel.cancelled() => return Err(Failure::Cancelled),
        }
    }
}

fn about(role: QueueRole, asked: Option<&Asked>, receive_count: u32) -> About {
    let (job_id, segment_index) = match asked {
        Some(Asked::Known(
            Request::Chunk(job_id) | Request::Reassemble(job_id) | Request::Delete(job_id) | Request::Ingest(job_id),
        )) => (Some(*job_id), None),
        Some(Asked::Known(Request::Changed(job_id, segment_index))) => (*job_id, *segment_index),
        Some(Asked::Known(Request::Convert(segment))) => (Some(segment.job_id), Some(segment.index)),
        Some(Asked::Known(Request::Output(OutputKey::Segment(job_id, index)))) => (Some(*job_id), Some(*index)),
        Some(Asked::Known(Request::Output(OutputKey::Final(job_id) | OutputKey::Done(job_id)))) => {
            (Some(*job_id), None)
        }
        Some(Asked::Known(Request::Test) | Asked::Object(_) | Asked::Unread(_)) | None => (None, None),
    };
    About { job_id, segment_index, stage: role.stage(), attempt: Some(receive_count) }
}

fn step_outcome(outcome: &Result<(), Failure>) -> StepOutcome {
    match outcome {
        Ok(()) => StepOutcome::Completed,
        Err(Failure::Refused(_)) => StepOutcome::Refused,
        Err(
            Failure::Retry(..)
            | Failure::Damaged(_)
            | Failure::Away(..)
            | Failure::Hindered(..)
            | Failure::NoSpace(_)
            | Failure::NoScratch(..)
            | Failure::Broken(_),
        ) => StepOutcome::Failed,
        Err(Failure::Cancelled | Failure::Later { .. }) => StepOutcome::Released,
    }
}

#[cfg(test)]
mod tests;
