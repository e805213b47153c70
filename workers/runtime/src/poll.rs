//! Receives messages; when the process stops, waits for the receive in progress.

use std::time::Duration;

use stereospot_ports::work_queue::{Message, Receive};
use stereospot_ports::{Result, WorkQueue};
use tokio_util::sync::CancellationToken;

/// The lease of a message that was just received; its work extends it. If this process is killed before that, or the answer is
/// lost, another worker gets the message after this time. The queue's own visibility timeout may be most of an hour.
pub const FIRST_LEASE: Duration = Duration::from_secs(15);
/// A receive that is under way when the process stops may take this long in any case: dropping it could leave a message hidden.
const LAST_RECEIVE: Duration = Duration::from_millis(300);

/// What a receive brought.
#[derive(Debug)]
pub enum Polled {
    /// Before the process was asked to stop.
    InTime(Result<Vec<Message>>),
    /// The process stops: give these back.
    Stopping(Vec<Message>),
}

/// Receives until `stop`. Then waits for the receive in progress, because a backend may complete it after its client is gone.
pub async fn receive(queue: &dyn WorkQueue, how: Receive, stop: &CancellationToken) -> Polled {
    if stop.is_cancelled() {
        return Polled::Stopping(Vec::new());
    }
    let mut receiving = Box::pin(queue.receive(how));
    tokio::select! {
        received = &mut receiving => return Polled::InTime(received),
        () = stop.cancelled() => {}
    }
    let at_most = LAST_RECEIVE + how.wait.min(queue.lingers());
    let late = tokio::time::timeout(at_most, receiving).await;
    Polled::Stopping(late.ok().and_then(Result::ok).unwrap_or_default())
}
