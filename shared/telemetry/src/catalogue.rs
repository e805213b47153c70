//! The table of all metrics.
//!
//! Names begin with `stereospot_` and end in a base unit, and in `_total` for counters. Metrics hold points in time instead of
//! ages, so that an age computed later is still right. A timestamp of 0 means never, or that nothing exists.

mod label;
mod table;

pub use label::*;
pub use table::*;

/// The process that exports metrics. Decides which series it exports as 0 from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Process {
    /// The control plane.
    ControlPlane,
    /// A worker of any stage.
    Worker,
}

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Never decreases while the process runs.
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

/// The unit of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// A number of things, such as events or jobs.
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

/// The values that a label may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// Exactly these.
    Closed(&'static [&'static str]),
    /// Not listed here, but bounded by the code that sets it, for the given reason.
    Bounded(&'static str),
}

/// A label of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    pub name: &'static str,
    pub values: Values,
    /// Values of a closed set that only some deployments have. Their series begin when first recorded instead of at 0.
    pub optional: &'static [&'static str],
}

impl Label {
    /// The closed set's static text for `value`; `None` if the set lacks it or is not closed.
    #[must_use]
    pub fn closed(&self, value: &str) -> Option<&'static str> {
        match self.values {
            Values::Closed(values) => values.iter().copied().find(|known| *known == value),
            Values::Bounded(_) => None,
        }
    }
}

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub unit: Unit,
    /// One sentence; the `# HELP` line.
    pub help: &'static str,
    /// In the order in which [`record`](crate::record) passes their values.
    pub labels: &'static [Label],
    /// Upper bounds of a histogram's buckets, rising; empty for other kinds.
    pub buckets: &'static [f64],
    pub exported_by: &'static [Process],
}

impl Metric {
    /// Every combination of label values that is known in advance: none if a label is not closed, and without optional values.
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
