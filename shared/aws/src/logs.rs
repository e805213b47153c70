//! The lines of a job in CloudWatch Logs, found by the runbook's Logs Insights query.
//!
//! Logs Insights is paid by the bytes it reads, whatever it finds: a search is told its time window, shows the bytes while it
//! runs, and is stopped at AWS too as soon as nobody waits for it any more.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_types::region::Region;
use serde::Deserialize;
use serde_json::{Value, json};
use stereospot_domain::JobId;
use stereospot_ports::log_source::{Found, Line, LogSource, MAX_LINES, Progress, Search, line};
use stereospot_ports::{Error, ErrorCode, Result};
use tokio::sync::watch;

use crate::calls::Calls;
use crate::config::Connections;
use crate::ecs::SERVICES;
use crate::signed::service::LOGS;
use crate::signed::{Api, fault, on, or_default};

/// First pause between two looks at a running query; each is longer than the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A query that takes longer is stopped.
const PATIENCE: Duration = Duration::from_secs(300);

/// The log groups of one deployment.
#[derive(Debug, Clone)]
pub struct CloudLogs {
    api: Api,
    prefix: String,
}

impl CloudLogs {
    /// The log groups of the deployment with this name prefix, in the region where its logs are. Asks nothing yet.
    ///
    /// # Errors
    /// [`ErrorCode::Invalid`] when no region is set.
    pub fn new(config: &SdkConfig, calls: &Calls, name_prefix: &str, region: &str) -> Result<Self> {
        let config = config.to_builder().region(Region::new(region.to_owned())).build();
        Ok(Self { api: Api::new(&config, calls, &LOGS)?, prefix: name_prefix.into() })
    }

    /// The log groups of a deployment.
    ///
    /// # Errors
    /// As [`CloudLogs::new`].
    pub fn of(connections: &Connections) -> Result<Self> {
        let Connections { config, calls, deployment, .. } = connections;
        Self::new(config, calls, &deployment.name_prefix, &deployment.logs_region)
    }

    /// The deployment's groups that exist, and what is missing in words.
    ///
    /// # Errors
    /// When CloudWatch Logs can't be asked.
    pub async fn groups(&self) -> Result<Groups> {
        let wanted = wanted(&self.prefix);
        let prefixes = [format!("/ecs/{}", self.prefix), sagemaker_group(&self.prefix)];
        let mut existing = BTreeSet::new();
        for prefix in prefixes {
            let mut token = Value::Null;
            loop {
                let mut input = json!({ "logGroupNamePrefix": prefix });
                if !token.is_null() {
                    input["nextToken"] = token;
                }
                let page: GroupPage = self.api.json(on("DescribeLogGroups", "log groups", &prefix), input).await?;
                existing.extend(page.groups.into_iter().map(|group| group.name));
                match page.next {
                    Some(next) => token = next.into(),
                    None => break,
                }
            }
        }
        let mut groups = Groups::default();
        for Wanted { service, names, is_optional } in wanted {
            let found: Vec<String> = names.into_iter().filter(|name| existing.contains(name)).collect();
            if found.is_empty() && !is_optional {
                groups.missing.push(format!("{service} has no log group"));
            }
            groups.existing.extend(found);
        }
        Ok(groups)
    }

