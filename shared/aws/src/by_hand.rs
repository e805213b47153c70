//! The calls that no generated client serves: bucket settings, IAM's policy simulation, the inference server, the ECS agent.
//!
//! `aws-sdk-s3` and `aws-sdk-iam` would cost minutes of compiling for six calls. These calls run on the runtime of the generated
//! clients and with the same configuration, so they have the same credentials, signing, retries, time limits and clock
//! correction.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::auth::{SigV4OperationSigningConfig, SigningOptions};
use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_runtime::service_clock_skew::{ServiceClockSkewClassifier, ServiceClockSkewInterceptor};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{AuthSchemeOptionResolverParams, SharedAuthScheme};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeSerializationInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, Metadata, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::base64;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{ConfigBag, Layer};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SigningName;
use aws_types::region::{Region, SigningRegion};
use aws_types::service_config::ServiceConfigKey;
use stereospot_ports::Result;

mod fault;

pub(crate) use fault::Fault;

use crate::calls::Calls;
use crate::config::sleep;
use crate::error::failed;

/// The content type of S3's settings.
pub(crate) const XML: &str = "application/xml";

/// One request, before it is signed.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// `s3:CreateBucket`; the part after the colon names the call in the counts.
    pub(crate) action: &'static str,
    pub(crate) method: &'static str,
    /// Path and query, percent-encoded.
    pub(crate) path: String,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) body: String,
}

/// One service. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Api(Operation<Request, String, Fault>);

impl Api {
    /// S3 in the configuration's region.
    pub(crate) fn s3(config: &SdkConfig, calls: &Calls) -> Self {
        let region = config.region().map_or("us-east-1", Region::as_ref);
        let mut options = SigningOptions::default();
        // S3 signs the path unchanged and requires the body's hash in a header.
        options.double_uri_encode = false;
        options.normalize_uri_path = false;
        options.content_sha256_header = true;
        let endpoint = endpoint(config, "S3", &format!("s3.{region}.{}", suffix(region)));
        let signing = signing(config, "s3", region, options);
        Self(operation(config, calls, "S3", &endpoint, Some(signing)))
    }

    /// IAM. It has one endpoint per partition.
    pub(crate) fn iam(config: &SdkConfig, calls: &Calls) -> Self {
        let suffix = suffix(config.region().map_or("us-east-1", Region::as_ref));
        let endpoint = endpoint(config, "IAM", &format!("iam.{suffix}"));
        let signing = signing(config, "iam", "us-east-1", SigningOptions::default());
        Self(operation(config, calls, "IAM", &endpoint, Some(signing)))
    }

    /// A server of our own at `address`, called without a signature. `timeout` bounds each attempt; `attempts` includes the first.
    pub(crate) fn unsigned(
        config: &SdkConfig,
        calls: &Calls,
        name: &'static str,
        address: &str,
        timeout: Duration,
        attempts: u32,
    ) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(timeout)
            .operation_timeout(timeout.saturating_mul(attempts).saturating_add(Duration::from_secs(60)))
            .build();
        let retry = RetryConfig::standard().with_max_attempts(attempts);
        let config = config.to_builder().retry_config(retry).timeout_config(timeouts).build();
        Self(operation(&config, calls, name, address, None))
    }

    /// Sends a request about a `kind` of thing with this name, and returns the body of the answer.
    ///
    /// # Errors
    /// What the service says, as our error.
    pub(crate) async fn send(&self, request: Request, kind: &str, name: &str) -> Result<String> {
        let action = request.action;
        self.0.invoke(request).await.map_err(failed(action, kind, name))
    }
}

/// The address of a service: `AWS_ENDPOINT_URL_<ID>` of environment or profile, the general override, or AWS itself.
fn endpoint(config: &SdkConfig, id: &str, host: &str) -> String {
    let own = config.service_config().and_then(|source| {
        let key = ServiceConfigKey::builder().service_id(id).env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
        source.load_config(key.ok()?)
    });
    let set = own.or_else(|| config.endpoint_url().map(str::to_owned));
    set.map_or_else(|| format!("https://{host}"), |url| url.trim_end_matches('/').to_owned())
}

