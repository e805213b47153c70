//! Checks a deployment without changing it: what it is made of, what is missing, and what will not work.
//!
//! Invariant: a thing that can't be looked at is one problem and hides no other; the check always ends with a report.

use aws_config::{Region, SdkConfig};
use stereospot_domain::{QueueRole, Topology};
use stereospot_ports::fleet::Fleet;
use stereospot_ports::{Error, ErrorCode, Result};

use crate::by_hand::Api;
use crate::config::{Connections, client};
use crate::deployment::Deployment;
use crate::ecs::EcsFleet;
use crate::http_inference::HttpInference;
use crate::logs::CloudLogs;
use crate::provision::{Account, queue};
use crate::sagemaker::endpoint::Endpoints;

mod attempt;
mod needed;
mod permissions;
pub mod report;
mod storage;

use report::{EndpointFound, Permission, Problem, Report, ServiceFound, Severity, Verdict};

/// Looks at everything that a deployment's environment file names, and at what the credentials may do.
pub async fn examine(connections: &Connections) -> Report {
    let doctor = Doctor::new(connections).await;
    let (mut report, account) = doctor.survey().await;
    doctor.permissions(&mut report, account.as_ref()).await;
    report
}

/// Like [`examine`], without the permissions: about thirty calls instead of hundreds, for a process that starts. It waits seconds at
/// most, also when AWS throttles.
pub async fn survey(connections: &Connections) -> Report {
    let brisk = connections.brisk();
    Doctor::new(&brisk).await.survey().await.0
}

fn in_logs_region(connections: &Connections) -> SdkConfig {
    let region = Region::new(connections.deployment.logs_region.clone());
    connections.config.to_builder().region(region).build()
}

struct Doctor<'a> {
    connections: &'a Connections,
    deployment: &'a Deployment,
    s3: Api,
    /// See [`Report::is_provisioned`].
    is_provisioned: Option<bool>,
}

/// What one part of the check adds to the report.
#[derive(Default)]
struct Complaints {
    problems: Vec<Problem>,
    notes: Vec<String>,
    /// Why things could not be looked at.
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

    /// Adds a thing that could not be looked at, so it is unknown whether it exists.
    fn unasked(&mut self, severity: Severity, error: Error) {
        self.unasked.push((severity, error));
    }

    /// Adds the error of looking at a thing. Returns whether the thing exists: `false` if AWS says that it does not, none if AWS
    /// could not be asked.
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

/// The problems, with each reason once: bad credentials, or a service that does not answer, make every look fail for the same
/// reason.
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
    let merged = problems.into_iter().map(|(problem, _, others)| match others {
        0 => problem,
        _ => Problem { what: format!("{} ({others} more could not be asked either)", problem.what), ..problem },
    });
    merged.collect()
}

impl<'a> Doctor<'a> {
    async fn new(connections: &'a Connections) -> Self {
        let Connections { config, calls, deployment, sqs, .. } = connections;
        let looks = QueueRole::PIPELINE.iter().filter_map(|role| {
            let (url, name) = (deployment.queues.get(role)?, deployment.queue_name(*role)?);
            Some(queue::is_marked(sqs, name, url))
        });
        // One may be missing, and one that someone added later proves nothing.
        let marks: Vec<bool> = futures::future::join_all(looks).await.into_iter().flatten().collect();
        let is_provisioned = (!marks.is_empty()).then(|| marks.contains(&true));
        Self { connections, deployment, s3: Api::s3(config, calls), is_provisioned }
    }

    /// What makes a missing part again: what made the others.
    fn remake(&self, name: &str) -> String {
        match self.is_provisioned {
            Some(true) => format!("run stereospot provision, which makes {name} again"),
            Some(false) => format!(
                "make {name} again with what made the deployment (Terraform, CloudFormation): provision did not"
            ),
            None => format!(
                "make {name} again with what made the deployment: stereospot provision, Terraform or CloudFormation"
            ),
        }
    }

    /// Looks at everything but the permissions, and at whose credentials these are.
    async fn survey(&self) -> (Report, Option<Account>) {
        let deployment = self.deployment;
        let mut all = Complaints { notes: deployment.notes.clone(), ..Complaints::default() };
        let sts = client!(aws_sdk_sts, &self.connections.config, self.connections.calls);
        let (account, buckets, queues, tables, services, logs, managed) = futures::join!(
            Account::look(&sts, &deployment.region),
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
        deployment.elsewhere().into_iter().for_each(|contradiction| all.error(contradiction));
        let account = account.map_err(|error| all.unasked(Severity::Error, error)).ok();
        let mut report = Report {
            region: deployment.region.clone(),
            name_prefix: deployment.name_prefix.clone(),
            account: account.as_ref().map(|account| account.id.clone()),
            caller: account.as_ref().map(|account| account.caller.clone()),
            topology: deployment.topology(),
            is_provisioned: self.is_provisioned,
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
        let Connections { config, calls, sqs, dynamo, .. } = self.connections;
        // What was answered whenever it was asked needs no question more.
        let answered = calls.snapshot().into_iter().filter(|(_, count)| count.failed + count.throttled == 0);
        let seen: Vec<String> =
            answered.filter_map(|((service, operation), _)| needed::action_of(&service, &operation)).collect();
        let logs = client!(aws_sdk_cloudwatchlogs, &in_logs_region(self.connections), calls);
        let apis = attempt::Apis { iam: &Api::iam(config, calls), sqs, dynamo, s3: &self.s3, logs: &logs };
        let mut all = Complaints::default();
        let (permissions, notes) = permissions::look(&apis, self.deployment, account, report, &seen).await;
        all.notes.extend(notes);
        let is_missing =
            |permission: &&Permission| permission.verdict == Verdict::Missing && !permission.is_for_provision();
        for missing in permissions.iter().filter(is_missing) {
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
        let fleet = EcsFleet::new(&self.connections.config, &self.connections.calls, cluster);
        let services = match fleet.services().await {
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
                    "JOB_STATUS_EVENTS_QUEUE_URL is set, but no job-worker runs: no service writes completions; start it, or \
                     remove the line"
                });
            } else if name != "job-worker" && !is_there {
                complaints.notes.push(format!("the cluster {cluster} has no service {name}"));
            }
        }
        let found = services
            .into_iter()
            .map(|service| ServiceFound {
                limits: service.scaling.limits().map(|limits| (limits.min, limits.max)),
                note: service.remark(),
                name: service.name,
                desired: service.desired,
                running: service.running,
                pending: service.pending,
            })
            .collect();
        (found, complaints)
    }

    async fn log_groups(&self) -> (Vec<String>, Complaints) {
        let mut complaints = Complaints::default();
        match CloudLogs::of(self.connections).groups().await {
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
            let (is_there, status, images) = match Endpoints::new(config, calls).state(name).await {
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
