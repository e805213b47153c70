//! The real program, as a user calls it: against a control plane that says what a test wants, and over children made of shell.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod commands;
mod deployment;
mod program;
mod server;
mod submit;
mod terminal;
mod up;
