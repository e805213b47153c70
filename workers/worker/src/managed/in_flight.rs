//! The invocations that this process handed over and that have not ended yet.
//!
//! Any worker may receive the notification of any result, and a job-worker may be faster still. So this process also looks for
//! the result objects when there is no room. An invocation without a result is given up after its time limit. Invocations of
//! other processes are not counted: the bound is each worker's own.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stereospot_aws::sagemaker::Invocation;
use stereospot_domain::{JobId, Timestamp, keys};
use stereospot_ports::{Bucket, objects};
use stereospot_runtime::stage::{Context, Failure};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How often to look for results while there is no room.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A bounded number of invocations.
#[derive(Debug)]
pub struct InFlight {
    most: usize,
    lasts: Duration,
    flights: Mutex<Vec<Flight>>,
    ended: Notify,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Flight {
    job_id: JobId,
    index: u32,
    invocation: Invocation,
    until: Timestamp,
}

impl InFlight {
    /// Room for `most`, each ending within `lasts`.
    #[must_use]
    pub fn new(most: usize, lasts: Duration) -> Self {
        Self { most: most.max(1), lasts, flights: Mutex::default(), ended: Notify::new() }
    }

    /// Waits until there is room.
    ///
    /// # Errors
    /// [`Failure::Cancelled`], or when the output bucket can't be reached.
    pub async fn room(&self, context: &Context, cancel: &CancellationToken) -> Result<(), Failure> {
        loop {
            if self.flights().len() < self.most {
                return Ok(());
            }
            self.look(&context.backend.output, context.backend.clock.now()).await?;
            if self.flights().len() < self.most {
                return Ok(());
            }
            tokio::select! {
                () = self.ended.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = cancel.cancelled() => return Err(Failure::Cancelled),
            }
        }
    }

    /// True when the segment was handed over and has not ended: handing it over again would convert it twice.
    ///
    /// # Errors
    /// When the output bucket can't be reached.
    pub async fn holds(&self, context: &Context, job_id: JobId, index: u32) -> Result<bool, Failure> {
        if self.invocation(job_id, index).is_none() {
            return Ok(false);
        }
        self.look(&context.backend.output, context.backend.clock.now()).await?;
        Ok(self.invocation(job_id, index).is_some())
    }

    /// The invocation of a segment, until it has ended.
    #[must_use]
    pub fn invocation(&self, job_id: JobId, index: u32) -> Option<Invocation> {
        let flights = self.flights();
        let flight = flights.iter().find(|flight| (flight.job_id, flight.index) == (job_id, index))?;
        Some(flight.invocation.clone())
    }

    /// Adds the invocation of a segment that was handed over.
    pub fn add(&self, job_id: JobId, index: u32, invocation: Invocation, now: Timestamp) {
        let until = now.plus(self.lasts);
        self.flights().push(Flight { job_id, index, invocation, until });
    }

    /// Ends the invocation with a result at this address; false when it is not one of this process's.
    pub fn end(&self, uri: &str) -> bool {
        let mut flights = self.flights();
        let before = flights.len();
        flights.retain(|flight| {
            flight.invocation.success_uri != uri && flight.invocation.failure_uri.as_deref() != Some(uri)
        });
        let has_ended = flights.len() < before;
        drop(flights);
        if has_ended {
            self.ended.notify_waiters();
        }
        has_ended
    }

    /// Ends the invocations whose output or failure exists, and those whose time is up.
    async fn look(&self, output: &Bucket, now: Timestamp) -> Result<(), Failure> {
        let flights = self.flights().clone();
        for flight in flights {
            let failure = flight.invocation.failure_uri.as_deref().and_then(|uri| uri.strip_prefix(&output.uri("")));
            let has_ended = flight.until <= now
                || objects::exists(&*output.store, &keys::output_segment(flight.job_id, flight.index)).await?
                || match failure {
                    Some(key) => objects::exists(&*output.store, key).await?,
                    None => false,
                };
            if has_ended {
                self.end(&flight.invocation.success_uri);
            }
        }
        Ok(())
    }

    fn flights(&self) -> MutexGuard<'_, Vec<Flight>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
