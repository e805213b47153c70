//! Managed inference: segments are handed to a SageMaker endpoint that answers later, by an object.
//!
//! One invocation leaves three traces: the request object that the endpoint reads, the row that remembers which segment it was,
//! and a result object at one of two places, told beforehand: success or failure. The row is written under **both** places, so
//! that a failure finds its segment as well as a success does; existing services read the same rows.
//!
//! Invariant: whoever finds a result object finds the segment, or looks again: a result may be faster than the row.

use std::time::Duration;

use aws_config::SdkConfig;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde::Deserialize;
use serde_json::{Value, json};
use stereospot_domain::{JobId, Mode, Timestamp, keys};
use stereospot_ports::{Bucket, Error, ErrorCode, Result};

use crate::calls::Calls;
use crate::config::Connections;
use crate::signed::service::{DYNAMODB, SAGEMAKER_RUNTIME};
use crate::signed::{Api, Call, on, percent};

pub mod endpoint;

/// Where requests are put, in the output bucket.
pub const REQUESTS: &str = "sagemaker-invocation-requests/";
/// Where results come, as existing endpoints are configured.
pub const RESPONSES: &str = keys::INVOCATION_RESPONSES;
/// Where failures come.
pub const FAILURES: &str = keys::INVOCATION_FAILURES;
/// Longest that SageMaker lets one invocation take.
pub const LONGEST_INVOCATION: Duration = Duration::from_secs(3600);
/// How long a row is kept.
const ROW_LIFETIME: Duration = Duration::from_secs(14_400);
/// Of a failure object no more is shown.
const REASON_CHARS: usize = 500;

/// A segment to be converted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The job.
    pub job_id: JobId,
    /// Which segment.
    pub index: u32,
    /// Of how many.
    pub total: u32,
    /// The job's mode.
    pub mode: Mode,
    /// `s3://` address of the segment.
    pub input_uri: String,
    /// `s3://` address where the output shall be.
    pub output_uri: String,
}

impl Segment {
    /// What the inference container is asked, over SageMaker or HTTP.
    #[must_use]
    pub fn request(&self) -> Value {
        json!({ "s3_input_uri": self.input_uri, "s3_output_uri": self.output_uri, "mode": self.mode.as_str() })
    }
}

/// An invocation under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Where its success will be told.
    pub success_uri: String,
    /// Where its failure will be told; absent where the endpoint has no place for failures.
    pub failure_uri: Option<String>,
}

/// The segment that a result object belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched {
    /// The job.
    pub job_id: JobId,
    /// Which segment.
    pub index: u32,
    /// Of how many, where the row says.
    pub total: Option<u32>,
    /// Where its output is, or should have been.
    pub output_uri: String,
    /// When it was invoked.
    pub invoked_at: Option<Timestamp>,
    /// Why it failed, in the container's words; absent when it did not.
    pub failure: Option<String>,
}

/// Hands segments to an endpoint, and says what a result object is about.
#[derive(Debug, Clone)]
pub struct Sagemaker {
    runtime: Api,
    tables: Api,
    output: Bucket,
    endpoint: String,
    table: String,
    timeout: Duration,
}

impl Sagemaker {
    /// An endpoint by name, the table of open invocations, and the output bucket. `timeout` is how long one invocation may
    /// take, capped at [`LONGEST_INVOCATION`]. Asks nothing yet.
    ///
    /// # Errors
    /// [`ErrorCode::Invalid`] when no region is set.
    pub fn new(
        config: &SdkConfig,
        calls: &Calls,
        output: Bucket,
        endpoint: &str,
        table: &str,
        timeout: Duration,
    ) -> Result<Self> {
        Ok(Self {
            runtime: Api::new(config, calls, &SAGEMAKER_RUNTIME)?,
            tables: Api::new(config, calls, &DYNAMODB)?,
            output,
            endpoint: endpoint.into(),
            table: table.into(),
            timeout: timeout.clamp(Duration::from_secs(1), LONGEST_INVOCATION),
        })
    }

