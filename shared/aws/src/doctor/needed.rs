//! The actions that stereospot needs, and what for. `tests.rs` holds the lists equal to the calls that this crate makes.

use super::report::{PROVISION, QueueFound, Report};
use crate::deployment::Deployment;
use crate::provision::Account;

/// Actions, each with what needs it.
pub(super) type Actions = Vec<(&'static str, &'static str)>;

/// On the queues that workers receive from:
const ON_QUEUES: [(&str, &str); 6] = [
    ("sqs:GetQueueAttributes", "watching queues"),
    ("sqs:SendMessage", "replay, repair and reassembly trigger"),
    ("sqs:ReceiveMessage", "our workers, peeking at messages"),
    ("sqs:DeleteMessage", "our workers"),
    ("sqs:ChangeMessageVisibility", "our workers: extending a lease while they work"),
    ("sqs:PurgeQueue", "purge"),
];
/// On their dead-letter queues:
const ON_DEAD_LETTERS: [(&str, &str); 10] = [
    ("sqs:GetQueueAttributes", "watching dead-letter queues"),
    ("sqs:ReceiveMessage", "reading and replaying dead-lettered messages"),
    ("sqs:DeleteMessage", "replay and discard"),
    ("sqs:ChangeMessageVisibility", "replay: giving back what was not replayed"),
    ("sqs:SendMessage", "restore: putting back what was purged"),
    ("sqs:PurgeQueue", "purge"),
    ("sqs:StartMessageMoveTask", "replay of whole queues"),
    ("sqs:ListMessageMoveTasks", "following a replay of a whole queue"),
    ("sqs:ListDeadLetterSourceQueues", "replay of whole queues: also what was put back by a restore"),
    ("sqs:CancelMessageMoveTask", "stopping a replay of a whole queue"),
];
const ON_TABLES: [(&str, &str); 6] = [
    ("dynamodb:GetItem", "watching jobs"),
    ("dynamodb:Query", "watching jobs and their segments"),
    ("dynamodb:PutItem", "our workers and repairs"),
    ("dynamodb:UpdateItem", "our workers and repairs"),
    ("dynamodb:DeleteItem", "taking away dead locks, and the rows of deleted jobs"),
    ("dynamodb:DescribeTable", "doctor, and the check at the start"),
];
/// And on the completions' own:
const ON_COMPLETIONS: [(&str, &str); 1] = [("dynamodb:BatchWriteItem", "deleting jobs")];
const ON_OBJECTS: [(&str, &str); 4] = [
    ("s3:GetObject", "our workers"),
    ("s3:PutObject", "submitting, our workers, repairs"),
    ("s3:DeleteObject", "deleting jobs"),
    ("s3:AbortMultipartUpload", "submitting: giving up a large upload"),
];
const ON_BUCKETS: [(&str, &str); 3] = [
    ("s3:ListBucket", "finding outputs without a completion"),
    ("s3:GetBucketNotification", "doctor, and the check at the start"),
    ("s3:GetEncryptionConfiguration", "doctor: which key the objects need"),
];
const ON_SERVICES: [(&str, &str); 2] =
    [("ecs:DescribeServices", "watching services"), ("ecs:UpdateService", "scaling, forcing a task")];
const ON_TASKS: [(&str, &str); 1] =
    [("ecs:UpdateTaskProtection", "our workers on ECS: no task is stopped while it works")];
const ON_EVERYTHING: [(&str, &str); 7] = [
    ("application-autoscaling:DescribeScalableTargets", "showing the limits of scaling"),
    ("logs:DescribeLogGroups", "logs of a job"),
    ("logs:StartQuery", "logs of a job"),
    ("logs:GetQueryResults", "logs of a job"),
    ("logs:StopQuery", "stopping an abandoned log search"),
    ("cloudwatch:DescribeAlarms", "finding the alarm for stuck jobs"),
    ("cloudwatch:PutMetricData", "the alarm for stuck jobs"),
];
const ON_ENDPOINT: [(&str, &str); 3] = [
    ("sagemaker:InvokeEndpointAsync", "managed inference"),
    ("sagemaker:DescribeEndpoint", "watching the endpoint"),
    ("sagemaker:UpdateEndpoint", "endpoint update"),
];
const ON_ENDPOINT_CONFIGS: [(&str, &str); 2] =
    [("sagemaker:DescribeEndpointConfig", "endpoint update"), ("sagemaker:CreateEndpointConfig", "endpoint update")];
