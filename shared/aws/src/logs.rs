//! The lines of a job in CloudWatch Logs, found with the runbook's Logs Insights query.
//!
//! AWS charges Logs Insights by the bytes that it reads, whatever it finds. So a search has a time window, reports the bytes
//! while it runs, and stops at AWS too as soon as its caller drops it.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata as _;
use aws_sdk_cloudwatchlogs::operation::get_query_results::GetQueryResultsOutput;
use aws_sdk_cloudwatchlogs::types::{QueryStatus, ResultField};
use aws_smithy_async::rt::sleep::{AsyncSleep as _, SharedAsyncSleep};
use aws_types::region::Region;
use stereospot_domain::JobId;
use stereospot_ports::log_source::{Found, Line, LogSource, MAX_LINES, Progress, Search, line};
use stereospot_ports::{Error, ErrorCode, Result};
use tokio::sync::watch;

use crate::calls::Calls;
use crate::config::{Connections, client, sleep};
use crate::ecs::SERVICES;
use crate::error::failed;

/// First pause between two looks at a running query. Each pause is longer than the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A query that takes longer is stopped.
const PATIENCE: Duration = Duration::from_secs(300);

/// The log groups of one deployment.
#[derive(Debug, Clone)]
pub struct CloudLogs {
    client: Client,
    sleep: SharedAsyncSleep,
    prefix: String,
}

impl CloudLogs {
    /// The log groups of the deployment with this name prefix, in `region`. Makes no call.
    #[must_use]
    pub fn new(config: &SdkConfig, calls: &Calls, name_prefix: &str, region: &str) -> Self {
        let config = config.to_builder().region(Region::new(region.to_owned())).build();
        Self {
            client: client!(aws_sdk_cloudwatchlogs, &config, calls),
            sleep: sleep(&config),
            prefix: name_prefix.into(),
        }
    }

    /// The log groups of a deployment.
    #[must_use]
    pub fn of(connections: &Connections) -> Self {
        let Connections { config, calls, deployment, .. } = connections;
        Self::new(config, calls, &deployment.name_prefix, &deployment.logs_region)
    }

    /// The deployment's groups that exist, and the services that lack one.
    ///
    /// # Errors
    /// When CloudWatch Logs can't be asked.
    pub async fn groups(&self) -> Result<Groups> {
        let mut existing = BTreeSet::new();
        for prefix in [format!("/ecs/{}", self.prefix), sagemaker_group(&self.prefix)] {
            let mut found =
                self.client.describe_log_groups().log_group_name_prefix(&prefix).into_paginator().items().send();
            while let Some(group) = found.next().await {
                let group = group.map_err(failed("logs:DescribeLogGroups", "log groups", &prefix))?;
                existing.extend(group.log_group_name);
            }
        }
        let mut groups = Groups::default();
        for Wanted { service, names, is_optional } in wanted(&self.prefix) {
            let found: Vec<String> = names.into_iter().filter(|name| existing.contains(name)).collect();
            if found.is_empty() && !is_optional {
                groups.missing.push(format!("{service} has no log group"));
            }
            groups.existing.extend(found);
        }
        Ok(groups)
    }

    async fn start(&self, search: &Search, groups: &[String]) -> Result<Running> {
        let started = self
            .client
            .start_query()
            .set_log_group_names(Some(groups.to_vec()))
            // Both ends are whole seconds and belong to the window.
            .start_time(search.from.as_secs())
            .end_time(search.until.as_secs())
            .query_string(query(search.job_id))
            .limit(i32::try_from(asked(search)).unwrap_or(i32::MAX))
            .send()
            .await;
        let started = started.map_err(|error| match error.message() {
            Some(said) if said.contains("retention") => {
                let message = "the lines of that time are no longer kept, or not yet written: the log groups keep lines only \
                               for their retention";
                Error::with(ErrorCode::NotFound, message, error)
            }
            _ => failed("logs:StartQuery", "log groups of", &self.prefix)(error),
        })?;
        let id = started.query_id.unwrap_or_default();
        Ok(Running { client: self.client.clone(), id, is_over: false })
    }
}