fn suffix(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}

/// Passes the action on to the counts, which otherwise only see the service.
#[derive(Debug)]
struct NamesAction(&'static str);

impl Intercept for NamesAction {
    fn name(&self) -> &'static str {
        "names action"
    }

    fn read_before_execution(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> std::result::Result<(), BoxError> {
        if let Some(request) = context.input().downcast_ref::<Request>() {
            let name = request.action.rsplit(':').next().unwrap_or_default();
            config.interceptor_state().store_put(Metadata::new(name, self.0));
        }
        Ok(())
    }
}

/// Builds the SDK's machinery around [`Request`]; without signing, for a server of our own.
fn operation(
    config: &SdkConfig,
    calls: &Calls,
    name: &'static str,
    endpoint: &str,
    signing: Option<StaticRuntimePlugin>,
) -> Operation<Request, String, Fault> {
    let mut builder = Operation::builder()
        .service_name(name)
        .operation_name("call")
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .standard_retry(&config.retry_config().cloned().unwrap_or_else(RetryConfig::standard))
        .timeout_config(config.timeout_config().cloned().unwrap_or_else(TimeoutConfig::disabled))
        .retry_classifier(HttpStatusCodeClassifier::default())
        .retry_classifier(TransientErrorClassifier::<Fault>::new())
        .retry_classifier(AwsErrorCodeClassifier::<Fault>::new())
        .interceptor(NamesAction(name))
        .interceptor(calls.clone())
        .with_connection_poisoning()
        .sleep_impl(sleep(config));
    if let Some(client) = config.http_client() {
        builder = builder.http_client(client);
    }
    if let Some(time) = config.time_source() {
        builder = builder.time_source(time);
    }
    builder = match signing {
        None => builder.no_auth(),
        Some(signing) => builder
            .runtime_plugin(signing)
            .interceptor(ServiceClockSkewInterceptor::new())
            .retry_classifier(ServiceClockSkewClassifier::<Fault>::new()),
    };
    builder.serializer(serialise).deserializer(deserialise).build()
}

fn signing(config: &SdkConfig, name: &'static str, region: &str, options: SigningOptions) -> StaticRuntimePlugin {
    let mut layer = Layer::new("signing");
    layer.store_put(AuthSchemeOptionResolverParams::new(()));
    layer.store_put(SigV4OperationSigningConfig {
        region: Some(SigningRegion::from(Region::new(region.to_owned()))),
        name: Some(SigningName::from_static(name)),
        signing_options: options,
        ..SigV4OperationSigningConfig::default()
    });
    let mut components = RuntimeComponentsBuilder::new("signing")
        .with_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()))
        .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID])));
    if let Some(credentials) = config.credentials_provider() {
        components = components.with_identity_resolver(SCHEME_ID, credentials);
    }
    if let Some(cache) = config.identity_cache() {
        components = components.with_identity_cache(Some(cache));
    }
    StaticRuntimePlugin::new().with_config(layer.freeze()).with_runtime_components(components)
}

fn serialise(request: Request) -> std::result::Result<HttpRequest, BoxError> {
    // S3 takes some settings only with a checksum, and any with one.
    let checksum =
        (request.content_type == Some(XML)).then(|| base64::encode(crc32(request.body.as_bytes()).to_be_bytes()));
    let mut http = HttpRequest::new(SdkBody::from(request.body));
    if let Some(checksum) = checksum {
        http.headers_mut().try_insert("x-amz-checksum-crc32", checksum)?;
    }
    http.set_method(request.method)?;
    http.set_uri(request.path)?;
    if let Some(content_type) = request.content_type {
        http.headers_mut().try_insert("content-type", content_type)?;
    }
    Ok(http)
}

/// CRC-32 as in zip and PNG.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

fn deserialise(response: &HttpResponse) -> std::result::Result<String, OrchestratorError<Fault>> {
    if !response.status().is_success() {
        return Err(OrchestratorError::operation(Fault::read(response)));
    }
    Ok(String::from_utf8_lossy(response.body().bytes().unwrap_or_default()).into_owned())
}

#[cfg(test)]
mod tests;
