//! A deployment, as its environment file describes it. Nothing here calls AWS.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use stereospot_domain::env_file::Variables;
use stereospot_domain::{QueueRole, Topology};
use stereospot_ports::ErrorCode;

/// The key of a queue's URL in the environment file.
#[must_use]
pub fn key(role: QueueRole) -> &'static str {
    named(role).0
}

/// The part of a queue's name after the name prefix.
#[must_use]
pub fn suffix(role: QueueRole) -> &'static str {
    named(role).1
}

/// The visibility timeout of a provisioned queue.
#[must_use]
pub fn visibility(role: QueueRole) -> Duration {
    Duration::from_secs(named(role).2)
}

fn named(role: QueueRole) -> (&'static str, &'static str, u64) {
    match role {
        QueueRole::Chunking => ("CHUNKING_QUEUE_URL", "chunking", 900),
        QueueRole::Inference => ("VIDEO_WORKER_QUEUE_URL", "video-worker", 2400),
        QueueRole::Reassembly => ("REASSEMBLY_QUEUE_URL", "reassembly", 3600),
        QueueRole::OutputEvents => ("OUTPUT_EVENTS_QUEUE_URL", "output-events", 120),
        QueueRole::JobStatusEvents => ("JOB_STATUS_EVENTS_QUEUE_URL", "job-status-events", 120),
        QueueRole::Deletion => ("DELETION_QUEUE_URL", "deletion", 600),
        QueueRole::Ingest => ("INGEST_QUEUE_URL", "ingest", 1200),
        QueueRole::JobEvents => ("JOB_EVENTS_QUEUE_URL", "job-events", 60),
    }
}

/// What converts the segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InferenceBackend {
    /// Nothing: they are copied.
    Stub,
    /// A SageMaker endpoint, asynchronously.
    Sagemaker,
    /// A server that answers `POST /invocations`.
    Http,
    /// ONNX Runtime in our worker.
    Onnx,
}

/// Names of the tables; none for a table that is not deployed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tables {
    pub jobs: Option<String>,
    pub completions: Option<String>,
    /// Reassembly locks.
    pub locks: Option<String>,
    /// Open SageMaker invocations.
    pub invocations: Option<String>,
    /// The web user interface uses it, we don't.
    pub push_subscriptions: Option<String>,
}

/// The SageMaker endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sagemaker {
    pub endpoint_name: Option<String>,
    /// Role that the endpoint runs as.
    pub role_arn: Option<String>,
    pub instance_type: Option<String>,
    pub instance_count: Option<u32>,
    /// Codec that the model's container encodes with.
    pub video_codec: Option<String>,
}

/// What an environment file says. Absent parts are not deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Region of everything except the logs.
    pub region: String,
    /// First part of every name; `stereo-spot` by default.
    pub name_prefix: String,
    /// Address to call instead of AWS, for example of an emulator.
    pub endpoint_url: Option<String>,
    pub logs_region: String,
    /// Bucket of sources and segments.
    pub input_bucket: Option<String>,
    /// Bucket of converted segments and results.
    pub output_bucket: Option<String>,
    /// URLs of the deployed main queues.
    pub queues: BTreeMap<QueueRole, String>,
    pub tables: Tables,
    /// Name of the ECS cluster, or its ARN if only that is known.
    pub cluster: Option<String>,
    pub web_ui_url: Option<String>,
    pub sagemaker: Sagemaker,
    /// Base of the inference server's URL.
    pub inference_http_url: Option<String>,
    pub inference_backend: Option<InferenceBackend>,
    /// How long a receive may wait for a message; 0 to 20 s.
    pub long_poll: Duration,
    /// Target length of a segment.
    pub segment_length: Duration,
    /// Most invocations of the SageMaker endpoint at once, 1 to 20.
    pub max_in_flight: u32,
    /// Time limit for one invocation, at most an hour.
    pub invoke_timeout: Duration,
    /// What the reader of the file should know, one sentence each.
    pub notes: Vec<String>,
}

/// Why a file describes no deployment.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read.
    #[error("can't read the environment file {path}: give the path of a deployment's .env")]
    Unreadable { path: String, source: std::io::Error },
    /// A required key is missing.
    #[error("{key} is missing in the environment file: {what}{}", also(.notes))]
    Missing {
        key: &'static str,
        /// What the key is for.
        what: &'static str,
        /// Odd lines of the file: the key may be in one of them.
        notes: Vec<String>,
    },
    /// A value does not fit its key.
    #[error("{key} is `{value}` in the environment file, but must be {wanted}")]
    Unfit {
        key: &'static str,
        value: String,
        /// What would fit.
        wanted: &'static str,
    },
}

