//! Scale: set how many tasks a service should have; and see to it that what an action asks for finds a worker.

use stereospot_domain::plan::{ItemResult, Outcome, PlanItem};
use stereospot_domain::{BackendKind, QueueName, QueueRole};
use stereospot_ports::fleet::{Scaled, Service};

use super::{Draft, Error, attempted, count_of, item, result};
use crate::app::App;

/// More tasks of one service than this were hardly meant.
const MOST: u32 = 100;
/// Begins the id of an item that starts a task.
const START: &str = "service ";

pub(super) async fn draft(app: &App, name: &str, desired: u32) -> Result<Draft, Error> {
    let command = format!("stereospot services scale {name} {desired}");
    let refused = |why: String| Draft {
        scope: format!("the service {name}"),
        refused: Some(why),
        command: command.clone(),
        ..Draft::default()
    };
    let Some(fleet) = &app.platform.fleet else { return Ok(refused(no_fleet(app.backend.kind))) };
    if desired > MOST {
        return Ok(refused(format!("{desired} tasks were hardly meant: at most {MOST} can be set from here")));
    }
    let services = fleet.services().await?;
    let Some(service) = services.iter().find(|service| service.name == name) else {
        let known: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Ok(refused(format!("there is no service {name} in this deployment: there are {known}")));
    };
    let Service { desired: before, running, .. } = *service;
    if before == desired {
        return Ok(refused(format!("{name} should have {} already", count_of(desired as usize, "task"))));
    }
    let stopped = running.saturating_sub(desired);
    let stops = match stopped {
        0 => String::new(),
        _ => format!("; {} of {running} running stop", count_of(stopped as usize, "task")),
    };
    let mut assumptions = vec![format!("{name} still should have {}", count_of(before as usize, "task"))];
    if stopped > 0 {
        // Theirs set no protection; whether the tasks are ours is not known here.
        let work = "a task of ours that holds work goes on until it is done; another's work is cut off, and its message comes back";
        assumptions.push(work.to_owned());
    }
    assumptions.extend(service.scaling_warning(desired));
    assumptions.extend(service.note.as_ref().map(|note| format!("it says now: {note}")));
    Ok(Draft {
        scope: format!("the service {name}, {running} running of {before}"),
        items: vec![item(name, format!("desired tasks {before} → {desired}"))],
        effect: format!("{name} desired {before} → {desired}{stops}"),
        assumptions,
        confirm: (desired == 0 && running > 0).then(|| format!("scale {name} 0")),
        command,
        ..Draft::default()
    })
}

pub(super) async fn apply(app: &App, name: &str, desired: u32, items: &[PlanItem]) -> Vec<ItemResult> {
    let Some(fleet) = &app.platform.fleet else { return Vec::new() };
    let planned = items.first().map(|item| item.what.clone()).unwrap_or_default();
    // The plan rests on the number that it showed.
    let is_as_planned = match fleet.services().await {
        Ok(services) => services
            .iter()
            .find(|service| service.name == name)
            .is_some_and(|service| planned == format!("desired tasks {} → {desired}", service.desired)),
        Err(error) => return vec![attempted(name, Err(error))],
    };
    if !is_as_planned {
        return vec![result(name, Outcome::Skipped, "it was scaled by somebody else meanwhile: make a new plan")];
    }
    vec![attempted(name, fleet.scale(name, desired).await.map(|scaled| done(app, scaled)))]
}

/// The item that starts a task for a queue whose service has none; none where there is one, or it can't be known.
pub(super) async fn missing_worker(app: &App, role: QueueRole) -> Option<PlanItem> {
    let services = app.platform.fleet.as_ref()?.services().await;
    let services = services.inspect_err(|error| tracing::debug!(%error, "services were not read")).ok()?;
    let service = services.iter().find(|service| service.name == role.service())?;
    let what = format!("start one task: it has none, and {} is worked off by it", QueueName::main(role));
    service.is_idle().then(|| item(format!("{START}{}", service.name), what))
}

/// True for an item of [`missing_worker`].
pub(super) fn starts_worker(item: &PlanItem) -> bool {
    item.id.starts_with(START)
}

/// Starts the task.
pub(super) async fn start_worker(app: &App, item: &PlanItem) -> ItemResult {
    let Some(fleet) = &app.platform.fleet else { return result(&item.id, Outcome::Skipped, "there is no fleet") };
    let service = item.id.strip_prefix(START).unwrap_or(&item.id);
    attempted(&item.id, fleet.force_one(service).await.map(|scaled| done(app, scaled)))
}

/// Shows it at once, before the services are read again, and says it in words.
fn done(app: &App, scaled: Scaled) -> String {
    let now = app.now();
    app.live.with(|world| {
        let mut services = world.services.clone();
        if let Some(view) = services.iter_mut().find(|view| view.name == scaled.name) {
            view.desired = scaled.desired;
        }
        world.set_services(services, now);
    });
    let warning = scaled.warning.map_or(String::new(), |warning| format!("; {warning}"));
    format!("desired {} → {}{warning}", scaled.before, scaled.desired)
}

fn no_fleet(kind: BackendKind) -> String {
    match kind.has_services() {
        true => "this deployment names no ECS cluster: set ECS_CLUSTER_NAME in its environment file".into(),
        false => "there are no services here: workers are started with `stereospot up`".into(),
    }
}
