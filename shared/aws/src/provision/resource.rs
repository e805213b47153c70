//! The resources that an empty account needs, by exact name.

use std::fmt;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};
use serde::{Deserialize, Serialize};
use stereospot_domain::QueueRole;

use super::account::Account;
use crate::deployment::{suffix, visibility};

/// Seconds in 14 days: how long queues and dead-letter queues keep a message. AWS's default is 4 days from the first enqueue, so
/// a message could be gone soon after it was dead-lettered.
pub(super) const RETENTION_SECS: u64 = 1_209_600;
/// SQS dead-letters a message after this many receives.
pub(super) const MAX_RECEIVES: u32 = 5;

/// What kind of thing a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Queue,
    Bucket,
    /// A bucket's rules: which queue hears of which new objects.
    Notifications,
    /// A table with its indexes.
    Table,
    /// The attribute by which DynamoDB removes old rows of a table.
    TimeToLive,
    /// A log group with its retention.
    LogGroup,
    /// The field by which a log group's lines are found fast.
    FieldIndex,
    Alarm,
}

impl Kind {
    /// The name for people.
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

/// One resource and how it should be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Resource {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) wanted: Wanted,
}

/// How a resource should be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wanted {
    Queue(QueueWanted),
    Bucket,
    Notifications(Vec<Rule>),
    Table(TableWanted),
    /// Name of the attribute.
    TimeToLive(&'static str),
    LogGroup,
    /// Name of the field.
    FieldIndex(&'static str),
    Alarm(AlarmWanted),
}

/// How a queue should be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct QueueWanted {
    /// Absent on dead-letter queues: no worker receives from them, so the default will do.
    pub(super) visibility_secs: Option<u64>,
    pub(super) dead_letter_arn: Option<String>,
    /// ARN of the bucket that may send to the queue.
    pub(super) sender_arn: Option<String>,
}

/// A bucket notifies this queue of new objects whose keys start and end like this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) id: &'static str,
    pub(super) queue_arn: String,
    pub(super) prefix: &'static str,
    pub(super) suffix: &'static str,
}

/// How a table should be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TableWanted {
    /// The attributes that keys are made of.
    pub(super) attributes: Vec<AttributeDefinition>,
    pub(super) key: Vec<KeySchemaElement>,
    pub(super) indexes: Vec<GlobalSecondaryIndex>,
}

/// How an alarm should be: it rings when the metric's maximum is above the threshold.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AlarmWanted {
    /// Its description.
    pub(super) about: String,
    pub(super) namespace: &'static str,
    pub(super) metric: &'static str,
    pub(super) dimension: (&'static str, String),
    pub(super) period_secs: i32,
    /// For how many periods in a row.
    pub(super) periods: i32,
    pub(super) threshold: f64,
    /// CloudWatch's word for what periods without data mean.
    pub(super) missing_data: &'static str,
}

