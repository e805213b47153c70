//! Keeps the platform from ending this process while it holds a lease.
//!
//! Invariant: protection is requested as soon as a message is held, renewed while one is held, and ended when none is. Work
//! never waits for it: if the platform refuses, scaling in may interrupt work.

use std::sync::Arc;
use std::time::Duration;

use stereospot_ports::fleet::TaskProtection;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// The times by which protection is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Times {
    /// How long the platform protects this process without another request.
    lasts: Duration,
    renewed_every: Duration,
    /// The next message usually comes at once: ending and requesting protection for each would cost two calls a message.
    lingers: Duration,
    /// How long to wait after a refusal.
    again_after: Duration,
}

const TIMES: Times = Times {
    lasts: Duration::from_secs(15 * 60),
    renewed_every: Duration::from_secs(5 * 60),
    lingers: Duration::from_secs(5),
    again_after: Duration::from_secs(60),
};

/// This process's protection. Clones share it.
#[derive(Debug, Clone)]
pub struct Protection {
    held: Arc<watch::Sender<usize>>,
    _task: Arc<AbortOnDropHandle<()>>,
}

/// Protects while it lives.
#[derive(Debug)]
#[must_use = "protection ends once this is dropped"]
pub struct Held(Arc<watch::Sender<usize>>);

impl Protection {
    /// Starts without protection.
    #[must_use]
    pub fn start(platform: Arc<dyn TaskProtection>) -> Self {
        Self::start_with(platform, TIMES)
    }

    fn start_with(platform: Arc<dyn TaskProtection>, times: Times) -> Self {
        let (held, seen) = watch::channel(0);
        let task = tokio::spawn(keep(platform, seen, times));
        Self { held: Arc::new(held), _task: Arc::new(AbortOnDropHandle::new(task)) }
    }

    /// Protects until the returned guard is dropped.
    pub fn hold(&self) -> Held {
        self.held.send_modify(|held| *held += 1);
        Held(Arc::clone(&self.held))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.send_modify(|held| *held -= 1);
    }
}

/// Runs until the process ends, which ends the platform's protection too.
async fn keep(platform: Arc<dyn TaskProtection>, mut held: watch::Receiver<usize>, times: Times) {
    let mut is_refused = false;
    while held.wait_for(|held| *held > 0).await.is_ok() {
        loop {
            let asked = platform.protect(times.lasts).await;
            if let Err(error) = &asked
                && !is_refused
            {
                tracing::warn!("this task may be ended in the middle of its work: {error}");
            }
            is_refused = asked.is_err();
            let next = if is_refused { times.again_after } else { times.renewed_every };
            if tokio::time::timeout(next, idle(&mut held, times.lingers)).await.is_ok() {
                break;
            }
        }
        if let Err(error) = platform.release().await {
            tracing::warn!("this task stays protected for up to {} s: {error}", times.lasts.as_secs());
        }
    }
}

/// Returns when nothing has been held for a while.
async fn idle(held: &mut watch::Receiver<usize>, lingers: Duration) {
    while held.wait_for(|held| *held == 0).await.is_ok() {
        if tokio::time::timeout(lingers, held.wait_for(|held| *held > 0)).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
