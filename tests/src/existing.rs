//! A deployment that already runs: stand-ins for its services, written after what is known of it, not from our code.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::emulator::{Emulator, credentials, python};
use crate::stack::{PATIENCE, text};
use crate::{Process, root, until};

/// The access key of the deployment's own services.
const KEY: &str = "existing";

/// A deployment on an emulator of its own.
#[derive(Debug)]
pub struct Existing {
    /// What it runs on.
    pub emulator: Emulator,
    folder: tempfile::TempDir,
}

impl Existing {
    /// The first part of its names.
    pub const PREFIX: &str = "stereo-spot";

    /// Makes one; `topology` is `A` or `B`. No service of it runs yet.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn deploy(topology: &str) -> Result<Self> {
        let this = Self { emulator: Emulator::start()?, folder: tempfile::tempdir()? };
        let args = ["--endpoint", this.emulator.url(), "--prefix", Self::PREFIX, "--topology", topology];
        std::fs::write(this.env_file(), this.output("deployment", &args)?)?;
        Ok(this)
    }

    /// Its environment file.
    #[must_use]
    pub fn env_file(&self) -> PathBuf {
        self.folder.path().join("deployment.env")
    }

    /// A path in a folder of the test's own.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A name of its.
    #[must_use]
    pub fn name(&self, name: &str) -> String {
        format!("{}-{name}", Self::PREFIX)
    }

    /// Starts a service: `media_worker`, `video_worker`, `job_worker`.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn service(&self, name: &str, args: &[&str]) -> Result<Process> {
        let log = self.path(&format!("{name}-{}.log", args.join("")));
        Process::spawn(self.command(name).args(["--env-file", text(&self.env_file())]).args(args), &log)
    }

    /// Submits a source as its web-ui does; returns the job's id.
    ///
    /// # Errors
    /// When that fails.
    pub fn submit(&self, source: &Path) -> Result<String> {
        Ok(self.output("web_ui", &["--env-file", text(&self.env_file()), text(source)])?.trim().to_owned())
    }

    /// The row of a job.
    ///
    /// # Errors
    /// When there is none.
    pub fn job(&self, job_id: &str) -> Result<Value> {
        let rows = self.emulator.rows(&self.name("jobs"))?;
        rows.into_iter().find(|row| row["job_id"] == job_id).with_context(|| format!("no row of {job_id}"))
    }

    /// Waits until a job has this status; fails at once when it fails.
    ///
    /// # Errors
    /// When that does not come.
    pub fn wait_for(&self, job_id: &str, status: &str) -> Result<()> {
        until(&format!("job {job_id} to be {status}"), PATIENCE, || {
            let row = self.job(job_id)?;
            ensure!(row["status"] != "failed" || status == "failed", "the job failed: {row}");
            Ok((row["status"] == status).then_some(()))
        })
    }

    /// Waits until nothing is left on a queue, hidden messages included.
    ///
    /// # Errors
    /// When something stays.
    pub fn wait_until_empty(&self, queue: &str) -> Result<()> {
        until(&format!("{queue} to be empty"), PATIENCE, || {
            Ok(self.emulator.messages(&self.name(queue))?.is_empty().then_some(()))
        })
    }

    /// After workers were ended: waits until no receive of theirs is left on these queues, then shows again what such a receive
    /// took. As on AWS, a receive outlives the client that began it, and what it takes stays hidden.
    ///
    /// # Errors
    /// When somebody still receives.
    pub fn settle(&self, queues: &[&str]) -> Result<()> {
        for queue in queues {
            let waiting = format!("receiving?queue={}", self.name(queue));
            until(&format!("nobody to receive from {queue}"), PATIENCE, || {
                Ok((self.emulator.control(&waiting)? == 0).then_some(()))
            })?;
        }
        self.emulator.pass(Duration::from_secs(3600))
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(python());
        command.arg(root().join("tests/existing").join(format!("{name}.py"))).env("PYTHONDONTWRITEBYTECODE", "1");
        credentials(&mut command, KEY);
        command
    }

    fn output(&self, name: &str, args: &[&str]) -> Result<String> {
        let done = self.command(name).args(args).stdin(Stdio::null()).output()?;
        ensure!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
        Ok(String::from_utf8(done.stdout)?)
    }
}
