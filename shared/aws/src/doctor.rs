//! Says what a deployment is made of, what is missing, and what will not work: a check that changes nothing.
//!
//! Invariant: whatever can't be looked at is a problem of its own and hides nothing else; the check always ends with a report.

use aws_config::{Region, SdkConfig};
use stereospot_domain::Topology;
use stereospot_ports::fleet::Fleet;
use stereospot_ports::{Error, ErrorCode, Result};

use crate::config::Connections;
use crate::deployment::Deployment;
use crate::ecs::EcsFleet;
use crate::http_inference::HttpInference;
use crate::logs::CloudLogs;
use crate::provision::Account;
use crate::sagemaker::endpoint::Endpoints;
use crate::signed::Api;
use crate::signed::service::{DYNAMODB, IAM, LOGS, S3, SQS, STS};

mod attempt;
mod permissions;
pub mod report;
mod storage;

use report::{EndpointFound, Problem, Report, ServiceFound, Severity, Verdict};

/// Looks at everything that a deployment's environment file names, and at what the credentials may do.
///
/// # Errors
/// [`stereospot_ports::ErrorCode::Invalid`] when no region is set; nothing else is an error, all else stands in the report.
pub async fn examine(connections: &Connections) -> Result<Report> {
    let doctor = Doctor::new(connections)?;
    let (mut report, account) = doctor.survey().await;
    doctor.permissions(&mut report, account.as_ref()).await;
    Ok(report)
}

/// As [`examine`], but for what the credentials may do: some thirty calls instead of hundreds, for a process that starts.
///
/// # Errors
/// As [`examine`].
pub async fn survey(connections: &Connections) -> Result<Report> {
    Ok(Doctor::new(connections)?.survey().await.0)
}

fn in_logs_region(connections: &Connections) -> SdkConfig {
    let region = Region::new(connections.deployment.logs_region.clone());
    connections.config.to_builder().region(region).build()
}

struct Doctor<'a> {
    connections: &'a Connections,
    deployment: &'a Deployment,
    sqs: Api,
    s3: Api,
    dynamodb: Api,
    sts: Api,
    iam: Api,
    logs: Api,
}

/// What one part of the check adds to the report.
#[derive(Default)]
struct Complaints {
    problems: Vec<Problem>,
    notes: Vec<String>,
    /// What could not be looked at, and why.
    unasked: Vec<(Severity, Error)>,
}

impl Report {
    fn add(&mut self, complaints: Complaints) {
        self.problems.extend(complaints.problems);
        self.problems.extend(once_each(complaints.unasked));
        self.problems.sort_by_key(|problem| problem.severity);
        self.notes.extend(complaints.notes);
    }
}

impl Complaints {
    fn error(&mut self, what: impl Into<String>) {
        self.problems.push(Problem { severity: Severity::Error, what: what.into() });
    }

    fn warn(&mut self, what: impl Into<String>) {
        self.problems.push(Problem { severity: Severity::Warning, what: what.into() });
    }

    /// Something could not be looked at, so nobody knows whether it is there.
    fn unasked(&mut self, severity: Severity, error: Error) {
        self.unasked.push((severity, error));
    }

    /// Whether a thing is there that did not show itself: AWS says that it is not, or could not be asked.
    fn gone_or_unasked(&mut self, severity: Severity, error: Error) -> Option<bool> {
        let is_gone = error.code() == ErrorCode::NotFound;
        self.unasked(severity, error);
        is_gone.then_some(false)
    }

    fn extend(&mut self, other: Complaints) {
        self.problems.extend(other.problems);
        self.notes.extend(other.notes);
        self.unasked.extend(other.unasked);
    }
}

/// Credentials that are no good, or a service that does not answer, keep everything from being looked at for one reason: it is
/// said once. What is about one thing alone is said of each.
fn once_each(unasked: Vec<(Severity, Error)>) -> Vec<Problem> {
    let mut problems: Vec<(Problem, bool, usize)> = Vec::new();
    for (severity, error) in unasked {
        let (what, is_away) = (error.to_string(), error.code() == ErrorCode::Unavailable);
        match problems.iter_mut().find(|(problem, away, _)| problem.what == what || (is_away && *away)) {
            Some((problem, _, others)) => {
                problem.severity = problem.severity.min(severity);
                *others += 1;
            }
            None => problems.push((Problem { severity, what }, is_away, 0)),
        }
    }
    let told = problems.into_iter().map(|(problem, _, others)| match others {
        0 => problem,
        _ => Problem { what: format!("{} ({others} more could not be asked either)", problem.what), ..problem },
    });
    told.collect()
}

impl<'a> Doctor<'a> {
    fn new(connections: &'a Connections) -> Result<Self> {
        let api = |service| Api::new(&connections.config, &connections.calls, service);
        Ok(Self {
            connections,
            deployment: &connections.deployment,
            sqs: api(&SQS)?,
            s3: api(&S3)?,
            dynamodb: api(&DYNAMODB)?,
            sts: api(&STS)?,
            iam: api(&IAM)?,
            logs: Api::new(&in_logs_region(connections), &connections.calls, &LOGS)?,
        })
    }

