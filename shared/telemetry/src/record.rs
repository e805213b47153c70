//! Recording: one function a metric, so that no name, label or order of labels can be misspelt.
//!
//! Label values that the domain owns are given as the domain's own text (`stage.as_str()`); one that the catalogue does not
//! hold is a mistake in the code: it panics in debug builds, and is logged and left out in release builds. Functions may be
//! called from any thread, and do nothing before [`install`](crate::install).

mod controlplane;
mod worker;

pub use controlplane::*;
pub use worker::*;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::catalogue::{self, CallOutcome, Kind, Metric, Values};

/// Says which version runs and that the process began now.
pub fn started(version: &str) {
    set(catalogue::BUILD_INFO, &[version], 1.0);
    set(catalogue::START_TIMESTAMP, &[], unix_seconds(SystemTime::now()));
}

/// Counts a failed call to a backend; `code` is `stereospot_ports::ErrorCode::as_str`.
pub fn backend_error(code: &str) {
    add(catalogue::BACKEND_ERRORS, &[code], 1);
}

/// Counts calls to the platform; `api` is `service.Operation`, and what the catalogue does not hold counts as `other`.
pub fn backend_calls(api: &str, outcome: CallOutcome, count: u64) {
    let api = catalogue::API.closed(api).unwrap_or("other");
    add(catalogue::BACKEND_CALLS, &[api, outcome.as_str()], count);
}

/// Says by how many seconds this machine's clock is ahead of the platform's; negative behind.
pub fn clock_ahead(secs: i64) {
    // Beyond a lifetime it says no more.
    let secs = i32::try_from(secs).unwrap_or(if secs < 0 { i32::MIN } else { i32::MAX });
    set(catalogue::CLOCK_AHEAD, &[], f64::from(secs));
}

/// Registers a series, so that it is exported at 0.
pub(crate) fn touch(metric: &'static Metric, values: &[&str]) {
    let Some(labels) = labels(metric, values) else { return };
    match metric.kind {
        Kind::Counter => metrics::counter!(metric.name, labels).increment(0),
        Kind::Gauge => metrics::gauge!(metric.name, labels).increment(0.0),
        Kind::Histogram => drop(metrics::histogram!(metric.name, labels)),
    }
}

fn add(metric: &'static Metric, values: &[&str], count: u64) {
    debug_assert_eq!(metric.kind, Kind::Counter, "{} is not a counter", metric.name);
    if let Some(labels) = labels(metric, values) {
        metrics::counter!(metric.name, labels).increment(count);
    }
}

fn set(metric: &'static Metric, values: &[&str], value: f64) {
    debug_assert_eq!(metric.kind, Kind::Gauge, "{} is not a gauge", metric.name);
    if let Some(labels) = labels(metric, values) {
        metrics::gauge!(metric.name, labels).set(value);
    }
}

fn change(metric: &'static Metric, values: &[&str], by: f64) {
    debug_assert_eq!(metric.kind, Kind::Gauge, "{} is not a gauge", metric.name);
    if let Some(labels) = labels(metric, values) {
        metrics::gauge!(metric.name, labels).increment(by);
    }
}

fn observe(metric: &'static Metric, values: &[&str], took: Duration) {
    debug_assert_eq!(metric.kind, Kind::Histogram, "{} is not a histogram", metric.name);
    if let Some(labels) = labels(metric, values) {
        metrics::histogram!(metric.name, labels).record(took.as_secs_f64());
    }
}

/// The series' labels; `None` when a value is not in its label's closed set.
fn labels(metric: &'static Metric, values: &[&str]) -> Option<Vec<metrics::Label>> {
    debug_assert_eq!(metric.labels.len(), values.len(), "labels of {}", metric.name);
    metric
        .labels
        .iter()
        .zip(values)
        .map(|(label, value)| match label.values {
            Values::Bounded(_) => Some(metrics::Label::new(label.name, (*value).to_owned())),
            Values::Closed(_) => {
                let known = label.closed(value);
                debug_assert!(known.is_some(), "`{value}` is not a {} of {}", label.name, metric.name);
                if known.is_none() {
                    tracing::error!("metric {} has no {} `{value}`: not recorded", metric.name, label.name);
                }
                known.map(|known| metrics::Label::from_static_parts(label.name, known))
            }
        })
        .collect()
}

/// Counts become floats on the wire; exact up to 2^53.
fn number(count: u64) -> f64 {
    count as f64
}

/// Seconds since 1970, 0 for times before it.
fn unix_seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests;
