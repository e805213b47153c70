//! What every worker does besides its work: lease, heartbeat, acknowledge, cancel, and tell the control plane.
//!
//! A stage implements [`stage::Handler`]; [`stage::run`] receives messages, keeps their leases alive while the handler works, and
//! deletes a message last. [`events::Events`] writes facts to a spool on disk and sends them from there.
//!
//! Invariant: a message is deleted only after everything that it asked for is durable. Whatever happens before leaves it on the
//! queue.

pub mod events;
mod failure;
pub mod job;
pub mod lease;
pub mod protection;
mod settle;
pub mod spool;
pub mod stage;
