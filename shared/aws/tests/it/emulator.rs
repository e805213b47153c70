//! Starts the emulator, and makes deployments on it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::Value;
use stereospot_aws::{Connections, Deployment, config, deployment};
use stereospot_domain::QueueRole;
use uuid::Uuid;

/// A running emulator; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Emulator {
    child: Child,
    pub url: String,
    pub http: reqwest::Client,
}

/// The shape of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Like existing ones: main queues dead-letter after five receives.
    Usual,
    /// Main queues without a redrive policy.
    NoRedrive,
}

impl Emulator {
    pub(crate) fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join("../../.tools/venv/bin/python");
        let mut child = Command::new(&python)
            .arg(root.join("tests/it/emulator.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}: run `scripts/setup test` first", python.display()));
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let url = url.trim().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "the emulator did not start: run `scripts/setup test` first");
        Self { child, url, http: reqwest::Client::new() }
    }

    /// Clients with made-up credentials.
    pub(crate) async fn connect(&self, deployment: Deployment) -> Connections {
        let credentials = Credentials::new("test", "test", None, None, "test");
        let loader = config::loader(&deployment).credentials_provider(SharedCredentialsProvider::new(credentials));
        Connections::with_loader(deployment, loader).await
    }

    /// A region and an endpoint, and nothing deployed.
    pub(crate) fn nothing(&self) -> Deployment {
        Deployment::parse(&format!("REGION=us-east-1\nAWS_ENDPOINT_URL={}", self.url), &|_| None).unwrap()
    }

    /// A new deployment with its own name and everything that our pipeline uses.
    pub(crate) async fn deploy(&self, shape: Shape) -> Connections {
        let id = Uuid::new_v4().simple().to_string();
        let mut deployment = Deployment { name_prefix: format!("t-{}", &id[..12]), ..self.nothing() };
        let connections = self.connect(deployment.clone()).await;
        for role in QueueRole::PIPELINE {
            let url = make_queue(&connections, *role, shape).await;
            deployment.queues.insert(*role, url);
        }
        let prefix = &deployment.name_prefix;
        deployment.tables.jobs = Some(make_table(&connections, &format!("{prefix}-jobs"), None, true).await);
        let name = format!("{prefix}-segment-completions");
        deployment.tables.completions = Some(make_table(&connections, &name, Some("segment_index"), false).await);
        let name = format!("{prefix}-reassembly-triggered");
        deployment.tables.locks = Some(make_table(&connections, &name, None, false).await);
        let rules = [("input/", ".mp4", QueueRole::Chunking), ("segments/", ".mp4", QueueRole::Inference)];
        deployment.input_bucket = Some(self.make_bucket(&deployment, "input", &rules).await);
        let events = QueueRole::OutputEvents;
        let rules = [("jobs/", ".mp4", events), ("jobs/", ".reassembly-done", events)];
        deployment.output_bucket = Some(self.make_bucket(&deployment, "output", &rules).await);
        for url in deployment.queues.values() {
            // Remove S3's notices that notifications were configured.
            self.control(&format!("clear?queue={}", url.rsplit('/').next().unwrap())).await;
        }
        self.connect(deployment).await
    }

    async fn make_bucket(&self, deployment: &Deployment, name: &str, rules: &[(&str, &str, QueueRole)]) -> String {
        let name = format!("{}-{name}", deployment.name_prefix);
        let url = format!("{}/{name}", self.url);
        self.put(&url, String::new()).await;
        let rule = |(prefix, suffix, queue): &(&str, &str, QueueRole)| {
            let queue = deployment.queue_name(*queue).unwrap();
            let filter = |name, value| format!("<FilterRule><Name>{name}</Name><Value>{value}</Value></FilterRule>");
            format!(
                "<QueueConfiguration><Queue>arn:aws:sqs:us-east-1:123456789012:{queue}</Queue>\
                 <Event>s3:ObjectCreated:*</Event><Filter><S3Key>{}{}</S3Key></Filter></QueueConfiguration>",
                filter("prefix", prefix),
                filter("suffix", suffix),
            )
        };
        let rules: String = rules.iter().map(rule).collect();
        self.put(
            &format!("{url}?notification"),
            format!("<NotificationConfiguration>{rules}</NotificationConfiguration>"),
        )
        .await;
        name
    }

    async fn put(&self, url: &str, body: String) {
        let answer = self.http.put(url).body(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{url}: {}", answer.text().await.unwrap());
    }

    /// A call like one of AWS's own tools, without the code under test.
    pub(crate) async fn call(&self, service: &str, target: &str, input: Value) -> Value {
        let authorization = format!("AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request");
        let request = self.http.post(&self.url).header("x-amz-target", target).header("authorization", authorization);
        let request = request.header("content-type", "application/x-amz-json-1.1").body(input.to_string());
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{target}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Asks the emulator itself.
    pub(crate) async fn control(&self, what: &str) -> Value {
        let answer = self.http.get(format!("{}/-/{what}", self.url)).send().await.unwrap();
        assert!(answer.status().is_success(), "{what}: {}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

async fn make_queue(connections: &Connections, role: QueueRole, shape: Shape) -> String {
    let client = aws_sdk_sqs::Client::new(&connections.config);
    let name = format!("{}-{}", connections.deployment.name_prefix, deployment::suffix(role));
    let dead = client.create_queue().queue_name(format!("{name}-dlq")).send().await.unwrap();
    let arn = QueueAttributeName::QueueArn;
    let dead =
        client.get_queue_attributes().set_queue_url(dead.queue_url).attribute_names(arn.clone()).send().await.unwrap();
    let dead = dead.attributes.unwrap().remove(&arn).unwrap();
    let mut create = client
        .create_queue()
        .queue_name(name)
        .attributes(QueueAttributeName::VisibilityTimeout, deployment::visibility(role).as_secs().to_string())
        .attributes(QueueAttributeName::MessageRetentionPeriod, "1209600");
    if shape == Shape::Usual {
        let policy = format!(r#"{{"deadLetterTargetArn":"{dead}","maxReceiveCount":5}}"#);
        create = create.attributes(QueueAttributeName::RedrivePolicy, policy);
    }
    create.send().await.unwrap().queue_url.unwrap()
}

async fn make_table(connections: &Connections, name: &str, sort: Option<&str>, has_indexes: bool) -> String {
    let client = aws_sdk_dynamodb::Client::new(&connections.config);
    let attribute =
        |name: &str, kind| AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap();
    let element = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    let mut create = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("job_id", ScalarAttributeType::S))
        .key_schema(element("job_id", KeyType::Hash));
    if let Some(sort) = sort {
        create = create
            .attribute_definitions(attribute(sort, ScalarAttributeType::N))
            .key_schema(element(sort, KeyType::Range));
    }
    if has_indexes {
        create = create.attribute_definitions(attribute("status", ScalarAttributeType::S));
        for by in ["completed_at", "created_at"] {
            let index = GlobalSecondaryIndex::builder()
                .index_name(format!("status-{by}"))
                .key_schema(element("status", KeyType::Hash))
                .key_schema(element(by, KeyType::Range))
                .projection(Projection::builder().projection_type(ProjectionType::All).build())
                .build()
                .unwrap();
            create =
                create.attribute_definitions(attribute(by, ScalarAttributeType::N)).global_secondary_indexes(index);
        }
    }
    create.send().await.unwrap();
    name.to_owned()
}
