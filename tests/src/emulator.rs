//! The AWS emulator as a process on loopback: makes deployments on it, and inspects it without using our own code.
//!
//! Differences from AWS that matter here: signatures are not checked, message counts are exact, table reads are always
//! consistent, and a test can advance the queues' clock ([`Emulator::pass`]).

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::{program, root};

/// The access key that test processes use unless a test sets another.
pub const KEY: &str = "test";

/// A running emulator, killed on drop.
#[derive(Debug)]
pub struct Emulator {
    child: Child,
    url: String,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl Emulator {
    /// Starts an emulator without any deployment. `scripts/setup test` installs it.
    pub fn start() -> Result<Self> {
        let mut child = Command::new(python())
            .arg(root().join("shared/aws/tests/it/emulator.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{}: run `scripts/setup test` first", python().display()))?;
        let mut url = String::new();
        BufReader::new(child.stdout.take().context("its standard output is piped")?).read_line(&mut url)?;
        let url = url.trim().to_owned();
        ensure!(url.starts_with("http://127.0.0.1:"), "the emulator did not start: run `scripts/setup test` first");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { child, url, http: reqwest::Client::new(), runtime })
    }

    /// The emulator's base URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Creates a deployment with `stereospot provision` and writes its output to the environment file.
    pub fn provision(&self, prefix: &str, env_file: &Path) -> Result<()> {
        let mut command = Command::new(program("stereospot"));
        command.args(["provision", "--name-prefix", prefix, "--region", "us-east-1"]).current_dir(root());
        let done = credentials(&mut command, KEY).env("AWS_ENDPOINT_URL", &self.url).stdin(Stdio::null()).output()?;
        ensure!(done.status.success(), "provision: {}", String::from_utf8_lossy(&done.stderr));
        Ok(std::fs::write(env_file, done.stdout)?)
    }

    /// Advances the clock of all queues, so that leases and delays end without waiting.
    pub fn pass(&self, time: Duration) -> Result<()> {
        self.control(&format!("pass?ms={}", time.as_millis())).map(drop)
    }

    /// Switches a fault on (`fail?api=sqs.*&status=500&code=InternalError`) or all off (`heal`): see `faults.py`.
    pub fn control(&self, what: &str) -> Result<Value> {
        self.answer(self.http.get(format!("{}/-/{what}", self.url))).context(what.to_owned())
    }

    /// Makes one call of a JSON service without our own code: `("sqs", "AmazonSQS.SendMessage", …)`.
    pub fn call(&self, service: &str, target: &str, input: &Value) -> Result<Value> {
        let request =
            self.http.post(&self.url).header("x-amz-target", target).header("authorization", signature(service));
        let version = if service == "logs" { "1.1" } else { "1.0" };
        let request = request.header("content-type", format!("application/x-amz-json-{version}"));
        self.answer(request.body(input.to_string())).context(target.to_owned())
    }

    /// All rows of a table, with each attribute as text.
    pub fn rows(&self, table: &str) -> Result<Vec<Value>> {
        let found = self.call("dynamodb", "DynamoDB_20120810.Scan", &json!({ "TableName": table }))?;
        let text = |value: &Value| Value::from(value["S"].as_str().or(value["N"].as_str()));
        let plain = |row: &Value| -> Value {
            row.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect()
        };
        Ok(found["Items"].as_array().into_iter().flatten().map(plain).collect())
    }

    /// An object's content; None if the key does not exist.
    pub fn object(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>> {
        self.runtime.block_on(async {
            let request =
                self.http.get(format!("{}/{bucket}/{key}", self.url)).header("authorization", signature("s3"));
            let answer = request.send().await?;
            let is_there = answer.status().is_success();
            ensure!(is_there || answer.status() == 404, "the emulator answered {}", answer.status());
            Ok(if is_there { Some(answer.bytes().await?.to_vec()) } else { None })
        })
    }

    /// Sends a message to a queue.
    pub fn send(&self, queue: &str, body: &str) -> Result<()> {
        let url = format!("{}/123456789012/{queue}", self.url);
        self.call("sqs", "AmazonSQS.SendMessage", &json!({ "QueueUrl": url, "MessageBody": body })).map(drop)
    }

    /// All messages on a queue, including hidden ones, without receiving them.
    pub fn messages(&self, queue: &str) -> Result<Vec<Value>> {
        let found = self.control(&format!("messages?queue={queue}"))?;
        Ok(found.as_array().cloned().unwrap_or_default())
    }

    fn answer(&self, request: reqwest::RequestBuilder) -> Result<Value> {
        self.runtime.block_on(async {
            let answer = request.send().await?;
            let (status, text) = (answer.status(), answer.text().await?);
            ensure!(status.is_success(), "the emulator answered {status}: {text}");
            Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
        })
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It may have ended already; ignore errors.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The part of a signature that the emulator reads: the service.
fn signature(service: &str) -> String {
    format!("AWS4-HMAC-SHA256 Credential=tests/20260101/us-east-1/{service}/aws4_request")
}

/// Gives a process fake credentials and shields it from any real ones on this machine.
pub fn credentials<'c>(command: &'c mut Command, key: &str) -> &'c mut Command {
    for name in ["AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"] {
        command.env_remove(name);
    }
    command
        .env("AWS_ACCESS_KEY_ID", key)
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
}

/// The Python that runs the emulator and the stand-ins.
#[must_use]
pub fn python() -> PathBuf {
    root().join(".tools/venv/bin/python")
}
