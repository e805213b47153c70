//! The backend against an emulator of AWS. What the emulator does not do as AWS does is tested in the crate's own modules,
//! from recorded exchanges.
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod alarms;
mod conformance;
mod emulator;
mod endpoints;
mod faults;
mod moves;
mod objects;
mod opening;
mod provisioning;
mod queues;
mod services;
