//! Scale: set how many tasks a service should have. Also starts the first task of a service that an action needs.

use stereospot_domain::plan::{ItemResult, Outcome, PlanItem, RefusalCode, Target};
use stereospot_domain::{BackendKind, QueueName, QueueRole};
use stereospot_ports::fleet::{Scaled, Service};

use super::draft::{Draft, Error, attempted, count_of, refused, result};
use crate::app::App;

/// More tasks of one service than this are a slip of the finger.
const MOST: u32 = 100;

pub(super) async fn draft(app: &App, name: &str, desired: u32) -> Result<Draft, Error> {
    let refusal = |code, why: String| Draft {
        scope: format!("the service {name}"),
        refused: refused(code, why),
        ..Draft::default()
    };
    let Some(fleet) = &app.platform.fleet else {
        return Ok(refusal(RefusalCode::NoService, no_fleet(app.backend.kind)));
    };
    if desired > MOST {
        let why = format!("{desired} tasks were hardly meant: at most {MOST} can be set from here");
        return Ok(refusal(RefusalCode::TooLarge, why));
    }
    let services = fleet.services().await?;
    let Some(service) = services.iter().find(|service| service.name == name) else {
        let known: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let why = format!("there is no service {name} in this deployment: there are {known}");
        return Ok(refusal(RefusalCode::NoService, why));
    };
    let Service { desired: before, running, .. } = *service;
    if before == desired {
        let why = format!("{name} should have {} already", count_of(desired as usize, "task"));
        return Ok(refusal(RefusalCode::AsIs, why));
    }
    let stopped = running.saturating_sub(desired);
    let stops = match stopped {
        0 => String::new(),
        _ => format!("; {} of {running} running stop", count_of(stopped as usize, "task")),
    };
    let mut assumptions = vec![format!("{name} still should have {}", count_of(before as usize, "task"))];
    if stopped > 0 {
        // Whether the tasks are ours is not known here. Only ours protect themselves from being stopped.
        let work = "a task of ours that holds work goes on until it is done; another's work is cut off, and its message comes back";
        assumptions.push(work.to_owned());
    }
    assumptions.extend(service.scaling_warning(desired));
    assumptions.extend(service.note.as_ref().map(|note| format!("it says now: {note}")));
    Ok(Draft {
        scope: format!("the service {name}, {running} running of {before}"),
        items: vec![PlanItem::new(
            Target::Service { name: name.to_owned(), desired_before: before, desired_after: desired },
            format!("desired tasks {before} → {desired}"),
        )],
        effect: format!("{name} desired {before} → {desired}{stops}"),
        assumptions,
        confirm: (desired == 0 && running > 0).then(|| format!("scale {name} 0")),
        ..Draft::default()
    })
}

pub(super) async fn apply(app: &App, items: &[PlanItem]) -> Vec<ItemResult> {
    let Some(fleet) = &app.platform.fleet else { return Vec::new() };
    let [PlanItem { target, .. }] = items else { return Vec::new() };
    let Target::Service { name, desired_before, desired_after } = target else { return Vec::new() };
    // The plan rests on the number that it showed.
    let is_as_planned = match fleet.services().await {
        Ok(services) => services.iter().any(|service| service.name == *name && service.desired == *desired_before),
        Err(error) => return vec![attempted(target, Err(error))],
    };
    if !is_as_planned {
        return vec![result(target, Outcome::Skipped, "it was scaled by somebody else meanwhile: make a new plan")];
    }
    vec![attempted(target, fleet.scale(name, *desired_after).await.map(|scaled| done(app, scaled)))]
}

/// The item that starts a task for a queue whose service has none. Absent where a task runs, or services can't be read.
pub(super) async fn missing_worker(app: &App, role: QueueRole) -> Option<PlanItem> {
    let services = app.platform.fleet.as_ref()?.services().await;
    let services = services.inspect_err(|error| tracing::debug!(%error, "services were not read")).ok()?;
    let service = services.iter().find(|service| service.name == role.service())?;
    let what = format!("start one task: it has none, and {} is worked off by it", QueueName::main(role));
    service.is_idle().then(|| PlanItem::new(Target::StartWorker { service: service.name.clone() }, what))
}

/// Starts the task of an item of [`missing_worker`].
pub(super) async fn start_worker(app: &App, target: &Target) -> ItemResult {
    match (&app.platform.fleet, target) {
        (Some(fleet), Target::StartWorker { service }) => {
            attempted(target, fleet.force_one(service).await.map(|scaled| done(app, scaled)))
        }
        _ => result(target, Outcome::Skipped, "there is no fleet"),
    }
}

/// Shows the new number at once, before the services are read again, and says it in words.
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
