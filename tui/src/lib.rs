//! The operator's side of stereospot: the dashboard, every command, and the local stack as child processes.
//!
//! A library, so that benches and tests reach it without a terminal; the binary only calls into it.
//!
//! Invariant: no backend code stands here. Whatever is shown or changed goes through the control plane's HTTP interface, and the
//! local stack is started as programs, so that the binary stays small and free of native libraries.

pub mod cli;
pub mod command;
pub mod dashboard;
pub mod up;