    /// What there is, and whose credentials these are.
    async fn survey(&self) -> (Report, Option<Account>) {
        let deployment = self.deployment;
        let mut all = Complaints { notes: deployment.notes.clone(), ..Complaints::default() };
        let (account, buckets, queues, tables, services, logs, managed) = futures::join!(
            Account::look(&self.sts, &deployment.region),
            self.buckets(),
            self.queues(),
            self.tables(),
            self.services(),
            self.log_groups(),
            self.managed()
        );
        if let Some(wrong) = self.connections.calls.wrong_clock() {
            all.warn(wrong);
        }
        let account = account.map_err(|error| all.unasked(Severity::Error, error)).ok();
        let mut report = Report {
            region: deployment.region.clone(),
            name_prefix: deployment.name_prefix.clone(),
            account: account.as_ref().map(|account| account.id.clone()),
            caller: account.as_ref().map(|account| account.caller.clone()),
            topology: deployment.topology(),
            ..Report::default()
        };
        for complaints in [buckets.1, queues.1, tables.1, services.1, logs.1, managed.2] {
            all.extend(complaints);
        }
        (report.buckets, report.queues, report.tables) = (buckets.0, queues.0, tables.0);
        (report.services, report.log_groups) = (services.0, logs.0);
        (report.endpoint, report.inference_server_answers) = (managed.0, managed.1);
        report.add(all);
        (report, account)
    }

    /// Adds what the credentials may do.
    async fn permissions(&self, report: &mut Report, account: Option<&Account>) {
        let dead_letters: Vec<String> =
            report.queues.iter().filter_map(|queue| Some(queue.dead_letter.as_ref()?.name.clone())).collect();
        let (sqs, dynamodb, s3) = (&self.sqs, &self.dynamodb, &self.s3);
        let apis = attempt::Apis { iam: &self.iam, sqs, dynamodb, s3, logs: &self.logs };
        let mut seen = Vec::new();
        if !report.services.is_empty() {
            seen.push("ecs:DescribeServices");
        }
        if report.services.iter().any(|service| service.limits.is_some()) {
            seen.push("application-autoscaling:DescribeScalableTargets");
        }
        if !report.log_groups.is_empty() {
            seen.push("logs:DescribeLogGroups");
        }
        let mut all = Complaints::default();
        let (permissions, notes) = permissions::look(&apis, self.deployment, account, &dead_letters, &seen).await;
        all.notes.extend(notes);
        for missing in permissions.iter().filter(|permission| permission.verdict == Verdict::Missing) {
            all.warn(format!(
                "{} on {} is not allowed, needed for {}: add it to the policy of the role in use",
                missing.action, missing.resource, missing.needed_for
            ));
        }
        report.permissions = permissions;
        report.add(all);
    }

    async fn services(&self) -> (Vec<ServiceFound>, Complaints) {
        let mut complaints = Complaints::default();
        let Some(cluster) = &self.deployment.cluster else {
            complaints.notes.push("no ECS cluster is named: services are neither shown nor scaled".into());
            return (Vec::new(), complaints);
        };
        let look =
            async { EcsFleet::new(&self.connections.config, &self.connections.calls, cluster)?.services().await };
        let services = match look.await {
            Ok(services) => services,
            Err(error) => {
                complaints.unasked(Severity::Warning, error);
                return (Vec::new(), complaints);
            }
        };
        let expects_job_worker = self.deployment.topology() == Topology::JobWorker;
        for name in ["media-worker", "video-worker", "job-worker"] {
            let is_there = services.iter().any(|service| service.name == name);
            if name == "job-worker" && is_there != expects_job_worker {
                complaints.warn(if is_there {
                    "a job-worker runs, but JOB_STATUS_EVENTS_QUEUE_URL is not set: set it, or ours write what it owns"
                } else {
                    "JOB_STATUS_EVENTS_QUEUE_URL is set, but no job-worker runs: nobody writes completions; start it, or \
                     remove the line"
                });
            } else if name != "job-worker" && !is_there {
                complaints.notes.push(format!("the cluster {cluster} has no service {name}"));
            }
        }
        let found = services
            .into_iter()
            .map(|service| ServiceFound {
                limits: service.limits.map(|limits| (limits.min, limits.max)),
                name: service.name,
                desired: service.desired,
                running: service.running,
                pending: service.pending,
                note: service.note,
            })
            .collect();
        (found, complaints)
    }

    async fn log_groups(&self) -> (Vec<String>, Complaints) {
        let mut complaints = Complaints::default();
        let look = async { CloudLogs::of(self.connections)?.groups().await };
        match look.await {
            Ok(groups) => {
                complaints.notes.extend(groups.missing);
                (groups.existing, complaints)
            }
            Err(error) => {
                complaints.unasked(Severity::Warning, error);
                (Vec::new(), complaints)
            }
        }
    }

    async fn managed(&self) -> (Option<EndpointFound>, Option<bool>, Complaints) {
        let mut complaints = Complaints::default();
        let Connections { config, calls, deployment, .. } = self.connections;
        let mut endpoint = None;
        if let Some(name) = &deployment.sagemaker.endpoint_name {
            let look = async { Endpoints::new(config, calls)?.state(name).await };
            let (is_there, status, images) = match look.await {
                Ok(state) => {
                    if let Some(failure) = &state.failure {
                        complaints.error(format!("the endpoint {name} is {}: {failure}", state.status));
                    }
                    (Some(true), Some(state.status), state.images)
                }
                Err(error) => (complaints.gone_or_unasked(Severity::Error, error), None, Vec::new()),
            };
            endpoint = Some(EndpointFound { name: name.clone(), is_there, status, images });
        }
        let mut answers = None;
        if let Some(url) = &deployment.inference_http_url {
            let look = async { HttpInference::new(config, calls, url, deployment.invoke_timeout)?.ping().await };
            let pinged: Result<(), Error> = look.await;
            if let Err(error) = &pinged {
                complaints.error(format!(
                    "the inference server {url} does not answer: start it, or check its address ({error})"
                ));
            }
            answers = Some(pinged.is_ok());
        }
        (endpoint, answers, complaints)
    }
}

#[cfg(test)]
mod tests;
