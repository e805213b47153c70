//! `/v1/plans` and `/v1/actions`: makes, shows and applies plans, and lists applied ones.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use serde::Deserialize;
use stereospot_api::wire::{Applied, Apply, NewPlan};
use stereospot_domain::plan::{Action, AppliedPlan, Plan};
use utoipa::IntoParams;
use uuid::Uuid;

use super::body::{self, InPath, SMALL};
use super::problem::{Answer, Failure};
use crate::actions;
use crate::app::App;

/// More tasks than this no platform can be asked for. Where it asks for more than is likely, the plan says so.
const MOST_TASKS: u32 = i32::MAX as u32;

/// Up to here JSON numbers are exact everywhere.
const MOST_BYTES: u64 = (1 << 53) - 1;
/// A hundred years.
const LONGEST_SECS: u64 = 36_500 * 86_400;

/// How many actions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ActionsQuery {
    /// At most this many of the newest, 1 to 1000.
    #[serde(default = "usual_limit")]
    #[param(minimum = 1, maximum = 1000)]
    limit: u32,
}

fn usual_limit() -> u32 {
    100
}

/// Makes a plan; changes nothing.
#[utoipa::path(post, operation_id = "makePlan", path = "/v1/plans", request_body = NewPlan, responses(
    (status = 201, body = Plan)))]
pub(super) async fn plan(State(app): State<Arc<App>>, request: Request) -> Answer<(StatusCode, Json<Plan>)> {
    let new: NewPlan = body::json(request, SMALL).await?;
    if let Action::Scale { desired, .. } = &new.action {
        body::within("desired", *desired, 0..=MOST_TASKS)?;
    }
    if let Action::Prune { older_than_secs, keep_bytes } = &new.action {
        body::within("older_than_secs", older_than_secs.unwrap_or(0), 0..=LONGEST_SECS)?;
        body::within("keep_bytes", keep_bytes.unwrap_or(0), 0..=MOST_BYTES)?;
    }
    Ok((StatusCode::CREATED, Json(actions::plan(&app, new.action, new.who).await?)))
}

/// A plan as it was made.
#[utoipa::path(get, operation_id = "showPlan", path = "/v1/plans/{plan_id}", params(("plan_id" = Uuid, Path)), responses(
    (status = 200, body = Plan)))]
pub(super) async fn show(State(app): State<Arc<App>>, InPath(plan_id): InPath) -> Answer<Json<Plan>> {
    let plan_id = read(&plan_id)?;
    let found = app.store.plan(plan_id).await?;
    found.map(|(plan, _)| Json(plan)).ok_or_else(|| Failure::not_found(format!("there is no plan {plan_id}")))
}

/// Applies a plan, to its end even if the client goes away.
#[utoipa::path(post, operation_id = "applyPlan", path = "/v1/plans/{plan_id}/apply", params(("plan_id" = Uuid, Path)), request_body = Apply,
    responses((status = 200, body = Applied)))]
pub(super) async fn apply(
    State(app): State<Arc<App>>,
    InPath(plan_id): InPath,
    request: Request,
) -> Answer<Json<Applied>> {
    let plan_id = read(&plan_id)?;
    let with: Apply = body::json(request, SMALL).await?;
    let task = tokio::spawn(async move { actions::apply(&app, plan_id, with).await });
    let applied = task.await.map_err(|_| Failure::unavailable("applying broke off: look at the action log"))??;
    Ok(Json(Applied { plan_id, results: applied.results }))
}

/// Applied plans, newest first.
#[utoipa::path(get, operation_id = "listActions", path = "/v1/actions", params(ActionsQuery), responses(
    (status = 200, body = Vec<AppliedPlan>)))]
pub(super) async fn list(State(app): State<Arc<App>>, uri: Uri) -> Answer<Json<Vec<AppliedPlan>>> {
    let query: ActionsQuery = body::query(&uri)?;
    let limit = body::within("limit", query.limit, 1..=1000)?;
    Ok(Json(app.store.actions(limit).await?))
}

fn read(plan_id: &str) -> Answer<Uuid> {
    plan_id.parse().map_err(|_| Failure::malformed(format!("`{plan_id}` is no plan id")))
}
