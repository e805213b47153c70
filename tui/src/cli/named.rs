//! Closed sets of values, so that help, completion and error messages list them.

use std::str::FromStr;
use std::sync::LazyLock;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use stereospot_domain::diagnosis::FindingCode;
use stereospot_domain::job::JobStatus;
use stereospot_domain::options::{Deinterlace, Packing};
use stereospot_domain::{Format, QueueName};

use crate::dashboard::theme::ThemeName;

static QUEUES: LazyLock<Vec<String>> = LazyLock::new(|| QueueName::all().map(|name| name.to_string()).collect());

/// Formats of the result.
pub(super) fn formats() -> impl TypedValueParser<Value = Format> {
    one_of(Format::ALL.iter().map(|format| PossibleValue::new(format.as_str())))
}

/// Ways to treat interlaced video.
pub(super) fn deinterlace() -> impl TypedValueParser<Value = Deinterlace> {
    one_of(Deinterlace::ALL.iter().map(|how| PossibleValue::new(how.as_str())))
}

/// Packings of a stereo source.
pub(super) fn packings() -> impl TypedValueParser<Value = Packing> {
    one_of(Packing::ALL.iter().map(|packing| PossibleValue::new(packing.as_str())))
}

/// A job's statuses.
pub(super) fn statuses() -> impl TypedValueParser<Value = JobStatus> {
    one_of(JobStatus::ALL.iter().map(|status| PossibleValue::new(status.as_str())))
}

/// Codes of findings.
pub(super) fn findings() -> impl TypedValueParser<Value = FindingCode> {
    one_of(FindingCode::ALL.iter().map(|code| PossibleValue::new(code.as_str())))
}

/// Every queue.
pub(super) fn queues() -> impl TypedValueParser<Value = QueueName> {
    one_of(QUEUES.iter().map(|name| PossibleValue::new(name.as_str())))
}

/// Dead-letter queues. Main queues parse too, so that the command can name the dead-letter queue that is meant.
pub(super) fn dead_letter_queues() -> impl TypedValueParser<Value = QueueName> {
    one_of(QUEUES.iter().map(|name| PossibleValue::new(name.as_str()).hide(!name.ends_with("-dlq"))))
}

/// The dashboard's themes.
pub(super) fn themes() -> impl TypedValueParser<Value = ThemeName> {
    one_of(["dark", "light", "colour-blind"].into_iter().map(PossibleValue::new))
}

fn one_of<T>(names: impl Iterator<Item = PossibleValue>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| name.parse())
}
