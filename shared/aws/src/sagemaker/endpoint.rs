//! Changing what an endpoint runs: another model image, or other variables in its container such as `IW3_LOW_VRAM`.
//!
//! SageMaker changes neither in place: a new model and a new endpoint configuration are made beside the old ones, and the
//! endpoint is moved over while the old one goes on answering. The old ones stay, so that the way back is the same step.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::SdkConfig;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use stereospot_domain::Timestamp;
use stereospot_ports::{Error, ErrorCode, Result};
use tokio::sync::watch;

use crate::calls::Calls;
use crate::signed::service::SAGEMAKER;
use crate::signed::{Api, on, or_default};

/// Pause between two looks at an endpoint that is changing: it takes minutes.
const PAUSE: Duration = Duration::from_secs(15);
/// SageMaker's limit on names.
const MAX_NAME: usize = 63;

/// What shall be different.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// The container's image; absent keeps it.
    pub image: Option<String>,
    /// Variables to set, or with `None` to remove. Others stay.
    pub environment: BTreeMap<String, Option<String>>,
}

/// What a change will do. Making one changes nothing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EndpointPlan {
    /// The endpoint.
    pub endpoint: String,
    /// What will be different, one sentence each; empty when all is so already.
    pub changes: Vec<String>,
    /// Name of the configuration that is in use, to go back to.
    pub old_config: String,
    /// Name of the model that will be made.
    pub new_model: String,
    /// Name of the configuration that will be made.
    pub new_config: String,
    #[serde(skip)]
    model: Value,
    #[serde(skip)]
    config: Value,
}

/// Where an endpoint stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EndpointState {
    /// SageMaker's word: `InService`, `Updating`, `Creating`, `RollingBack`, `Failed` …
    pub status: String,
    /// The configuration in use.
    pub config: String,
    /// Images that run now.
    pub images: Vec<String>,
    /// Instances that run, and how many there should be.
    pub instances: (u32, u32),
    /// Why the last change failed, in SageMaker's words.
    pub failure: Option<String>,
}

impl EndpointState {
    /// True when nothing more will happen by itself.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        matches!(self.status.as_str(), "InService" | "OutOfService" | "Failed" | "UpdateRollbackFailed")
    }
}

/// Changes endpoints.
#[derive(Debug, Clone)]
pub struct Endpoints {
    api: Api,
}

impl Endpoints {
    /// The endpoints of the configuration's region. Asks nothing yet.
    ///
    /// # Errors
    /// [`ErrorCode::Invalid`] when no region is set.
    pub fn new(config: &SdkConfig, calls: &Calls) -> Result<Self> {
        Ok(Self { api: Api::new(config, calls, &SAGEMAKER)? })
    }

    /// Where an endpoint stands now.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] when there is none of this name.
    pub async fn state(&self, endpoint: &str) -> Result<EndpointState> {
        let input = json!({ "EndpointName": endpoint });
        let described: Described = self.api.json(on("DescribeEndpoint", "endpoint", endpoint), input).await?;
        Ok(described.state())
    }

    /// What a change would do. Changes nothing. `now` goes into the new names.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] when there is no such endpoint; [`ErrorCode::Invalid`] for an image that has no name.
    pub async fn plan(&self, endpoint: &str, change: &Change, now: Timestamp) -> Result<EndpointPlan> {
        if change.image.as_deref().is_some_and(|image| image.trim().is_empty()) {
            return Err(Error::new(ErrorCode::Invalid, "the new image has no name"));
        }
        let state = self.state(endpoint).await?;
        let input = json!({ "EndpointConfigName": state.config });
        let about = on("DescribeEndpointConfig", "endpoint configuration", &state.config);
        let old_config: Value = self.api.json(about, input).await?;
        let old_model_name = old_config["ProductionVariants"][0]["ModelName"].as_str().unwrap_or_default().to_owned();
        let about = on("DescribeModel", "model", &old_model_name);
        let old_model: Value = self.api.json(about, json!({ "ModelName": old_model_name })).await?;
        let new_name = new_name(endpoint, now);
        let (model, changes) = changed_model(&old_model, change, &new_name);
        let config = changed_config(&old_config, &new_name);
        Ok(EndpointPlan {
            endpoint: endpoint.into(),
            changes,
            old_config: state.config,
            new_model: new_name.clone(),
            new_config: new_name,
            model,
            config,
        })
    }

    /// Makes the new model and configuration and has the endpoint move over. Returns as soon as SageMaker has begun: see
    /// [`Endpoints::settled`]. Applied again, the same plan goes on where it stopped.
    ///
    /// # Errors
    /// [`ErrorCode::Conflict`] when the endpoint is not as it was planned for, or is changing already. What was made until then
    /// stays and costs nothing.
    pub async fn apply(&self, plan: &EndpointPlan) -> Result<()> {
        let state = self.state(&plan.endpoint).await?;
        if state.config == plan.new_config {
            return Ok(());
        }
        if state.config != plan.old_config || !state.is_settled() {
            let message = format!("the endpoint {} has changed since ({}): plan it again", plan.endpoint, state.status);
            return Err(Error::new(ErrorCode::Conflict, message));
        }
        self.make("CreateModel", "model", &plan.new_model, plan.model.clone()).await?;
        self.make("CreateEndpointConfig", "endpoint configuration", &plan.new_config, plan.config.clone()).await?;
        let input = json!({ "EndpointName": plan.endpoint, "EndpointConfigName": plan.new_config });
        self.api.json::<Value>(on("UpdateEndpoint", "endpoint", &plan.endpoint), input).await.map(drop)
    }