    /// The endpoint of a deployment, with its output bucket; none where its environment file names no endpoint or no table of
    /// invocations.
    ///
    /// # Errors
    /// As [`Sagemaker::new`].
    pub fn of(connections: &Connections, output: Bucket) -> Result<Option<Self>> {
        let Connections { config, calls, deployment, .. } = connections;
        let named = (&deployment.sagemaker.endpoint_name, &deployment.tables.invocations);
        let (Some(endpoint), Some(table)) = named else { return Ok(None) };
        Self::new(config, calls, output, endpoint, table, deployment.invoke_timeout).map(Some)
    }

    /// Hands a segment over. When it returns `Ok` the endpoint has it and the rows stand: the segment's message may be deleted.
    /// Doing it again converts the segment again, into the same output.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] when endpoint or table don't exist; otherwise what S3, SageMaker or DynamoDB say. The message must
    /// then stay.
    pub async fn invoke(&self, segment: &Segment, now: Timestamp) -> Result<Invocation> {
        let key = request_key(segment.job_id, segment.index);
        self.output.store.put(&Path::from(key.as_str()), segment.request().to_string().into()).await?;
        let invocation = self.start(&self.output.uri(&key)).await?;
        self.remember(&invocation.success_uri, segment, now).await?;
        if let Some(failure_uri) = &invocation.failure_uri {
            self.remember(failure_uri, segment, now).await?;
        }
        Ok(invocation)
    }

    /// True for keys of the output bucket that [`Sagemaker::matched`] knows what to do with.
    #[must_use]
    pub fn is_result(key: &str) -> bool {
        keys::is_invocation_end(key)
    }

    /// The segment that a result object in the output bucket is about. None when no row knows the object: the row may still be
    /// on its way, so look again; after some looks it belongs to nobody here.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn matched(&self, key: &str) -> Result<Option<Matched>> {
        let uri = self.output.uri(key);
        for candidate in places(&uri, key, &self.output.uri("")) {
            if let Some(row) = self.row(&candidate).await? {
                // The endpoint may have other uses, whose rows name no job of the pipeline.
                let Ok(job_id) = row.job_id.text.parse() else { return Ok(None) };
                let failure = if key.starts_with(FAILURES) { Some(self.reason(key).await) } else { None };
                return row.matched(job_id, failure).map(Some);
            }
        }
        Ok(None)
    }

    /// Notes that the endpoint failed at a segment, and says how often it has by now. The count stands in a row of its own under
    /// the request's address, and goes with it some hours after the last failure.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn count_failure(&self, job_id: JobId, index: u32, now: Timestamp) -> Result<u32> {
        let uri = self.output.uri(&request_key(job_id, index));
        let input =
            json!({ "TableName": self.table, "Key": { "output_location": { "S": uri } }, "ConsistentRead": true });
        let answer: Failures = self.tables.json(on("GetItem", "table", &self.table), input).await?;
        let before = answer.item.and_then(|item| item.failures?.text.parse::<u32>().ok()).unwrap_or(0);
        let failures = before.saturating_add(1);
        // Not in one step, as existing roles may put a row but not update one; results of one segment come one after the other.
        let input = json!({ "TableName": self.table, "Item": {
            "output_location": { "S": uri },
            "job_id": { "S": job_id.to_string() },
            "segment_index": { "N": index.to_string() },
            "failures": { "N": failures.to_string() },
            "ttl": { "N": now.plus(ROW_LIFETIME).as_secs().to_string() },
        }});
        self.tables.json::<Value>(on("PutItem", "table", &self.table), input).await?;
        Ok(failures)
    }

    /// Forgets an invocation, once its segment is completed or given back. Doing it again changes nothing.
    ///
    /// # Errors
    /// When DynamoDB can't be asked: the row then goes by itself after four hours.
    pub async fn forget(&self, uri: &str) -> Result<()> {
        let input = json!({ "TableName": self.table, "Key": { "output_location": { "S": uri } } });
        self.tables.json::<Value>(on("DeleteItem", "table", &self.table), input).await.map(drop)
    }

    async fn start(&self, request_uri: &str) -> Result<Invocation> {
        let call = Call {
            action: "InvokeEndpointAsync",
            method: "POST",
            path: format!("/endpoints/{}/async-invocations", percent(&self.endpoint)),
            headers: vec![
                ("content-type", "application/json".into()),
                ("x-amzn-sagemaker-content-type", "application/json".into()),
                ("x-amzn-sagemaker-inputlocation", request_uri.into()),
                ("x-amzn-sagemaker-invocationtimeoutseconds", self.timeout.as_secs().to_string()),
            ],
            body: String::new(),
        };
        let answer = self.runtime.send(on("InvokeEndpointAsync", "endpoint", &self.endpoint), call).await?;
        let success_uri = answer.header("x-amzn-sagemaker-outputlocation").map(str::to_owned).ok_or_else(|| {
            Error::new(ErrorCode::Corrupt, "SageMaker took the invocation but did not say where its result will be")
        })?;
        let failure_uri = answer.header("x-amzn-sagemaker-failurelocation").map(str::to_owned);
        Ok(Invocation { success_uri, failure_uri })
    }

    async fn remember(&self, uri: &str, segment: &Segment, now: Timestamp) -> Result<()> {
        let number = |number: i64| json!({ "N": number.to_string() });
        let input = json!({ "TableName": self.table, "Item": {
            "output_location": { "S": uri },
            "job_id": { "S": segment.job_id.to_string() },
            "segment_index": number(segment.index.into()),
            "total_segments": number(segment.total.into()),
            "output_s3_uri": { "S": segment.output_uri },
            "created_at": number(now.as_secs()),
            "ttl": number(now.plus(ROW_LIFETIME).as_secs()),
        }});
        self.tables.json::<Value>(on("PutItem", "table", &self.table), input).await.map(drop)
    }

    async fn row(&self, uri: &str) -> Result<Option<Row>> {
        let key = json!({ "output_location": { "S": uri } });
        let input = json!({ "TableName": self.table, "Key": key, "ConsistentRead": true });
        let answer: Item = self.tables.json(on("GetItem", "table", &self.table), input).await?;
        Ok(answer.item)
    }

    /// The container's words; what can't be read is said to be so, as the failure itself stands.
    async fn reason(&self, key: &str) -> String {
        let read = async { self.output.store.get(&Path::from(key)).await?.bytes().await };
        match read.await {
            Ok(bytes) => String::from_utf8_lossy(&bytes).trim().chars().take(REASON_CHARS).collect(),
            Err(_) => format!("SageMaker reported a failure; its reason can't be read from {key}"),
        }
    }
}

