//! Protects this process's own ECS task against scaling in while it holds a lease.
//!
//! The agent beside every task answers on `ECS_AGENT_URI`, without credentials. The task's role needs
//! `ecs:UpdateTaskProtection`.

use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use serde::Deserialize;
use serde_json::{Value, json};
use stereospot_domain::Timestamp;
use stereospot_ports::fleet::TaskProtection;
use stereospot_ports::log_source::line;
use stereospot_ports::{Error, ErrorCode, Result};

use crate::by_hand::{Api, Request};
use crate::calls::Calls;
use crate::config::Connections;

/// The variable that ECS sets in every task.
pub const VARIABLE: &str = "ECS_AGENT_URI";
/// ECS protects for whole minutes, 48 h at most.
const MAX_MINUTES: u64 = 2880;
/// The agent runs on the same host, so it answers fast or not at all.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The agent of the task that this process runs in.
#[derive(Debug, Clone)]
pub struct EcsTask {
    agent: Api,
    path: String,
}

impl EcsTask {
    /// The agent at `address`, the value of [`VARIABLE`].
    ///
    /// # Errors
    /// [`ErrorCode::Invalid`] when `address` is no `http://` address.
    pub fn at(config: &SdkConfig, calls: &Calls, address: &str) -> Result<Self> {
        let invalid = || Error::new(ErrorCode::Invalid, format!("{VARIABLE} is no http address: {address}"));
        let rest = address.strip_prefix("http://").ok_or_else(invalid)?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if host.is_empty() {
            return Err(invalid());
        }
        let base = match path.trim_end_matches('/') {
            "" => String::new(),
            path => format!("/{path}"),
        };
        let agent = Api::unsigned(config, calls, "ECS agent", &format!("http://{host}"), TIMEOUT, 3);
        Ok(Self { agent, path: format!("{base}/task-protection/v1/state") })
    }

    /// The task that this process runs in; none outside ECS.
    ///
    /// # Errors
    /// See [`EcsTask::at`].
    pub fn of_this_process(connections: &Connections) -> Result<Option<Self>> {
        let address = std::env::var(VARIABLE).ok().filter(|address| !address.is_empty());
        address.map(|address| Self::at(&connections.config, &connections.calls, &address)).transpose()
    }

    async fn put(&self, wanted: Value) -> Result<Protection> {
        let request = Request {
            action: "UpdateTaskProtection",
            method: "PUT",
            path: self.path.clone(),
            content_type: Some("application/json"),
            body: wanted.to_string(),
        };
        let answer = self.agent.send(request, "task", "of this process").await?;
        let state: State = serde_json::from_str(&answer)
            .map_err(|error| Error::with(ErrorCode::Corrupt, "the ECS agent answered in an unknown shape", error))?;
        let refused = state.failure.map(|failure| failure.reason).or(state.error.map(|error| error.message));
        match (state.protection, refused) {
            (Some(protection), None) => Ok(protection),
            (_, why) => {
                let why = why.unwrap_or_else(|| "it gave no reason".into());
                Err(Error::new(ErrorCode::Denied, format!("ECS does not protect this task: {why}")))
            }
        }
    }
}

#[async_trait]
impl TaskProtection for EcsTask {
    async fn protect(&self, duration: Duration) -> Result<Option<Timestamp>> {
        let minutes = duration.as_secs().div_ceil(60).clamp(1, MAX_MINUTES);
        let protection = self.put(json!({ "ProtectionEnabled": true, "ExpiresInMinutes": minutes })).await?;
        Ok(protection.until.as_deref().and_then(line::time))
    }

    async fn release(&self) -> Result<()> {
        self.put(json!({ "ProtectionEnabled": false })).await.map(drop)
    }
}

#[derive(Debug, Deserialize)]
struct State {
    protection: Option<Protection>,
    failure: Option<Failure>,
    error: Option<AgentError>,
}

#[derive(Debug, Deserialize)]
struct Protection {
    #[serde(rename = "ExpirationDate")]
    until: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Failure {
    #[serde(rename = "Reason", default)]
    reason: String,
}

#[derive(Debug, Deserialize)]
struct AgentError {
    #[serde(rename = "Message", default)]
    message: String,
}
