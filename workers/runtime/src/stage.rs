//! The loop that every stage runs: receive, work under a lease, acknowledge last.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use stereospot_domain::keys::OutputKey;
use stereospot_domain::message::{self, Request};
use stereospot_domain::{QueueRole, Stage};
use stereospot_ports::work_queue::{Message, Receive, Settings};
use stereospot_ports::{Backend, Code, WorkQueue};
use stereospot_telemetry::catalogue::StepOutcome;
use stereospot_telemetry::record;
use tokio_util::sync::CancellationToken;

use crate::events::{About, Events};
use crate::job;
use crate::lease::Lease;
use crate::settle::{Ended, settle};

/// How long one receive waits for a message.
const WAIT: Duration = Duration::from_secs(10);
/// First pause after a failure of the backend; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// First pause between two looks whether a full disk has space again; doubles up to [`MOST_UNTIL_SPACE`].
const UNTIL_SPACE: Duration = Duration::from_secs(10);
const MOST_UNTIL_SPACE: Duration = Duration::from_secs(60);
/// How long a receive that is under way may still take when the process stops: dropping it could leave a message hidden.
const LAST_RECEIVE: Duration = Duration::from_millis(300);

/// What a stage needs of the process around it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Context {
    /// Queues, stores and objects.
    pub backend: Backend,
    /// Where facts go.
    pub events: Events,
    /// Cancelled when the process is asked to stop.
    pub stop: CancellationToken,
}

/// One message's work.
#[derive(Debug, Clone)]
pub struct Task {
    /// What it asks for.
    pub request: Request,
    /// What events about it carry.
    pub about: About,
    /// Cancelled when the work must stop: the lease is lost, or the process stops.
    pub cancel: CancellationToken,
}

/// Why a message's work did not get done.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It can never be done: the source is bad. The job fails with this sentence and the message is deleted.
    #[error("{0}")]
    Refused(String),
    /// It may succeed later: the message goes back, and to the dead-letter queue after too many attempts.
    #[error("{0}")]
    Retry(String),
    /// There is no space for it. The worker keeps the message and tries again until there is: a full disk is not the message's
    /// fault, so it costs no attempt.
    #[error("{0}")]
    NoSpace(String),
    /// It was told to stop. The message goes back at once.
    #[error("stopped before it was done")]
    Cancelled,
    /// This worker can't go on, though another can: the message goes back and the process ends.
    #[error("{0}")]
    Broken(String),
    /// Somebody else is at it; look again after a while. No attempt failed.
    #[error("not now: {why}")]
    Later {
        /// What it waits for.
        why: String,
        /// How long.
        after: Duration,
    },
}

impl From<stereospot_ports::Error> for Failure {
    fn from(error: stereospot_ports::Error) -> Self {
        match error.code() {
            Code::Full => Failure::NoSpace(chain(&error)),
            _ => Failure::Retry(chain(&error)),
        }
    }
}

impl From<object_store::Error> for Failure {
    fn from(error: object_store::Error) -> Self {
        stereospot_ports::Error::from(error).into()
    }
}

/// An error with its causes, in one line.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Many libraries repeat their cause in their own words.
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}

/// The work of a stage.
#[async_trait]
pub trait Handler: Send + Sync {
    /// The queue it lives on.
    fn role(&self) -> QueueRole;

    /// Does one message's work. Everything must be durable when it returns `Ok`; it must be safe to do twice; and it must
    /// end soon after `task.cancel`.
    ///
    /// # Errors
    /// A [`Failure`] says what becomes of the message.
    async fn handle(&self, context: &Context, task: &Task) -> Result<(), Failure>;
}

/// Why a stage's loop ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The queue is not deployed, or can't be used.
    #[error(transparent)]
    Backend(#[from] stereospot_ports::Error),
    /// The worker can't go on.
    #[error("this worker can't go on: {0}")]
    Broken(String),
}

/// A queue with what is set for it.
struct At {
    queue: Arc<dyn WorkQueue>,
    settings: Settings,
}

impl At {
    fn ended<'a>(&'a self, message: &'a Message, about: &'a About) -> Ended<'a> {
        Ended { queue: &self.queue, message, max_receives: self.settings.max_receives, about }
    }
}

