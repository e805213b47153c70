//! Recorded exchanges for tests of what the emulator does not do as AWS does. The answers follow the services' API references.
//!
//! Each answer belongs to one action, or to the next call of any action, and is used once. A call without an answer fails like a
//! dead connection; [`Replay::finish`] then fails the test.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::region::Region;
use serde_json::Value;

use crate::calls::Calls;
use crate::{Connections, Deployment};

/// A request as it was sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    /// The action of a JSON, CBOR or query call, or `METHOD /path`.
    pub(crate) action: String,
    pub(crate) uri: String,
    pub(crate) body: String,
    headers: Vec<(String, String)>,
}

impl Sent {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Debug)]
struct Exchange {
    /// Empty: answers any action.
    action: String,
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    is_used: bool,
}

#[derive(Debug, Default)]
struct State {
    exchanges: Vec<Exchange>,
    sent: Vec<Sent>,
    pauses: Vec<Duration>,
    unexpected: Vec<String>,
}

/// The exchanges, and what was sent. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replay {
    state: Arc<Mutex<State>>,
}

impl Replay {
    /// Answers in this order, whatever the action.
    pub(crate) fn in_order(answers: &[(u16, &str)]) -> Self {
        answers.iter().fold(Self::default(), |replay, (status, body)| replay.raw("", *status, &[], body))
    }

    /// Adds an answer in JSON with status 200.
    pub(crate) fn answer(self, action: &str, body: Value) -> Self {
        self.raw(action, 200, &[], &body.to_string())
    }

    /// Adds a refusal in JSON.
    pub(crate) fn refuse(self, action: &str, code: &str, message: &str) -> Self {
        let body = serde_json::json!({ "__type": code, "message": message });
        self.raw(action, 400, &[], &body.to_string())
    }

    /// Adds any answer.
    pub(crate) fn raw(self, action: &str, status: u16, headers: &[(&'static str, &str)], body: &str) -> Self {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.state().exchanges.push(Exchange {
            action: action.into(),
            status,
            headers,
            body: body.into(),
            is_used: false,
        });
        self
    }

    /// Clients of a deployment whose calls are answered from here.
    pub(crate) fn connections(&self, deployment: Deployment) -> Connections {
        Connections::of(deployment, self.config(), SharedHttpConnector::new(self.clone()), Calls::default())
    }

    /// A configuration whose calls are answered from here.
    pub(crate) fn config(&self) -> SdkConfig {
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "tests");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::disabled())
            .sleep_impl(self.clone())
            // These two make pauses of their own.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .identity_cache(IdentityCache::no_cache())
            .http_client(self.clone())
            .build()
    }

    /// All requests so far.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.state().sent.clone()
    }

    /// The requests of one action, in order.
    pub(crate) fn sent_to(&self, action: &str) -> Vec<Sent> {
        self.sent().into_iter().filter(|sent| sent.action == action).collect()
    }

    /// All pauses so far.
    pub(crate) fn pauses(&self) -> Vec<Duration> {
        self.state().pauses.clone()
    }

    /// Fails if an answer was not used, or a call had no answer.
    pub(crate) fn finish(&self) {
        let state = self.state();
        assert_eq!(state.unexpected, Vec::<String>::new(), "calls without an answer");
        let unused: Vec<&str> = state
            .exchanges
            .iter()
            .filter(|exchange| !exchange.is_used)
            .map(|exchange| exchange.action.as_str())
            .collect();
        assert_eq!(unused, Vec::<&str>::new(), "answers that no call used");
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Time limits never pass and pauses are over at once, so that tests don't wait.
impl AsyncSleep for Replay {
    fn sleep(&self, duration: Duration) -> Sleep {
        if duration >= Duration::from_secs(30) {
            return Sleep::new(std::future::pending());
        }
        self.state().pauses.push(duration);
        Sleep::new(tokio::task::yield_now())
    }
}

impl HttpConnector for Replay {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let path = request.uri().splitn(4, '/').nth(3).unwrap_or_default();
        let action = if let Some(target) = request.headers().get("x-amz-target") {
            target.rsplit('.').next().unwrap_or_default().to_owned()
        } else if let Some(query) = body.strip_prefix("Action=") {
            query.split('&').next().unwrap_or_default().to_owned()
        } else if let Some((_, operation)) = path.split_once("/operation/") {
            operation.to_owned()
        } else {
            format!("{} /{path}", request.method())
        };
        let headers = request.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut state = self.state();
        state.sent.push(Sent { action: action.clone(), uri: request.uri().to_owned(), body, headers });
        let fits = |exchange: &Exchange| exchange.action == action || exchange.action.is_empty();
        let Some(found) = state.exchanges.iter_mut().find(|exchange| !exchange.is_used && fits(exchange)) else {
            state.unexpected.push(action.clone());
            let error = format!("no answer for {action}");
            return HttpConnectorFuture::ready(Err(ConnectorError::io(error.into())));
        };
        found.is_used = true;
        let status = found.status.try_into().expect("a status between 100 and 999");
        let mut response = HttpResponse::new(status, SdkBody::from(found.body.clone()));
        for (name, value) in &found.headers {
            response.headers_mut().insert(*name, value.clone());
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

impl HttpClient for Replay {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
