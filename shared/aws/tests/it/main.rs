//! The backend against an emulator of AWS. Where the emulator differs from AWS, the crate's modules have tests with recorded
//! exchanges.
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod alarms;
mod conformance;
mod emulator;
mod endpoints;
mod faults;
mod locks;
mod moves;
mod objects;
mod opening;
mod provisioning;
mod queues;
mod services;
