//! The services whose tasks do the work, and how many tasks each has.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use stereospot_domain::Timestamp;

use crate::error::{Error, ErrorCode, Result};

#[cfg(any(test, feature = "conformance"))]
pub mod memory;

/// The numbers of tasks between which the platform scales a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub min: u32,
    pub max: u32,
    /// While scaling is suspended, a number set by hand stays.
    pub is_suspended: bool,
}

/// Whether the platform changes a service's number of tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Scaling {
    /// Nothing scales the service.
    #[default]
    Off,
    /// The platform scales it between these limits.
    Within(Limits),
    /// The limits can't be read, for this reason.
    Unknown(String),
}

impl Scaling {
    /// The limits, if there are any and they are known.
    #[must_use]
    pub fn limits(&self) -> Option<Limits> {
        match self {
            Scaling::Within(limits) => Some(*limits),
            Scaling::Off | Scaling::Unknown(_) => None,
        }
    }
}

/// Why a service is not steady.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The last rollout failed, with the platform's reason.
    RolloutFailed(String),
    /// Fewer tasks run than should, with the platform's last event.
    TooFewTasks(String),
    /// A rollout is under way.
    RollingOut,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::RolloutFailed(reason) => write!(f, "the rollout failed: {reason}"),
            Note::TooFewTasks(event) => f.write_str(event),
            Note::RollingOut => f.write_str("a rollout is under way"),
        }
    }
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// `media-worker`, `video-worker` …
    pub name: String,
    /// The number of tasks that the platform aims for.
    pub desired: u32,
    /// 0 running of 0 desired is normal while queues are empty.
    pub running: u32,
    /// Tasks that are starting.
    pub pending: u32,
    pub scaling: Scaling,
    /// Absent when the service is steady.
    pub note: Option<Note>,
}

impl Service {
    /// What there is to say about the service, in a sentence.
    #[must_use]
    pub fn remark(&self) -> Option<String> {
        match (&self.note, &self.scaling) {
            (Some(note), _) => Some(note.to_string()),
            (None, Scaling::Unknown(why)) => Some(limits_unknown(why)),
            (None, Scaling::Off | Scaling::Within(_)) => None,
        }
    }

    /// True when it has no task and should have none: normal while queues are empty.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.desired == 0 && self.running == 0 && self.pending == 0
    }

    /// Why a number of tasks set by hand may change again, in a sentence; none when it stays.
    #[must_use]
    pub fn scaling_warning(&self, desired: u32) -> Option<String> {
        let Limits { min, max, .. } = match &self.scaling {
            Scaling::Within(limits) if !limits.is_suspended => *limits,
            Scaling::Unknown(why) => return Some(limits_unknown(why)),
            Scaling::Within(_) | Scaling::Off => return None,
        };
        let outside = if desired < min || desired > max { " soon, as it lies outside them" } else { "" };
        Some(format!(
            "scaling keeps {} between {min} and {max} tasks: it may change {desired} again{outside}",
            self.name
        ))
    }
}

fn limits_unknown(why: &str) -> String {
    format!("its scaling limits are not known: {why}")
}

/// The result of scaling a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scaled {
    pub name: String,
    /// The desired number before.
    pub before: u32,
    /// The desired number now.
    pub desired: u32,
    /// Why the number may not last, in a sentence; none when it does.
    pub warning: Option<String>,
}

/// The services of a deployment.
#[async_trait]
pub trait Fleet: fmt::Debug + Send + Sync + 'static {
    /// The pipeline's services that exist, sorted by name. One that is not deployed is left out, and is no error.
    ///
    /// # Errors
    /// If the platform can't be reached.
    async fn services(&self) -> Result<Vec<Service>>;

    /// Sets how many tasks a service should have. Returns before the tasks start or stop: see [`Fleet::services`]. The same
    /// number again changes nothing. The platform may change the number again: see [`Scaled::warning`].
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] if the service does not exist.
    async fn scale(&self, service: &str, desired: u32) -> Result<Scaled>;

    /// Gives a service at least one task. Changes nothing if it should have one already.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] if the service does not exist.
    async fn force_one(&self, service: &str) -> Result<Scaled> {
        let services = self.services().await?;
        let found = services.into_iter().find(|found| found.name == service).ok_or_else(|| unknown(service))?;
        if found.desired == 0 {
            return self.scale(service, 1).await;
        }
        Ok(Scaled { before: found.desired, desired: found.desired, warning: None, name: found.name })
    }
}

/// Keeps the platform from stopping the calling task when it scales in. A worker holds the protection as long as it holds a
/// lease, so that scaling in ends idle tasks instead of half-done work.
#[async_trait]
pub trait TaskProtection: fmt::Debug + Send + Sync + 'static {
    /// Protects this task for at least `duration` from now on, and returns the end. Calling again prolongs it. The protection
    /// ends with the task.
    ///
    /// # Errors
    /// When the platform refuses. The work can go on without protection.
    async fn protect(&self, duration: Duration) -> Result<Option<Timestamp>>;

    /// Ends the protection. Calling again changes nothing.
    ///
    /// # Errors
    /// When the platform can't be asked: the protection then ends when its time is over.
    async fn release(&self) -> Result<()>;
}

/// The error for a service that does not exist.
#[must_use]
pub fn unknown(service: &str) -> Error {
    Error::new(ErrorCode::NotFound, format!("there is no service named {service} in this deployment"))
}

#[cfg(test)]
mod tests;
