//! Changes what an endpoint runs: another model image, or other variables in its container such as `IW3_LOW_VRAM`.
//!
//! SageMaker can't change either in place. So a change makes a new model and a new endpoint configuration and moves the endpoint
//! over; the old configuration answers until then. The old model and configuration stay, so going back is the same step.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sagemaker::Client;
use aws_sdk_sagemaker::error::ProvideErrorMetadata;
use aws_sdk_sagemaker::operation::create_endpoint_config::CreateEndpointConfigInput;
use aws_sdk_sagemaker::operation::create_endpoint_config::builders::CreateEndpointConfigInputBuilder;
use aws_sdk_sagemaker::operation::create_model::CreateModelInput;
use aws_sdk_sagemaker::operation::create_model::builders::CreateModelInputBuilder;
use aws_sdk_sagemaker::operation::describe_endpoint::DescribeEndpointOutput;
use aws_sdk_sagemaker::operation::describe_endpoint_config::DescribeEndpointConfigOutput;
use aws_sdk_sagemaker::operation::describe_model::DescribeModelOutput;
use aws_smithy_async::rt::sleep::{AsyncSleep as _, SharedAsyncSleep};
use serde::Serialize;
use stereospot_domain::Timestamp;
use stereospot_ports::{Error, ErrorCode, Result};
use tokio::sync::watch;

use crate::calls::Calls;
use crate::config::{client, sleep};
use crate::error::failed;

/// Pause between two looks at an endpoint that is changing: it takes minutes.
const PAUSE: Duration = Duration::from_secs(15);
/// SageMaker's limit on names.
const MAX_NAME: usize = 63;

/// The change that is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// The container's new image; absent keeps the old one.
    pub image: Option<String>,
    /// Variables to set, or with `None` to remove. Others stay.
    pub environment: BTreeMap<String, Option<String>>,
}

/// What a change will do. Making a plan changes nothing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EndpointPlan {
    pub endpoint: String,
    /// One sentence per difference; empty when there is nothing to do.
    pub changes: Vec<String>,
    /// Name of the configuration in use, to go back to.
    pub old_config: String,
    /// Name of the model that will be made.
    pub new_model: String,
    /// Name of the configuration that will be made.
    pub new_config: String,
    #[serde(skip)]
    model: CreateModelInputBuilder,
    #[serde(skip)]
    config: CreateEndpointConfigInputBuilder,
}

/// The state of an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EndpointState {
    /// SageMaker's word: `InService`, `Updating`, `Creating`, `RollingBack`, `Failed` …
    pub status: String,
    /// Name of the configuration in use.
    pub config: String,
    /// Images that run now.
    pub images: Vec<String>,
    /// How many instances run, and how many should.
    pub instances: (u32, u32),
    /// Why the last change failed, in SageMaker's words.
    pub failure: Option<String>,
}

impl EndpointState {
    /// True when SageMaker is not changing the endpoint.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        matches!(self.status.as_str(), "InService" | "OutOfService" | "Failed" | "UpdateRollbackFailed")
    }
}

/// Changes endpoints.
#[derive(Debug, Clone)]
pub struct Endpoints {
    client: Client,
    sleep: SharedAsyncSleep,
}

impl Endpoints {
    /// The endpoints of the configuration's region. Makes no call.
    #[must_use]
    pub fn new(config: &SdkConfig, calls: &Calls) -> Self {
        Self { client: client!(aws_sdk_sagemaker, config, calls), sleep: sleep(config) }
    }

    /// The endpoint's state now.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] when there is no endpoint of this name.
    pub async fn state(&self, endpoint: &str) -> Result<EndpointState> {
        let call = self.client.describe_endpoint().endpoint_name(endpoint);
        Ok(state(call.send().await.map_err(failed("sagemaker:DescribeEndpoint", "endpoint", endpoint))?))
    }

    /// Plans a change, and changes nothing. The new names contain `now`.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] when there is no such endpoint; [`ErrorCode::Invalid`] for an image without a name.
    pub async fn plan(&self, endpoint: &str, change: &Change, now: Timestamp) -> Result<EndpointPlan> {
        if change.image.as_deref().is_some_and(|image| image.trim().is_empty()) {
            return Err(Error::new(ErrorCode::Invalid, "the new image has no name"));
        }
        let old_config_name = self.state(endpoint).await?.config;
        let call = self.client.describe_endpoint_config().endpoint_config_name(&old_config_name);
        let about = failed("sagemaker:DescribeEndpointConfig", "endpoint configuration", &old_config_name);
        let old_config = call.send().await.map_err(about)?;
        let old_model_name = old_config.production_variants().first().and_then(|variant| variant.model_name());
        let old_model_name = old_model_name.unwrap_or_default();
        let call = self.client.describe_model().model_name(old_model_name);
        let old_model = call.send().await.map_err(failed("sagemaker:DescribeModel", "model", old_model_name))?;
        let new_name = new_name(endpoint, now);
        let (model, changes) = changed_model(old_model, change, &new_name);
        Ok(EndpointPlan {
            endpoint: endpoint.into(),
            changes,
            config: changed_config(old_config, &new_name),
            old_config: old_config_name,
            new_model: new_name.clone(),
            new_config: new_name,
            model,
        })
    }

