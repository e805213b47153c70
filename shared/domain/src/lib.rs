//! The words of stereospot: ids, jobs, segments, object keys, message bodies, events, facts, diagnosis and plans.
//!
//! Everything here is pure: no clock, no randomness, no I/O. Time and ids are arguments, so that every rule can be tested by
//! calling it. Names, keys and bodies are those of existing deployments; where ours go beyond them, the doc says so.
//!
//! Invariant: a decision about a job (may its status change, may it be reassembled, what is wrong with it) is made here and
//! nowhere else. Workers, control plane and dashboard only carry it out.

pub mod deployment;
pub mod diagnosis;
pub mod env_file;
pub mod error_code;
pub mod event;
pub mod job;
pub mod keys;
pub mod message;
pub mod options;
pub mod plan;
pub mod queue;
pub mod stage;
pub mod text;
pub mod time;
pub mod trigger;

pub use deployment::{BackendKind, Topology};
pub use error_code::ErrorCode;
pub use event::{Event, EventKind, Payload};
pub use job::{Job, JobId, JobStatus, Lock, SegmentCompletion};
pub use options::{Format, JobOptions, Mode};
pub use queue::{QueueName, QueueRole};
pub use stage::Stage;
pub use time::Timestamp;
