//! What the cases of the suite are made of: a backend with its time, and checks.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use stereospot_domain::QueueRole;

use crate::work_queue::{Message, Outgoing, Receive};
use crate::{Backend, Error, WorkQueue};

/// Lets time pass for a backend.
#[async_trait]
pub trait Passing: Send + Sync {
    /// Lets this much time pass on the backend's clock, by moving it forward or by waiting.
    ///
    /// # Errors
    /// The reason if it can't. The case is then skipped.
    async fn pass(&self, time: Duration) -> Result<(), String>;
}

/// The backend that a case runs on.
pub struct World {
    pub backend: Backend,
    /// The same backend opened a second time, like in another process; a clone if it can't be opened twice.
    pub peer: Backend,
    pub time: Box<dyn Passing>,
    /// Dropped after the case, such as a temporary folder.
    pub keep: Box<dyn Any + Send + Sync>,
}

/// One guarantee that every backend must give.
#[derive(Clone, Copy)]
pub struct Case {
    /// The name of the function.
    pub name: &'static str,
    pub run: for<'w> fn(&'w World) -> BoxFuture<'w, Result<(), Stop>>,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Why a case did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The backend behaved differently.
    Failed(String),
    /// The case can't run on this backend.
    Skipped(String),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(format!("{:?}: {error:?}", error.code()))
    }
}

impl From<object_store::Error> for Stop {
    fn from(error: object_store::Error) -> Self {
        Stop::Failed(format!("object store: {error:?}"))
    }
}

/// Makes a case of each function, with the function's name.
macro_rules! cases {
    ($($case:ident),+ $(,)?) => {
        pub(super) const CASES: &[crate::conformance::case::Case] =
            &[$(crate::conformance::case::Case { name: stringify!($case), run: |world| Box::pin($case(world)) }),+];
    };
}
pub(super) use cases;

pub(super) type Outcome = Result<(), Stop>;

/// Fails unless both are equal.
pub(super) fn same<T: PartialEq + fmt::Debug>(what: &str, got: T, wanted: T) -> Outcome {
    if got == wanted {
        return Ok(());
    }
    Err(Stop::Failed(format!("{what}: got {got:?}, wanted {wanted:?}")))
}

/// Fails unless the condition holds.
pub(super) fn holds(what: &str, holds: bool) -> Outcome {
    if holds { Ok(()) } else { Err(Stop::Failed(what.into())) }
}

/// Fails unless the call failed with this code.
pub(super) fn refused<T: fmt::Debug>(what: &str, got: crate::Result<T>, code: crate::ErrorCode) -> Outcome {
    same(what, got.map(|value| format!("{value:?}")).map_err(|error| error.code()), Err(code))
}

/// The lease that cases take. [`World::expire`] waits longer.
pub(super) const LEASE: Duration = Duration::from_secs(2);

impl World {
    /// Lets time pass; skips the case if the backend can't.
    pub(super) async fn pass(&self, time: Duration) -> Outcome {
        self.time.pass(time).await.map_err(Stop::Skipped)
    }

    /// Lets every [`LEASE`] run out.
    pub(super) async fn expire(&self) -> Outcome {
        self.pass(LEASE + Duration::from_millis(1500)).await
    }

    /// Alternates between the backend and its peer.
    pub(super) fn side(&self, number: usize) -> &Backend {
        if number.is_multiple_of(2) { &self.backend } else { &self.peer }
    }

    pub(super) fn queue(&self) -> Result<&dyn WorkQueue, Stop> {
        Ok(&**self.backend.queue(QueueRole::Inference)?)
    }

    pub(super) fn dead_letters(&self) -> Result<&dyn WorkQueue, Stop> {
        Ok(&**self.backend.queue_named(stereospot_domain::QueueName::dead_letter(QueueRole::Inference))?)
    }
}

/// Receives up to `max` messages for [`LEASE`] without waiting.
pub(super) async fn take(queue: &dyn WorkQueue, max: usize) -> Result<Vec<Message>, Stop> {
    Ok(queue.receive(Receive { max, wait: Duration::ZERO, visibility: Some(LEASE) }).await?)
}

/// Receives one message; fails without one.
pub(super) async fn take_one(queue: &dyn WorkQueue) -> Result<Message, Stop> {
    let mut messages = take(queue, 1).await?;
    same("number of messages received", messages.len(), 1)?;
    messages.pop().ok_or_else(|| Stop::Failed("no message".into()))
}

pub(super) async fn send_one(queue: &dyn WorkQueue, body: &str) -> Result<String, Stop> {
    let ids = queue.send(&[Outgoing::now(body)]).await?;
    same("number of ids", ids.len(), 1)?;
    Ok(ids[0].clone())
}

/// The bodies of all messages on a queue, sorted. Only peeks.
pub(super) async fn bodies(queue: &dyn WorkQueue) -> Result<Vec<String>, Stop> {
    let mut bodies: Vec<String> = queue.peek(1000).await?.into_iter().map(|message| message.body).collect();
    bodies.sort();
    Ok(bodies)
}
