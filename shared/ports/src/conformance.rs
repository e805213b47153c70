//! One suite for all backends: what the traits' docs promise, as cases that run on any of them.
//!
//! A backend's tests implement [`Subject`] and assert on the [`Report`] of [`run_all`]: nothing failed, what was skipped is
//! known, and as many cases were looked at as [`CASES`] has.

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use stereospot_domain::QueueRole;

use crate::work_queue::{Message, Outgoing, Receive};
use crate::{Backend, Error, WorkQueue};

mod jobs;
mod leases;
mod locks;
mod objects;
mod queues;
mod reassembly;

/// A backend under test.
#[async_trait]
pub trait Subject: Send + Sync {
    /// A new, empty backend.
    async fn fresh(&self) -> Result<World, Error>;
}

/// Lets time pass for one backend.
#[async_trait]
pub trait Passing: Send + Sync {
    /// Lets so much time pass on the backend's clock, by turning or by waiting.
    ///
    /// # Errors
    /// The reason why it can't: the case is then skipped.
    async fn pass(&self, time: Duration) -> Result<(), String>;
}

/// One case's surroundings.
pub struct World {
    /// The backend.
    pub backend: Backend,
    /// The same backend through a second opening, as another process has it; a clone where there is no other way.
    pub peer: Backend,
    /// Its time.
    pub time: Box<dyn Passing>,
    /// What must live as long as the case, such as a folder.
    pub keep: Box<dyn Any + Send + Sync>,
}

/// One thing that every backend must do.
#[derive(Clone, Copy)]
pub struct Case {
    /// What it is, in snake case.
    pub name: &'static str,
    /// Tries it.
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
    /// The backend did something else.
    Failed(String),
    /// It can't be tried on this backend.
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

/// What became of the cases.
#[derive(Debug, Default)]
pub struct Report {
    /// Those that passed.
    pub passed: Vec<&'static str>,
    /// Those that could not be tried, and why.
    pub skipped: Vec<(&'static str, String)>,
    /// Those that failed, and how.
    pub failed: Vec<(&'static str, String)>,
}

impl Report {
    /// How many cases were looked at.
    #[must_use]
    pub fn total(&self) -> usize {
        self.passed.len() + self.skipped.len() + self.failed.len()
    }
}

/// The whole suite.
pub const CASES: &[&[Case]] =
    &[queues::CASES, leases::CASES, jobs::CASES, locks::CASES, reassembly::CASES, objects::CASES];

/// How many cases the suite has.
#[must_use]
pub fn number_of_cases() -> usize {
    CASES.iter().map(|part| part.len()).sum()
}

/// Runs every case, each on a backend of its own, one after another.
pub async fn run_all(subject: &dyn Subject) -> Report {
    let mut report = Report::default();
    for case in CASES.iter().copied().flatten() {
        match run(subject, case).await {
            Ok(()) => report.passed.push(case.name),
            Err(Stop::Skipped(reason)) => report.skipped.push((case.name, reason)),
            Err(Stop::Failed(how)) => report.failed.push((case.name, how)),
        }
    }
    report
}

/// Longest that any case may take: a backend that hangs fails, it does not stop the suite.
const LONGEST: Duration = Duration::from_secs(60);

async fn run(subject: &dyn Subject, case: &Case) -> Result<(), Stop> {
    let world = subject.fresh().await?;
    let tried = AssertUnwindSafe(tokio::time::timeout(LONGEST, (case.run)(&world))).catch_unwind().await;
    match tried {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(Stop::Failed(format!("took longer than {} s", LONGEST.as_secs()))),
        Err(_) => Err(Stop::Failed("panicked".into())),
    }
}

/// Names cases after the functions that try them.
macro_rules! cases {
    ($($case:ident),+ $(,)?) => {
        pub(super) const CASES: &[super::Case] =
            &[$(super::Case { name: stringify!($case), run: |world| Box::pin($case(world)) }),+];
    };
}
use cases;

type Outcome = Result<(), Stop>;

/// Fails unless both are equal.
fn same<T: PartialEq + fmt::Debug>(what: &str, got: T, wanted: T) -> Outcome {
    if got == wanted {
        return Ok(());
    }
    Err(Stop::Failed(format!("{what}: got {got:?}, wanted {wanted:?}")))
}

/// Fails unless it holds.
fn holds(what: &str, holds: bool) -> Outcome {
    if holds { Ok(()) } else { Err(Stop::Failed(what.into())) }
}

/// Fails unless the call was refused with this code.
fn refused<T: fmt::Debug>(what: &str, got: crate::Result<T>, code: crate::ErrorCode) -> Outcome {
    same(what, got.map(|value| format!("{value:?}")).map_err(|error| error.code()), Err(code))
}

/// The lease that cases take; [`World::expire`] outlasts it.
const LEASE: Duration = Duration::from_secs(2);

impl World {
    /// Lets time pass, or skips the case.
    async fn pass(&self, time: Duration) -> Outcome {
        self.time.pass(time).await.map_err(Stop::Skipped)
    }

    /// Lets every [`LEASE`] run out.
    async fn expire(&self) -> Outcome {
        self.pass(LEASE + Duration::from_millis(1500)).await
    }

    /// This backend or its other opening, by turns.
    fn side(&self, number: usize) -> &Backend {
        if number.is_multiple_of(2) { &self.backend } else { &self.peer }
    }

    fn queue(&self) -> Result<&dyn WorkQueue, Stop> {
        Ok(&**self.backend.queue(QueueRole::Inference)?)
    }

    fn dead_letters(&self) -> Result<&dyn WorkQueue, Stop> {
        Ok(&**self.backend.queue_named(stereospot_domain::QueueName::dead_letter(QueueRole::Inference))?)
    }
}

/// Up to `max` messages, leased for [`LEASE`]; does not wait long.
async fn take(queue: &dyn WorkQueue, max: usize) -> Result<Vec<Message>, Stop> {
    Ok(queue.receive(Receive { max, wait: Duration::ZERO, visibility: Some(LEASE) }).await?)
}

/// Exactly one message, or the case fails.
async fn take_one(queue: &dyn WorkQueue) -> Result<Message, Stop> {
    let mut messages = take(queue, 1).await?;
    same("number of messages received", messages.len(), 1)?;
    messages.pop().ok_or_else(|| Stop::Failed("no message".into()))
}

async fn send_one(queue: &dyn WorkQueue, body: &str) -> Result<String, Stop> {
    let ids = queue.send(&[Outgoing::now(body)]).await?;
    same("number of ids", ids.len(), 1)?;
    Ok(ids[0].clone())
}

/// The bodies on a queue, sorted, without touching them.
async fn bodies(queue: &dyn WorkQueue) -> Result<Vec<String>, Stop> {
    let mut bodies: Vec<String> = queue.peek(1000).await?.into_iter().map(|message| message.body).collect();
    bodies.sort();
    Ok(bodies)
}

#[cfg(test)]
mod tests;
