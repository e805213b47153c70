//! The queue that a stage receives from, and for how long its messages are leased.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use stereospot_ports::work_queue::{Message, Receipt, Receive, Settings};
use stereospot_ports::{ErrorCode, WorkQueue};

use crate::events::About;
use crate::failure::one_line;
use crate::poll::FIRST_LEASE;
use crate::settle::Ended;

/// The visibility timeout used when the queue's own setting can't be read. Long enough for most steps, in case the lease can't
/// be extended either.
const UNKNOWN_VISIBILITY: Duration = Duration::from_secs(900);
/// The shortest visibility timeout used, whatever the queue's setting.
const LEAST_VISIBILITY: Duration = Duration::from_secs(1);
/// The lease of a message at work, where the queue's own visibility timeout is longer. It is extended all the time, so it only decides
/// how long a killed worker's message waits for the next one, and how long the backend may be away before the work is dropped.
const WORK_LEASE: Duration = Duration::from_secs(120);

/// How often a received message's lease is extended before the message is left to the next receive. All attempts fit in the first
/// half of the first lease, if the backend answers.
const EXTEND_ATTEMPTS: u32 = 3;

/// A stage's queue with its settings.
pub(crate) struct Intake {
    pub(crate) queue: Arc<dyn WorkQueue>,
    pub(crate) settings: Settings,
    /// Passed to each receive when the queue's own setting is unknown, too short, or longer than it needs to be.
    visibility: Option<Duration>,
    /// False once extending a lease was refused: then each lease is as long as the queue's own.
    may_extend: AtomicBool,
}

impl Intake {
    pub(crate) async fn look(queue: Arc<dyn WorkQueue>) -> stereospot_ports::Result<Self> {
        let may_extend = AtomicBool::new(true);
        match queue.settings().await {
            // A queue may have a visibility timeout of zero, under which no lease could be kept.
            Ok(Settings { visibility, max_receives }) if visibility < LEAST_VISIBILITY => {
                let settings = Settings { visibility: LEAST_VISIBILITY, max_receives };
                Ok(Self { queue, settings, visibility: Some(LEAST_VISIBILITY), may_extend })
            }
            Ok(settings) if settings.visibility > WORK_LEASE && may_extend_leases(&*queue).await => {
                let settings = Settings { visibility: WORK_LEASE, ..settings };
                Ok(Self { queue, settings, visibility: Some(FIRST_LEASE), may_extend })
            }
            Ok(settings) => Ok(Self { queue, settings, visibility: None, may_extend }),
            Err(error) if error.code() == ErrorCode::Denied => {
                tracing::warn!("{error}; until then its messages are hidden for {} s", UNKNOWN_VISIBILITY.as_secs());
                let settings = Settings { visibility: UNKNOWN_VISIBILITY, max_receives: None };
                Ok(Self { queue, settings, visibility: Some(UNKNOWN_VISIBILITY), may_extend })
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) fn how(&self, wait: Duration) -> Receive {
        let is_short = self.visibility.is_some_and(|visibility| visibility == FIRST_LEASE);
        let visibility = self.visibility.filter(|_| !is_short || self.may_extend.load(Ordering::Relaxed));
        Receive { max: 1, wait, visibility }
    }

    /// Makes a received message's lease as long as work needs. False if another worker has the message, or may get it before the
    /// backend extends the lease.
    pub(crate) async fn hold(&self, message: &Message) -> bool {
        if self.visibility != Some(FIRST_LEASE) || !self.may_extend.load(Ordering::Relaxed) {
            return true;
        }
        let name = self.queue.name();
        for _ in 0..EXTEND_ATTEMPTS {
            match self.queue.extend(&message.receipt, self.settings.visibility).await {
                Ok(()) => return true,
                Err(error) if error.code() == ErrorCode::LeaseLost => break,
                Err(error) if error.code() == ErrorCode::Denied => {
                    self.may_extend.store(false, Ordering::Relaxed);
                    return true;
                }
                Err(error) => tracing::warn!("the lease on a message of {name} is not extended yet: {error}"),
            }
            tokio::time::sleep(FIRST_LEASE / (2 * EXTEND_ATTEMPTS)).await;
        }
        tracing::info!("the lease on a message of {name} ended before its work began");
        false
    }

    pub(crate) fn ended<'a>(&'a self, message: &'a Message, about: &'a About) -> Ended<'a> {
        let Settings { visibility, max_receives } = self.settings;
        Ended { queue: &self.queue, message, max_receives, visibility, about }
    }
}

/// Whether this worker may extend leases; existing roles may lack the permission. Tries it with a receipt that belongs to no
/// message, before any message is received.
async fn may_extend_leases(queue: &dyn WorkQueue) -> bool {
    let tried = queue.extend(&Receipt("none".into()), FIRST_LEASE).await;
    let is_denied = tried.as_ref().is_err_and(|error| error.code() == ErrorCode::Denied);
    if let Err(error) = tried.as_ref().map_err(one_line)
        && is_denied
    {
        tracing::warn!("messages of {} are hidden for its own visibility timeout: {error}", queue.name());
    }
    !is_denied
}