    async fn start(&self, search: &Search, groups: &[String]) -> Result<Running> {
        let input = json!({
            "logGroupNames": groups,
            "startTime": search.from.as_secs(),
            // Both ends are whole seconds and belong to the window.
            "endTime": search.until.as_secs(),
            "queryString": query(search.job_id),
            "limit": asked(search),
        });
        let started = self.api.json::<Started>(on("StartQuery", "log groups of", &self.prefix), input).await;
        let started = started.map_err(|error| match fault::refusal(&error) {
            Some((_, said)) if said.contains("retention") => {
                let message = "the lines of that time are no longer kept, or not yet written: the log groups keep lines only \
                               for their retention";
                Error::with(ErrorCode::NotFound, message, error)
            }
            _ => error,
        })?;
        Ok(Running { api: self.api.clone(), id: started.id, is_over: false })
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
            self.api.pause(pause).await;
            waited += pause;
            pause = (pause * 8 / 5).min(LONGEST_PAUSE);
            let results = running.results().await?;
            let is_done = results.status == "Complete";
            progress.send_replace(Progress {
                searched: searched.clone(),
                lines_found: results.rows.len() as u64,
                bytes_scanned: results.statistics.bytes_scanned as u64,
                is_done,
            });
            match results.status.as_str() {
                "Complete" => break results,
                "Scheduled" | "Running" | "Unknown" if waited < PATIENCE => {}
                "Failed" | "Cancelled" | "Timeout" => {
                    running.is_over = true;
                    let message = format!("the log search ended as {}: narrow its time window", results.status);
                    return Err(Error::new(ErrorCode::Unavailable, message));
                }
                _ => {
                    let message = format!("the log search took over {} s: narrow its time window", PATIENCE.as_secs());
                    return Err(Error::new(ErrorCode::Unavailable, message));
                }
            }
        };
        running.is_over = true;
        let is_whole = results.rows.len() < asked(search);
        let bytes_scanned = results.statistics.bytes_scanned as u64;
        let mut lines: Vec<Line> = results.rows.into_iter().filter_map(read_row).collect();
        // The window was widened to whole seconds; and ids in other spellings, or longer words, are sorted out here.
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
    /// Services that have none, in words.
    pub missing: Vec<String>,
}

/// A query at AWS. Dropped before it is over, it is stopped there: otherwise it would read, and cost, to its end.
#[derive(Debug)]
struct Running {
    api: Api,
    id: String,
    is_over: bool,
}

impl Running {
    async fn results(&self) -> Result<Results> {
        self.api.json(on("GetQueryResults", "log query", &self.id), json!({ "queryId": self.id })).await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        // Without a runtime the process is ending: AWS then stops the query by itself, after an hour at most.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (api, id) = (self.api.clone(), std::mem::take(&mut self.id));
        runtime.spawn(async move {
            let stopped = api.json::<Value>(on("StopQuery", "log query", &id), json!({ "queryId": id })).await;
            if let Err(error) = stopped {
                tracing::debug!(%error, "a log query that nobody wants could not be stopped");
            }
        });
    }
}

/// One line more than is wanted tells whether there are more.
fn asked(search: &Search) -> usize {
    (search.limit + 1).min(MAX_LINES)
}

/// The runbook's query, with the group beside the stream. Without a job: every line that names one.
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

/// The groups that a deployment may have, in both naming styles. The job worker stands only in topology A, the endpoint only
/// where inference is managed.
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

fn read_row(row: Vec<Field>) -> Option<Line> {
    let field = |name: &str| row.iter().find(|field| field.name == name).map(|field| field.value.as_str());
    // `@log` is the account's number and the group: `123456789012:/ecs/p/web-ui`.
    let group = field("@log").unwrap_or_default();
    Some(Line {
        time: line::time(field("@timestamp")?)?,
        source: group.split_once(':').map_or(group, |(_, name)| name).to_owned(),
        stream: field("@logStream").unwrap_or_default().to_owned(),
        text: field("@message")?.trim_end().to_owned(),
    })
}

#[derive(Debug, Deserialize)]
struct GroupPage {
    #[serde(rename = "logGroups", default, deserialize_with = "or_default")]
    groups: Vec<Group>,
    #[serde(rename = "nextToken")]
    next: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Group {
    #[serde(rename = "logGroupName")]
    name: String,
}

#[derive(Debug, Deserialize)]
struct Started {
    #[serde(rename = "queryId")]
    id: String,
}

#[derive(Debug, Deserialize)]
struct Results {
    #[serde(default, deserialize_with = "or_default")]
    status: String,
    #[serde(rename = "results", default, deserialize_with = "or_default")]
    rows: Vec<Vec<Field>>,
    #[serde(default, deserialize_with = "or_default")]
    statistics: Statistics,
}

#[derive(Debug, Deserialize)]
struct Field {
    #[serde(rename = "field", default, deserialize_with = "or_default")]
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    value: String,
}

/// AWS sends these as floating-point numbers.
#[derive(Debug, Default, Deserialize)]
struct Statistics {
    #[serde(rename = "bytesScanned", default, deserialize_with = "or_default")]
    bytes_scanned: f64,
}

#[cfg(test)]
mod tests;
