//! Managed inference: hands segments to a SageMaker endpoint, which answers later with an object.
//!
//! An invocation has three parts: the request object that the endpoint reads, a row that records the segment, and a result object
//! at one of two places, for success or failure. SageMaker names both places in its answer. The row is stored under **both**, so
//! that a failure finds its segment as well as a success does. Existing services read the same rows.
//!
//! Invariant: a caller who finds a result object either finds its segment or looks again: a result can arrive before its row.

use std::time::Duration;

use aws_config::SdkConfig;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde_json::{Value, json};
use stereospot_domain::{JobId, Mode, Timestamp, keys};
use stereospot_ports::{Bucket, Error, ErrorCode, Result};

use crate::calls::Calls;
use crate::config::{Connections, client};
use crate::dynamo::rows::{Item, number, secs, text};
use crate::error::failed;

pub mod endpoint;

/// Prefix of the requests in the output bucket.
pub const REQUESTS: &str = "sagemaker-invocation-requests/";
/// Prefix of the results, as existing endpoints are configured.
pub const RESPONSES: &str = keys::INVOCATION_RESPONSES;
/// Prefix of the failures.
pub const FAILURES: &str = keys::INVOCATION_FAILURES;
/// The longest invocation that SageMaker allows.
pub const LONGEST_INVOCATION: Duration = Duration::from_secs(3600);
/// DynamoDB removes a row after this time.
const ROW_LIFETIME: Duration = Duration::from_secs(14_400);
/// Longest part of a failure object that is shown.
const REASON_CHARS: usize = 500;

/// A segment to convert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    pub job_id: JobId,
    pub index: u32,
    /// How many segments the job has.
    pub total: u32,
    pub mode: Mode,
    /// `s3://` address of the segment.
    pub input_uri: String,
    /// `s3://` address for the output.
    pub output_uri: String,
}

impl Segment {
    /// The inference container's request, over SageMaker or HTTP.
    #[must_use]
    pub fn request(&self) -> Value {
        json!({ "s3_input_uri": self.input_uri, "s3_output_uri": self.output_uri, "mode": self.mode.as_str() })
    }
}

/// An invocation under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Address of the result object if it succeeds.
    pub success_uri: String,
    /// Address of the result object if it fails; absent when the endpoint has no place for failures.
    pub failure_uri: Option<String>,
}

/// The segment that a result object belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched {
    pub job_id: JobId,
    pub index: u32,
    /// How many segments the job has, if the row says so.
    pub total: Option<u32>,
    /// Address of the output, which exists only after a success.
    pub output_uri: String,
    pub invoked_at: Option<Timestamp>,
    /// Why it failed, in the container's words; none after a success.
    pub failure: Option<String>,
}

/// Hands segments to an endpoint, and finds the segment of a result object.
#[derive(Debug, Clone)]
pub struct Sagemaker {
    runtime: aws_sdk_sagemakerruntime::Client,
    dynamo: aws_sdk_dynamodb::Client,
    output: Bucket,
    endpoint: String,
    table: String,
    timeout: Duration,
}

impl Sagemaker {
    /// An endpoint, the table of open invocations, and the output bucket. `timeout` bounds one invocation, up to
    /// [`LONGEST_INVOCATION`]. Makes no call.
    #[must_use]
    pub fn new(
        config: &SdkConfig,
        calls: &Calls,
        output: Bucket,
        endpoint: &str,
        table: &str,
        timeout: Duration,
    ) -> Self {
        Self {
            runtime: client!(aws_sdk_sagemakerruntime, config, calls),
            dynamo: client!(aws_sdk_dynamodb, config, calls),
            output,
            endpoint: endpoint.into(),
            table: table.into(),
            timeout: timeout.clamp(Duration::from_secs(1), LONGEST_INVOCATION),
        }
    }

    /// The endpoint of a deployment, with its output bucket; none if its environment file names no endpoint or no table of
    /// invocations.
    #[must_use]
    pub fn of(connections: &Connections, output: Bucket) -> Option<Self> {
        let Connections { config, calls, deployment, .. } = connections;
        let endpoint = deployment.sagemaker.endpoint_name.as_deref()?;
        let table = deployment.tables.invocations.as_deref()?;
        Some(Self::new(config, calls, output, endpoint, table, deployment.invoke_timeout))
    }

    /// Hands a segment over. After `Ok` the endpoint has it and the rows are stored, so the segment's message may be deleted.
    /// Calling again converts the segment again, into the same output.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] when endpoint or table don't exist; otherwise what S3, SageMaker or DynamoDB report. Keep the message
    /// then.
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

    /// True for keys of the output bucket that [`Sagemaker::matched`] can handle.
    #[must_use]
    pub fn is_result(key: &str) -> bool {
        keys::is_invocation_end(key)
    }

