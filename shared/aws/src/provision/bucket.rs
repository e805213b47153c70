//! Buckets, and which queue hears of which new objects.

use std::time::Duration;

use aws_smithy_async::rt::sleep::{AsyncSleep as _, SharedAsyncSleep};
use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;
use futures::StreamExt;
use futures::stream;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use quick_xml::escape::escape;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use stereospot_ports::{Error, ErrorCode, Result};

use super::resource::Rule;
use super::state::State;
use super::tag::{self, MADE_BY, TAG};
use crate::by_hand::{Api, Fault, Request, XML};

/// What S3 wants encoded in the path of an object.
const IN_PATH: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
/// Objects deleted at once.
const AT_ONCE: usize = 16;
/// Pause between two tries to notify a queue that was just made.
const PAUSE: Duration = Duration::from_secs(5);
/// Number of such tries.
const LOOKS: u32 = 18;

async fn send(
    api: &Api,
    action: &'static str,
    method: &'static str,
    name: &str,
    rest: &str,
    body: String,
) -> Result<String> {
    let content_type = (!body.is_empty()).then_some(XML);
    api.send(Request { action, method, path: format!("/{name}{rest}"), content_type, body }, "bucket", name).await
}

fn read<T: DeserializeOwned>(xml: &str, name: &str) -> Result<T> {
    quick_xml::de::from_str(xml).map_err(|error| {
        Error::with(ErrorCode::Corrupt, format!("S3's answer about {name} has an unknown shape"), error)
    })
}

pub(crate) async fn look(api: &Api, name: &str) -> Result<State> {
    // Not HEAD: its answer has no body to say what is wrong. Both need the same permission.
    match send(api, "s3:ListBucket", "GET", name, "?list-type=2&max-keys=1", String::new()).await {
        Ok(_) => Ok(State::Fits),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(State::Missing),
        Err(error) => Err(error),
    }
}

pub(super) async fn make(api: &Api, name: &str, region: &str) -> Result<()> {
    // The first region accepts no constraint, every other requires one.
    let body = if region == "us-east-1" {
        String::new()
    } else {
        let constraint = format!("<LocationConstraint>{}</LocationConstraint>", escape(region));
        format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{constraint}</CreateBucketConfiguration>"
        )
    };
    match send(api, "s3:CreateBucket", "PUT", name, "", body).await {
        // We made it in an earlier try.
        Err(error) if error.code() == ErrorCode::Conflict && look(api, name).await.is_ok() => {}
        other => drop(other?),
    }
    mark(api, name).await
}

/// True when `provision` made the bucket.
pub(super) async fn is_ours(api: &Api, name: &str) -> Result<bool> {
    Ok(tag::is_marked(tags(api, name).await?.iter().map(|(key, value)| (key.as_str(), value.as_str()))))
}

/// Adds our tag. The request replaces all tags, so those of others go in again.
pub(super) async fn mark(api: &Api, name: &str) -> Result<()> {
    let mut tags = tags(api, name).await?;
    tags.retain(|(key, _)| key != TAG);
    tags.push((TAG.into(), MADE_BY.into()));
    let tag = |(key, value): &(String, String)| {
        format!("<Tag><Key>{}</Key><Value>{}</Value></Tag>", escape(key.as_str()), escape(value.as_str()))
    };
    let inside: String = tags.iter().map(tag).collect();
    let body =
        format!("<Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><TagSet>{inside}</TagSet></Tagging>");
    send(api, "s3:PutBucketTagging", "PUT", name, "?tagging=", body).await.map(drop)
}

