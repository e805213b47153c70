//! What the clients of a deployment share: configuration, credentials, HTTP connections, retries, counts.
//!
//! Invariant: every call ends. The limits here bound connecting, one attempt, and all attempts together. Only a long poll gets
//! more time: as much as it was asked to wait.

use std::time::Duration;

use aws_config::{AppName, BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime_api::client::http::{HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::origin::Origin;

use crate::calls::Calls;
use crate::credentials::Renewed;
use crate::deployment::Deployment;

/// Longest wait for a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest wait for an answer to one attempt.
pub const READ_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest wait for a call with all its attempts.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(45);
/// Longest wait for a call of a look that others wait for.
const BRISK_TIMEOUT: Duration = Duration::from_secs(6);
/// Attempts of one call.
const ATTEMPTS: u32 = 4;

/// Builds the client of a service. Its calls are counted.
macro_rules! client {
    ($sdk:ident, $config:expr, $calls:expr) => {
        $sdk::Client::from_conf($sdk::config::Builder::from($config).interceptor($calls.clone()).build())
    };
}
pub(crate) use client;

/// Everything that the services of one deployment share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Connections {
    /// For building a service's client.
    pub config: SdkConfig,
    pub deployment: Deployment,
    /// Counts of all calls.
    pub calls: Calls,
    /// The credentials in use; none when they were given.
    pub credentials: Option<Renewed>,
    /// For requests without an SDK. It bounds connecting; the caller bounds the rest.
    pub http: SharedHttpConnector,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) dynamo: aws_sdk_dynamodb::Client,
}

impl Connections {
    /// Takes profile and credentials from where every AWS tool finds them. Makes no call: missing credentials show at the first one.
    pub async fn open(deployment: Deployment) -> Self {
        Self::open_counting(deployment, Calls::default()).await
    }

    /// Like [`Connections::open`]; `calls` counts the calls, and its clock follows the answers.
    pub async fn open_counting(deployment: Deployment, calls: Calls) -> Self {
        let credentials = Renewed::new(&deployment.region);
        let loader = loader(&deployment).credentials_provider(credentials.clone());
        Self { credentials: Some(credentials), ..Self::load(deployment, loader, calls).await }
    }

    /// Like [`Connections::open`], with a loader from [`loader`] that was changed, for example its credentials.
    pub async fn with_loader(deployment: Deployment, loader: ConfigLoader) -> Self {
        Self::load(deployment, loader, Calls::default()).await
    }

    async fn load(deployment: Deployment, loader: ConfigLoader, calls: Calls) -> Self {
        let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build();
        let connector = Connector::builder()
            .connector_settings(settings)
            // The SDK's own clients do the same.
            .proxy_config(ProxyConfig::from_env())
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .build();
        let mut config = loader.load().await.into_builder();
        // Lets AWS_ENDPOINT_URL_<SERVICE> win over the file's AWS_ENDPOINT_URL, as it does when both are variables.
        config.insert_origin("endpoint_url", Origin::shared_environment_variable());
        Self::of(deployment, config.build(), SharedHttpConnector::new(connector), calls)
    }

    /// The same, for a look that others wait for: two attempts, and an end after seconds.
    #[must_use]
    pub fn brisk(&self) -> Self {
        let limits = timeouts(Duration::ZERO).to_builder().operation_timeout(BRISK_TIMEOUT).build();
        // Not adaptive: after a throttled call that would hold the next ones back.
        let retry = RetryConfig::standard().with_max_attempts(2);
        let config = self.config.to_builder().retry_config(retry).timeout_config(limits).build();
        let calls = self.calls.clone();
        Self {
            sqs: client!(aws_sdk_sqs, &config, calls),
            dynamo: client!(aws_sdk_dynamodb, &config, calls),
            config,
            ..self.clone()
        }
    }

    /// From parts that exist already.
    #[must_use]
    pub fn of(deployment: Deployment, config: SdkConfig, http: SharedHttpConnector, calls: Calls) -> Self {
        Self {
            sqs: client!(aws_sdk_sqs, &config, calls),
            dynamo: client!(aws_sdk_dynamodb, &config, calls),
            config,
            deployment,
            calls,
            credentials: None,
            http,
        }
    }
}

/// The SDK's configuration for a deployment.
#[must_use]
pub fn loader(deployment: &Deployment) -> ConfigLoader {
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(deployment.region.clone()))
        .retry_config(RetryConfig::adaptive().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts(Duration::ZERO))
        // The provider keeps what it loaded, and notices renewed credentials. A cache in front of it would not.
        .identity_cache(IdentityCache::no_cache())
        .app_name(AppName::new("stereospot").expect("the name has no space and nothing but ASCII"));
    match &deployment.endpoint_url {
        Some(url) => loader.endpoint_url(url),
        None => loader,
    }
}

/// The limits for a call whose answer may take AWS `work` to produce.
#[must_use]
pub fn timeouts(work: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT + work)
        .operation_attempt_timeout(READ_TIMEOUT + work)
        .operation_timeout(OPERATION_TIMEOUT + work)
        .build()
}

/// Makes pauses. A test's configuration replaces it, so that tests don't wait.
pub(crate) fn sleep(config: &SdkConfig) -> SharedAsyncSleep {
    config.sleep_impl().unwrap_or_else(|| SharedAsyncSleep::new(TokioSleep::new()))
}

#[cfg(test)]
mod tests;