fn request_key(job_id: JobId, index: u32) -> String {
    format!("{REQUESTS}{job_id}/{index}.json")
}

/// Under which addresses the row may stand: the object's own; and for a failure, where only the success is remembered (rows of
/// existing services), the success of the same name. SageMaker adds `-error` to the name of a failure.
fn places(uri: &str, key: &str, bucket_uri: &str) -> Vec<String> {
    let mut places = vec![uri.to_owned()];
    if let Some(name) = key.strip_prefix(FAILURES) {
        places.push(format!("{bucket_uri}{RESPONSES}{}", name.replacen("-error", "", 1)));
        places.push(format!("{bucket_uri}{RESPONSES}{name}"));
    }
    places.dedup();
    places
}

#[derive(Debug, Deserialize)]
struct Item {
    #[serde(rename = "Item")]
    item: Option<Row>,
}

#[derive(Debug, Deserialize)]
struct Failures {
    #[serde(rename = "Item")]
    item: Option<Counted>,
}

#[derive(Debug, Deserialize)]
struct Counted {
    failures: Option<Number>,
}

#[derive(Debug, Deserialize)]
struct Row {
    job_id: Text,
    segment_index: Number,
    total_segments: Option<Number>,
    output_s3_uri: Text,
    created_at: Option<Number>,
}

#[derive(Debug, Deserialize)]
struct Text {
    #[serde(rename = "S")]
    text: String,
}

#[derive(Debug, Deserialize)]
struct Number {
    #[serde(rename = "N")]
    text: String,
}

impl Row {
    fn matched(self, job_id: JobId, failure: Option<String>) -> Result<Matched> {
        let corrupt =
            |what: &str| Error::new(ErrorCode::Corrupt, format!("the row of an invocation has no usable {what}"));
        Ok(Matched {
            job_id,
            index: self.segment_index.text.parse().map_err(|_| corrupt("segment_index"))?,
            total: self.total_segments.and_then(|total| total.text.parse().ok()),
            output_uri: self.output_s3_uri.text,
            invoked_at: self.created_at.and_then(|at| at.text.parse().ok()).map(Timestamp::from_secs),
            failure,
        })
    }
}

#[cfg(test)]
mod tests;
