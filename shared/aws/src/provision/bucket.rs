//! Buckets, and what they tell which queue.

use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use stereospot_ports::{Error, ErrorCode, Result};

use super::State;
use super::resource::Rule;
use crate::signed::xml::{all, escape, first};
use crate::signed::{Answer, Api, Call, on, percent};

/// So many objects are deleted at once.
const AT_ONCE: usize = 16;
/// Pause between two tries to tell a queue that was just made.
const PAUSE: Duration = Duration::from_secs(5);
/// So many such tries.
const LOOKS: u32 = 18;

async fn send(
    api: &Api,
    action: &'static str,
    method: &'static str,
    name: &str,
    rest: &str,
    body: String,
) -> Result<Answer> {
    let mut headers = Vec::new();
    if !body.is_empty() {
        headers.push(("content-type", "application/xml".to_owned()));
    }
    let call = Call { action, method, path: format!("/{name}{rest}"), headers, body };
    api.send(on(action, "bucket", name), call).await
}

pub(crate) async fn look(api: &Api, name: &str) -> Result<State> {
    // Not HEAD, whose answer has no body to say what is wrong; it needs the same permission.
    match send(api, "ListBucket", "GET", name, "?list-type=2&max-keys=1", String::new()).await {
        Ok(_) => Ok(State::Fits),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(State::Missing),
        Err(error) => Err(error),
    }
}

pub(super) async fn make(api: &Api, name: &str, region: &str) -> Result<()> {
    // The first region takes no name, every other wants one.
    let body = if region == "us-east-1" {
        String::new()
    } else {
        let constraint = format!("<LocationConstraint>{}</LocationConstraint>", escape(region));
        format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{constraint}</CreateBucketConfiguration>"
        )
    };
    match send(api, "CreateBucket", "PUT", name, "", body).await {
        // Made by us meanwhile, or by an earlier try.
        Err(error) if error.code() == ErrorCode::Conflict && look(api, name).await.is_ok() => Ok(()),
        other => other.map(drop),
    }
}

pub(super) async fn look_notifications(api: &Api, name: &str, wanted: &[Rule]) -> Result<State> {
    let found = match send(api, "GetBucketNotification", "GET", name, "?notification=", String::new()).await {
        Ok(answer) => answer.text().into_owned(),
        Err(error) if error.code() == ErrorCode::NotFound => return Ok(State::Missing),
        Err(error) => return Err(error),
    };
    let missing = missing(&found, wanted);
    if missing.len() == wanted.len() {
        return Ok(State::Missing);
    }
    let told = |rule: &&Rule| {
        let queue = rule.queue_arn.rsplit(':').next().unwrap_or_default();
        format!("{queue} is told of {}*{}", rule.prefix, rule.suffix)
    };
    Ok(State::of(missing.iter().map(told).collect()))
}

pub(super) async fn make_notifications(api: &Api, name: &str, wanted: &[Rule]) -> Result<()> {
    let answer = send(api, "GetBucketNotification", "GET", name, "?notification=", String::new()).await?;
    let found = answer.text();
    // The request replaces all: what others have set up stays in.
    let mut inside = all(&found, "NotificationConfiguration").first().copied().unwrap_or_default().to_owned();
    for rule in missing(&found, wanted) {
        inside.push_str(&rule.xml());
    }
    let body = format!(
        "<NotificationConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{inside}</NotificationConfiguration>"
    );
    for _ in 0..LOOKS {
        match send(api, "PutBucketNotification", "PUT", name, "?notification=", body.clone()).await {
            // S3 tries whether it may send; a queue's new policy takes up to a minute to be known.
            Err(error) if error.to_string().contains("Unable to validate the following destination") => {
                api.pause(PAUSE).await;
            }
            other => return other.map(drop),
        }
    }
    send(api, "PutBucketNotification", "PUT", name, "?notification=", body).await.map(drop)
}