async fn tags(api: &Api, name: &str) -> Result<Vec<(String, String)>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Tagging {
        #[serde(default)]
        tag_set: TagSet,
    }
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct TagSet {
        #[serde(default)]
        tag: Vec<Tag>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Tag {
        key: String,
        #[serde(default)]
        value: String,
    }
    match send(api, "s3:GetBucketTagging", "GET", name, "?tagging=", String::new()).await {
        // S3's answer for a bucket without tags is an error of its own.
        Err(error) if Fault::of(&error).is_some_and(|fault| fault.code() == Some("NoSuchTagSet")) => Ok(Vec::new()),
        Err(error) => Err(error),
        Ok(answer) => {
            let tagging: Tagging = read(&answer, name)?;
            Ok(tagging.tag_set.tag.into_iter().map(|tag| (tag.key, tag.value)).collect())
        }
    }
}

pub(super) async fn look_notifications(api: &Api, name: &str, wanted: &[Rule]) -> Result<State> {
    let found = match send(api, "s3:GetBucketNotification", "GET", name, "?notification=", String::new()).await {
        Ok(answer) => answer,
        Err(error) if error.code() == ErrorCode::NotFound => return Ok(State::Missing),
        Err(error) => return Err(error),
    };
    let missing = missing(&found, name, wanted)?;
    if missing.len() == wanted.len() {
        return Ok(State::Missing);
    }
    let told = |rule: &&Rule| {
        let queue = rule.queue_arn.rsplit(':').next().unwrap_or_default();
        format!("{queue} gets events of {}*{}", rule.prefix, rule.suffix)
    };
    Ok(State::of(missing.iter().map(told).collect()))
}

pub(super) async fn make_notifications(api: &Api, sleep: &SharedAsyncSleep, name: &str, wanted: &[Rule]) -> Result<()> {
    let found = send(api, "s3:GetBucketNotification", "GET", name, "?notification=", String::new()).await?;
    // The request replaces everything, so what others have set up goes in unchanged.
    let mut inside = inside(&found).to_owned();
    for rule in missing(&found, name, wanted)? {
        inside.push_str(&rule.xml());
    }
    let body = format!(
        "<NotificationConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{inside}</NotificationConfiguration>"
    );
    for _ in 0..LOOKS {
        match send(api, "s3:PutBucketNotification", "PUT", name, "?notification=", body.clone()).await {
            // S3 checks that it may send, and a queue's new policy takes up to a minute to be known.
            Err(error) if cannot_reach_queue(&error) => sleep.sleep(PAUSE).await,
            other => return other.map(drop),
        }
    }
    send(api, "s3:PutBucketNotification", "PUT", name, "?notification=", body).await.map(drop)
}

/// True for S3's refusal of a queue that it may not send to. Its code, `InvalidArgument`, has other meanings too, so S3's message
/// decides.
fn cannot_reach_queue(error: &Error) -> bool {
    let said = Fault::of(error).and_then(|fault| fault.message());
    said.is_some_and(|message| message.contains("Unable to validate the following destination"))
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

/// Empties a bucket and removes it.
pub(super) async fn unmake(api: &Api, name: &str) -> Result<()> {
    loop {
        let (keys, has_more) = match page(api, name).await {
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(()),
            page => page?,
        };
        let deletions = keys.iter().map(async |key| {
            let path = utf8_percent_encode(key, &IN_PATH);
            send(api, "s3:DeleteObject", "DELETE", name, &format!("/{path}"), String::new()).await
        });
        let mut deletions = stream::iter(deletions).buffer_unordered(AT_ONCE);
        while let Some(deleted) = deletions.next().await {
            deleted?;
        }
        // An empty page that others follow would never end: S3 then says why the bucket can't go.
        if !has_more || keys.is_empty() {
            break;
        }
    }
    send(api, "s3:DeleteBucket", "DELETE", name, "", String::new()).await.map(drop)
}

/// The first keys, and whether there are more.
async fn page(api: &Api, name: &str) -> Result<(Vec<String>, bool)> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Listing {
        #[serde(default)]
        contents: Vec<Object>,
        #[serde(default)]
        is_truncated: bool,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Object {
        key: String,
    }
    let answer = send(api, "s3:ListBucket", "GET", name, "?list-type=2&max-keys=1000", String::new()).await?;
    let listing: Listing = read(&answer, name)?;
    Ok((listing.contents.into_iter().map(|object| object.key).collect(), listing.is_truncated))
}

/// The wanted rules that the configuration lacks.
fn missing<'r>(found: &str, name: &str, wanted: &'r [Rule]) -> Result<Vec<&'r Rule>> {
    let found = rules(found, name)?;
    let is_there = |rule: &Rule| found.iter().any(|found| found.is(&rule.queue_arn, rule.prefix, rule.suffix));
    Ok(wanted.iter().filter(|rule| !is_there(rule)).collect())
}