/// Runs a stage until the context's `stop`. Returns when the message in hand is done or given back.
///
/// # Errors
/// When the queue is not deployed, or the worker can't go on.
pub async fn run(context: &Context, handler: &dyn Handler, busy: &AtomicBool) -> Result<(), Error> {
    let queue = Arc::clone(context.backend.queue(handler.role())?);
    let settings = loop {
        match queue.settings().await {
            Ok(settings) => break settings,
            Err(error) if error.retryable() => pause_after(context, &error.to_string(), FIRST_PAUSE).await,
            Err(error) => return Err(error.into()),
        }
        if context.stop.is_cancelled() {
            return Ok(());
        }
    };
    let at = At { queue, settings };
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
                pause_after(context, &chain(&error), pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
    Ok(())
}

/// Waits for a message; `None` when the process stops. A message that came at that very moment is given back.
async fn receive(context: &Context, at: &At) -> Option<stereospot_ports::Result<Vec<Message>>> {
    if context.stop.is_cancelled() {
        return None;
    }
    let mut receiving = at.queue.receive(Receive { max: 1, wait: WAIT, visibility: None });
    tokio::select! {
        received = &mut receiving => return Some(received),
        () = context.stop.cancelled() => {}
    }
    if let Ok(Ok(messages)) = tokio::time::timeout(LAST_RECEIVE, receiving).await {
        for message in messages {
            let about = About { attempt: Some(message.receive_count), ..About::default() };
            settle(context, at.ended(&message, &about), Err(Failure::Cancelled)).await;
        }
    }
    None
}

/// Receives one message, if there is one, and does its work; false when there was none.
///
/// # Errors
/// When the queue is not deployed or can't be asked, or the worker can't go on.
pub async fn step(context: &Context, handler: &dyn Handler) -> Result<bool, Error> {
    let queue = Arc::clone(context.backend.queue(handler.role())?);
    let settings = queue.settings().await?;
    let at = At { queue, settings };
    let received = at.queue.receive(Receive { max: 1, wait: Duration::ZERO, visibility: None }).await?;
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

/// Does a message's work and settles it. Returns why the worker can't go on, where it can't.
async fn one(context: &Context, handler: &dyn Handler, at: &At, message: Message) -> Result<(), Error> {
    let role = handler.role();
    let requests = match message::parse(role, &message.body) {
        Ok(requests) => requests,
        Err(error) => {
            // Nothing here can act on it: after its last attempt it stands in the dead-letter queue, where people see it.
            tracing::error!("a message of {} can't be read: {error} (id {})", at.queue.name(), message.id);
            let about = About { stage: stage_of(role), attempt: Some(message.receive_count), ..About::default() };
            settle(context, at.ended(&message, &about), Err(Failure::Retry(error.to_string()))).await;
            return Ok(());
        }
    };
    let mut about = about(role, requests.first(), message.receive_count);
    let lease = Lease::keep(
        Arc::clone(&at.queue),
        message.receipt.clone(),
        at.settings.visibility,
        context.events.clone(),
        about.clone(),
        &context.stop,
    );
    let mut outcome = Ok(());
    for request in requests {
        let own = self::about(role, Some(&request), message.receive_count);
        match timed(context, handler, &Task { request, about: own.clone(), cancel: lease.lost.clone() }).await {
            Ok(()) => {}
            // What else the message asks for may fare better: it is tried all the same.
            Err(failure @ (Failure::Retry(_) | Failure::NoSpace(_) | Failure::Refused(_))) => {
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

/// Does one request's work, and counts it. A bad source ends here: its job is failed, and nothing is left to do for it.
async fn timed(context: &Context, handler: &dyn Handler, task: &Task) -> Result<(), Failure> {
    if matches!(task.request, Request::Test) {
        return Ok(());
    }
    let _busy = task.about.stage.map(|stage| record::busy(stage.as_str()));
    let started = Instant::now();
    let outcome = handle_when_there_is_space(context, handler, task).await;
    if let Some(stage) = task.about.stage {
        record::step(stage.as_str(), step_outcome(&outcome), started.elapsed());
    }
    let Err(Failure::Refused(reason)) = &outcome else { return outcome };
    job::emit_failed(context, &task.about, reason, true);
    if let Some(job_id) = task.about.job_id {
        job::fail_job(context, job_id, reason).await?;
    }
    Ok(())
}

/// Does the work; while there is no space for it, waits and tries again.
async fn handle_when_there_is_space(context: &Context, handler: &dyn Handler, task: &Task) -> Result<(), Failure> {
    let mut pause = UNTIL_SPACE;
    loop {
        match handler.handle(context, task).await {
            Err(Failure::NoSpace(error)) => job::emit_failed(context, &task.about, &error, false),
            outcome => return outcome,
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = task.cancel.cancelled() => return Err(Failure::Cancelled),
        }
        pause = (pause * 2).min(MOST_UNTIL_SPACE);
    }
}

fn stage_of(role: QueueRole) -> Option<Stage> {
    Stage::ALL.iter().copied().find(|stage| stage.queue() == role)
}

fn about(role: QueueRole, request: Option<&Request>, receive_count: u32) -> About {
    let (job_id, segment_index) = match request {
        Some(Request::Chunk(job_id) | Request::Reassemble(job_id)) => (Some(*job_id), None),
        Some(Request::Convert(segment)) => (Some(segment.job_id), Some(segment.index)),
        Some(Request::Output(OutputKey::Segment(job_id, index))) => (Some(*job_id), Some(*index)),
        Some(Request::Output(OutputKey::Final(job_id) | OutputKey::Done(job_id))) => (Some(*job_id), None),
        Some(Request::Test) | None => (None, None),
    };
    About { job_id, segment_index, stage: stage_of(role), attempt: Some(receive_count) }
}

fn step_outcome(outcome: &Result<(), Failure>) -> StepOutcome {
    match outcome {
        Ok(()) => StepOutcome::Completed,
        Err(Failure::Refused(_)) => StepOutcome::Refused,
        Err(Failure::Retry(_) | Failure::NoSpace(_) | Failure::Broken(_)) => StepOutcome::Failed,
        Err(Failure::Cancelled | Failure::Later { .. }) => StepOutcome::Released,
    }
}

#[cfg(test)]
mod tests;
