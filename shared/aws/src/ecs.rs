//! The deployment's services on ECS: how many tasks each has, and the limits between which scaling moves that number.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_applicationautoscaling::types::{ScalableDimension, ScalableTarget, ServiceNamespace};
use aws_sdk_ecs::types::DeploymentRolloutState;
use stereospot_ports::fleet::{Fleet, Limits, Note, Scaled, Scaling, Service, unknown};
use stereospot_ports::{ErrorCode, Result};

use crate::calls::Calls;
use crate::config::{Connections, client};
use crate::error::failed;

pub mod protection;

/// The services that a deployment may have.
pub const SERVICES: [&str; 4] = ["web-ui", "media-worker", "video-worker", "job-worker"];

/// The services of one cluster.
#[derive(Debug, Clone)]
pub struct EcsFleet {
    ecs: aws_sdk_ecs::Client,
    scaling: aws_sdk_applicationautoscaling::Client,
    cluster: String,
}

impl EcsFleet {
    /// The services of `cluster` (a name or an ARN). Makes no call.
    #[must_use]
    pub fn new(config: &SdkConfig, calls: &Calls, cluster: &str) -> Self {
        Self {
            ecs: client!(aws_sdk_ecs, config, calls),
            scaling: client!(aws_sdk_applicationautoscaling, config, calls),
            cluster: cluster.into(),
        }
    }

    /// The services of a deployment; none if its environment file names no cluster.
    #[must_use]
    pub fn of(connections: &Connections) -> Option<Self> {
        let Connections { config, calls, deployment, .. } = connections;
        deployment.cluster.as_deref().map(|cluster| Self::new(config, calls, cluster))
    }

    async fn described(&self, names: &[&str]) -> Result<Vec<aws_sdk_ecs::types::Service>> {
        let call = self.ecs.describe_services().cluster(&self.cluster).set_services(Some(owned(names)));
        let answer = call.send().await.map_err(failed("ecs:DescribeServices", "cluster", &self.cluster))?;
        let mut services = answer.services.unwrap_or_default();
        // A deleted service stays visible for a while, as DRAINING and then INACTIVE, beside one that was made again under its name.
        // One that never existed is among the failures.
        services.retain(|service| matches!(service.status(), Some("ACTIVE") | None));
        Ok(services)
    }

    /// The limits of each scaled service, or why they can't be read: the services are still shown then.
    async fn limits(&self, names: &[&str]) -> std::result::Result<Vec<ScalableTarget>, String> {
        let cluster = self.cluster.rsplit('/').next().unwrap_or_default();
        let ids = names.iter().map(|name| format!("service/{cluster}/{name}")).collect();
        let found = self
            .scaling
            .describe_scalable_targets()
            .service_namespace(ServiceNamespace::Ecs)
            .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
            .set_resource_ids(Some(ids))
            .into_paginator()
            .items()
            .send();
        let action = "application-autoscaling:DescribeScalableTargets";
        let found: std::result::Result<Vec<_>, _> = found.collect().await;
        found.map_err(failed(action, "cluster", &self.cluster)).map_err(|error| error.to_string())
    }

    async fn look(&self, names: &[&str]) -> Result<Vec<Service>> {
        let (described, limits) = futures::join!(self.described(names), self.limits(names));
        let services = described?.into_iter().map(|described| {
            let name = described.service_name.clone().unwrap_or_default();
            Service {
                scaling: scaling(&name, &limits),
                note: note(&described),
                desired: count(described.desired_count),
                running: count(described.running_count),
                pending: count(described.pending_count),
                name,
            }
        });
        let mut services: Vec<Service> = services.collect();
        services.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(services)
    }
}

#[async_trait]
impl Fleet for EcsFleet {
    async fn services(&self) -> Result<Vec<Service>> {
        self.look(&SERVICES).await
    }

    async fn scale(&self, service: &str, desired: u32) -> Result<Scaled> {
        let found = self.look(&[service]).await?.pop().ok_or_else(|| unknown(service))?;
        let warning = found.scaling_warning(desired);
        let scaled = Scaled { name: service.into(), before: found.desired, desired, warning };
        if found.desired == desired {
            return Ok(scaled);
        }
        let call = self.ecs.update_service().cluster(&self.cluster).service(service);
        let call = call.desired_count(i32::try_from(desired).unwrap_or(i32::MAX));
        match call.send().await.map_err(failed("ecs:UpdateService", "service", service)) {
            Ok(_) => Ok(scaled),
            // Deleted since it was described.
            Err(error) if error.code() == ErrorCode::NotFound => Err(unknown(service)),
            Err(error) => Err(error),
        }
    }
}

fn scaling(service: &str, limits: &std::result::Result<Vec<ScalableTarget>, String>) -> Scaling {
    let targets = match limits {
        Ok(targets) => targets,
        Err(why) => return Scaling::Unknown(why.clone()),
    };
    let ending = format!("/{service}");
    let Some(target) = targets.iter().find(|target| target.resource_id.ends_with(&ending)) else {
        return Scaling::Off;
    };
    let is_suspended = target.suspended_state.as_ref().is_some_and(|state| {
        let (inward, outward) = (state.dynamic_scaling_in_suspended, state.dynamic_scaling_out_suspended);
        [inward, outward, state.scheduled_scaling_suspended] == [Some(true); 3]
    });
    Scaling::Within(Limits { min: count(target.min_capacity), max: count(target.max_capacity), is_suspended })
}

fn note(service: &aws_sdk_ecs::types::Service) -> Option<Note> {
    let primary = service.deployments().iter().find(|deployment| deployment.status() == Some("PRIMARY"));
    let rollout = primary.and_then(|deployment| deployment.rollout_state());
    if rollout == Some(&DeploymentRolloutState::Failed) {
        let reason = primary.and_then(|deployment| deployment.rollout_state_reason()).unwrap_or_default();
        return Some(Note::RolloutFailed(reason.into()));
    }
    if service.running_count < service.desired_count {
        // Newest first.
        return service.events().first().and_then(|event| Some(Note::TooFewTasks(event.message.clone()?)));
    }
    (rollout == Some(&DeploymentRolloutState::InProgress)).then_some(Note::RollingOut)
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests;
