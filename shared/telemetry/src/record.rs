//! Recording: one function per metric, so that callers can't misspell a name or mix up labels.
//!
//! Label values of the domain are passed as the domain's text (`stage.as_str()`). A value that the catalogue lacks is a bug: it
//! panics in debug builds, and is logged and not recorded in release builds. Functions may be called from any thread, and do
//! nothing before [`install`](crate::install).

mod controlplane;
mod worker;

pub use controlplane::*;
pub use worker::*;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::catalogue::{self, CallOutcome, Kind, Metric, Values};

/// Records the version, and now as the start of the process.
pub fn started(version: &str) {
    set(catalogue::BUILD_INFO, &[version], 1.0);
    set(catalogue::START_TIMESTAMP, &[], unix_seconds(SystemTime::now()));
}

/// Counts a failed call to a backend; `code` is `stereospot_ports::ErrorCode::as_str`.
pub fn backend_error(code: &str) {
    add(catalogue::BACKEND_ERRORS, &[code], 1);
}

/// Counts calls to the platform. `api` is `service.Operation`; one that the catalogue lacks counts as `other`.
pub fn backend_calls(api: &str, outcome: CallOutcome, count: u64) {
    let api = catalogue::API.closed(api).unwrap_or("other");
    add(catalogue::BACKEND_CALLS, &[api, outcome.as_str()], count);
}

/// Records by how many seconds this machine's clock is ahead of the platform's; negative if behind.
pub fn clock_ahead(secs: i64) {
    // Saturates at 68 years, since an i32 converts to f64 without loss.
    let secs = i32::try_from(secs).unwrap_or(if secs < 0 { i32::MIN } else { i32::MAX });
    set(catalogue::CLOCK_AHEAD, &[], f64::from(secs));
}

/// Registers a series, so that it is exported as 0.
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

/// The labels of a series; `None` if a value is not in its label's closed set.
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

/// Metrics are floats, which are exact up to 2^53.
fn number(count: u64) -> f64 {
    count as f64
}

/// Seconds since 1970; 0 for earlier times.
fn unix_seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests;
