//! Keeps automatic actions in the action log, beside what operators did.

use stereospot_api::view::Change;
use stereospot_domain::plan::{Action, AppliedPlan, ItemResult, Plan, PlanItem};
use stereospot_ports::error::chain;
use uuid::Uuid;

use crate::app::App;

/// The name in the action log for automatic repairs.
const RECONCILER: &str = "reconciler";

/// Keeps a repair that the reconciler has made.
pub(crate) async fn keep_automatic(app: &App, action: Action, scope: String, results: Vec<ItemResult>) {
    keep_automatic_of(app, RECONCILER, action, scope, results).await;
}

/// Keeps what a part of the control plane has done without being asked.
pub(crate) async fn keep_automatic_of(app: &App, who: &str, action: Action, scope: String, results: Vec<ItemResult>) {
    let now = app.now();
    let of_result = |result: &ItemResult| PlanItem::new(result.target.clone(), "done without being asked");
    let plan = Plan {
        id: Uuid::now_v7(),
        command: action.command(),
        action,
        who: who.into(),
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
    // It has happened, whether it is recorded or not.
    if let Err(error) = app.store.put_applied(&applied).await {
        tracing::error!(plan = %applied.plan.id, error = %chain(&error), "an automatic action was not kept in the action log");
    }
    app.live.publish(&Change::Action(Box::new(applied)));
}
