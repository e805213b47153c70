//! The deployment's services on ECS: how many tasks each has, and the limits between which scaling moves that number.
//!
//! ECS and Application Auto Scaling are called without their generated clients: three actions, against 114 s of compiling for
//! the ECS client alone.

use async_trait::async_trait;
use aws_config::SdkConfig;
use serde::Deserialize;
use serde_json::{Value, json};
use stereospot_ports::fleet::{Fleet, Limits, Scaled, Service, unknown};
use stereospot_ports::{ErrorCode, Result};

use crate::calls::Calls;
use crate::config::Connections;
use crate::signed::service::{ECS, SCALING};
use crate::signed::{Api, on, or_default};

pub mod protection;

/// The services that a deployment may have, by name.
pub const SERVICES: [&str; 4] = ["web-ui", "media-worker", "video-worker", "job-worker"];

/// The services of one cluster.
#[derive(Debug, Clone)]
pub struct EcsFleet {
    ecs: Api,
    scaling: Api,
    cluster: String,
}

impl EcsFleet {
    /// The services of `cluster` (a name or an ARN). Asks nothing yet.
    ///
    /// # Errors
    /// [`ErrorCode::Invalid`] when no region is set.
    pub fn new(config: &SdkConfig, calls: &Calls, cluster: &str) -> Result<Self> {
        Ok(Self {
            ecs: Api::new(config, calls, &ECS)?,
            scaling: Api::new(config, calls, &SCALING)?,
            cluster: cluster.into(),
        })
    }

    /// The services of a deployment; none where its environment file names no cluster.
    ///
    /// # Errors
    /// As [`EcsFleet::new`].
    pub fn of(connections: &Connections) -> Result<Option<Self>> {
        let Connections { config, calls, deployment, .. } = connections;
        deployment.cluster.as_deref().map(|cluster| Self::new(config, calls, cluster)).transpose()
    }

    async fn described(&self, names: &[&str]) -> Result<Vec<Described>> {
        let about = on("DescribeServices", "cluster", &self.cluster);
        let answer: Services = self.ecs.json(about, json!({ "cluster": self.cluster, "services": names })).await?;
        // A deleted service stays visible for a while as INACTIVE; one that never was is among the failures.
        Ok(answer.services.into_iter().filter(|service| service.status != "INACTIVE").collect())
    }

    /// The limits of each service that is scaled, or why they can't be read: then the services are shown all the same.
    async fn limits(&self, names: &[&str]) -> std::result::Result<Vec<Target>, String> {
        let cluster = self.cluster.rsplit('/').next().unwrap_or_default();
        let ids: Vec<String> = names.iter().map(|name| format!("service/{cluster}/{name}")).collect();
        let about = on("DescribeScalableTargets", "cluster", &self.cluster);
        let input = json!({
            "ServiceNamespace": "ecs", "ResourceIds": ids, "ScalableDimension": "ecs:service:DesiredCount"
        });
        match self.scaling.json::<Targets>(about, input).await {
            Ok(answer) => Ok(answer.targets),
            Err(error) => Err(format!("its scaling limits are not known: {error}")),
        }
    }

    async fn look(&self, names: &[&str]) -> Result<Vec<Service>> {
        let (described, limits) = futures::join!(self.described(names), self.limits(names));
        let mut services: Vec<Service> = described?
            .into_iter()
            .map(|described| {
                let ending = format!("/{}", described.name);
                let target = limits.as_deref().unwrap_or_default().iter().find(|target| target.id.ends_with(&ending));
                Service {
                    limits: target.map(Target::limits),
                    note: described.note().or_else(|| limits.as_ref().err().cloned()),
                    desired: described.desired,
                    running: described.running,
                    pending: described.pending,
                    name: described.name,
                }
            })
            .collect();
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
        let scaled = Scaled {
            name: service.into(),
            before: found.desired,
            desired,
            warning: found
                .scaling_warning(desired)
                .or_else(|| found.note.filter(|note| note.starts_with("its scaling"))),
        };
        if found.desired == desired {
            return Ok(scaled);
        }
        let input = json!({ "cluster": self.cluster, "service": service, "desiredCount": desired });
        match self.ecs.json::<Value>(on("UpdateService", "service", service), input).await {
            Ok(_) => Ok(scaled),
            // Deleted since it was described.
            Err(error) if error.code() == ErrorCode::NotFound => Err(unknown(service)),
            Err(error) => Err(error),
        }
    }
}

#[derive(Debug, Deserialize)]
struct Services {
    #[serde(default, deserialize_with = "or_default")]
    services: Vec<Described>,
}

#[derive(Debug, Deserialize)]
struct Described {
    #[serde(rename = "serviceName")]
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    status: String,
    #[serde(rename = "desiredCount", default, deserialize_with = "or_default")]
    desired: u32,
    #[serde(rename = "runningCount", default, deserialize_with = "or_default")]
    running: u32,
    #[serde(rename = "pendingCount", default, deserialize_with = "or_default")]
    pending: u32,
    #[serde(default, deserialize_with = "or_default")]
    deployments: Vec<Deployed>,
    #[serde(default, deserialize_with = "or_default")]
    events: Vec<ServiceEvent>,
}

#[derive(Debug, Deserialize)]
struct Deployed {
    #[serde(rename = "rolloutState", default, deserialize_with = "or_default")]
    state: String,
    #[serde(rename = "rolloutStateReason", default, deserialize_with = "or_default")]
    reason: String,
    #[serde(default, deserialize_with = "or_default")]
    status: String,
}

#[derive(Debug, Deserialize)]
struct ServiceEvent {
    #[serde(default, deserialize_with = "or_default")]
    message: String,
}

impl Described {
    /// A rollout that failed or is under way, or what ECS last said of a service that has fewer tasks than it should.
    fn note(&self) -> Option<String> {
        let primary = self.deployments.iter().find(|deployed| deployed.status == "PRIMARY");
        if let Some(failed) = primary.filter(|deployed| deployed.state == "FAILED") {
            return Some(format!("the rollout failed: {}", failed.reason));
        }
        if self.running < self.desired {
            // Newest first.
            return self.events.first().map(|event| event.message.clone());
        }
        primary.filter(|deployed| deployed.state == "IN_PROGRESS").map(|_| "a rollout is under way".into())
    }
}

#[derive(Debug, Deserialize)]
struct Targets {
    #[serde(rename = "ScalableTargets", default, deserialize_with = "or_default")]
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    #[serde(rename = "ResourceId", default, deserialize_with = "or_default")]
    id: String,
    #[serde(rename = "MinCapacity", default, deserialize_with = "or_default")]
    min: u32,
    #[serde(rename = "MaxCapacity", default, deserialize_with = "or_default")]
    max: u32,
    #[serde(rename = "SuspendedState", default, deserialize_with = "or_default")]
    suspended: Suspended,
}

#[derive(Debug, Default, Deserialize)]
struct Suspended {
    #[serde(rename = "DynamicScalingInSuspended", default, deserialize_with = "or_default")]
    inward: bool,
    #[serde(rename = "DynamicScalingOutSuspended", default, deserialize_with = "or_default")]
    outward: bool,
    #[serde(rename = "ScheduledScalingSuspended", default, deserialize_with = "or_default")]
    scheduled: bool,
}

impl Target {
    fn limits(&self) -> Limits {
        let Suspended { inward, outward, scheduled } = self.suspended;
        Limits { min: self.min, max: self.max, is_suspended: inward && outward && scheduled }
    }
}

#[cfg(test)]
mod tests;
