//! Metrics and logs of every stereospot process: metrics from one catalogue, and log lines that can be searched by job.
//!
//! **Invariant:** metrics are recorded only through [`record`], with names, labels and label values from [`catalogue`]. So tests
//! check code, dashboards, alert rules and documentation against the same table, and the number of series is bounded: job ids,
//! segments, worker names, file names and error texts are never label values.
//!
//! A process calls [`init_logging`] and [`install`] once at its start. The control plane renders the [`Recorder`] in its HTTP
//! service; a worker calls [`serve()`] on a loopback port and [`Target::publish`] to announce the port to Prometheus.

pub mod catalogue;
mod host;
mod log_file;
mod logging;
pub mod record;
mod recorder;
mod serve;
mod target;

pub use catalogue::Process;
pub use host::names_loopback;
pub use log_file::{LogFile, LogKeep};
pub use logging::{Error as LoggingError, FILTER_VARIABLE, init_logging};
pub use recorder::{CONTENT_TYPE, Error, Recorder, install};
pub use serve::{Server, serve};
pub use target::Target;