/// What would be lost, in words; none when there is no such bucket.
pub(crate) async fn content(api: &Api, name: &str) -> Result<Option<String>> {
    let (keys, has_more) = match page(api, name).await {
        Ok(page) => page,
        Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(format!("{}{} objects", keys.len(), if has_more { " or more" } else { "" })))
}

/// Empties and removes a bucket.
pub(super) async fn unmake(api: &Api, name: &str) -> Result<()> {
    loop {
        let (keys, has_more) = match page(api, name).await {
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(()),
            page => page?,
        };
        let deletions = keys.iter().map(async |key| {
            let path = key.split('/').map(percent).collect::<Vec<_>>().join("/");
            send(api, "DeleteObject", "DELETE", name, &format!("/{path}"), String::new()).await
        });
        let mut deletions = stream::iter(deletions).buffer_unordered(AT_ONCE);
        while let Some(deleted) = deletions.next().await {
            deleted?;
        }
        if !has_more {
            break;
        }
    }
    send(api, "DeleteBucket", "DELETE", name, "", String::new()).await.map(drop)
}

async fn page(api: &Api, name: &str) -> Result<(Vec<String>, bool)> {
    let answer = send(api, "ListBucket", "GET", name, "?list-type=2&max-keys=1000", String::new()).await?;
    let xml = answer.text();
    let keys: Option<Vec<String>> = all(&xml, "Contents").into_iter().map(|object| first(object, "Key")).collect();
    let keys =
        keys.ok_or_else(|| Error::new(ErrorCode::Corrupt, format!("the listing of {name} has an unknown shape")))?;
    Ok((keys, first(&xml, "IsTruncated").as_deref() == Some("true")))
}

/// Those of the wanted rules that the configuration lacks.
fn missing<'r>(found: &str, wanted: &'r [Rule]) -> Vec<&'r Rule> {
    let found = rules(found);
    let stands = |rule: &Rule| found.iter().any(|found| found.is(&rule.queue_arn, rule.prefix, rule.suffix));
    wanted.iter().filter(|rule| !stands(rule)).collect()
}

/// A rule of a bucket: new objects so named are told to this queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) queue_arn: String,
    pub(crate) prefix: String,
    pub(crate) suffix: String,
}

impl Told {
    pub(crate) fn is(&self, queue_arn: &str, prefix: &str, suffix: &str) -> bool {
        self.queue_arn == queue_arn && self.prefix == prefix && self.suffix == suffix
    }
}

/// The rules of a bucket that tell queues of new objects.
pub(crate) async fn told(api: &Api, name: &str) -> Result<Vec<Told>> {
    let answer = send(api, "GetBucketNotification", "GET", name, "?notification=", String::new()).await?;
    Ok(rules(&answer.text()))
}

fn rules(xml: &str) -> Vec<Told> {
    all(xml, "QueueConfiguration")
        .into_iter()
        .filter(|rule| all(rule, "Event").iter().any(|event| event.starts_with("s3:ObjectCreated:*")))
        .map(|rule| {
            let of = |name: &str| {
                all(rule, "FilterRule")
                    .into_iter()
                    .find(|filter| first(filter, "Name").is_some_and(|found| found.eq_ignore_ascii_case(name)))
                    .and_then(|filter| first(filter, "Value"))
                    .unwrap_or_default()
            };
            Told { queue_arn: first(rule, "Queue").unwrap_or_default(), prefix: of("prefix"), suffix: of("suffix") }
        })
        .collect()
}

impl Rule {
    fn xml(&self) -> String {
        let filters: String = [("prefix", self.prefix), ("suffix", self.suffix)]
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| {
                format!("<FilterRule><Name>{name}</Name><Value>{}</Value></FilterRule>", escape(value))
            })
            .collect();
        format!(
            "<QueueConfiguration><Id>{}</Id><Queue>{}</Queue><Event>s3:ObjectCreated:*</Event>\
             <Filter><S3Key>{filters}</S3Key></Filter></QueueConfiguration>",
            self.id,
            escape(&self.queue_arn)
        )
    }
}
