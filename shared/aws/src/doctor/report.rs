//! What a check found, for people and for programs.

use std::fmt;

use serde::Serialize;
use stereospot_domain::Topology;

/// Everything that was found. Nothing was changed to find it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// Region of everything but perhaps the logs.
    pub region: String,
    /// First part of every name.
    pub name_prefix: String,
    /// The account; absent when AWS does not say.
    pub account: Option<String>,
    /// ARN of who is asking; absent as above.
    pub caller: Option<String>,
    /// `A` with a job-worker, `B` without.
    pub topology: Topology,
    /// Buckets that the environment file names.
    pub buckets: Vec<BucketFound>,
    /// Queues that it names.
    pub queues: Vec<QueueFound>,
    /// Tables that it names.
    pub tables: Vec<TableFound>,
    /// Services of its cluster.
    pub services: Vec<ServiceFound>,
    /// Log groups that exist.
    pub log_groups: Vec<String>,
    /// The SageMaker endpoint, where there is one.
    pub endpoint: Option<EndpointFound>,
    /// True or false where an inference server is named: it answers, or not.
    pub inference_server_answers: Option<bool>,
    /// What may be done, as far as it can be known without doing it; empty where that was not asked for.
    pub permissions: Vec<Permission>,
    /// What is wrong, the worst first, each with what to do.
    pub problems: Vec<Problem>,
    /// What is good to know, and no fault.
    pub notes: Vec<String>,
}

impl Report {
    /// True when nothing keeps jobs from going through.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.problems.iter().all(|problem| problem.severity != Severity::Error)
    }
}

impl Report {
    /// Actions whose permission is not known, what needs each, and on how many things.
    fn not_known(&self) -> Vec<(&'static str, &'static str, usize)> {
        let mut found: Vec<(&'static str, &'static str, usize)> = Vec::new();
        for permission in self.permissions.iter().filter(|permission| permission.verdict == Verdict::NotKnown) {
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
    /// Its name.
    pub name: String,
    /// Absent when it can't be looked at: then a problem says why.
    pub is_there: Option<bool>,
    /// Notification rules that should be there and are not.
    pub missing_rules: Vec<String>,
}

/// One queue with its dead-letter queue.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueueFound {
    /// Its name.
    pub name: String,
    /// Its URL.
    pub url: String,
    /// As of buckets.
    pub is_there: Option<bool>,
    /// What it holds and how it is set; absent when it is missing or can't be looked at.
    pub depth: Option<Depth>,
    /// Its dead-letter queue; absent when there is none.
    pub dead_letter: Option<DeadLetterFound>,
}

/// What a queue holds and how it is set. Counts are approximate and may lag a minute.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Depth {
    /// Can be received.
    pub ready: u64,
    /// Being worked on.
    pub in_flight: u64,
    /// Delayed.
    pub delayed: u64,
    /// Seconds that a received message stays hidden.
    pub visibility_secs: u64,
    /// Seconds after which a message is forgotten, counted from its first sending.
    pub retention_secs: u64,
    /// After so many receives a message is dead-lettered.
    pub max_receives: Option<u32>,
}

/// A dead-letter queue.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeadLetterFound {
    /// Its name.
    pub name: String,
    /// True when the queue's redrive policy names it; false when it was found by its name only.
    pub is_in_policy: bool,
    /// As of buckets.
    pub is_there: Option<bool>,
    /// As of queues.
    pub depth: Option<Depth>,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableFound {
    /// What it holds.
    pub purpose: &'static str,
    /// Its name.
    pub name: String,
    /// As of buckets.
    pub is_there: Option<bool>,
    /// DynamoDB's word; absent when it is missing or can't be looked at.
    pub status: Option<String>,
    /// Rows as DynamoDB last counted, some hours ago.
    pub rows: Option<u64>,
    /// Its indexes.
    pub indexes: Vec<String>,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceFound {
    /// Its name.
    pub name: String,
    /// Tasks it should have.
    pub desired: u32,
    /// Tasks that run.
    pub running: u32,
    /// Tasks that are being started.
    pub pending: u32,
    /// Fewest and most tasks that scaling gives it.
    pub limits: Option<(u32, u32)>,
    /// What ECS says about it.
    pub note: Option<String>,
}

/// The SageMaker endpoint.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EndpointFound {
    /// Its name.
    pub name: String,
    /// As of buckets.
    pub is_there: Option<bool>,
    /// SageMaker's word; absent when it is missing or can't be looked at.
    pub status: Option<String>,
    /// Images that it runs.
    pub images: Vec<String>,
}

/// Whether an action is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is.
    Allowed,
    /// It is not.
    Missing,
    /// It can't be known without doing it.
    NotKnown,
}

/// One action on one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Permission {
    /// As policies write it: `sqs:ChangeMessageVisibility`.
    pub action: &'static str,
    /// On what, as an ARN.
    pub resource: String,
    /// What of ours needs it.
    pub needed_for: &'static str,
    /// Whether it is allowed.
    pub verdict: Verdict,
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Jobs can't go through, or can't be watched.
    Error,
    /// Something will not work, or messages may be lost.
    Warning,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad.
    pub severity: Severity,
    /// A sentence that says what to do.
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
        let count = |verdict| self.permissions.iter().filter(|permission| permission.verdict == verdict).count();
        if !self.permissions.is_empty() {
            let (allowed, missing, unknown) =
                (count(Verdict::Allowed), count(Verdict::Missing), count(Verdict::NotKnown));
            writeln!(f, "permissions\n  {allowed} allowed, {missing} missing, {unknown} not known")?;
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
        if self.problems.is_empty() {
            writeln!(f, "nothing is wrong")?;
        }
        Ok(())
    }
}

/// Of what has nothing to show: gone, or not asked.
fn lacking(is_there: Option<bool>) -> &'static str {
    if is_there == Some(false) { "MISSING" } else { "not known" }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, is_there: Option<bool>, depth: Option<&Depth>) -> fmt::Result {
    let Some(depth) = depth else { return writeln!(f, "  {name:<34} {}", lacking(is_there)) };
    let Depth { ready, in_flight, delayed, visibility_secs, .. } = depth;
    let receives = depth.max_receives.map_or("-".into(), |receives| receives.to_string());
    writeln!(f, "  {name:<34} {ready:>5} {in_flight:>9} {delayed:>8} {visibility_secs:>12} {receives:>12}")
}