    /// Makes the new model and configuration and starts moving the endpoint over; [`Endpoints::settled`] waits for the end. The
    /// same plan applied again goes on where it stopped.
    ///
    /// # Errors
    /// [`ErrorCode::Conflict`] when the endpoint has changed since the plan, or is changing now. A model or configuration made before
    /// the error stays and costs nothing.
    pub async fn apply(&self, plan: &EndpointPlan) -> Result<()> {
        let state = self.state(&plan.endpoint).await?;
        if state.config == plan.new_config {
            return Ok(());
        }
        if state.config != plan.old_config || !state.is_settled() {
            let message = format!("the endpoint {} has changed since ({}): plan it again", plan.endpoint, state.status);
            return Err(Error::new(ErrorCode::Conflict, message));
        }
        match plan.model.clone().send_with(&self.client).await {
            Err(error) if !exists_already(&error) => {
                return Err(failed("sagemaker:CreateModel", "model", &plan.new_model)(error));
            }
            _ => {}
        }
        match plan.config.clone().send_with(&self.client).await {
            Err(error) if !exists_already(&error) => {
                let action = "sagemaker:CreateEndpointConfig";
                return Err(failed(action, "endpoint configuration", &plan.new_config)(error));
            }
            _ => {}
        }
        let call = self.client.update_endpoint().endpoint_name(&plan.endpoint).endpoint_config_name(&plan.new_config);
        call.send().await.map(drop).map_err(failed("sagemaker:UpdateEndpoint", "endpoint", &plan.endpoint))
    }

    /// Waits until the endpoint is settled, and sends its state to `progress` at each look. Dropping the future changes nothing
    /// at AWS.
    ///
    /// # Errors
    /// When SageMaker can't be asked. A change that failed is no error: the state says so.
    pub async fn settled(&self, endpoint: &str, progress: &watch::Sender<EndpointState>) -> Result<EndpointState> {
        loop {
            let state = self.state(endpoint).await?;
            progress.send_replace(state.clone());
            if state.is_settled() {
                return Ok(state);
            }
            self.sleep.sleep(PAUSE).await;
        }
    }
}

/// True when an earlier try made the thing: only this plan uses its name.
fn exists_already(error: &impl ProvideErrorMetadata) -> bool {
    error.message().is_some_and(|message| message.contains("already existing"))
}

/// `{endpoint}-{seconds}`, short enough for SageMaker.
fn new_name(endpoint: &str, now: Timestamp) -> String {
    let ending = format!("-{}", now.as_secs());
    let room = MAX_NAME - ending.len();
    format!("{}{ending}", endpoint.chars().take(room).collect::<String>().trim_end_matches('-'))
}

/// The request for the new model, and its differences from the old one in words.
fn changed_model(old: DescribeModelOutput, change: &Change, name: &str) -> (CreateModelInputBuilder, Vec<String>) {
    let mut changes = Vec::new();
    let mut container = old.primary_container;
    if let Some(container) = &mut container {
        if let Some(image) = change.image.as_deref().filter(|image| container.image() != Some(image)) {
            changes.push(format!("image {} becomes {image}", container.image().unwrap_or("(none)")));
            container.image = Some(image.into());
        }
        let environment = container.environment.get_or_insert_default();
        for (key, value) in &change.environment {
            let before = environment.get(key);
            if before == value.as_ref() {
                continue;
            }
            let shown = |value: Option<&String>| value.map_or("not set".to_owned(), |value| format!("`{value}`"));
            changes.push(format!("{key} {} becomes {}", shown(before), shown(value.as_ref())));
            match value {
                Some(value) => environment.insert(key.clone(), value.clone()),
                None => environment.remove(key),
            };
        }
    }
    let model = CreateModelInput::builder()
        .model_name(name)
        .set_primary_container(container)
        .set_execution_role_arn(old.execution_role_arn)
        .set_vpc_config(old.vpc_config)
        .set_enable_network_isolation(old.enable_network_isolation);
    (model, changes)
}

fn changed_config(old: DescribeEndpointConfigOutput, name: &str) -> CreateEndpointConfigInputBuilder {
    let mut variants = old.production_variants;
    if let Some(variant) = variants.as_mut().and_then(|variants| variants.first_mut()) {
        variant.model_name = Some(name.into());
    }
    CreateEndpointConfigInput::builder()
        .endpoint_config_name(name)
        .set_production_variants(variants)
        .set_async_inference_config(old.async_inference_config)
        .set_data_capture_config(old.data_capture_config)
        .set_kms_key_id(old.kms_key_id)
        .set_execution_role_arn(old.execution_role_arn)
        .set_vpc_config(old.vpc_config)
        .set_enable_network_isolation(old.enable_network_isolation)
}

fn state(described: DescribeEndpointOutput) -> EndpointState {
    let variants = described.production_variants.unwrap_or_default();
    let sum =
        |counts: Vec<Option<i32>>| counts.into_iter().flatten().map(|count| u32::try_from(count).unwrap_or(0)).sum();
    EndpointState {
        status: described.endpoint_status.map(|status| status.to_string()).unwrap_or_default(),
        config: described.endpoint_config_name.unwrap_or_default(),
        failure: described.failure_reason,
        instances: (
            sum(variants.iter().map(|variant| variant.current_instance_count).collect()),
            sum(variants.iter().map(|variant| variant.desired_instance_count).collect()),
        ),
        images: variants
            .into_iter()
            .flat_map(|variant| variant.deployed_images.unwrap_or_default())
            .filter_map(|image| image.specified_image)
            .collect(),
    }
}

#[cfg(test)]
mod tests;
