//! The types and rules of stereospot: ids, jobs, segments, object keys, message bodies, events, diagnosis and plans.
//!
//! Everything here is pure: no clock, no randomness, no I/O. Time and ids are arguments, so a test calls a rule directly. Names,
//! keys and bodies match existing deployments; docs mark what stereospot adds with "Ours".
//!
//! Invariant: every decision about a job (may its status change, may it be reassembled, what is wrong with it) is made here.
//! Workers, control plane and dashboard only carry it out.

pub mod amount;
pub mod attention;
pub mod check;
pub mod collector;
pub mod deployment;
pub mod diagnosis;
pub mod env_file;
pub mod error_code;
pub mod event;
pub mod fingerprint;
pub mod job;
pub mod keys;
pub mod memory;
pub mod message;
pub mod options;
pub mod plan;
pub mod queue;
pub mod retention;
pub mod stage;
pub mod text;
pub mod time;
pub mod trigger;
pub mod warning;

pub use collector::Collector;
pub use deployment::{BackendKind, Topology};
pub use error_code::ErrorCode;
pub use event::{Event, EventKind, Payload};
pub use fingerprint::Fingerprint;
pub use job::{Job, JobId, JobStatus, Lock, SegmentCompletion};
pub use options::{Format, JobOptions, Mode};
pub use queue::{QueueName, QueueRole};
pub use stage::Stage;
pub use time::Timestamp;
pub use warning::Warning;
