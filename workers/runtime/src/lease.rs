//! Keeps a message leased while its work goes on.

use std::sync::Arc;
use std::time::Duration;

use stereospot_domain::Payload;
use stereospot_domain::event::{LeaseExtended, LeaseLost};
use stereospot_ports::work_queue::Receipt;
use stereospot_ports::{Error, ErrorCode, WorkQueue};
use stereospot_telemetry::record;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::events::{About, Events};

/// Extends a message's lease until it is dropped. When the lease is lost, `lost` is cancelled: the work must stop, since
/// another worker may have the message.
///
/// When extending is not allowed, this is logged once and the work goes on, even past the lease. The next worker could not
/// extend it either, so stopping would mean that long work never ends; work done twice does no harm.
#[derive(Debug)]
pub struct Lease {
    /// Cancelled when another worker may have the message.
    pub lost: CancellationToken,
    _task: AbortOnDropHandle<()>,
}

impl Lease {
    /// Starts to extend the lease, three times in each visibility timeout.
    #[must_use]
    pub fn keep(
        queue: Arc<dyn WorkQueue>,
        receipt: Receipt,
        visibility: Duration,
        events: Events,
        about: About,
        parent: &CancellationToken,
    ) -> Self {
        let lost = parent.child_token();
        let token = lost.clone();
        let task = tokio::spawn(async move {
            let name = queue.name();
            let role = name.role.as_str();
            let lost = |error: &Error| {
                record::lease_lost(role);
                let (code, error) = (Some(error.code()), Some(error.to_string()));
                events.emit(Payload::LeaseLost(LeaseLost { queue: Some(name), error, code }), &about);
            };
            let mut valid_until = tokio::time::Instant::now() + visibility;
            let (mut is_refused, mut is_over) = (false, false);
            loop {
                tokio::time::sleep(visibility / 3).await;
                match queue.extend(&receipt, visibility).await {
                    Ok(()) => {
                        valid_until = tokio::time::Instant::now() + visibility;
                        (is_refused, is_over) = (false, false);
                        record::lease_extended(role);
                        let lease_secs = Some(visibility.as_secs_f64());
                        events.emit(Payload::LeaseExtended(LeaseExtended { queue: Some(name), lease_secs }), &about);
                    }
                    // After a refusal the lease is expected to run out: losing it then is no news.
                    Err(error)
                        if error.code() == ErrorCode::Denied || is_refused && error.code() == ErrorCode::LeaseLost =>
                    {
                        if !is_refused {
                            is_refused = true;
                            record::backend_error(error.code().as_str());
                            let secs = visibility.as_secs();
                            tracing::warn!(
                                "leases of {name} can't be extended, so another worker begins what takes longer than {secs} s too: {error}"
                            );
                        }
                        if !is_over && tokio::time::Instant::now() >= valid_until {
                            is_over = true;
                            lost(&error);
                        }
                    }
                    // A failed extension loses nothing while the last one still holds.
                    Err(error) if error.code() != ErrorCode::LeaseLost && tokio::time::Instant::now() < valid_until => {
                        tracing::warn!("the lease on a message of {name} was not extended: {error}");
                    }
                    Err(error) => {
                        lost(&error);
                        token.cancel();
                        return;
                    }
                }
            }
        });
        Self { lost, _task: AbortOnDropHandle::new(task) }
    }
}
