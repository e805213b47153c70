//! What a stage needs from the process around it.

use std::time::Duration;

use stereospot_domain::Topology;
use stereospot_ports::Backend;
use tokio_util::sync::CancellationToken;

use crate::events::Events;
use crate::protection::Protection;

/// How long a message is kept while the backend is away or the worker's own folder can't be used; see [`Failure::Away`](crate::failure::Failure::Away). Giving
/// it back may fail too, and then it stays hidden for its visibility timeout, which may be most of an hour.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a stage needs from the process around it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Context {
    pub backend: Backend,
    pub events: Events,
    /// Cancelled when the process is asked to stop.
    pub stop: CancellationToken,
    pub topology: Topology,
    /// How long a message is kept while the backend does not answer or refuses, or the worker's own folder can't be used.
    pub patience: Duration,
    /// Keeps the platform from ending this process while it holds a lease; absent when nothing would end it.
    pub protection: Option<Protection>,
}

impl Context {
    /// The context of a process that writes completions itself and that only its operator ends.
    #[must_use]
    pub fn new(backend: Backend, events: Events, stop: CancellationToken) -> Self {
        let topology = Topology::default();
        Self { backend, events, stop, topology, patience: PATIENCE, protection: None }
    }
}
