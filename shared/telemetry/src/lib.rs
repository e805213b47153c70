//! What every process of stereospot says about itself: metrics by one catalogue, and log lines that can be searched by job.
//!
//! **Invariant:** a metric is recorded only through [`record`], whose names, labels and label values come from [`catalogue`]. So
//! code, dashboards, alert rules and documentation can all be checked against the same table, and no label can grow without
//! bound: a job id, a segment, a worker's name, a file name or an error text is never one.
//!
//! A process calls [`init_logging`] and [`install`] once at its start; the control plane renders the [`Recorder`] in its own
//! HTTP service, a worker has [`serve`] answer on a loopback port and [`Target::publish`] tell Prometheus of it.

pub mod catalogue;
mod host;
mod logging;
pub mod record;
mod recorder;
mod serve;
mod target;

pub use catalogue::Process;
pub use host::names_loopback;
pub use logging::{Error as LoggingError, FILTER_VARIABLE, init_logging};
pub use recorder::{CONTENT_TYPE, Error, Recorder, install};
pub use serve::{Server, serve};
pub use target::Target;
