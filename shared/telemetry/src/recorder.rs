//! The recorder: stores recorded values and renders them for Prometheus.
//!
//! **Invariants:** histograms have the catalogue's buckets (the exporter's default is a summary, which can't be added up over
//! processes); every series known in advance is exported as 0 from the start; the upkeep runs as long as the process, so that
//! observations don't pile up in memory without a scraper.

use std::thread;
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::catalogue::{self, Kind, Process, Unit};
use crate::record;

/// The `Content-Type` of [`Recorder::render`]'s text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How often observations are moved into their buckets.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Why the recorder could not be installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The process already has a recorder.
    #[error("a metrics recorder is installed already")]
    Installed,
    /// A histogram in the catalogue has no buckets.
    #[error("a histogram of the catalogue has no buckets")]
    NoBuckets(#[source] BuildError),
    /// The thread for the upkeep could not be started.
    #[error("cannot start the thread for the metrics' upkeep")]
    Upkeep(#[source] std::io::Error),
}

/// A handle that renders the recorded metrics. Clones share the same metrics.
#[derive(Debug, Clone)]
pub struct Recorder {
    handle: PrometheusHandle,
}

impl Recorder {
    /// All metrics in the exposition format, version 0.0.4. Sorted, so that two renderings differ only in values.
    #[must_use]
    pub fn render(&self) -> String {
        let text = self.handle.render();
        let mut blocks: Vec<String> =
            text.split("\n\n").filter(|block| !block.trim().is_empty()).map(sort_samples).collect();
        blocks.sort_unstable();
        blocks.concat()
    }
}

/// Sorts a metric's samples by label. Histograms keep their order of rising buckets.
fn sort_samples(block: &str) -> String {
    let mut lines: Vec<&str> = block.lines().filter(|line| !line.is_empty()).collect();
    let head = lines.iter().take_while(|line| line.starts_with('#')).count();
    if !lines[..head].iter().any(|line| line.ends_with(" histogram")) {
        lines[head..].sort_unstable();
    }
    lines.join("\n") + "\n"
}

/// Installs the process's recorder. From now on it stores what any thread passes to [`crate::record`].
///
/// # Errors
/// On a second call in this process, or if the upkeep's thread can't be started.
pub fn install(process: Process) -> Result<Recorder, Error> {
    let recorder = build()?;
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| Error::Installed)?;
    describe(process);
    let upkeep = handle.clone();
    thread::Builder::new()
        .name("metrics-upkeep".into())
        .spawn(move || {
            loop {
                thread::sleep(UPKEEP_EVERY);
                upkeep.run_upkeep();
            }
        })
        .map_err(Error::Upkeep)?;
    Ok(Recorder { handle })
}

/// Runs `body` with a recorder that only this thread sees.
#[cfg(test)]
pub(crate) fn with_local(process: Process, body: impl FnOnce(&Recorder)) {
    let recorder = build().expect("the catalogue gives every histogram buckets");
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        describe(process);
        body(&Recorder { handle });
    });
}

/// A recorder that stays empty.
#[cfg(test)]
pub(crate) fn detached(process: Process) -> Recorder {
    let mut detached = None;
    with_local(process, |recorder| detached = Some(recorder.clone()));
    detached.expect("the body was run")
}

fn build() -> Result<PrometheusRecorder, Error> {
    let mut builder = PrometheusBuilder::new();
    for metric in catalogue::ALL.iter().filter(|metric| metric.kind == Kind::Histogram) {
        builder = builder
            .set_buckets_for_metric(Matcher::Full(metric.name.into()), metric.buckets)
            .map_err(Error::NoBuckets)?;
    }
    Ok(builder.build_recorder())
}

/// Registers the help texts of the process's metrics, and the series that are known in advance.
fn describe(process: Process) {
    for metric in catalogue::ALL.iter().filter(|metric| metric.exported_by.contains(&process)) {
        let unit = match metric.unit {
            Unit::Seconds | Unit::UnixSeconds => metrics::Unit::Seconds,
            Unit::Bytes => metrics::Unit::Bytes,
            Unit::Count | Unit::Flag => metrics::Unit::Count,
        };
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, unit, metric.help),
            Kind::Gauge => metrics::describe_gauge!(metric.name, unit, metric.help),
            Kind::Histogram => metrics::describe_histogram!(metric.name, unit, metric.help),
        }
        for values in metric.known_series() {
            record::touch(metric, &values);
        }
    }
}

#[cfg(test)]
mod tests;