impl Deployment {
    /// Reads a file. A key without a line gets its value from the process's environment.
    ///
    /// # Errors
    /// When the file can't be read, lacks the region, or a value does not fit its key.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let unreadable = |source| Error::Unreadable { path: path.display().to_string(), source };
        let bytes = std::fs::read(path).map_err(unreadable)?;
        Self::parse(&String::from_utf8_lossy(&bytes), &|key| std::env::var(key).ok())
    }

    /// Reads a file's text. `otherwise` gives the values of keys without a line; a key that the text sets to `null` stays unset.
    ///
    /// # Errors
    /// When the region is missing or a value does not fit its key.
    pub fn parse(text: &str, otherwise: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let env = Variables::parse(text);
        let file = Source { env: &env, otherwise };
        const REGION: [&str; 3] = ["AWS_REGION", "REGION", "AWS_DEFAULT_REGION"];
        let mut notes = Vec::new();
        // The file's own region wins over the shell's, which may belong to other work.
        let of_file = REGION.iter().find_map(|key| env.get(key)).map(str::to_owned);
        let of_shell = REGION.iter().find_map(|key| Some((key, file.otherwise(key)?)));
        if let (Some(own), Some((key, other))) = (&of_file, &of_shell)
            && own != other
        {
            notes.push(format!("{own} is used, as the environment file says; {key}={other} of this shell is ignored"));
        }
        notes.extend(env.notes.iter().cloned());
        let region = of_file.or(of_shell.map(|(_, region)| region)).ok_or_else(|| Error::Missing {
            key: "REGION",
            what: "it says which AWS region to ask, such as us-east-1",
            notes: env.notes.clone(),
        })?;
        let seconds = |key, default: u64, low: u64, high: u64| -> Result<Duration, Error> {
            Ok(Duration::from_secs(file.number(key)?.unwrap_or(default).clamp(low, high)))
        };
        Ok(Self {
            name_prefix: file.text("NAME_PREFIX").unwrap_or_else(|| "stereo-spot".into()),
            endpoint_url: file.text("AWS_ENDPOINT_URL"),
            logs_region: file.text("LOGS_REGION").unwrap_or_else(|| region.clone()),
            region,
            input_bucket: file.text("INPUT_BUCKET_NAME"),
            output_bucket: file.text("OUTPUT_BUCKET_NAME"),
            queues: QueueRole::ALL.iter().filter_map(|role| Some((*role, file.text(key(*role))?))).collect(),
            tables: Tables {
                jobs: file.text("JOBS_TABLE_NAME"),
                completions: file.text("SEGMENT_COMPLETIONS_TABLE_NAME"),
                locks: file.text("REASSEMBLY_TRIGGERED_TABLE_NAME"),
                invocations: file.text("INFERENCE_INVOCATIONS_TABLE_NAME"),
                push_subscriptions: file.text("PUSH_SUBSCRIPTIONS_TABLE_NAME"),
            },
            cluster: file.text("ECS_CLUSTER_NAME").or_else(|| file.text("ECS_CLUSTER_ARN")),
            web_ui_url: file.text("WEB_UI_URL"),
            sagemaker: Sagemaker {
                endpoint_name: file.text("SAGEMAKER_ENDPOINT_NAME"),
                role_arn: file.text("SAGEMAKER_ENDPOINT_ROLE_ARN"),
                instance_type: file.text("SAGEMAKER_INSTANCE_TYPE"),
                instance_count: file.number("SAGEMAKER_INSTANCE_COUNT")?.map(small),
                video_codec: file.text("SAGEMAKER_IW3_VIDEO_CODEC"),
            },
            inference_http_url: file.text("INFERENCE_HTTP_URL"),
            inference_backend: file.inference_backend()?,
            long_poll: seconds("SQS_LONG_POLL_WAIT_SECONDS", 20, 0, 20)?,
            segment_length: seconds("CHUNK_SEGMENT_DURATION_SEC", 300, 1, 86_400)?,
            max_in_flight: small(file.number("INFERENCE_MAX_IN_FLIGHT")?.unwrap_or(5).clamp(1, 20)),
            invoke_timeout: seconds("SAGEMAKER_INVOKE_TIMEOUT_SECONDS", 1200, 1, 3600)?,
            notes,
        })
    }

    /// What contradicts the region, one sentence each: queues and a cluster name theirs.
    #[must_use]
    pub fn elsewhere(&self) -> Vec<String> {
        let queues = self.queues.iter().map(|(role, url)| (key(*role), url.as_str()));
        let cluster = self.cluster.iter().map(|cluster| ("ECS_CLUSTER_ARN", cluster.as_str()));
        let found = queues.chain(cluster).filter_map(|(key, place)| Some((key, region_in(place)?)));
        let mut by_region: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (key, region) in found.filter(|(_, region)| *region != self.region) {
            by_region.entry(region).or_default().push(key);
        }
        let sentence = |(region, keys): (&str, Vec<&str>)| {
            format!("REGION is {}, but {} lies in {region}: correct the one or the other", self.region, keys.join(", "))
        };
        by_region.into_iter().map(sentence).collect()
    }

    /// Which topology the deployment has.
    #[must_use]
    pub fn topology(&self) -> Topology {
        if self.queues.contains_key(&QueueRole::JobStatusEvents) { Topology::JobWorker } else { Topology::VideoWorker }
    }

    /// Keys of buckets and tables that every stage needs and that the file lacks.
    #[must_use]
    pub fn missing_stores(&self) -> Vec<&'static str> {
        let Tables { jobs, completions, locks, .. } = &self.tables;
        let named = [
            ("INPUT_BUCKET_NAME", &self.input_bucket),
            ("OUTPUT_BUCKET_NAME", &self.output_bucket),
            ("JOBS_TABLE_NAME", jobs),
            ("SEGMENT_COMPLETIONS_TABLE_NAME", completions),
            ("REASSEMBLY_TRIGGERED_TABLE_NAME", locks),
        ];
        named.into_iter().filter(|(_, name)| name.is_none()).map(|(key, _)| key).collect()
    }

    /// Name of a queue: the last part of its URL.
    #[must_use]
    pub fn queue_name(&self, role: QueueRole) -> Option<&str> {
        self.queues.get(&role).map(|url| url.rsplit_once('/').map_or(url.as_str(), |(_, name)| name))
    }
}

