//! What an empty account needs, by exact name.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stereospot_domain::QueueRole;

use super::Account;
use crate::deployment::{suffix, visibility};

/// Seconds in 14 days: how long queues and dead-letter queues keep a message. AWS's default of 4 days counts from the first
/// enqueue, so that a message could be gone soon after it was dead-lettered.
pub(super) const RETENTION_SECS: u64 = 1_209_600;
/// After so many receives a message is dead-lettered.
pub(super) const MAX_RECEIVES: u32 = 5;

/// What kind of thing a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A queue.
    Queue,
    /// A bucket.
    Bucket,
    /// What a bucket tells which queue.
    Notifications,
    /// A table with its indexes.
    Table,
    /// The attribute by which a table forgets rows.
    TimeToLive,
    /// A log group with its retention.
    LogGroup,
    /// The field by which a log group's lines are found fast.
    FieldIndex,
    /// An alarm.
    Alarm,
}

impl Kind {
    /// The name that people read.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Queue => "queue",
            Kind::Bucket => "bucket",
            Kind::Notifications => "notifications of",
            Kind::Table => "table",
            Kind::TimeToLive => "time to live of",
            Kind::LogGroup => "log group",
            Kind::FieldIndex => "field index of",
            Kind::Alarm => "alarm",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One resource and how it shall be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Resource {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) wanted: Wanted,
}

/// How it shall be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wanted {
    Queue(QueueWanted),
    Bucket,
    Notifications(Vec<Rule>),
    /// Members of a CreateTable request.
    Table(Value),
    /// Name of the attribute.
    TimeToLive(&'static str),
    LogGroup,
    /// Name of the field.
    FieldIndex(&'static str),
    /// A PutMetricAlarm request.
    Alarm(Value),
}

/// How a queue shall be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct QueueWanted {
    /// Absent on dead-letter queues: nobody works on them, the default does.
    pub(super) visibility_secs: Option<u64>,
    /// ARN of its dead-letter queue.
    pub(super) dead_letter_arn: Option<String>,
    /// ARN of the bucket that may send to it.
    pub(super) sender_arn: Option<String>,
}

/// A bucket tells a queue of new objects with this beginning and ending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) id: &'static str,
    pub(super) queue_arn: String,
    pub(super) prefix: &'static str,
    pub(super) suffix: &'static str,
}

/// Everything, in the order in which it can be made.
pub(super) fn all(prefix: &str, account: &Account) -> Vec<Resource> {
    let mut all = Vec::new();
    let arn = |name: &str| account.arn("sqs", name);
    let (input, output) = (bucket(prefix, "input", account), bucket(prefix, "output", account));
    let bucket_arn = |name: &str| format!("arn:{}:s3:::{name}", account.partition);
    // Those that only other services use are not made.
    for role in QueueRole::PIPELINE.iter().copied() {
        let name = queue_name(prefix, role);
        let dead = format!("{name}-dlq");
        let sender = match role {
            QueueRole::Chunking | QueueRole::Inference => Some(&input),
            QueueRole::OutputEvents => Some(&output),
            _ => None,
        };
        let dead_wanted = QueueWanted { visibility_secs: None, dead_letter_arn: None, sender_arn: None };
        let wanted = QueueWanted {
            visibility_secs: Some(visibility(role).as_secs()),
            dead_letter_arn: Some(arn(&dead)),
            sender_arn: sender.map(|bucket| bucket_arn(bucket)),
        };
        all.push(Resource { kind: Kind::Queue, name: dead, wanted: Wanted::Queue(dead_wanted) });
        all.push(Resource { kind: Kind::Queue, name, wanted: Wanted::Queue(wanted) });
    }
    let rule =
        |id, queue, prefix_, suffix| Rule { id, queue_arn: arn(&queue_name(prefix, queue)), prefix: prefix_, suffix };
    let input_rules = vec![
        rule("stereospot-sources", QueueRole::Chunking, "input/", ".mp4"),
        rule("stereospot-segments", QueueRole::Inference, "segments/", ".mp4"),
    ];
    let output_rules = vec![
        rule("stereospot-outputs", QueueRole::OutputEvents, "jobs/", ".mp4"),
        rule("stereospot-done", QueueRole::OutputEvents, "jobs/", ".reassembly-done"),
        rule("stereospot-responses", QueueRole::OutputEvents, "sagemaker-async-responses/", ""),
        rule("stereospot-failures", QueueRole::OutputEvents, "sagemaker-async-failures/", ""),
    ];
    for (name, rules) in [(input, input_rules), (output, output_rules)] {
        all.push(Resource { kind: Kind::Bucket, name: name.clone(), wanted: Wanted::Bucket });
        all.push(Resource { kind: Kind::Notifications, name, wanted: Wanted::Notifications(rules) });
    }
    for (suffix, ttl, wanted) in tables() {
        let name = format!("{prefix}-{suffix}");
        all.push(Resource { kind: Kind::Table, name: name.clone(), wanted: Wanted::Table(wanted) });
        if let Some(attribute) = ttl {
            all.push(Resource { kind: Kind::TimeToLive, name, wanted: Wanted::TimeToLive(attribute) });
        }
    }
    for service in ["media-worker", "video-worker"] {
        let name = format!("/ecs/{prefix}/{service}");
        all.push(Resource { kind: Kind::LogGroup, name: name.clone(), wanted: Wanted::LogGroup });
        all.push(Resource { kind: Kind::FieldIndex, name, wanted: Wanted::FieldIndex("job_id") });
    }
    all.extend(alarms(prefix));
    all
}

