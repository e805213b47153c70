//! Buckets, queues and tables: what every job needs.

use aws_sdk_dynamodb::types::TableStatus;
use futures::future::join_all;
use stereospot_domain::QueueRole;
use stereospot_ports::{ErrorCode, Result};

use super::report::{BucketFound, DeadLetterFound, Depth, QueueFound, Severity, TableFound};
use super::{Complaints, Doctor, needed};
use crate::deployment::{key, visibility};
use crate::error::Call;
use crate::provision::{State, bucket, table};
use crate::sqs::{Attributes, RedrivePolicy, attributes, dead_letter_url};

/// With a shorter retention a dead-lettered message may be gone before anyone looks: retention counts from the first sending.
const SHORT_RETENTION_SECS: u64 = 5 * 86_400;
/// The indexes that jobs are listed by.
const INDEXES: [&str; 2] = ["status-completed_at", "status-created_at"];

impl Doctor<'_> {
    pub(super) async fn buckets(&self) -> (Vec<BucketFound>, Complaints) {
        let deployment = self.deployment;
        let events = [QueueRole::OutputEvents, QueueRole::JobStatusEvents];
        let of = |queues: &[QueueRole], rules: &[(&'static str, &'static str)]| -> Vec<_> {
            let named = queues.iter().filter_map(|queue| deployment.queue_name(*queue));
            named
                .flat_map(|name| rules.iter().map(move |(prefix, suffix)| (name.to_owned(), *prefix, *suffix)))
                .collect()
        };
        let mut input = of(&[QueueRole::Chunking], &[("input/", ".mp4")]);
        input.extend(of(&[QueueRole::Inference], &[("segments/", ".mp4")]));
        let mut output = of(&events, &[("jobs/", ".mp4"), ("jobs/", ".reassembly-done")]);
        if deployment.sagemaker.endpoint_name.is_some() {
            output.extend(of(&events, &[("sagemaker-async-responses/", ""), ("sagemaker-async-failures/", "")]));
        }
        let mut complaints = Complaints::default();
        let mut found = Vec::new();
        let wanted = [
            ("input", "INPUT_BUCKET_NAME", &deployment.input_bucket, input),
            ("output", "OUTPUT_BUCKET_NAME", &deployment.output_bucket, output),
        ];
        let looks = wanted.iter().map(async |(_, _, name, _)| match name {
            Some(name) => Some(bucket::look(&self.s3, name).await),
            None => None,
        });
        let looks = join_all(looks).await;
        for ((purpose, key, name, rules), look) in wanted.into_iter().zip(looks) {
            let (Some(name), Some(look)) = (name, look) else {
                complaints.error(format!("{key} is missing in the environment file: name the bucket"));
                continue;
            };
            let is_there = match look {
                Ok(State::Missing) => {
                    complaints.error(format!(
                        "the bucket {name} does not exist: check {key} and the region, or {}",
                        self.remake(name)
                    ));
                    Some(false)
                }
                Ok(_) => Some(true),
                Err(error) => {
                    complaints.unasked(Severity::Error, error);
                    None
                }
            };
            let mut bucket =
                BucketFound { purpose, name: name.clone(), is_there, missing_rules: Vec::new(), kms_key: None };
            if is_there == Some(true) {
                bucket.missing_rules = self.rules(name, rules, &mut complaints).await;
                // Without the permission the key is not known, and permissions say so.
                bucket.kms_key = bucket::kms_key(&self.s3, name).await.unwrap_or_default();
            }
            found.push(bucket);
        }
        (found, complaints)
    }

    /// The rules that a bucket lacks, in words. Compares the queue's name, not its account.
    async fn rules(&self, bucket: &str, wanted: Vec<(String, &str, &str)>, complaints: &mut Complaints) -> Vec<String> {
        let notified = match bucket::notified(&self.s3, bucket).await {
            Ok(notified) => notified,
            Err(error) => {
                complaints.unasked(Severity::Warning, error);
                return Vec::new();
            }
        };
        let mut missing = Vec::new();
        for (queue, prefix, suffix) in wanted {
            let is_there = notified.iter().any(|rule| {
                rule.queue_arn.rsplit(':').next() == Some(queue.as_str())
                    && rule.prefix == prefix
                    && rule.suffix == suffix
            });
            if !is_there {
                let rule = format!("{prefix}*{suffix} to {queue}");
                complaints.error(format!(
                    "the bucket {bucket} does not announce {rule}: add the notification, or {}",
                    self.remake("it")
                ));
                missing.push(rule);
            }
        }
        missing
    }

    pub(super) async fn queues(&self) -> (Vec<QueueFound>, Complaints) {
        let mut complaints = Complaints::default();
        for role in QueueRole::PIPELINE.iter().filter(|role| !self.deployment.queues.contains_key(role)) {
            complaints.error(format!("{} is missing in the environment file: name the queue", key(*role)));
        }
        let found = self.deployment.queues.iter().map(async |(role, url)| self.queue(*role, url).await);
        let mut queues = Vec::new();
        for (queue, of_queue) in join_all(found).await {
            queues.push(queue);
            complaints.extend(of_queue);
        }
        (queues, complaints)
    }

    async fn queue(&self, role: QueueRole, url: &str) -> (QueueFound, Complaints) {
        let mut complaints = Complaints::default();
        let name = url.rsplit('/').next().unwrap_or(url).to_owned();
        let (is_there, attributes) = match self.attributes(&name, url).await {
            Ok(attributes) => (Some(true), Some(attributes)),
            Err(error) if error.code() == ErrorCode::NotFound => {
                complaints.error(format!("{error}; if it was deleted, {}", self.remake("it")));
                (Some(false), None)
            }
            Err(error) => {
                complaints.unasked(Severity::Error, error);
                (None, None)
            }
        };
        let depth = attributes.as_ref().map(depth);
        let kms_key = attributes.as_ref().and_then(|attributes| attributes.kms_key.clone());
        if kms_key.as_deref().is_some_and(|key| key.ends_with("alias/aws/sqs")) && is_notified(role) {
            complaints.error(format!(
                "{name} is encrypted with AWS's own key (alias/aws/sqs), with which S3 can't send: use a KMS key of your own \
                 that lets s3.amazonaws.com use it, or SQS's own encryption"
            ));
        }
        if let Some(depth) = depth.as_ref().filter(|depth| depth.visibility_secs < visibility(role).as_secs()) {
            complaints.notes.push(format!(
                "{name} hides messages for {} s; {} s is usual: work that takes longer without extending its lease is done twice",
                depth.visibility_secs,
                visibility(role).as_secs()
            ));
        }
        let is_policy_known = attributes.is_some();
        let redrive = attributes.and_then(|attributes| attributes.redrive);
        let dead_letter = self.dead_letter(&name, url, redrive.as_ref(), is_policy_known, &mut complaints).await;
        (QueueFound { name, url: url.into(), is_there, depth, dead_letter, kms_key }, complaints)
    }

    async fn attributes(&self, name: &str, url: &str) -> Result<Attributes> {
        let call = Call { action: "sqs:GetQueueAttributes", kind: "queue", resource: name, key: None };
        attributes(&self.connections.sqs, url, call).await
    }

    async fn dead_letter(
        &self,
        queue_name: &str,
        queue_url: &str,
        redrive: Option<&RedrivePolicy>,
        is_policy_known: bool,
        complaints: &mut Complaints,
    ) -> Option<DeadLetterFound> {
        let is_in_policy = redrive.is_some();
        let url = dead_letter_url(queue_url, redrive);
        let name = url.rsplit('/').next().unwrap_or(&url).to_owned();
        let mut kms_key = None;
        let (is_there, depth) = match self.attributes(&name, &url).await {
            Ok(attributes) => {
                kms_key.clone_from(&attributes.kms_key);
                if let Some(further) = &attributes.redrive {
                    complaints.warn(format!(
                        "{name} is a dead-letter queue and has a redrive policy of its own, to {}: messages that are looked at \
                         go there, and no one watches it; remove that policy",
                        further.dead_letter_arn.rsplit(':').next().unwrap_or_default()
                    ));
                }
                (Some(true), Some(depth(&attributes)))
            }
            Err(error) if error.code() == ErrorCode::NotFound && !is_policy_known => return None,
            Err(error) if error.code() == ErrorCode::NotFound && !is_in_policy => {
                complaints.warn(format!(
                    "{queue_name} has no dead-letter queue: failing messages are tried for ever; make {name}"
                ));
                return None;
            }
            Err(error) if error.code() == ErrorCode::NotFound => {
                let usual = format!("{queue_name}-dlq");
                let is_typo = name != usual && self.attributes(&usual, &format!("{queue_url}-dlq")).await.is_ok();
                if is_typo {
                    complaints.error(format!(
                        "{queue_name} dead-letters to {name}, which does not exist, while {usual} does: correct the redrive \
                         policy, or failing messages are lost"
                    ));
                    return Some(DeadLetterFound {
                        name,
                        is_in_policy,
                        is_there: Some(false),
                        depth: None,
                        kms_key: None,
                    });
                }
                complaints.error(format!(
                    "{queue_name} dead-letters to {name}, which does not exist or may not be seen: failing messages are \
                     lost if it is gone; make it, or allow sqs:GetQueueAttributes on it"
                ));
                (Some(false), None)
            }
            Err(error) => {
                complaints.unasked(Severity::Warning, error);
                (None, None)
            }
        };
        if let Some(depth) = &depth {
            if is_policy_known && !is_in_policy {
                complaints.warn(format!(
                    "{name} exists, but {queue_name} has no redrive policy: set it, else nothing gets there"
                ));
            }
            let all = depth.ready + depth.in_flight;
            if all > 0 {
                complaints.warn(format!("{name} holds about {all} messages: read why, then replay or discard them"));
            }
            if depth.retention_secs < SHORT_RETENTION_SECS {
                complaints.notes.push(format!(
                    "{name} forgets messages {} days after they were first sent: raise its retention to 14 days",
                    depth.retention_secs / 86_400
                ));
            }
        }
        Some(DeadLetterFound { name, is_in_policy, is_there, depth, kms_key })
    }

    pub(super) async fn tables(&self) -> (Vec<TableFound>, Complaints) {
        let mut complaints = Complaints::default();
        let named = needed::tables(self.deployment);
        for (purpose, key) in [
            ("jobs", "JOBS_TABLE_NAME"),
            ("completions", "SEGMENT_COMPLETIONS_TABLE_NAME"),
            ("locks", "REASSEMBLY_TRIGGERED_TABLE_NAME"),
        ] {
            if !named.iter().any(|(named, _)| *named == purpose) {
                complaints.error(format!("{key} is missing in the environment file: name the table"));
            }
        }
        // At once: if nothing answers, each look takes its whole time limit.
        let described = join_all(named.iter().map(|(_, name)| table::describe(&self.connections.dynamo, name))).await;
        let mut tables = Vec::new();
        for ((purpose, name), described) in named.into_iter().zip(described) {
            let (is_there, found) = match described {
                Ok(Some(found)) => (Some(true), Some(found)),
                Ok(None) => {
                    complaints.error(format!(
                        "the table {name} does not exist: check its name and the region, or {}",
                        self.remake(name)
                    ));
                    (Some(false), None)
                }
                Err(error) => {
                    complaints.unasked(Severity::Error, error);
                    (None, None)
                }
            };
            let indexes = found.iter().flat_map(|found| found.global_secondary_indexes());
            let indexes: Vec<String> = indexes.filter_map(|index| index.index_name.clone()).collect();
            if purpose == "jobs" && found.is_some() {
                for index in INDEXES.iter().filter(|index| !indexes.iter().any(|found| found == **index)) {
                    complaints.error(format!(
                        "the table {name} has no index {index}, so jobs can't be listed: {}",
                        self.remake("it")
                    ));
                }
            }
            let found = found.as_ref();
            let encryption = found.and_then(|found| found.sse_description());
            if encryption.is_some_and(|encryption| encryption.inaccessible_encryption_date_time().is_some()) {
                let key = encryption.and_then(|encryption| encryption.kms_master_key_arn()).unwrap_or("its KMS key");
                complaints.error(format!(
                    "DynamoDB can't use {key}, so the table {name} can't be read: enable the key within seven days, or the \
                     table is archived"
                ));
            }
            tables.push(TableFound {
                purpose,
                name: name.into(),
                is_there,
                status: found.and_then(|found| found.table_status()).map(TableStatus::to_string),
                rows: found.and_then(|found| u64::try_from(found.item_count?).ok()),
                indexes,
                kms_key: encryption.and_then(|encryption| encryption.kms_master_key_arn.clone()),
            });
        }
        (tables, complaints)
    }
}

/// True when S3 sends to the queue.
fn is_notified(role: QueueRole) -> bool {
    matches!(role, QueueRole::Chunking | QueueRole::Inference | QueueRole::OutputEvents | QueueRole::JobStatusEvents)
}

fn depth(attributes: &Attributes) -> Depth {
    Depth {
        ready: attributes.stats.ready,
        in_flight: attributes.stats.in_flight,
        delayed: attributes.stats.delayed,
        visibility_secs: attributes.settings.visibility.as_secs(),
        retention_secs: attributes.retention.as_secs(),
        max_receives: attributes.settings.max_receives,
    }
}
