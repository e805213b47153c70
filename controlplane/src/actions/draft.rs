//! What plans are made of: drafts, refusals, results.

use std::sync::Arc;
use std::time::Duration;

use stereospot_domain::plan::{ItemResult, Outcome, PlanItem, Refusal, RefusalCode, Target};
use stereospot_domain::text::age;
pub(super) use stereospot_domain::text::plural as count_of;
use stereospot_domain::{QueueName, QueueRole, Timestamp};
use stereospot_ports::WorkQueue;
use stereospot_ports::error::chain;

use crate::app::App;
use crate::store;

/// Most items in a plan. More are left for the next plan.
pub(super) const MAX_ITEMS: usize = 10_000;
/// How long messages are held while a plan is applied to them.
pub(super) const LEASE: Duration = Duration::from_secs(60);

/// Why a plan was not made or applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There is no such plan, job or queue.
    #[error("{0}")]
    NotFound(String),
    /// It was applied before.
    #[error("this plan was applied already, at {0}: make a new one")]
    AppliedBefore(i64),
    /// Too late.
    #[error("this plan is older than 60 seconds: make a new one")]
    Expired,
    /// The plan itself says that it can't be applied.
    #[error("{0}")]
    Refused(Refusal),
    /// The confirmation was not typed.
    #[error("to apply this plan, type: {0}")]
    Unconfirmed(String),
    /// No writes here.
    #[error("this control plane is read-only: start it without --read-only to change anything")]
    ReadOnly,
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] stereospot_ports::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// The part of a plan that differs from action to action.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) scope: String,
    pub(super) items: Vec<PlanItem>,
    pub(super) skips: Vec<PlanItem>,
    pub(super) effect: String,
    pub(super) assumptions: Vec<String>,
    pub(super) confirm: Option<String>,
    pub(super) refused: Option<Refusal>,
    /// The queue whose messages must be received for this to have an effect.
    pub(super) needs: Option<QueueRole>,
}

/// A refusal, as a draft has it.
pub(super) fn refused(code: RefusalCode, why: impl Into<String>) -> Option<Refusal> {
    Some(Refusal::new(code, why))
}

pub(crate) fn result(target: &Target, outcome: Outcome, note: impl Into<String>) -> ItemResult {
    ItemResult { target: target.clone(), outcome, note: note.into() }
}

/// The same result for each item.
pub(super) fn results(items: &[PlanItem], outcome: Outcome, note: &str) -> Vec<ItemResult> {
    items.iter().map(|item| result(&item.target, outcome, note)).collect()
}

/// The result of something that a backend was asked to do.
pub(crate) fn attempted(target: &Target, tried: Result<String, stereospot_ports::Error>) -> ItemResult {
    match tried {
        Ok(note) => result(target, Outcome::Done, note),
        Err(error) => result(target, Outcome::Failed, chain(&error)),
    }
}

pub(super) fn queue(app: &App, name: QueueName) -> Result<&Arc<dyn WorkQueue>, Error> {
    app.backend.queue_named(name).map_err(|error| Error::NotFound(error.to_string()))
}

/// The time left until then.
pub(super) fn until(at: Timestamp, now: Timestamp) -> String {
    age(at.since(now))
}
