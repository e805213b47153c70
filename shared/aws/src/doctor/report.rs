//! The result of a check, for people and for programs.

use std::fmt;

use serde::Serialize;
use stereospot_domain::Topology;

/// What `provision` needs its actions for. A deployment that exists works without them, so a missing one is no problem.
pub(super) const PROVISION: &str = "provision";

/// Everything that the check found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// Region of everything except the logs, which may be elsewhere.
    pub region: String,
    /// First part of every name.
    pub name_prefix: String,
    /// Absent when AWS does not say, as is the caller.
    pub account: Option<String>,
    /// ARN of the caller.
    pub caller: Option<String>,
    /// `A` with a job-worker, `B` without.
    pub topology: Topology,
    /// Whether `provision` made the deployment, by the tag of its queues; absent when no queue's tags can be read.
    pub is_provisioned: Option<bool>,
    /// Buckets, queues and tables that the environment file names.
    pub buckets: Vec<BucketFound>,
    pub queues: Vec<QueueFound>,
    pub tables: Vec<TableFound>,
    pub services: Vec<ServiceFound>,
    /// Log groups that exist.
    pub log_groups: Vec<String>,
    pub endpoint: Option<EndpointFound>,
    /// Absent when no inference server is named.
    pub inference_server_answers: Option<bool>,
    /// Empty when permissions were not checked.
    pub permissions: Vec<Permission>,
    /// The worst first.
    pub problems: Vec<Problem>,
    /// Worth knowing, but no problem.
    pub notes: Vec<String>,
}

impl Report {
    /// True when nothing stops jobs.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.problems.iter().all(|problem| problem.severity != Severity::Error)
    }
}

impl Report {
    /// Actions with an unknown permission: the action, what needs it, and on how many resources.
    fn not_known(&self) -> Vec<(&'static str, &'static str, usize)> {
        let mut found: Vec<(&'static str, &'static str, usize)> = Vec::new();
        let is_open = |one: &&Permission| one.verdict == Verdict::NotKnown && !one.is_for_provision();
        for permission in self.permissions.iter().filter(is_open) {
            match found
                .iter_mut()
                .find(|(action, need, _)| (*action, *need) == (permission.action, permission.needed_for))
            {
                Some((_, _, count)) => *count += 1,
                None => found.push((permission.action, permission.needed_for, 1)),
            }
        }
        found
    }
}

/// One bucket.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BucketFound {
    /// What it holds.
    pub purpose: &'static str,
    pub name: String,
    /// Absent when it can't be looked at: then a problem says why. The same holds for the others below.
    pub is_there: Option<bool>,
    /// Notification rules that are missing.
    pub missing_rules: Vec<String>,
    /// ARN of the KMS key that encrypts new objects by default.
    pub kms_key: Option<String>,
}

/// One queue with its dead-letter queue.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueueFound {
    pub name: String,
    pub url: String,
    pub is_there: Option<bool>,
    /// Absent when the queue is missing or can't be looked at.
    pub depth: Option<Depth>,
    /// Absent when there is none.
    pub dead_letter: Option<DeadLetterFound>,
    /// Id, ARN or alias of the KMS key that encrypts the messages.
    pub kms_key: Option<String>,
}

/// Counts and settings of a queue. Counts are approximate and may lag a minute.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Depth {
    pub ready: u64,
    pub in_flight: u64,
    pub delayed: u64,
    /// How long a received message stays hidden.
    pub visibility_secs: u64,
    /// How long SQS keeps a message, from its first sending.
    pub retention_secs: u64,
    /// Absent without a redrive policy.
    pub max_receives: Option<u32>,
}

/// A dead-letter queue.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeadLetterFound {
    pub name: String,
    /// True when the queue's redrive policy names it; false when it was found by its name.
    pub is_in_policy: bool,
    pub is_there: Option<bool>,
    pub depth: Option<Depth>,
    pub kms_key: Option<String>,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableFound {
    /// What it holds.
    pub purpose: &'static str,
    pub name: String,
    pub is_there: Option<bool>,
    /// DynamoDB's word; absent when the table is missing or can't be looked at.
    pub status: Option<String>,
    /// DynamoDB counts every few hours.
    pub rows: Option<u64>,
    pub indexes: Vec<String>,
    /// ARN of the customer's KMS key that encrypts the rows.
    pub kms_key: Option<String>,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceFound {
    pub name: String,
    pub desired: u32,
    pub running: u32,
    pub pending: u32,
    /// Fewest and most tasks, if the service is scaled.
    pub limits: Option<(u32, u32)>,
    /// Why the service is not steady.
    pub note: Option<String>,
}

/// The SageMaker endpoint.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EndpointFound {
    pub name: String,
    pub is_there: Option<bool>,
    /// SageMaker's word; absent when the endpoint is missing or can't be looked at.
    pub status: Option<String>,
    pub images: Vec<String>,
}

/// Whether an action is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Allowed,
    /// Not allowed.
    Missing,
    /// Only doing it would show.
    NotKnown,
}

/// The permission for one action on one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Permission {
    /// As in policies: `sqs:ChangeMessageVisibility`.
    pub action: &'static str,
    /// An ARN.
    pub resource: String,
    /// What stereospot needs it for.
    pub needed_for: &'static str,
    pub verdict: Verdict,
}

