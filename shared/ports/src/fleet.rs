//! The services whose tasks do the work, and how many of them there are.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use stereospot_domain::Timestamp;

use crate::error::{Error, ErrorCode, Result};

#[cfg(any(test, feature = "conformance"))]
pub mod memory;

/// Between how many tasks the platform's own scaling moves a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Not fewer.
    pub min: u32,
    /// Not more.
    pub max: u32,
    /// True when scaling is suspended: then nothing changes a number that was set by hand.
    pub is_suspended: bool,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name: `media-worker`, `video-worker` …
    pub name: String,
    /// How many tasks it should have.
    pub desired: u32,
    /// How many run. 0 of 0 is normal while queues are empty.
    pub running: u32,
    /// How many are being started.
    pub pending: u32,
    /// The limits of the platform's scaling; absent where nothing scales it.
    pub limits: Option<Limits>,
    /// Why fewer run than should, or what is being rolled out, in the platform's own words; absent when all is steady.
    pub note: Option<String>,
}

impl Service {
    /// True when it has no task and should have none: normal while queues are empty, not a fault.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.desired == 0 && self.running == 0 && self.pending == 0
    }

    /// What will become of a number of tasks that is set by hand, in a sentence; absent when it stays.
    #[must_use]
    pub fn scaling_warning(&self, desired: u32) -> Option<String> {
        let Limits { min, max, is_suspended } = self.limits?;
        if is_suspended {
            return None;
        }
        let outside = if desired < min || desired > max { " soon, as it lies outside them" } else { "" };
        Some(format!(
            "scaling keeps {} between {min} and {max} tasks: it may change {desired} again{outside}",
            self.name
        ))
    }
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scaled {
    /// The service.
    pub name: String,
    /// How many tasks it should have had before.
    pub before: u32,
    /// How many it should have now.
    pub desired: u32,
    /// That the number may not last, in a sentence; absent when it does.
    pub warning: Option<String>,
}

/// The services of a deployment.
#[async_trait]
pub trait Fleet: fmt::Debug + Send + Sync + 'static {
    /// Every service of the pipeline that exists, by name. One that is not deployed is left out: that is no error.
    ///
    /// # Errors
    /// When the platform can't be asked.
    async fn services(&self) -> Result<Vec<Service>>;

    /// Sets how many tasks a service should have. Setting the same number again changes nothing. Tasks start and stop
    /// afterwards: see [`Fleet::services`]. The platform's scaling may change the number again: [`Scaled::warning`] says so.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] when there is no such service.
    async fn scale(&self, service: &str, desired: u32) -> Result<Scaled>;

    /// Makes sure that a service should have at least one task. Where it should already, nothing is changed.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] when there is no such service.
    async fn force_one(&self, service: &str) -> Result<Scaled> {
        let services = self.services().await?;
        let found = services.into_iter().find(|found| found.name == service).ok_or_else(|| unknown(service))?;
        if found.desired == 0 {
            return self.scale(service, 1).await;
        }
        Ok(Scaled { before: found.desired, desired: found.desired, warning: None, name: found.name })
    }
}

/// Keeps the task that asks from being chosen when the platform takes tasks away. A worker holds it as long as it holds a
/// lease, so that scaling in ends idle tasks and not half a segment's work.
#[async_trait]
pub trait TaskProtection: fmt::Debug + Send + Sync + 'static {
    /// Protects this task for at least `duration` from now on, and says until when. Asking again prolongs it. If the task dies,
    /// protection ends with it.
    ///
    /// # Errors
    /// When the platform refuses: the work may go on, it is only not protected.
    async fn protect(&self, duration: Duration) -> Result<Option<Timestamp>>;

    /// Ends the protection. Asking again changes nothing.
    ///
    /// # Errors
    /// When the platform can't be asked: protection then ends at its time.
    async fn release(&self) -> Result<()>;
}

/// There is no service of this name.
#[must_use]
pub fn unknown(service: &str) -> Error {
    Error::new(ErrorCode::NotFound, format!("there is no service named {service} in this deployment"))
}

#[cfg(test)]
mod tests;
