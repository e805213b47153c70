//! `GET /v1/deployment`: the deployment, and what polling it costs.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use futures::future;
use stereospot_api::view::{DeploymentView, FoundQueue};
use stereospot_domain::QueueName;
use stereospot_ports::{ErrorCode, WorkQueue};

use crate::app::App;

/// The deployment that the control plane works on, and what polling it costs.
#[utoipa::path(get, operation_id = "showDeployment", path = "/v1/deployment", responses((status = 200, body = DeploymentView)))]
pub(super) async fn show(State(app): State<Arc<App>>) -> Json<DeploymentView> {
    let facts = &app.platform.facts;
    let queues = future::join_all(app.backend.queues.iter().map(|(name, found)| queue(&app, *name, &**found)));
    let queues = queues.await;
    let polls = app.polls.view();
    Json(DeploymentView {
        backend: app.backend.kind,
        region: facts.region.clone(),
        prefix: facts.prefix.clone(),
        topology: facts.topology,
        queues,
        missing: facts.missing.clone(),
        started_at: app.started_at,
        calls: polls.calls,
        budget_per_minute: polls.budget_per_minute,
        calls_per_minute: polls.calls_per_minute,
        usd_per_month: polls.usd_per_month,
    })
}

/// The queue as last read: one that was found at the start may be gone.
async fn queue(app: &App, name: QueueName, queue: &dyn WorkQueue) -> FoundQueue {
    let physical = app.platform.facts.queues.get(&name).cloned().unwrap_or_else(|| name.to_string());
    let redrive = app.running_redrive(name);
    let redrive = redrive.map(|redrive| format!("it is being moved back: {}", redrive.progress()));
    let (fault, read_at) = app.live.at_revision(|world, _| {
        let read_at = world.queues.get(&name).and_then(|flow| flow.stats()).map(|(_, at)| at);
        (world.queue_faults.get(&name).cloned(), read_at)
    });
    let (exists, note) = match (fault, read_at) {
        (Some(fault), _) => (!fault.is_missing, Some(fault.error)),
        (None, Some(_)) => (true, redrive),
        // It was not read yet: ask now.
        (None, None) => match queue.settings().await {
            Ok(_) => (true, redrive),
            Err(error) => (error.code() != ErrorCode::NotFound, Some(error.to_string())),
        },
    };
    FoundQueue { name, physical, exists, note, read_at }
}
