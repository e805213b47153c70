//! Signed calls to AWS services whose generated clients cost more to build than they save.
//!
//! The generated clients of ECS, Logs, SageMaker, CloudWatch, Application Auto Scaling, S3 and IAM would add some ten minutes
//! of compiling for about forty calls. What makes such a client worth having is not generated: credentials, signing, retries
//! with the adaptive limiter, time limits, correction of a wrong clock. All of that lies in the SDK's runtime, and is used from
//! there: a call here goes through the same machinery as a call of `aws-sdk-sqs`, with the same configuration.
//!
//! Invariant: one [`Api`] per service, built once; its retry budget is shared by all of its calls.

use std::borrow::Cow;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::auth::{SigV4OperationSigningConfig, SigningOptions};
use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_runtime::service_clock_skew::{ServiceClockSkewClassifier, ServiceClockSkewInterceptor};
use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep, TokioSleep};
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
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{ConfigBag, Layer};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SigningName;
use aws_types::region::{Region, SigningRegion};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use stereospot_ports::{Error, ErrorCode, Result};

pub(crate) mod fault;
#[cfg(test)]
pub(crate) mod replay;
pub(crate) mod service;
pub(crate) mod xml;

use fault::Fault;
use service::{Protocol, Service};

use crate::calls::Calls;
use crate::error::from_sdk;

/// No single attempt takes longer.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// No call takes longer, all its attempts together.
const CALL_TIMEOUT: Duration = Duration::from_secs(45);

/// What a call is about, for messages and counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct On<'a> {
    /// The action, as permissions and counts know it: `UpdateService`.
    pub(crate) action: &'static str,
    /// What kind of thing it is done to: `service`, `queue`.
    pub(crate) kind: &'static str,
    /// Its name.
    pub(crate) name: &'a str,
}

/// Short for [`On`].
pub(crate) fn on<'a>(action: &'static str, kind: &'static str, name: &'a str) -> On<'a> {
    On { action, kind, name }
}

/// One request, before it is signed.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Its action.
    pub(crate) action: &'static str,
    /// `GET`, `PUT` …
    pub(crate) method: &'static str,
    /// Path and query, percent-encoded.
    pub(crate) path: String,
    /// Headers beside those of signing.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The body.
    pub(crate) body: String,
}

/// What a service answered when it did what was asked.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A header by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

/// One service in one region. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    service: &'static Service,
    operation: Operation<Call, Answer, Fault>,
    sleep: SharedAsyncSleep,
}

impl Api {
    /// A service as the configuration has it: region, credentials, endpoint override, retries, time limits. Its calls are
    /// counted in `calls`.
    ///
    /// # Errors
    /// [`ErrorCode::Invalid`] when no region is set.
    pub(crate) fn new(config: &SdkConfig, calls: &Calls, service: &'static Service) -> Result<Self> {
        let region = config.region().map(Region::as_ref).ok_or_else(|| {
            Error::new(ErrorCode::Invalid, "no AWS region is set: set REGION in the env file, or AWS_REGION")
        })?;
        let region = service.fixed_region.unwrap_or(region).to_owned();
        let endpoint = service.endpoint(config, &region);
        Ok(Self {
            service,
            operation: operation(config, calls, service, &endpoint, Some(region)),
            sleep: config.sleep_impl().unwrap_or_else(|| SharedAsyncSleep::new(TokioSleep::new())),
        })
    }

    /// Waits before something is looked at again; by the same clock as the pauses between retries.
    pub(crate) async fn pause(&self, duration: Duration) {
        self.sleep.sleep(duration).await;
    }

    /// A call in JSON: `{"TableName": …}` to `DynamoDB_20120810.DescribeTable`.
    ///
    /// # Errors
    /// What the service says, in the port's words; [`ErrorCode::Corrupt`] when its answer has another shape than documented.
    pub(crate) async fn json<A: DeserializeOwned>(&self, on: On<'_>, input: Value) -> Result<A> {
        let Protocol::Json { version, target } = self.service.protocol else {
            return Err(Error::new(ErrorCode::Invalid, format!("{} has no JSON calls", self.service.name)));
        };
        let call = Call {
            action: on.action,
            method: "POST",
            path: "/".into(),
            headers: vec![
                ("content-type", format!("application/x-amz-json-{version}")),
                ("x-amz-target", format!("{target}.{}", on.action)),
            ],
            body: input.to_string(),
        };
        let answer = self.send(on, call).await?;
        // Some actions answer with nothing at all.
        let body = if answer.body.is_empty() { b"{}".as_slice() } else { &answer.body };
        serde_json::from_slice(body).map_err(|error| {
            let message = format!("{} answered {} in an unknown shape", self.service.name, on.action);
            Error::with(ErrorCode::Corrupt, message, error)
        })
    }

    /// A call in the older form: parameters in, XML out.
    ///
    /// # Errors
    /// What the service says, in the port's words.
    pub(crate) async fn query(&self, on: On<'_>, parameters: &[(String, String)]) -> Result<String> {
        let Protocol::Query { version } = self.service.protocol else {
            return Err(Error::new(ErrorCode::Invalid, format!("{} has no query calls", self.service.name)));
        };
        let mut body = format!("Action={}&Version={version}", on.action);
        for (name, value) in parameters {
            body.push_str(&format!("&{}={}", percent(name), percent(value)));
        }
        let headers = vec![("content-type", "application/x-www-form-urlencoded".to_owned())];
        let call = Call { action: on.action, method: "POST", path: "/".into(), headers, body };
        Ok(self.send(on, call).await?.text().into_owned())
    }