pub(super) fn queue_name(prefix: &str, role: QueueRole) -> String {
    format!("{prefix}-{}", suffix(role))
}

/// Buckets' names are unique in the world: the account's number makes ours so.
pub(super) fn bucket(prefix: &str, side: &str, account: &Account) -> String {
    format!("{prefix}-{side}-{}", account.id)
}

/// The tables: suffix, time-to-live attribute, members of CreateTable.
fn tables() -> [(&'static str, Option<&'static str>, Value); 4] {
    let attribute = |name: &str, kind: &str| json!({ "AttributeName": name, "AttributeType": kind });
    let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
    let index = |range: &str| {
        json!({
            "IndexName": format!("status-{range}"),
            "KeySchema": [key("status", "HASH"), key(range, "RANGE")],
            "Projection": { "ProjectionType": "ALL" },
        })
    };
    let plain =
        |name: &str| json!({ "AttributeDefinitions": [attribute(name, "S")], "KeySchema": [key(name, "HASH")] });
    let jobs = json!({
        "AttributeDefinitions": [
            attribute("job_id", "S"), attribute("status", "S"), attribute("completed_at", "N"), attribute("created_at", "N"),
        ],
        "KeySchema": [key("job_id", "HASH")],
        "GlobalSecondaryIndexes": [index("completed_at"), index("created_at")],
    });
    let completions = json!({
        "AttributeDefinitions": [attribute("job_id", "S"), attribute("segment_index", "N")],
        "KeySchema": [key("job_id", "HASH"), key("segment_index", "RANGE")],
    });
    [
        ("jobs", None, jobs),
        ("segment-completions", None, completions),
        ("reassembly-triggered", Some("ttl"), plain("job_id")),
        ("inference-invocations", Some("ttl"), plain("output_location")),
    ]
}

/// Namespace of our own metrics in CloudWatch.
pub(super) const NAMESPACE: &str = "stereospot";
/// The metric of ours: jobs that don't go on.
pub(super) const STUCK_JOBS: &str = "StuckJobs";
/// Its only dimension: the name prefix.
pub(super) const DEPLOYMENT: &str = "Deployment";

/// Name of the alarm for stuck jobs.
pub(super) fn stuck_jobs_alarm(prefix: &str) -> String {
    format!("{prefix}-stuck-jobs")
}

/// One alarm for each dead-letter queue, one for each queue that nobody works off, one for stuck jobs.
fn alarms(prefix: &str) -> Vec<Resource> {
    let alarm = |name: String, about: String, metric: Value| {
        let mut wanted = metric;
        wanted["AlarmName"] = name.as_str().into();
        wanted["AlarmDescription"] = about.into();
        wanted["ComparisonOperator"] = "GreaterThanThreshold".into();
        Resource { kind: Kind::Alarm, name, wanted: Wanted::Alarm(wanted) }
    };
    let of_queue = |queue: &str, metric: &str, threshold: f64| {
        json!({
            "Namespace": "AWS/SQS", "MetricName": metric, "Statistic": "Maximum", "Period": 60, "EvaluationPeriods": 1,
            "Threshold": threshold, "TreatMissingData": "notBreaching",
            "Dimensions": [{ "Name": "QueueName", "Value": queue }],
        })
    };
    let mut alarms = Vec::new();
    for role in QueueRole::PIPELINE.iter().copied() {
        let name = queue_name(prefix, role);
        let dead = format!("{name}-dlq");
        alarms.push(alarm(
            format!("{dead}-messages"),
            format!("Messages in {dead}: read why, then replay or discard them."),
            of_queue(&dead, "ApproximateNumberOfMessagesVisible", 0.0),
        ));
        // By then every attempt of the oldest message should have ended.
        let patience = visibility(role).as_secs() as f64 * f64::from(MAX_RECEIVES);
        alarms.push(alarm(
            format!("{name}-not-worked-off"),
            format!("The oldest message in {name} waits for longer than all attempts take: do its workers run?"),
            of_queue(&name, "ApproximateAgeOfOldestMessage", patience),
        ));
    }
    alarms.push(alarm(
        stuck_jobs_alarm(prefix),
        "Jobs that don't go on by themselves: open the dashboard, it says why and what to do.".into(),
        json!({
            "Namespace": NAMESPACE, "MetricName": STUCK_JOBS, "Statistic": "Maximum", "Period": 300,
            "EvaluationPeriods": 2, "Threshold": 0.0, "TreatMissingData": "missing",
            "Dimensions": [{ "Name": DEPLOYMENT, "Value": prefix }],
        }),
    ));
    alarms
}
