//! The recorder: keeps what is recorded and renders it for Prometheus.
//!
//! **Invariants:** histograms are exported with the catalogue's buckets (the exporter's own default is a summary, which can't be
//! added up over processes); every series that is known in advance stands there at 0 from the start; and the upkeep runs for
//! as long as the process, so that observations nobody scrapes don't pile up.

use std::thread;
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::catalogue::{self, Kind, Process, Unit};
use crate::record;

/// The `Content-Type` of [`Recorder::render`]'s text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How often observations are moved into their buckets.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Why metrics can't be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The process has a recorder already.
    #[error("a metrics recorder is installed already")]
    Installed,
    /// The catalogue gives a histogram no buckets.
    #[error("a histogram of the catalogue has no buckets")]
    NoBuckets(#[source] BuildError),
    /// The upkeep has no thread to run on.
    #[error("cannot start the thread for the metrics' upkeep")]
    Upkeep(#[source] std::io::Error),
}

/// Reads what was recorded. Clones read the same.
#[derive(Debug, Clone)]
pub struct Recorder {
    handle: PrometheusHandle,
}

impl Recorder {
    /// Everything recorded so far in the exposition format, version 0.0.4. Sorted, so that two renderings differ only where
    /// values do.
    #[must_use]
    pub fn render(&self) -> String {
        let text = self.handle.render();
        let mut blocks: Vec<String> =
            text.split("\n\n").filter(|block| !block.trim().is_empty()).map(sort_samples).collect();
        blocks.sort_unstable();
        blocks.concat()
    }
}

/// Sorts a metric's samples by their labels. Histograms keep their order, in which buckets rise.
fn sort_samples(block: &str) -> String {
    let mut lines: Vec<&str> = block.lines().filter(|line| !line.is_empty()).collect();
    let head = lines.iter().take_while(|line| line.starts_with('#')).count();
    if !lines[..head].iter().any(|line| line.ends_with(" histogram")) {
        lines[head..].sort_unstable();
    }
    lines.join("\n") + "\n"
}

/// Makes this process keep its metrics: everything that [`record`](crate::record) is told from now on, from any thread.
///
/// # Errors
/// When it was called before in this process, or the upkeep's thread can't be started.
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

/// Runs `body` with a recorder of its own, seen by this thread only.
#[cfg(test)]
pub(crate) fn with_local(process: Process, body: impl FnOnce(&Recorder)) {
    let recorder = build().expect("the catalogue gives every histogram buckets");
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        describe(process);
        body(&Recorder { handle });
    });
}

/// A recorder that nobody records to.
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

/// Gives each of the process's metrics its help text and its series that are known in advance.
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