    /// Any other call.
    ///
    /// # Errors
    /// What the service says, in the port's words.
    pub(crate) async fn send(&self, on: On<'_>, call: Call) -> Result<Answer> {
        send(self.service, &self.operation, on, call).await
    }
}

/// Calls without a signature, to an HTTP address of our own: the inference server, the task's agent.
#[derive(Debug, Clone)]
pub(crate) struct Plain {
    service: &'static Service,
    operation: Operation<Call, Answer, Fault>,
}

impl Plain {
    /// Calls below `address`. `timeout` bounds each attempt; `attempts` counts the first too.
    pub(crate) fn new(
        config: &SdkConfig,
        calls: &Calls,
        service: &'static Service,
        address: &str,
        timeout: Duration,
        attempts: u32,
    ) -> Self {
        let config = config
            .to_builder()
            .retry_config(RetryConfig::standard().with_max_attempts(attempts.max(1)))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(5))
                    .operation_attempt_timeout(timeout)
                    .operation_timeout(timeout.saturating_mul(attempts.max(1)).saturating_add(Duration::from_secs(60)))
                    .build(),
            )
            .build();
        Self { service, operation: operation(&config, calls, service, address, None) }
    }

    /// Sends a call.
    ///
    /// # Errors
    /// What the other side says, in the port's words.
    pub(crate) async fn send(&self, on: On<'_>, call: Call) -> Result<Answer> {
        send(self.service, &self.operation, on, call).await
    }
}

async fn send(
    service: &'static Service,
    operation: &Operation<Call, Answer, Fault>,
    on: On<'_>,
    call: Call,
) -> Result<Answer> {
    operation.invoke(call).await.map_err(|error| {
        let action = service.permission(on.action);
        from_sdk(crate::error::Call { action: &action, kind: on.kind, resource: on.name }, error)
    })
}

/// Says which action a call is, where the machinery says only which service: counts are by action.
#[derive(Debug)]
struct NamesAction(&'static Service);

impl Intercept for NamesAction {
    fn name(&self) -> &'static str {
        "names action"
    }

    fn read_before_execution(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(call) = context.input().downcast_ref::<Call>() {
            config.interceptor_state().store_put(Metadata::new(call.action, self.0.name));
        }
        Ok(())
    }
}

/// Builds the SDK's own machinery around [`Call`]; unsigned where there is no region.
fn operation(
    config: &SdkConfig,
    calls: &Calls,
    service: &'static Service,
    endpoint: &str,
    region: Option<String>,
) -> Operation<Call, Answer, Fault> {
    let retry = config.retry_config().cloned().unwrap_or_else(RetryConfig::adaptive);
    let timeouts = config.timeout_config().cloned().unwrap_or_else(|| {
        TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).operation_timeout(CALL_TIMEOUT).build()
    });
    let mut builder = Operation::builder()
        .service_name(service.name)
        .operation_name("call")
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .standard_retry(&retry)
        .timeout_config(timeouts)
        .retry_classifier(HttpStatusCodeClassifier::default())
        .retry_classifier(TransientErrorClassifier::<Fault>::new())
        .retry_classifier(AwsErrorCodeClassifier::<Fault>::new())
        .interceptor(NamesAction(service))
        .interceptor(calls.clone())
        .with_connection_poisoning();
    if let Some(client) = config.http_client() {
        builder = builder.http_client(client);
    }
    builder = builder.sleep_impl(config.sleep_impl().unwrap_or_else(|| SharedAsyncSleep::new(TokioSleep::new())));
    if let Some(time) = config.time_source() {
        builder = builder.time_source(time);
    }
    builder = match region {
        None => builder.no_auth(),
        Some(region) => builder
            .runtime_plugin(signing(config, service, region))
            .interceptor(ServiceClockSkewInterceptor::new())
            .retry_classifier(ServiceClockSkewClassifier::<Fault>::new()),
    };
    builder.serializer(serialise).deserializer(deserialise).build()
}

fn signing(config: &SdkConfig, service: &'static Service, region: String) -> StaticRuntimePlugin {
    let mut options = SigningOptions::default();
    if service.is_object_store {
        // S3 signs the path as it is, and wants the body's hash in a header.
        options.double_uri_encode = false;
        options.normalize_uri_path = false;
        options.content_sha256_header = true;
    }
    let mut layer = Layer::new("signing");
    layer.store_put(AuthSchemeOptionResolverParams::new(()));
    layer.store_put(SigV4OperationSigningConfig {
        region: Some(SigningRegion::from(Region::new(region))),
        name: Some(SigningName::from_static(service.signing_name)),
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

fn serialise(call: Call) -> std::result::Result<HttpRequest, BoxError> {
    let mut request = HttpRequest::new(SdkBody::from(call.body));
    request.set_method(call.method)?;
    request.set_uri(call.path)?;
    for (name, value) in call.headers {
        request.headers_mut().try_insert(name, value)?;
    }
    Ok(request)
}

fn deserialise(response: &HttpResponse) -> std::result::Result<Answer, OrchestratorError<Fault>> {
    let body = response.body().bytes().unwrap_or_default();
    let headers: Vec<(String, String)> =
        response.headers().iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    if response.status().is_success() {
        return Ok(Answer { headers, body: body.to_vec() });
    }
    Err(OrchestratorError::operation(Fault::read(response.status().as_u16(), &headers, body)))
}

/// Reads a member that may be absent or `null`; both mean that there is nothing. Give it with `default`.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> std::result::Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Percent-encodes everything but the unreserved characters of RFC 3986.
pub(crate) fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests;
