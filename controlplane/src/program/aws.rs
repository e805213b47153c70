//! The commands on AWS: opens, examines and makes deployments.

use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use stereospot_aws::doctor::report::{Report, Severity};
use stereospot_aws::provision::alarm::StuckJobs;
use stereospot_aws::{AwsBackend, Connections, Deployment, Opened, doctor};
use stereospot_aws::{ecs::EcsFleet, logs::CloudLogs};
use stereospot_controlplane::{Platform, PlatformFacts, Redrives, StuckJobsAlarm};
use stereospot_domain::QueueName;
use stereospot_ports::{ErrorCode, Fleet};

use super::args;
use super::output::{OneLine, print};

mod adapters;
mod endpoint;
mod provision;
mod starting;

use adapters::{Alarm, Counted, QueueRedrives};
use starting::Starting;

/// Opens the deployment that an environment file names, and logs what it found. Missing parts are logged too, and stop nothing as long
/// as AWS answers.
pub(super) async fn open(env_file: &Path, data_dir: &Path) -> anyhow::Result<Platform> {
    look_and_open(env_file, data_dir).await.map_err(sentence)
}

/// Examines a deployment and prints the result; true when all is well.
pub(super) async fn doctor(args: &args::Doctor) -> anyhow::Result<bool> {
    reported(look(args).await)
}

/// Makes or removes a deployment; true when nothing is left to do.
pub(super) async fn provision(args: &args::Provision) -> anyhow::Result<bool> {
    reported(provision::provision(args).await)
}

/// Shows the managed endpoint, or changes what it runs; true when it answers afterwards.
pub(super) async fn endpoint(args: &args::Endpoint) -> anyhow::Result<bool> {
    reported(endpoint::endpoint(args).await)
}

/// Prints why a command failed, as `stereospot`, because that is what the operator ran.
fn reported(done: anyhow::Result<bool>) -> anyhow::Result<bool> {
    Ok(done.unwrap_or_else(|error| {
        eprintln!("stereospot: {}", OneLine(&sentence(error)));
        false
    }))
}

/// Our own sentence for the error, if there is one; otherwise the error with the SDK's details.
fn sentence(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<stereospot_ports::Error>() {
        Some(known) if known.code() != ErrorCode::Internal => anyhow::Error::msg(known.to_string()),
        _ => error,
    }
}

async fn look_and_open(env_file: &Path, data_dir: &Path) -> anyhow::Result<Platform> {
    let deployment = Deployment::read(env_file)?;
    let connections = Connections::open(deployment).await;
    let opening = async {
        let opened = AwsBackend::connect(connections.clone(), connections.calls.clock()).await?;
        Ok::<_, anyhow::Error>((opened, doctor::survey(&connections).await))
    };
    let (opened, report) = Starting::of(data_dir).during(opening, || connections.calls.hindrance()).await?;
    say(&report);
    if let Some(why) = unreadable(&report) {
        bail!("{why}");
    }
    let deployment = &connections.deployment;
    let facts = PlatformFacts {
        region: Some(deployment.region.clone()),
        prefix: Some(deployment.name_prefix.clone()),
        topology: Some(deployment.topology()),
        is_provisioned: report.is_provisioned,
        queues: opened.queues.iter().map(|(name, queue)| (*name, last_part(queue.url()).to_owned())).collect(),
        missing: report.problems.iter().map(|problem| problem.what.clone()).collect(),
    };
    Ok(Platform {
        logs: Some(Arc::new(CloudLogs::of(&connections))),
        fleet: EcsFleet::of(&connections).map(|fleet| Arc::new(fleet) as Arc<dyn Fleet>),
        calls: Some(Arc::new(Counted(connections.clone()))),
        redrives: redrives(&opened),
        alarm: alarm(&connections).await,
        backend: opened.backend,
        facts,
    })
}

async fn look(args: &args::Doctor) -> anyhow::Result<bool> {
    let deployment = Deployment::read(&args.env_file)?;
    let connections = Connections::open(deployment).await;
    let report = doctor::examine(&connections).await;
    let text = if args.json { format!("{}\n", serde_json::to_string_pretty(&report)?) } else { report.to_string() };
    print(&text)?;
    Ok(report.problems.is_empty())
}

fn say(report: &Report) {
    let problems = report.problems.iter().map(|problem| problem.what.as_str()).collect::<Vec<_>>();
    for line in report.to_string().lines() {
        // Problems follow as warnings.
        if !problems.iter().any(|problem| line.ends_with(problem)) {
            tracing::info!("found: {line}");
        }
    }
    for problem in problems {
        tracing::warn!("{problem}");
    }
}

/// Why AWS can't be read at all; none when it knows these credentials, or anything was found.
fn unreadable(report: &Report) -> Option<&str> {
    let has_queue = report.queues.iter().any(|queue| queue.depth.is_some());
    let has_table = report.tables.iter().any(|table| table.status.is_some());
    let has_bucket = report.buckets.iter().any(|bucket| bucket.is_there == Some(true));
    if report.account.is_some() || has_queue || has_table || has_bucket {
        return None;
    }
    let worst = report.problems.iter().find(|problem| problem.severity == Severity::Error);
    Some(worst.map_or("nothing of this deployment is there", |problem| problem.what.as_str()))
}

fn redrives(opened: &Opened) -> std::collections::BTreeMap<QueueName, Arc<dyn Redrives>> {
    let dead = opened.queues.iter().filter(|(name, _)| name.is_dead_letter);
    dead.map(|(name, queue)| (*name, Arc::new(QueueRedrives(Arc::clone(queue))) as Arc<dyn Redrives>)).collect()
}

/// The alarm that `provision` made, if there is one. Without it, the metric is not sent, because it costs money.
async fn alarm(connections: &Connections) -> Option<Arc<dyn StuckJobsAlarm>> {
    let Connections { config, calls, deployment, .. } = connections;
    let alarm = StuckJobs::new(config, calls, &deployment.name_prefix);
    match alarm.is_watched().await {
        Ok(true) => Some(Arc::new(Alarm(alarm))),
        Ok(false) => None,
        Err(error) => {
            tracing::info!("no number of stuck jobs is sent to CloudWatch: {error}");
            None
        }
    }
}

fn last_part(url: &str) -> &str {
    url.rsplit_once('/').map_or(url, |(_, name)| name)
}
