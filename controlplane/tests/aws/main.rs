//! The program on AWS, as its operator meets it: `provision`, `doctor`, serving, against the emulator.
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod credentials;
mod deployment;
mod discards;
mod emulator;
mod endpoint;
mod envelopes;
mod existing;
mod further;
mod moves;
mod sentences;
mod starting;
mod surplus;
