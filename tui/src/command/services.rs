//! `services`: list, scale.

use stereospot_api::Client;
use stereospot_api::view::ServiceView;
use stereospot_domain::Timestamp;
use stereospot_domain::plan::Action;

use super::error::{Error, Result};
use super::patience::answered;
use super::print::{UNKNOWN, age, json, line, table};
use super::write;
use crate::cli::{Services, ServicesCommand};

pub(super) async fn run(client: &Client, options: Services) -> Result {
    match options.command.unwrap_or(ServicesCommand::List(options.json)) {
        ServicesCommand::List(how) => {
            let snapshot = answered(client, client.snapshot()).await?;
            if how.json {
                return json(&snapshot.services);
            }
            if snapshot.services.is_empty() {
                return line(
                    "no service is known: on this backend there are only workers, `stereospot workers` lists them",
                );
            }
            list(&snapshot.services, snapshot.now)
        }
        ServicesCommand::Scale { service, desired, write: how } => {
            if service.trim().is_empty() {
                return Err(Error::Usage("name a service: `stereospot services` lists them".into()));
            }
            write::carry_out(client, Action::Scale { service, desired }, how).await
        }
    }
}

fn list(services: &[ServiceView], now: Timestamp) -> Result {
    table(services)
        .left(" ", |service| if service.running < service.desired { "!" } else { " " }.into())
        .left("SERVICE", |service| service.name.clone())
        .right("DESIRED", |service| service.desired.to_string())
        .right("RUNNING", |service| service.running.to_string())
        .right("PENDING", |service| service.pending.to_string())
        .left("SCALING", scaling)
        .right("AGE", |service| age(Some(service.observed_at), now))
        .cut("NOTE", |service| service.note.clone().unwrap_or_default())
        .print()
}

/// The range in which the platform scales it automatically.
fn scaling(service: &ServiceView) -> String {
    match (service.min, service.max) {
        (Some(min), Some(max)) if service.is_scaling_suspended => format!("{min}-{max} suspended"),
        (Some(min), Some(max)) => format!("{min}-{max}"),
        _ => UNKNOWN.into(),
    }
}
