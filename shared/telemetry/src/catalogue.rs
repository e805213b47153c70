//! The table of all metrics.
//!
//! Names carry the prefix `stereospot_` and a base unit; counters end in `_total`; points in time are exported instead of ages,
//! so that a reader who is late still computes the right age. A timestamp of 0 means: never, or nothing there.

mod label;
mod table;

pub use label::*;
pub use table::*;

/// The process that exports: it decides which series are at 0 from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Process {
    /// The control plane.
    ControlPlane,
    /// A worker of any stage.
    Worker,
}

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Only ever goes up within one process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations in buckets.
    Histogram,
}

impl Kind {
    /// The name in the exposition format's `# TYPE` line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// What a metric's number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Things: events, messages, jobs.
    Count,
    /// Seconds.
    Seconds,
    /// Seconds since 1970-01-01T00:00:00Z.
    UnixSeconds,
    /// Bytes.
    Bytes,
    /// 0 or 1.
    Flag,
}

/// Which values a label may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// Exactly these.
    Closed(&'static [&'static str]),
    /// Not known here, but bounded by the code that sets it, for the reason given.
    Bounded(&'static str),
}

/// A label: what splits a metric into series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// What it may say.
    pub values: Values,
    /// Of a closed set: those that only some deployments have. What is not deployed has no series, so they begin when they are
    /// recorded.
    pub optional: &'static [&'static str],
}

impl Label {
    /// The closed set's own text for `value`; `None` when the set does not hold it, or is not closed.
    #[must_use]
    pub fn closed(&self, value: &str) -> Option<&'static str> {
        match self.values {
            Values::Closed(values) => values.iter().copied().find(|known| *known == value),
            Values::Bounded(_) => None,
        }
    }
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// The exported name.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// What its number counts.
    pub unit: Unit,
    /// What it says, in one sentence.
    pub help: &'static str,
    /// Its labels, in the order in which [`record`](crate::record) gives them.
    pub labels: &'static [Label],
    /// Upper bounds of a histogram's buckets, rising; empty for the others.
    pub buckets: &'static [f64],
    /// The processes that export it.
    pub exported_by: &'static [Process],
}

impl Metric {
    /// Every combination of label values that is known before anything happened; nothing where a label is open, and without
    /// the values that are optional.
    #[must_use]
    pub fn known_series(&self) -> Vec<Vec<&'static str>> {
        let mut series = vec![Vec::new()];
        for label in self.labels {
            let Values::Closed(values) = label.values else { return Vec::new() };
            series = series
                .into_iter()
                .flat_map(|start: Vec<&'static str>| {
                    let known = values.iter().filter(|value| !label.optional.contains(value));
                    known.map(move |value| start.iter().copied().chain([*value]).collect())
                })
                .collect();
        }
        series
    }
}

/// The metric of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Metric> {
    ALL.iter().copied().find(|metric| metric.name == name)
}

#[cfg(test)]
mod tests;
