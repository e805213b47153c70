//! The real program as a user runs it, against a scripted control plane and with shell scripts as children.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clock;
mod commands;
mod deployment;
mod program;
mod server;
mod submit;
mod terminal;
mod up;
