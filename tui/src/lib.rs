//! The operator's side of stereospot: the dashboard, every command, and the local stack as child processes.
//!
//! It is a library so that benches can run the dashboard without a terminal; the binary only calls into it.
//!
//! Invariant: there is no backend code here. Everything shown or changed goes through the control plane's HTTP interface, and the
//! local stack runs as separate programs, so that this binary stays small and free of native libraries.

pub mod cli;
pub mod command;
pub mod dashboard;
mod text;
mod up;