    /// The segment of a result object in the output bucket. None when no row names the object: the row may still be on its way,
    /// so look again; after some looks the object is not ours.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn matched(&self, key: &str) -> Result<Option<Matched>> {
        let uri = self.output.uri(key);
        for candidate in places(&uri, key, &self.output.uri("")) {
            if let Some(row) = self.row(&candidate).await? {
                // The endpoint may have other uses, whose rows name no job of the pipeline.
                let Some(job_id) = string(&row, "job_id").and_then(|id| id.parse().ok()) else { return Ok(None) };
                let failure = if key.starts_with(FAILURES) { Some(self.reason(key).await) } else { None };
                return matched(&row, job_id, failure).map(Some);
            }
        }
        Ok(None)
    }

    /// Records a failure of the endpoint at a segment, and returns how many there are now. The count is a row of its own under
    /// the request's address, and disappears some hours after the last failure.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn count_failure(&self, job_id: JobId, index: u32, now: Timestamp) -> Result<u32> {
        let uri = self.output.uri(&request_key(job_id, index));
        let before = self.row(&uri).await?.as_ref().and_then(|row| whole(row, "failures")).unwrap_or(0);
        let failures = u32::try_from(before).unwrap_or(0).saturating_add(1);
        // Two steps, because existing roles may put a row but not update one. Results of one segment come one after the other.
        self.put(Item::from([
            ("output_location".into(), text(uri)),
            ("job_id".into(), text(job_id)),
            ("segment_index".into(), number(index)),
            ("failures".into(), number(failures)),
            ("ttl".into(), secs(now.plus(ROW_LIFETIME))),
        ]))
        .await?;
        Ok(failures)
    }

    /// Forgets an invocation after its segment is completed or given back. Calling again changes nothing.
    ///
    /// # Errors
    /// When DynamoDB can't be asked: it then removes the row after four hours.
    pub async fn forget(&self, uri: &str) -> Result<()> {
        let call = self.dynamo.delete_item().table_name(&self.table).key("output_location", text(uri));
        call.send().await.map(drop).map_err(failed("dynamodb:DeleteItem", "table", &self.table))
    }

    async fn start(&self, request_uri: &str) -> Result<Invocation> {
        let answer = self
            .runtime
            .invoke_endpoint_async()
            .endpoint_name(&self.endpoint)
            .content_type("application/json")
            .input_location(request_uri)
            .invocation_timeout_seconds(i32::try_from(self.timeout.as_secs()).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(failed("sagemaker:InvokeEndpointAsync", "endpoint", &self.endpoint))?;
        let success_uri = answer.output_location.ok_or_else(|| {
            Error::new(ErrorCode::Corrupt, "SageMaker took the invocation but did not say where its result will be")
        })?;
        Ok(Invocation { success_uri, failure_uri: answer.failure_location })
    }

    async fn remember(&self, uri: &str, segment: &Segment, now: Timestamp) -> Result<()> {
        self.put(Item::from([
            ("output_location".into(), text(uri)),
            ("job_id".into(), text(segment.job_id)),
            ("segment_index".into(), number(segment.index)),
            ("total_segments".into(), number(segment.total)),
            ("output_s3_uri".into(), text(&segment.output_uri)),
            ("created_at".into(), secs(now)),
            ("ttl".into(), secs(now.plus(ROW_LIFETIME))),
        ]))
        .await
    }

    async fn put(&self, item: Item) -> Result<()> {
        let call = self.dynamo.put_item().table_name(&self.table).set_item(Some(item));
        call.send().await.map(drop).map_err(failed("dynamodb:PutItem", "table", &self.table))
    }

    async fn row(&self, uri: &str) -> Result<Option<Item>> {
        let call =
            self.dynamo.get_item().table_name(&self.table).key("output_location", text(uri)).consistent_read(true);
        let answer = call.send().await.map_err(failed("dynamodb:GetItem", "table", &self.table))?;
        Ok(answer.item)
    }

    /// The container's words. If they can't be read, says so: the failure counts anyway.
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

/// The addresses under which the row may be stored. First the object's own. For a failure also the success of the same name,
/// because existing services store only that one. SageMaker adds `-error` to the name of a failure.
fn places(uri: &str, key: &str, bucket_uri: &str) -> Vec<String> {
    let mut places = vec![uri.to_owned()];
    if let Some(name) = key.strip_prefix(FAILURES) {
        places.push(format!("{bucket_uri}{RESPONSES}{}", name.replacen("-error", "", 1)));
        places.push(format!("{bucket_uri}{RESPONSES}{name}"));
    }
    places.dedup();
    places
}

fn string<'r>(row: &'r Item, name: &str) -> Option<&'r str> {
    row.get(name)?.as_s().ok().map(String::as_str)
}

fn whole(row: &Item, name: &str) -> Option<i64> {
    row.get(name)?.as_n().ok()?.parse().ok()
}

fn matched(row: &Item, job_id: JobId, failure: Option<String>) -> Result<Matched> {
    let corrupt = |what: &str| Error::new(ErrorCode::Corrupt, format!("the row of an invocation has no usable {what}"));
    let index = whole(row, "segment_index").and_then(|index| u32::try_from(index).ok());
    Ok(Matched {
        job_id,
        index: index.ok_or_else(|| corrupt("segment_index"))?,
        total: whole(row, "total_segments").and_then(|total| u32::try_from(total).ok()),
        output_uri: string(row, "output_s3_uri").ok_or_else(|| corrupt("output_s3_uri"))?.to_owned(),
        invoked_at: whole(row, "created_at").map(Timestamp::from_secs),
        failure,
    })
}

#[cfg(test)]
mod tests;
