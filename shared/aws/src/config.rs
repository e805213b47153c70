//! The clients of a deployment, built once and shared: configuration, credentials, HTTP connections, retries, counts.
//!
//! Invariant: every call ends. Connecting, one attempt and all attempts together are bounded here; only a long poll is given
//! more, by as much as it was asked to wait.

use std::time::Duration;

use aws_config::{AppName, BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use crate::calls::Calls;
use crate::deployment::Deployment;

/// Longest wait for a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest wait for an answer to one attempt.
pub const READ_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest wait for a call with all its attempts.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(45);
/// Attempts of one call.
const ATTEMPTS: u32 = 4;

/// Everything that is shared between the services of one deployment. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Connections {
    /// For building a service's client. Give the client `calls` as an interceptor, so that its calls are counted.
    pub config: SdkConfig,
    /// What the environment file names.
    pub deployment: Deployment,
    /// Counts of all calls.
    pub calls: Calls,
    /// For requests without an SDK; connects in time, but the caller bounds the rest.
    pub http: SharedHttpConnector,
    /// SQS.
    pub(crate) sqs: aws_sdk_sqs::Client,
    /// DynamoDB.
    pub(crate) dynamo: aws_sdk_dynamodb::Client,
}

impl Connections {
    /// Loads region, profile and credentials as every AWS tool does. Asks nothing of AWS yet: credentials are first needed,
    /// and first missed, by the first call.
    pub async fn open(deployment: Deployment) -> Self {
        let loader = loader(&deployment);
        Self::with_loader(deployment, loader).await
    }

    /// As [`Connections::open`], from a loader of [`loader`]'s with something changed, such as its credentials.
    pub async fn with_loader(deployment: Deployment, loader: ConfigLoader) -> Self {
        let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build();
        let connector = Connector::builder()
            .connector_settings(settings)
            // As the SDK's own clients have it.
            .proxy_config(ProxyConfig::from_env())
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .build();
        Self::of(deployment, loader.load().await, SharedHttpConnector::new(connector))
    }

    /// Of parts that exist already.
    #[must_use]
    pub fn of(deployment: Deployment, config: SdkConfig, http: SharedHttpConnector) -> Self {
        let calls = Calls::default();
        let sqs = aws_sdk_sqs::config::Builder::from(&config).interceptor(calls.clone()).build();
        let dynamo = aws_sdk_dynamodb::config::Builder::from(&config).interceptor(calls.clone()).build();
        Self {
            sqs: aws_sdk_sqs::Client::from_conf(sqs),
            dynamo: aws_sdk_dynamodb::Client::from_conf(dynamo),
            config,
            deployment,
            calls,
            http,
        }
    }
}

/// How the SDK is configured for a deployment.
#[must_use]
pub fn loader(deployment: &Deployment) -> ConfigLoader {
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(deployment.region.clone()))
        .retry_config(RetryConfig::adaptive().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts(Duration::ZERO))
        .app_name(AppName::new("stereospot").expect("the name has no space and nothing but ASCII"));
    match &deployment.endpoint_url {
        Some(url) => loader.endpoint_url(url),
        None => loader,
    }
}

/// The bounds of a call that may itself take `work` before it answers.
#[must_use]
pub fn timeouts(work: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT + work)
        .operation_attempt_timeout(READ_TIMEOUT + work)
        .operation_timeout(OPERATION_TIMEOUT + work)
        .build()
}
