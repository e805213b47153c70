//! Converts items to jobs, completions and locks, and back.

use std::collections::HashMap;
use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;
use stereospot_domain::{Job, JobId, JobOptions, JobStatus, Lock, Mode, SegmentCompletion, Timestamp};
use stereospot_ports::job_store::Transition;
use stereospot_ports::{Error, ErrorCode, Result};

use super::change::Change;

pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) fn text(value: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

pub(crate) fn number(value: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A time, in whole seconds as in existing tables.
pub(crate) fn secs(at: Timestamp) -> AttributeValue {
    number(at.as_secs())
}

pub(super) fn from_job(job: &Job) -> Result<Item> {
    let options = serde_json::to_string(&job.options)
        .map_err(|error| Error::with(ErrorCode::Invalid, "the job's options can't be stored", error))?;
    let mut item = Item::from([
        ("job_id".into(), text(job.job_id)),
        ("mode".into(), text(job.mode)),
        ("status".into(), text(job.status)),
        ("created_at".into(), secs(job.created_at)),
        ("options".into(), text(options)),
    ]);
    let optional = [
        ("total_segments", job.total_segments.map(number)),
        ("completed_at", job.completed_at.map(secs)),
        ("title", job.title.as_ref().map(text)),
        ("uploaded_at", job.uploaded_at.map(secs)),
        ("source_file_size_bytes", job.source_file_size_bytes.map(number)),
        ("error", job.error.as_ref().map(text)),
    ];
    item.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    Ok(item)
}

pub(super) fn to_job(item: &Item) -> Result<Job> {
    let row = Row { kind: "job", item };
    let mode: Mode = row.wanted("mode", row.parsed("mode")?)?;
    let options = match row.text("options") {
        Some(json) => serde_json::from_str(json)
            .map_err(|error| Error::with(ErrorCode::Corrupt, row.unreadable("options"), error))?,
        // An existing service made this job.
        None => JobOptions::of(mode.into()),
    };
    Ok(Job {
        job_id: row.wanted("job_id", row.parsed("job_id")?)?,
        mode,
        status: status(item)?,
        created_at: row.wanted("created_at", row.time("created_at")?)?,
        total_segments: row.number("total_segments")?,
        completed_at: row.time("completed_at")?,
        title: row.text("title").map(str::to_owned),
        uploaded_at: row.time("uploaded_at")?,
        source_file_size_bytes: row.number("source_file_size_bytes")?,
        error: row.text("error").map(str::to_owned),
        options,
    })
}

pub(super) fn status(item: &Item) -> Result<JobStatus> {
    let row = Row { kind: "job", item };
    row.wanted("status", row.parsed("status")?)
}

pub(super) fn from_transition(transition: &Transition) -> Change {
    let Transition { to, from, total_segments, completed_at, uploaded_at, source_file_size_bytes, error } = transition;
    let mut change = Change::default()
        .set("status", text(to))
        .set_if("total_segments", total_segments.map(number))
        .set_if("completed_at", completed_at.map(secs))
        .set_if("uploaded_at", uploaded_at.map(secs))
        .set_if("source_file_size_bytes", source_file_size_bytes.map(number));
    change = match (to, error) {
        (JobStatus::Failed, Some(error)) => change.set("error", text(error)),
        (JobStatus::Failed, None) => change,
        _ => change.remove("error"),
    };
    let allowed: Vec<String> =
        from.iter().enumerate().map(|(at, status)| change.value(&format!("from_{at}"), text(status))).collect();
    let name = change.name("status");
    change.only_if(format!("{name} IN ({})", allowed.join(", ")))
}

/// The segment that a completion's key names; none if another program wrote a number that is no segment's.
pub(super) fn segment_of(item: &Item) -> Option<u32> {
    let key = item.get("segment_index")?.as_n().ok()?;
    let number = key.parse::<f64>().ok().filter(|number| number.fract() == 0.0 && *number >= 0.0)?;
    (number <= f64::from(u32::MAX)).then_some(number as u32)
}

pub(super) fn to_completion(item: &Item) -> Result<SegmentCompletion> {
    let row = Row { kind: "completion", item };
    Ok(SegmentCompletion {
        job_id: row.wanted("job_id", row.parsed::<JobId>("job_id")?)?,
        segment_index: row.wanted("segment_index", row.number("segment_index")?)?,
        output_uri: row.wanted("output_s3_uri", row.text("output_s3_uri"))?.to_owned(),
        completed_at: row.wanted("completed_at", row.time("completed_at")?)?,
    })
}

pub(super) fn to_lock(item: &Item) -> Result<Lock> {
    let row = Row { kind: "lock", item };
    Ok(Lock {
        job_id: row.wanted("job_id", row.parsed::<JobId>("job_id")?)?,
        triggered_at: row.wanted("triggered_at", row.time("triggered_at")?)?,
        reassembly_started_at: row.time("reassembly_started_at")?,
        lease_until: row.time("lease_until")?,
        owner: row.text("owner").map(str::to_owned),
    })
}

/// An item to read. DynamoDB's NULL counts as absent.
struct Row<'a> {
    kind: &'static str,
    item: &'a Item,
}

impl<'a> Row<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        self.item.get(name)?.as_s().ok().map(String::as_str)
    }

    fn parsed<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(&self, name: &str) -> Result<Option<T>> {
        let parse = |text: &str| text.parse::<T>();
        self.text(name)
            .map(parse)
            .transpose()
            .map_err(|error| Error::with(ErrorCode::Corrupt, self.unreadable(name), error))
    }

    /// A whole number. Cuts off a fraction that another program wrote.
    fn whole(&self, name: &str) -> Result<Option<i64>> {
        let Some(value) = self.item.get(name) else { return Ok(None) };
        if value.is_null() {
            return Ok(None);
        }
        let number = value.as_n().ok().and_then(|text| {
            text.parse::<i64>().ok().or_else(|| text.parse::<f64>().ok().filter(|n| n.is_finite()).map(|n| n as i64))
        });
        number.map(Some).ok_or_else(|| Error::new(ErrorCode::Corrupt, self.unreadable(name)))
    }

    fn number<T: TryFrom<i64>>(&self, name: &str) -> Result<Option<T>> {
        let whole = self.whole(name)?;
        whole
            .map(|whole| T::try_from(whole).map_err(|_| Error::new(ErrorCode::Corrupt, self.unreadable(name))))
            .transpose()
    }

    fn time(&self, name: &str) -> Result<Option<Timestamp>> {
        Ok(self.whole(name)?.map(Timestamp::from_secs))
    }

    fn wanted<T>(&self, name: &str, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| Error::new(ErrorCode::Corrupt, self.unreadable(name)))
    }

    fn unreadable(&self, name: &str) -> String {
        let job = self.text("job_id").unwrap_or("?");
        format!("the {}'s row of job {job} can't be read: its `{name}` is missing or not what it should be", self.kind)
    }
}