impl Permission {
    /// True when only `provision` needs it.
    #[must_use]
    pub fn is_for_provision(&self) -> bool {
        self.needed_for == PROVISION
    }
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Jobs can't be processed, or can't be watched.
    Error,
    /// Something will not work, or messages may be lost.
    Warning,
}

/// A problem that the check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub severity: Severity,
    /// A sentence that also says what to do.
    pub what: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unknown = "not known".to_owned();
        writeln!(f, "deployment {} in {}", self.name_prefix, self.region)?;
        writeln!(f, "  account   {}", self.account.as_ref().unwrap_or(&unknown))?;
        writeln!(f, "  caller    {}", self.caller.as_ref().unwrap_or(&unknown))?;
        let meaning = if self.topology == Topology::JobWorker { "a job-worker sets statuses" } else { "no job-worker" };
        writeln!(f, "  topology  {}: {meaning}", self.topology)?;
        if !self.buckets.is_empty() {
            writeln!(f, "buckets")?;
        }
        for bucket in &self.buckets {
            let state = if bucket.is_there == Some(true) { "there" } else { lacking(bucket.is_there) };
            writeln!(f, "  {:<9} {state}  {}", bucket.purpose, bucket.name)?;
        }
        if !self.queues.is_empty() {
            writeln!(
                f,
                "queues{:>36} {:>9} {:>8} {:>12} {:>12}",
                "ready", "in flight", "delayed", "visibility s", "max receives"
            )?;
        }
        for queue in &self.queues {
            line(f, &queue.name, queue.is_there, queue.depth.as_ref())?;
            match &queue.dead_letter {
                Some(dead) => line(f, &dead.name, dead.is_there, dead.depth.as_ref())?,
                None => writeln!(f, "  {:<34} no dead-letter queue", "")?,
            }
        }
        if !self.tables.is_empty() {
            writeln!(f, "tables")?;
        }
        for table in &self.tables {
            let rows = table.rows.map_or(String::new(), |rows| format!(", about {rows} rows"));
            let status = table.status.as_deref().unwrap_or(lacking(table.is_there));
            writeln!(f, "  {:<12} {status}  {}{rows}", table.purpose, table.name)?;
        }
        if !self.services.is_empty() {
            writeln!(f, "services")?;
        }
        for service in &self.services {
            let limits = service.limits.map_or(String::new(), |(min, max)| format!(", scaled {min} to {max}"));
            let idle =
                if service.desired == 0 && service.running == 0 { ", normal while queues are empty" } else { "" };
            writeln!(f, "  {:<13} {} of {} running{limits}{idle}", service.name, service.running, service.desired)?;
        }
        if !self.log_groups.is_empty() {
            writeln!(f, "log groups\n  {}", self.log_groups.join("\n  "))?;
        }
        if let Some(endpoint) = &self.endpoint {
            writeln!(
                f,
                "endpoint\n  {}  {}",
                endpoint.status.as_deref().unwrap_or(lacking(endpoint.is_there)),
                endpoint.name
            )?;
        }
        if let Some(answers) = self.inference_server_answers {
            writeln!(f, "inference server\n  {}", if answers { "answers" } else { "does NOT answer" })?;
        }
        let counts = |is_for_provision| {
            let of = self.permissions.iter().filter(move |one| one.is_for_provision() == is_for_provision);
            [Verdict::Allowed, Verdict::Missing, Verdict::NotKnown]
                .map(|verdict| of.clone().filter(|one| one.verdict == verdict).count())
        };
        let [allowed, missing, unknown] = counts(false);
        if !self.permissions.is_empty() {
            let known = allowed + missing;
            writeln!(f, "permissions\n  {known} known ({allowed} allowed, {missing} missing), {unknown} not known")?;
            let [allowed, missing, unknown] = counts(true);
            writeln!(f, "  for provision: {allowed} allowed, {missing} missing, {unknown} not known")?;
        }
        for (action, needed_for, count) in self.not_known() {
            writeln!(f, "  not known: {action} on {count}, needed for {needed_for}")?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        for problem in &self.problems {
            let word = if problem.severity == Severity::Error { "PROBLEM" } else { "warning" };
            writeln!(f, "{word}: {}", problem.what)?;
        }
        match (self.problems.is_empty(), unknown) {
            (false, _) => {}
            (true, 0) => writeln!(f, "nothing is wrong")?,
            (true, _) => writeln!(
                f,
                "no problem was found, but {unknown} of {} permissions are not known: allow iam:SimulatePrincipalPolicy to \
                 learn them",
                allowed + missing + unknown
            )?,
        }
        Ok(())
    }
}

/// The word for a thing without details: gone, or not looked at.
fn lacking(is_there: Option<bool>) -> &'static str {
    if is_there == Some(false) { "MISSING" } else { "not known" }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, is_there: Option<bool>, depth: Option<&Depth>) -> fmt::Result {
    let Some(depth) = depth else { return writeln!(f, "  {name:<34} {}", lacking(is_there)) };
    let Depth { ready, in_flight, delayed, visibility_secs, .. } = depth;
    let receives = depth.max_receives.map_or("-".into(), |receives| receives.to_string());
    writeln!(f, "  {name:<34} {ready:>5} {in_flight:>9} {delayed:>8} {visibility_secs:>12} {receives:>12}")
}
