//! The operator's side of stereospot: the dashboard, every command, and the local stack as child processes.
//!
//! It is a library so that benchmarks can run the dashboard without a terminal; the binary only calls it.
//!
//! Invariant: no backend code here. Everything goes through the control plane's HTTP interface, and the local stack runs as
//! separate programs, so this binary stays small and free of native libraries.

mod cli;
pub mod command;
pub mod dashboard;
mod text;
mod up;
mod words;

/// Parses a command line without running it. The runbook tests use it to check that every command on a page exists.
///
/// # Errors
/// The message that the user would see.
pub fn check_command_line<'a>(args: impl IntoIterator<Item = &'a str>) -> Result<(), clap::Error> {
    <cli::Cli as clap::Parser>::try_parse_from(args).map(drop)
}
