//! One test suite for all backends: the guarantees in the traits' docs, as cases.
//!
//! A backend's tests implement [`Subject`] and assert on the [`Report`] of [`run_all`]: no case failed, the skipped ones are those
//! expected, and [`Report::total`] is [`number_of_cases`].

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;

use crate::Error;

mod case;
mod jobs;
mod leases;
mod locks;
mod objects;
mod queues;
mod reassembly;

pub use case::{Case, Passing, Stop, World};

/// A backend under test.
#[async_trait]
pub trait Subject: Send + Sync {
    /// A new, empty backend.
    async fn fresh(&self) -> Result<World, Error>;
}

/// The names of the cases by result, with the reason for skipped and failed ones.
#[derive(Debug, Default)]
pub struct Report {
    pub passed: Vec<&'static str>,
    pub skipped: Vec<(&'static str, String)>,
    pub failed: Vec<(&'static str, String)>,
}

impl Report {
    /// The number of cases that passed, were skipped or failed.
    #[must_use]
    pub fn total(&self) -> usize {
        self.passed.len() + self.skipped.len() + self.failed.len()
    }
}

/// The whole suite.
pub const CASES: &[&[Case]] =
    &[queues::CASES, leases::CASES, jobs::CASES, locks::CASES, reassembly::CASES, objects::CASES];

/// The number of cases in the suite.
#[must_use]
pub fn number_of_cases() -> usize {
    CASES.iter().map(|part| part.len()).sum()
}

/// Runs every case on a new backend, one after the other.
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

/// Time limit of a case, so that a backend that hangs fails instead of stopping the suite.
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

#[cfg(test)]
mod tests;