#[async_trait]
impl LogSource for CloudLogs {
    async fn lines(&self, search: &Search, progress: &watch::Sender<Progress>) -> Result<Found> {
        search.check()?;
        let groups = self.groups().await?;
        if groups.existing.is_empty() {
            let message = format!("no log group of {} exists in this region: is LOGS_REGION right?", self.prefix);
            return Err(Error::new(ErrorCode::NotFound, message));
        }
        let searched = groups.existing;
        progress.send_replace(Progress { searched: searched.clone(), ..Progress::default() });
        let mut running = self.start(search, &searched).await?;
        let mut pause = FIRST_PAUSE;
        let mut waited = Duration::ZERO;
        let results = loop {
            self.sleep.sleep(pause).await;
            waited += pause;
            pause = (pause * 8 / 5).min(LONGEST_PAUSE);
            let results = running.results().await?;
            progress.send_replace(Progress {
                searched: searched.clone(),
                lines_found: results.results().len() as u64,
                bytes_scanned: bytes_scanned(&results),
                is_done: results.status == Some(QueryStatus::Complete),
            });
            match results.status.clone().unwrap_or(QueryStatus::UnknownValue) {
                QueryStatus::Complete => break results,
                QueryStatus::Scheduled | QueryStatus::Running | QueryStatus::UnknownValue if waited < PATIENCE => {}
                ended @ (QueryStatus::Failed | QueryStatus::Cancelled | QueryStatus::Timeout) => {
                    running.is_over = true;
                    let message = format!("the log search ended as {ended}: narrow its time window");
                    return Err(Error::new(ErrorCode::Unavailable, message));
                }
                _ => {
                    let message = format!("the log search took over {} s: narrow its time window", PATIENCE.as_secs());
                    return Err(Error::new(ErrorCode::Unavailable, message));
                }
            }
        };
        running.is_over = true;
        let is_whole = results.results().len() < asked(search);
        let bytes_scanned = bytes_scanned(&results);
        let mut lines: Vec<Line> = results.results().iter().filter_map(|row| read_row(row)).collect();
        // The query's window is wider, in whole seconds, and its pattern also finds longer words and ids in another spelling.
        lines.retain(|line| (search.from..=search.until).contains(&line.time) && search.wants(&line.text));
        lines.sort_by_key(|line| line.time);
        lines.truncate(search.limit);
        Ok(Found { lines, is_whole, searched, missing: groups.missing, bytes_scanned })
    }
}

/// The groups of a deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Groups {
    /// Names of those that exist.
    pub existing: Vec<String>,
    /// A sentence for each service that has none.
    pub missing: Vec<String>,
}

/// A query at AWS. Dropped before it is over, it is stopped there: otherwise it would read, and cost, to its end.
#[derive(Debug)]
struct Running {
    client: Client,
    id: String,
    is_over: bool,
}

impl Running {
    async fn results(&self) -> Result<GetQueryResultsOutput> {
        let call = self.client.get_query_results().query_id(&self.id);
        call.send().await.map_err(failed("logs:GetQueryResults", "log query", &self.id))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        // Without a runtime the process is ending; AWS then stops the query after an hour at most.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (client, id) = (self.client.clone(), std::mem::take(&mut self.id));
        runtime.spawn(async move {
            let stopped = client.stop_query().query_id(&id).send().await;
            if let Err(error) = stopped.map_err(failed("logs:StopQuery", "log query", &id)) {
                tracing::debug!(%error, "an abandoned log query could not be stopped");
            }
        });
    }
}

/// One line more than wanted, to see whether there are more.
fn asked(search: &Search) -> usize {
    (search.limit + 1).min(MAX_LINES)
}

/// The runbook's query, which also asks for the group. Without a job it finds every line that names one.
fn query(job_id: Option<JobId>) -> String {
    let wanted = job_id.map_or_else(String::new, |job_id| job_id.to_string());
    format!(
        "fields @timestamp, @logStream, @message, @log | filter @message like /job_id={wanted}/ | sort @timestamp asc"
    )
}

struct Wanted {
    service: &'static str,
    names: Vec<String>,
    is_optional: bool,
}

/// The groups that a deployment may have, in both naming styles. Only topology A has a job-worker, and only managed inference
/// has an endpoint.
fn wanted(prefix: &str) -> Vec<Wanted> {
    let mut wanted: Vec<Wanted> = SERVICES
        .iter()
        .map(|service| Wanted {
            service,
            names: vec![format!("/ecs/{prefix}/{service}"), format!("/ecs/{prefix}-{service}")],
            is_optional: *service == "job-worker",
        })
        .collect();
    wanted.push(Wanted { service: "inference", names: vec![sagemaker_group(prefix)], is_optional: true });
    wanted
}

fn sagemaker_group(prefix: &str) -> String {
    format!("/aws/sagemaker/Endpoints/{prefix}-inference")
}

fn read_row(row: &[ResultField]) -> Option<Line> {
    let field = |name: &str| row.iter().find(|field| field.field() == Some(name))?.value();
    // `@log` is the account's number and the group: `123456789012:/ecs/p/web-ui`.
    let group = field("@log").unwrap_or_default();
    Some(Line {
        time: line::time(field("@timestamp")?)?,
        source: group.split_once(':').map_or(group, |(_, name)| name).to_owned(),
        stream: field("@logStream").unwrap_or_default().to_owned(),
        text: field("@message")?.trim_end().to_owned(),
    })
}

fn bytes_scanned(results: &GetQueryResultsOutput) -> u64 {
    results.statistics().map_or(0, |statistics| statistics.bytes_scanned as u64)
}

#[cfg(test)]
mod tests;
