//! Message bodies, in the exact form of existing deployments.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::job::JobId;
use crate::keys::{self, InputKey, OutputKey};
use crate::queue::QueueRole;

mod wrapped;

/// What S3 encodes in the keys that it reports. The space becomes `+` afterwards.
const ENCODED: AsciiSet =
    NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'/').remove(b'*').remove(b' ');

/// What a message asks its worker to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Split a source.
    Chunk(JobId),
    /// Convert a segment.
    Convert(keys::SegmentKey),
    /// Join a job's segments.
    Reassemble(JobId),
    /// An output object was written.
    Output(OutputKey),
    /// Delete what is left of a job.
    Delete(JobId),
    /// Fetch a job's source from a URL.
    Ingest(JobId),
    /// A row of the job store changed, with its job and segment if the record names them.
    Changed(Option<JobId>, Option<u32>),
    /// S3 sends this when notifications are configured. The worker deletes it.
    Test,
}

/// The queue's workers can't act on the body. They leave the message to reach the dead-letter queue, where an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not JSON, or of an unknown shape.
    #[error("the body is neither an S3 notification nor a job request: {0}")]
    Shape(String),
    /// The notification holds no record.
    #[error("the notification holds no record")]
    Empty,
    /// The event is not the creation of an object.
    #[error("the event `{0}` is not the creation of an object")]
    Event(String),
    /// The key does not belong on this queue.
    #[error("the key `{0}` is not one of the pipeline's")]
    Key(String),
}

#[derive(Serialize)]
struct Notification {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    s3: S3,
}

#[derive(Serialize, Deserialize)]
struct S3 {
    bucket: Bucket,
    object: Object,
}

#[derive(Serialize, Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Serialize, Deserialize)]
struct Object {
    key: String,
}

#[derive(Serialize, Deserialize)]
struct JobRequest {
    job_id: JobId,
}

/// The URL is not used here, but required: the ingest service can do nothing without it.
#[derive(Deserialize)]
struct IngestRequest {
    job_id: JobId,
    #[serde(rename = "source_url")]
    _source_url: String,
}

/// The notification that S3 sends when `key` is created in `bucket`. Like S3, it form-encodes the key.
#[must_use]
pub fn object_created(bucket: &str, key: &str) -> String {
    let record = Record { s3: S3 { bucket: Bucket { name: bucket.into() }, object: Object { key: form_encode(key) } } };
    to_json(&Notification { records: vec![record] })
}

/// The request to join a job's segments.
#[must_use]
pub fn reassemble(job_id: JobId) -> String {
    to_json(&JobRequest { job_id })
}

/// Reads the body of a message on a queue of this role: one request for each record that its workers can act on.
///
/// # Errors
/// If there is none: the first record's error.
pub fn parse(role: QueueRole, body: &str) -> Result<Vec<Request>, Error> {
    let (mut requests, mut first) = (Vec::new(), None);
    for record in records(role, body)? {
        match record {
            Ok(request) => requests.push(request),
            Err(error) => first = first.or(Some(error)),
        }
    }
    match first {
        Some(error) if requests.is_empty() => Err(error),
        _ => Ok(requests),
    }
}

/// Reads the body of a message record by record: a foreign or broken record does not spoil the others. Takes off what SNS (without raw
/// delivery) and EventBridge put around a notification.
///
/// # Errors
/// If the body as a whole has no known shape, or holds no record.
pub fn records(role: QueueRole, body: &str) -> Result<Vec<Result<Request, Error>>, Error> {
    if role == QueueRole::JobEvents {
        return Ok(changes(body)?.into_iter().map(Ok).collect());
    }
    let notification = wrapped::open(body)?;
    if notification["Event"] == TEST_EVENT {
        return Ok(vec![Ok(Request::Test)]);
    }
    let request = match role {
        QueueRole::Reassembly => Request::Reassemble(from_value::<JobRequest>(&notification)?.job_id),
        QueueRole::Deletion => Request::Delete(from_value::<JobRequest>(&notification)?.job_id),
        QueueRole::Ingest => Request::Ingest(from_value::<IngestRequest>(&notification)?.job_id),
        _ => {
            let keys = wrapped::keys(&notification)?;
            return Ok(keys.into_iter().map(|key| key.and_then(|key| of_key(role, key))).collect());
        }
    };
    Ok(vec![Ok(request)])
}

/// What S3 sends when notifications are configured.
const TEST_EVENT: &str = "s3:TestEvent";

/// What the creation of an object asks the workers of a queue to do.
fn of_key(role: QueueRole, key: String) -> Result<Request, Error> {
    match (role, keys::parse_input(&key), keys::parse_output(&key)) {
        (QueueRole::Chunking, Some(InputKey::Source(job_id)), _) => Ok(Request::Chunk(job_id)),
        (QueueRole::Inference, Some(InputKey::Segment(segment)), _) => Ok(Request::Convert(segment)),
        (QueueRole::OutputEvents | QueueRole::JobStatusEvents, _, Some(output)) => Ok(Request::Output(output)),
        _ => Err(Error::Key(key)),
    }
}

/// The job, and the segment if any, that a body is about; `None` if it names no job. Of several records the first counts.
#[must_use]
pub fn job_of(role: QueueRole, body: &str) -> Option<(JobId, Option<u32>)> {
    match parse(role, body).ok()?.first()? {
        Request::Chunk(job_id) | Request::Reassemble(job_id) | Request::Delete(job_id) | Request::Ingest(job_id) => {
            Some((*job_id, None))
        }
        Request::Convert(segment) => Some((segment.job_id, Some(segment.index))),
        Request::Output(OutputKey::Segment(job_id, index)) => Some((*job_id, Some(*index))),
        Request::Output(OutputKey::Final(job_id) | OutputKey::Done(job_id)) => Some((*job_id, None)),
        Request::Changed(job_id, segment_index) => Some(((*job_id)?, *segment_index)),
        Request::Test => None,
    }
}

/// Reads DynamoDB stream records, one alone or several in `Records`. Any JSON object is accepted: the service that reads this queue
/// accepts any, too.
fn changes(body: &str) -> Result<Vec<Request>, Error> {
    let body: Map<String, Value> = from_json(body)?;
    let records = match body.get("Records") {
        Some(Value::Array(records)) => records.iter().map(changed).collect(),
        _ => vec![changed(&Value::Object(body))],
    };
    if records.is_empty() { Err(Error::Empty) } else { Ok(records) }
}

fn changed(record: &Value) -> Request {
    let images = ["Keys", "NewImage", "OldImage"];
    let find = |attribute: &str, kind: &str| {
        images.iter().find_map(|image| record["dynamodb"][image][attribute][kind].as_str())
    };
    Request::Changed(
        find("job_id", "S").and_then(|job_id| job_id.parse().ok()),
        find("segment_index", "N").and_then(|index| index.parse().ok()),
    )
}

fn from_json<T: DeserializeOwned>(body: &str) -> Result<T, Error> {
    serde_json::from_str(body).map_err(|error| Error::Shape(error.to_string()))
}

fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, Error> {
    T::deserialize(value).map_err(|error| Error::Shape(error.to_string()))
}

fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain structs of strings always serialise")
}

fn form_encode(text: &str) -> String {
    utf8_percent_encode(text, &ENCODED).to_string().replace(' ', "+")
}

/// Undoes form encoding: `+` is a space, `%XX` a byte. A `%` without two hex digits stays as it is.
fn form_decode(text: &str) -> String {
    // A `+` of the key itself arrives as `%2B`, so this comes first.
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests;