const ON_MODELS: [(&str, &str); 2] =
    [("sagemaker:DescribeModel", "endpoint update"), ("sagemaker:CreateModel", "endpoint update")];
/// SageMaker passes the endpoint's role on to a new model.
const ON_ENDPOINT_ROLE: [(&str, &str); 1] = [("iam:PassRole", "endpoint update: the new model has the old one's role")];

/// What only `provision` needs, by the kind of resource that it makes.
const FOR_QUEUES: [&str; 6] = [
    "sqs:CreateQueue",
    "sqs:GetQueueUrl",
    "sqs:SetQueueAttributes",
    "sqs:DeleteQueue",
    "sqs:ListQueueTags",
    "sqs:TagQueue",
];
const FOR_BUCKETS: [&str; 5] =
    ["s3:CreateBucket", "s3:PutBucketNotification", "s3:DeleteBucket", "s3:GetBucketTagging", "s3:PutBucketTagging"];
const FOR_TABLES: [&str; 7] = [
    "dynamodb:CreateTable",
    "dynamodb:UpdateTable",
    "dynamodb:DeleteTable",
    "dynamodb:DescribeTimeToLive",
    "dynamodb:UpdateTimeToLive",
    "dynamodb:ListTagsOfResource",
    "dynamodb:TagResource",
];
const FOR_LOG_GROUPS: [&str; 7] = [
    "logs:CreateLogGroup",
    "logs:PutRetentionPolicy",
    "logs:DescribeIndexPolicies",
    "logs:PutIndexPolicy",
    "logs:DeleteLogGroup",
    "logs:ListTagsForResource",
    "logs:TagResource",
];
/// Alarms are known by their descriptions.
const FOR_ALARMS: [&str; 2] = ["cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms"];

/// The resources of a deployment with the actions that stereospot needs on them.
pub(super) fn needed(deployment: &Deployment, account: &Account, report: &Report) -> Vec<(String, Actions)> {
    let mut needed: Vec<(String, Actions)> = Vec::new();
    let mut on = |resource: String, actions: &[(&'static str, &'static str)]| needed.push((resource, actions.to_vec()));
    for name in deployment.queues.keys().filter_map(|role| deployment.queue_name(*role)) {
        on(account.arn("sqs", name), &ON_QUEUES);
    }
    for name in report.queues.iter().filter_map(|queue| Some(&queue.dead_letter.as_ref()?.name)) {
        on(account.arn("sqs", name), &ON_DEAD_LETTERS);
    }
    for (_, name) in tables(deployment) {
        on(account.arn("dynamodb", &format!("table/{name}")), &ON_TABLES);
    }
    if let Some(name) = &deployment.tables.completions {
        on(account.arn("dynamodb", &format!("table/{name}")), &ON_COMPLETIONS);
    }
    for name in [&deployment.input_bucket, &deployment.output_bucket].into_iter().flatten() {
        let arn = format!("arn:{}:s3:::{name}", account.partition);
        on(format!("{arn}/*"), &ON_OBJECTS);
        on(arn, &ON_BUCKETS);
    }
    for key in keys(account, report) {
        on(key, &[("kms:Decrypt", "reading what is encrypted"), ("kms:GenerateDataKey", "writing what is encrypted")]);
    }
    if let Some(cluster) = &deployment.cluster {
        let cluster = cluster.rsplit('/').next().unwrap_or_default();
        on(account.arn("ecs", &format!("service/{cluster}/video-worker")), &ON_SERVICES);
        on(account.arn("ecs", &format!("task/{cluster}/*")), &ON_TASKS);
    }
    if let Some(endpoint) = &deployment.sagemaker.endpoint_name {
        on(account.arn("sagemaker", &format!("endpoint/{}", endpoint.to_lowercase())), &ON_ENDPOINT);
        on(account.arn("sagemaker", "endpoint-config/*"), &ON_ENDPOINT_CONFIGS);
        on(account.arn("sagemaker", "model/*"), &ON_MODELS);
        let role = deployment.sagemaker.role_arn.clone();
        let any = || format!("arn:{}:iam::{}:role/*", account.partition, account.id);
        on(role.unwrap_or_else(any), &ON_ENDPOINT_ROLE);
    }
    on("*".into(), &ON_EVERYTHING);
    needed.extend(for_provision(deployment, account));
    needed
}