    /// Waits until the endpoint is settled, telling `progress` at each look. Dropping the future changes nothing at AWS.
    ///
    /// # Errors
    /// When SageMaker can't be asked. A change that failed is no error: it stands in the answer.
    pub async fn settled(&self, endpoint: &str, progress: &watch::Sender<EndpointState>) -> Result<EndpointState> {
        loop {
            let state = self.state(endpoint).await?;
            progress.send_replace(state.clone());
            if state.is_settled() {
                return Ok(state);
            }
            self.api.pause(PAUSE).await;
        }
    }

    /// What exists already under this plan's name was made by an earlier try.
    async fn make(&self, action: &'static str, kind: &'static str, name: &str, input: Value) -> Result<()> {
        match self.api.json::<Value>(on(action, kind, name), input).await {
            Err(error) if !error.to_string().contains("already existing") => Err(error),
            _ => Ok(()),
        }
    }
}

/// `{endpoint}-{seconds}`, short enough for SageMaker.
fn new_name(endpoint: &str, now: Timestamp) -> String {
    let ending = format!("-{}", now.as_secs());
    let room = MAX_NAME - ending.len();
    format!("{}{ending}", endpoint.chars().take(room).collect::<String>().trim_end_matches('-'))
}

/// The request that makes the new model, and what is different in it. What we don't know of the old one is kept.
fn changed_model(old: &Value, change: &Change, name: &str) -> (Value, Vec<String>) {
    let mut changes = Vec::new();
    let mut container = old["PrimaryContainer"].clone();
    if let Some(image) = change.image.as_deref().filter(|image| container["Image"].as_str() != Some(image)) {
        changes.push(format!("image {} becomes {image}", container["Image"].as_str().unwrap_or("(none)")));
        container["Image"] = image.into();
    }
    let mut environment = container["Environment"].as_object().cloned().unwrap_or_default();
    for (key, value) in &change.environment {
        let before = environment.get(key).and_then(Value::as_str).map(str::to_owned);
        if before == *value {
            continue;
        }
        let shown = |value: Option<&str>| value.map_or("not set".to_owned(), |value| format!("`{value}`"));
        changes.push(format!("{key} {} becomes {}", shown(before.as_deref()), shown(value.as_deref())));
        match value {
            Some(value) => environment.insert(key.clone(), value.as_str().into()),
            None => environment.remove(key),
        };
    }
    container["Environment"] = environment.into();
    let mut model = kept(old, &["ExecutionRoleArn", "VpcConfig", "EnableNetworkIsolation"]);
    model.insert("ModelName".into(), name.into());
    model.insert("PrimaryContainer".into(), container);
    (model.into(), changes)
}

fn changed_config(old: &Value, name: &str) -> Value {
    let mut config = kept(
        old,
        &[
            "ProductionVariants",
            "AsyncInferenceConfig",
            "DataCaptureConfig",
            "KmsKeyId",
            "ExecutionRoleArn",
            "VpcConfig",
            "EnableNetworkIsolation",
        ],
    );
    config.insert("EndpointConfigName".into(), name.into());
    let mut config = Value::Object(config);
    config["ProductionVariants"][0]["ModelName"] = name.into();
    config
}

/// These members of a description, where they are set: requests refuse `null`.
fn kept(old: &Value, names: &[&str]) -> Map<String, Value> {
    names
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), old.get(name).filter(|value| !value.is_null())?.clone())))
        .collect()
}

#[derive(Debug, Deserialize)]
struct Described {
    #[serde(rename = "EndpointStatus", default, deserialize_with = "or_default")]
    status: String,
    #[serde(rename = "EndpointConfigName", default, deserialize_with = "or_default")]
    config: String,
    #[serde(rename = "FailureReason")]
    failure: Option<String>,
    #[serde(rename = "ProductionVariants", default, deserialize_with = "or_default")]
    variants: Vec<Variant>,
}

#[derive(Debug, Deserialize)]
struct Variant {
    #[serde(rename = "DeployedImages", default, deserialize_with = "or_default")]
    images: Vec<Image>,
    #[serde(rename = "CurrentInstanceCount", default, deserialize_with = "or_default")]
    current: u32,
    #[serde(rename = "DesiredInstanceCount", default, deserialize_with = "or_default")]
    desired: u32,
}

#[derive(Debug, Deserialize)]
struct Image {
    #[serde(rename = "SpecifiedImage", default, deserialize_with = "or_default")]
    name: String,
}

impl Described {
    fn state(self) -> EndpointState {
        EndpointState {
            status: self.status,
            config: self.config,
            failure: self.failure,
            instances: self
                .variants
                .iter()
                .fold((0, 0), |(current, desired), variant| (current + variant.current, desired + variant.desired)),
            images: self.variants.into_iter().flat_map(|variant| variant.images).map(|image| image.name).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
