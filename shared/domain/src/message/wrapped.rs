//! Notifications of S3 as they arrive: plain, or in what SNS and EventBridge put around them.

use serde_json::Value;

use super::{Error, Record, form_decode, from_json, from_value};

/// Takes off SNS's wrapping: a notification that is not delivered raw is a text inside a JSON object. Topics can't be chained, so
/// there is at most one.
pub(super) fn open(body: &str) -> Result<Value, Error> {
    let body: Value = from_json(body)?;
    match (body["Type"].as_str(), body["Message"].as_str()) {
        (Some("Notification"), Some(inner)) if body["TopicArn"].is_string() => from_json(inner),
        _ if body.is_object() => Ok(body),
        _ => Err(Error::Shape("it is no JSON object".into())),
    }
}

/// The keys of the created objects that a notification names, record by record.
pub(super) fn keys(notification: &Value) -> Result<Vec<Result<String, Error>>, Error> {
    if notification["source"] == "aws.s3" && notification["detail"].is_object() {
        return Ok(vec![of_event_bridge(notification)]);
    }
    match notification.get("Records") {
        Some(Value::Array(records)) if !records.is_empty() => {
            Ok(records.iter().map(|record| Ok(form_decode(&from_value::<Record>(record)?.s3.object.key))).collect())
        }
        Some(Value::Array(_)) | None => Err(Error::Empty),
        Some(_) => Err(Error::Shape("its `Records` are no list".into())),
    }
}

/// EventBridge names a key as it is, without form encoding.
fn of_event_bridge(event: &Value) -> Result<String, Error> {
    match event["detail-type"].as_str() {
        Some("Object Created") => {}
        other => return Err(Error::Event(other.unwrap_or("?").into())),
    }
    let key = event["detail"]["object"]["key"].as_str();
    key.map(str::to_owned).ok_or_else(|| Error::Shape("the event names no object".into()))
}
