//! Keeps automatic repairs in the action log, beside what operators did.

use stereospot_api::view::Change;
use stereospot_domain::plan::{Action, AppliedPlan, ItemResult, Plan, PlanItem};
use stereospot_ports::error::chain;
use uuid::Uuid;

use crate::app::App;

/// The name in the action log for automatic repairs.
const RECONCILER: &str = "reconciler";

/// Keeps a repair that the reconciler has made.
pub(crate) async fn keep_automatic(app: &App, action: Action, scope: String, results: Vec<ItemResult>) {
    let now = app.now();
    let of_result = |result: &ItemResult| PlanItem::new(result.target.clone(), "repaired without being asked");
    let plan = Plan {
        id: Uuid::now_v7(),
        command: action.command(),
        action,
        who: RECONCILER.into(),
        created_at: now,
        valid_until: now,
        scope,
        items: results.iter().map(of_result).collect(),
        skips: Vec::new(),
        effect: results.iter().map(|result| result.note.as_str()).collect::<Vec<_>>().join("; "),
        assumptions: Vec::new(),
        confirm: None,
        refused: None,
    };
    let applied = AppliedPlan {
        applied_by: plan.who.clone(),
        plan,
        applied_at: now,
        finished_at: Some(now),
        results,
        undo_until: None,
    };
    // The repair has happened, and is among the job's events.
    if let Err(error) = app.store.put_applied(&applied).await {
        tracing::error!(plan = %applied.plan.id, error = %chain(&error), "a repair was not kept in the action log");
    }
    app.live.publish(&Change::Action(Box::new(applied)));
}