/// The region in an ARN, or in the host of an address at AWS.
fn region_in(place: &str) -> Option<&str> {
    if let Some(arn) = place.strip_prefix("arn:") {
        return arn.split(':').nth(2).filter(|region| !region.is_empty());
    }
    let (_, rest) = place.split_once("://")?;
    let host = rest.split(['/', ':']).next()?;
    let is_at_aws = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"].iter().any(|end| host.ends_with(end));
    let is_region = |label: &&str| {
        let mut parts = label.split('-');
        let is_partition = parts.next().is_some_and(|part| part.len() == 2);
        let is_number =
            parts.next_back().is_some_and(|part| part.len() == 1 && part.bytes().all(|byte| byte.is_ascii_digit()));
        is_partition && is_number && parts.next().is_some()
    };
    // The oldest addresses name no region.
    let oldest = (host == "queue.amazonaws.com").then_some("us-east-1");
    host.split('.').find(is_region).filter(|_| is_at_aws).or(oldest)
}

fn also(notes: &[String]) -> String {
    match notes {
        [] => String::new(),
        [one] => format!(" ({one})"),
        [one, rest @ ..] => format!(" ({one}; {} more are as odd)", rest.len()),
    }
}

/// The error of a call that needs a part which the file does not name.
pub(crate) fn absent(key: &str, what: &str) -> stereospot_ports::Error {
    let message = format!("this deployment has no {what}: {key} is missing in the environment file");
    stereospot_ports::Error::new(ErrorCode::NotFound, message)
}

struct Source<'a> {
    env: &'a Variables,
    otherwise: &'a dyn Fn(&str) -> Option<String>,
}

impl Source<'_> {
    fn text(&self, key: &str) -> Option<String> {
        if self.env.has(key) {
            return self.env.get(key).map(str::to_owned);
        }
        self.otherwise(key)
    }

    /// The value outside the file.
    fn otherwise(&self, key: &str) -> Option<String> {
        let value = (self.otherwise)(key)?;
        let value = value.trim();
        (!value.is_empty() && !value.eq_ignore_ascii_case("null")).then(|| value.to_owned())
    }

    fn number(&self, key: &'static str) -> Result<Option<u64>, Error> {
        let Some(value) = self.text(key) else { return Ok(None) };
        match value.parse::<f64>() {
            // Existing services also accept `20.0` and negative numbers, and clamp them.
            Ok(number) if number.is_finite() => Ok(Some(number.max(0.0) as u64)),
            _ => Err(Error::Unfit { key, value, wanted: "a number" }),
        }
    }

    fn inference_backend(&self) -> Result<Option<InferenceBackend>, Error> {
        const KEY: &str = "INFERENCE_BACKEND";
        let Some(value) = self.text(KEY) else { return Ok(None) };
        match value.to_ascii_lowercase().as_str() {
            "stub" => Ok(Some(InferenceBackend::Stub)),
            "sagemaker" => Ok(Some(InferenceBackend::Sagemaker)),
            "http" => Ok(Some(InferenceBackend::Http)),
            "onnx" => Ok(Some(InferenceBackend::Onnx)),
            _ => Err(Error::Unfit { key: KEY, value, wanted: "stub, sagemaker, http or onnx" }),
        }
    }
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
