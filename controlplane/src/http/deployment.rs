//! `GET /v1/deployment`: what the control plane works on, and what asking it costs.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use futures::future;
use stereospot_api::view::{DeploymentView, FoundQueue};
use stereospot_domain::QueueName;
use stereospot_ports::{Code, WorkQueue};

use crate::actions;
use crate::shared::Shared;

/// What the control plane works on, and what asking it costs.
#[utoipa::path(get, operation_id = "showDeployment", path = "/v1/deployment", responses((status = 200, body = DeploymentView)))]
pub(super) async fn show(State(shared): State<Arc<Shared>>) -> Json<DeploymentView> {
    let facts = &shared.platform.facts;
    let queues = future::join_all(shared.backend.queues.iter().map(|(name, found)| queue(&shared, *name, &**found)));
    let queues = queues.await;
    let polls = shared.polls.view();
    Json(DeploymentView {
        backend: facts.kind.into(),
        region: facts.region.clone(),
        prefix: facts.prefix.clone(),
        topology: facts.topology.map(|topology| topology.to_string()),
        queues,
        missing: facts.missing.clone(),
        started_at: shared.started_at,
        calls: polls.calls,
        budget_per_minute: polls.budget_per_minute,
        calls_per_minute: polls.calls_per_minute,
        usd_per_month: polls.usd_per_month,
    })
}

/// As the last reading of it went: what was found at the start may be gone.
async fn queue(shared: &Shared, name: QueueName, queue: &dyn WorkQueue) -> FoundQueue {
    let physical = shared.platform.facts.queues.get(&name).cloned().unwrap_or_else(|| name.to_string());
    let moved = shared.running_move(name);
    let moved = moved.map(|moved| format!("it is being moved back: {}", actions::move_progress(&moved)));
    let (fault, read_at) = shared.live.at_revision(|world, _| {
        let read_at = world.queues.get(&name).and_then(|flow| flow.stats()).map(|(_, at)| at);
        (world.queue_faults.get(&name).cloned(), read_at)
    });
    let (exists, note) = match (fault, read_at) {
        (Some(fault), _) => (!fault.is_missing, Some(fault.error)),
        (None, Some(_)) => (true, moved),
        // It has not been its turn yet.
        (None, None) => match queue.settings().await {
            Ok(_) => (true, moved),
            Err(error) => (error.code() != Code::NotFound, Some(error.to_string())),
        },
    };
    FoundQueue { name, physical, exists, note, read_at }
}