/// All resources, in the order in which they can be made.
pub(super) fn all(prefix: &str, account: &Account) -> Vec<Resource> {
    let mut all = Vec::new();
    let arn = |name: &str| account.arn("sqs", name);
    let (input, output) = (bucket(prefix, "input", account), bucket(prefix, "output", account));
    let bucket_arn = |name: &str| format!("arn:{}:s3:::{name}", account.partition);
    // Queues that only other services use are not made.
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

/// A bucket's name must be unique in the world, so it contains the account's number.
pub(super) fn bucket(prefix: &str, side: &str, account: &Account) -> String {
    format!("{prefix}-{side}-{}", account.id)
}

/// The tables: suffix, time-to-live attribute, and shape.
fn tables() -> [(&'static str, Option<&'static str>, TableWanted); 4] {
    use ScalarAttributeType::{N, S};
    let plain = |name: &str, range: Option<&str>| TableWanted {
        attributes: [attribute(name, S)].into_iter().chain(range.map(|range| attribute(range, N))).collect(),
        key: key(name, range),
        indexes: Vec::new(),
    };
    let mut jobs = plain("job_id", None);
    jobs.attributes.extend([attribute("status", S), attribute("completed_at", N), attribute("created_at", N)]);
    jobs.indexes = vec![index("completed_at"), index("created_at")];
    [
        ("jobs", None, jobs),
        ("segment-completions", None, plain("job_id", Some("segment_index"))),
        ("reassembly-triggered", Some("ttl"), plain("job_id", None)),
        ("inference-invocations", Some("ttl"), plain("output_location", None)),
    ]
}

fn attribute(name: &str, kind: ScalarAttributeType) -> AttributeDefinition {
    let built = AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build();
    built.expect("an attribute has a name and a type")
}

fn key(hash: &str, range: Option<&str>) -> Vec<KeySchemaElement> {
    let element = |name: &str, kind| {
        let built = KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
        built.expect("a part of a key has a name and a type")
    };
    let range = range.map(|range| element(range, KeyType::Range));
    [element(hash, KeyType::Hash)].into_iter().chain(range).collect()
}

/// The index that lists jobs of one status by a time.
fn index(range: &str) -> GlobalSecondaryIndex {
    let built = GlobalSecondaryIndex::builder()
        .index_name(format!("status-{range}"))
        .set_key_schema(Some(key("status", Some(range))))
        .projection(Projection::builder().projection_type(ProjectionType::All).build())
        .build();
    built.expect("an index has a name and a key")
}

/// Namespace of our own metrics in CloudWatch.
pub(super) const NAMESPACE: &str = "stereospot";
/// Our metric: the number of jobs that are stuck.
pub(super) const STUCK_JOBS: &str = "StuckJobs";
/// Its only dimension: the name prefix.
pub(super) const DEPLOYMENT: &str = "Deployment";

/// Name of the alarm for stuck jobs.
pub(super) fn stuck_jobs_alarm(prefix: &str) -> String {
    format!("{prefix}-stuck-jobs")
}

/// One alarm for each dead-letter queue, one for each queue that is not worked off, one for stuck jobs.
fn alarms(prefix: &str) -> Vec<Resource> {
    let of_queue = |queue: &str, about: String, metric, threshold| AlarmWanted {
        about,
        namespace: "AWS/SQS",
        metric,
        dimension: ("QueueName", queue.to_owned()),
        period_secs: 60,
        periods: 1,
        threshold,
        missing_data: "notBreaching",
    };
    let mut alarms = Vec::new();
    for role in QueueRole::PIPELINE.iter().copied() {
        let name = queue_name(prefix, role);
        let dead = format!("{name}-dlq");
        let about = format!("Messages in {dead}: read why, then replay or discard them.");
        let wanted = of_queue(&dead, about, "ApproximateNumberOfMessagesVisible", 0.0);
        alarms.push((format!("{dead}-messages"), wanted));
        // By then every attempt of the oldest message should have ended.
        let patience = visibility(role).as_secs() as f64 * f64::from(MAX_RECEIVES);
        let about =
            format!("The oldest message in {name} waits for longer than all attempts take: do its workers run?");
        let wanted = of_queue(&name, about, "ApproximateAgeOfOldestMessage", patience);
        alarms.push((format!("{name}-not-worked-off"), wanted));
    }
    let stuck = AlarmWanted {
        about: "Jobs that don't go on by themselves: open the dashboard, it says why and what to do.".into(),
        namespace: NAMESPACE,
        metric: STUCK_JOBS,
        dimension: (DEPLOYMENT, prefix.to_owned()),
        period_secs: 300,
        periods: 2,
        threshold: 0.0,
        missing_data: "missing",
    };
    alarms.push((stuck_jobs_alarm(prefix), stuck));
    let resource = |(name, wanted)| Resource { kind: Kind::Alarm, name, wanted: Wanted::Alarm(wanted) };
    alarms.into_iter().map(resource).collect()
}