/// A rule of a bucket: it notifies this queue of new objects whose keys start and end like this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notified {
    pub(crate) queue_arn: String,
    pub(crate) prefix: String,
    pub(crate) suffix: String,
}

impl Notified {
    fn is(&self, queue_arn: &str, prefix: &str, suffix: &str) -> bool {
        self.queue_arn == queue_arn && self.prefix == prefix && self.suffix == suffix
    }
}

/// The KMS key that new objects are encrypted with by default; none for S3's own encryption.
pub(crate) async fn kms_key(api: &Api, name: &str) -> Result<Option<String>> {
    let answer = send(api, "s3:GetEncryptionConfiguration", "GET", name, "?encryption=", String::new()).await?;
    let (_, rest) = match answer.split_once("<KMSMasterKeyID>") {
        Some(found) => found,
        None => return Ok(None),
    };
    Ok(rest.split_once('<').map(|(key, _)| key.to_owned()))
}

/// The rules by which a bucket notifies queues of new objects.
pub(crate) async fn notified(api: &Api, name: &str) -> Result<Vec<Notified>> {
    let answer = send(api, "s3:GetBucketNotification", "GET", name, "?notification=", String::new()).await?;
    rules(&answer, name)
}

fn rules(xml: &str, name: &str) -> Result<Vec<Notified>> {
    #[derive(Deserialize)]
    struct Configuration {
        #[serde(rename = "QueueConfiguration", default)]
        queues: Vec<QueueConfiguration>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct QueueConfiguration {
        queue: String,
        event: Vec<String>,
        #[serde(default)]
        filter: Filter,
    }
    #[derive(Default, Deserialize)]
    struct Filter {
        #[serde(rename = "S3Key", default)]
        key: KeyFilter,
    }
    #[derive(Default, Deserialize)]
    struct KeyFilter {
        #[serde(rename = "FilterRule", default)]
        rules: Vec<FilterRule>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct FilterRule {
        name: String,
        #[serde(default)]
        value: String,
    }
    let configuration: Configuration = read(xml, name)?;
    let rules = configuration.queues.into_iter();
    let rules = rules.filter(|rule| rule.event.iter().any(|event| event.starts_with("s3:ObjectCreated:*")));
    let rules = rules.map(|rule| {
        let of = |name: &str| {
            let found = rule.filter.key.rules.iter().find(|filter| filter.name.eq_ignore_ascii_case(name));
            found.map(|filter| filter.value.clone()).unwrap_or_default()
        };
        Notified { prefix: of("prefix"), suffix: of("suffix"), queue_arn: rule.queue }
    });
    Ok(rules.collect())
}

/// The content of the outer element, as it stands.
fn inside(xml: &str) -> &str {
    let Some((_, rest)) = xml.split_once("<NotificationConfiguration") else { return "" };
    let content = rest.split_once('>').filter(|(tag, _)| !tag.ends_with('/')).map_or("", |(_, content)| content);
    content.rsplit_once("</NotificationConfiguration>").map_or("", |(content, _)| content)
}

impl Rule {
    fn xml(&self) -> String {
        let filters: String = [("prefix", self.prefix), ("suffix", self.suffix)]
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| {
                format!("<FilterRule><Name>{name}</Name><Value>{}</Value></FilterRule>", escape(*value))
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
