//! What every worker does around its work: lease, heartbeat, acknowledge, cancel, and report to the control plane.
//!
//! A stage implements [`stage::Handler`]; [`stage::run`] receives messages, keeps their leases alive while the handler works,
//! and deletes a message last. [`events::Events`] writes events to a spool on disk and sends them from there.
//!
//! Invariant: a message is deleted only once its result is durable, or the job is durably marked failed. Otherwise it stays on the
//! queue.

mod context;
mod ended_job;
pub mod events;
mod failure;
mod intake;
pub mod job;
pub mod lease;
pub mod poll;
pub mod protection;
mod settle;
pub mod spool;
pub mod stage;
