//! The stack behind a dashboard: a process of its own, so that it can outlive the dashboard.
//!
//! Invariant: it stops with the dashboard, however that ends, unless [`Attached::detach`] was called. It reads from a pipe that
//! this
//! process holds open, as its own children do from it.

use std::env;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::leash::DETACH;
use crate::command::error::{Error, Result};

/// `up --attached` as a child of this process.
#[derive(Debug)]
pub(super) struct Attached {
    process: Child,
    leash: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Attached {
    /// Starts the stack with this process's arguments and `--attached`.
    pub(super) fn start() -> Result<Self> {
        let failed = |error| Error::File("could not start the stack's process".into(), error);
        let program = env::current_exe().map_err(failed)?;
        let mut process = Command::new(program)
            .args(env::args_os().skip(1))
            .arg("--attached")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let leash = process.stdin.take().expect("stdin is piped");
        let lines = BufReader::new(process.stdout.take().expect("stdout is piped")).lines();
        Ok(Self { process, leash, lines })
    }

    /// The stack's next line of output: first the control plane's address, then notices. None once it has ended or detached.
    /// Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<String> {
        self.lines.next_line().await.ok().flatten()
    }

    /// Leaves the stack running without this process. Returns false if the stack has ended.
    pub(super) async fn detach(&mut self) -> bool {
        if self.leash.write_all(&[DETACH]).await.is_err() {
            return false;
        }
        // It closes its output once it no longer needs us, or because it ended.
        while self.next().await.is_some() {}
        !matches!(self.process.try_wait(), Ok(Some(_)))
    }

    /// Stops the stack in order and waits for its end.
    ///
    /// # Errors
    /// [`Error::Reported`] if the stack failed, after printing why; [`Error::File`] if waiting for it failed.
    pub(super) async fn stop(self) -> Result {
        let Self { mut process, leash, .. } = self;
        drop(leash);
        let status = process.wait().await.map_err(|error| Error::File("the stack's process was lost".into(), error))?;
        if status.success() { Ok(()) } else { Err(Error::Reported(status.code().map_or(1, |code| code as u8))) }
    }
}