fn for_provision(deployment: &Deployment, account: &Account) -> Vec<(String, Actions)> {
    let prefix = &deployment.name_prefix;
    let all = |actions: &[&'static str]| actions.iter().map(|action| (*action, PROVISION)).collect();
    vec![
        (account.arn("sqs", &format!("{prefix}-*")), all(&FOR_QUEUES)),
        (format!("arn:{}:s3:::{prefix}-*", account.partition), all(&FOR_BUCKETS)),
        (account.arn("dynamodb", &format!("table/{prefix}-*")), all(&FOR_TABLES)),
        (account.arn("logs", &format!("log-group:/ecs/{prefix}/*")), all(&FOR_LOG_GROUPS)),
        (account.arn("cloudwatch", &format!("alarm:{prefix}-*")), all(&FOR_ALARMS)),
    ]
}

/// ARNs of the keys that encrypt queues, tables and objects. AWS's own keys need no permission.
fn keys(account: &Account, report: &Report) -> Vec<String> {
    let of_queue = |queue: &QueueFound| {
        let dead = queue.dead_letter.as_ref().and_then(|dead| dead.kms_key.clone());
        [queue.kms_key.clone(), dead]
    };
    let mut keys: Vec<String> = report.queues.iter().flat_map(of_queue).flatten().collect();
    keys.extend(report.tables.iter().filter_map(|table| table.kms_key.clone()));
    keys.extend(report.buckets.iter().filter_map(|bucket| bucket.kms_key.clone()));
    keys.retain(|key| !key.contains("alias/aws/"));
    let arn = |key: String| match key {
        key if key.starts_with("arn:") => key,
        key if key.starts_with("alias/") => account.arn("kms", &key),
        key => account.arn("kms", &format!("key/{key}")),
    };
    let mut keys: Vec<String> = keys.into_iter().map(arn).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// The tables that the deployment names and stereospot uses: purpose and name.
pub(super) fn tables(deployment: &Deployment) -> Vec<(&'static str, &str)> {
    let tables = &deployment.tables;
    [
        ("jobs", &tables.jobs),
        ("completions", &tables.completions),
        ("locks", &tables.locks),
        ("invocations", &tables.invocations),
    ]
    .into_iter()
    .filter_map(|(purpose, name)| Some((purpose, name.as_deref()?)))
    .collect()
}

/// The action that a counted call needs: the service's id in lower case, and the operation. `None` for calls without a permission.
pub(super) fn action_of(service: &str, operation: &str) -> Option<String> {
    let service = match service {
        "cloudwatch logs" => "logs",
        "application auto scaling" => "application-autoscaling",
        "sagemaker runtime" => "sagemaker",
        "sqs" | "dynamodb" | "s3" | "ecs" | "iam" | "cloudwatch" | "sagemaker" => service,
        _ => return None,
    };
    // A batch needs the permission for single messages.
    let operation = operation.strip_suffix("Batch").filter(|_| service == "sqs").unwrap_or(operation);
    Some(format!("{service}:{operation}"))
}

#[cfg(test)]
mod tests;
