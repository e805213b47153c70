//! An existing deployment of another team: stand-ins for its services, written from its documented behaviour and not
//! from our code.

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

/// An existing deployment on its own emulator.
#[derive(Debug)]
pub struct Existing {
    pub emulator: Emulator,
    folder: tempfile::TempDir,
}

impl Existing {
    /// The name prefix of its resources.
    pub const PREFIX: &str = "stereo-spot";

    /// Creates the deployment without starting any of its services. In `topology` `A` a job-worker writes completions;
    /// in `B` the video-worker does.
    pub fn deploy(topology: &str) -> Result<Self> {
        let this = Self { emulator: Emulator::start()?, folder: tempfile::tempdir()? };
        let args = ["--endpoint", this.emulator.url(), "--prefix", Self::PREFIX, "--topology", topology];
        std::fs::write(this.env_file(), this.output("deployment", &args)?)?;
        Ok(this)
    }

    /// The path of its environment file.
    #[must_use]
    pub fn env_file(&self) -> PathBuf {
        self.folder.path().join("deployment.env")
    }

    /// A path in the test's temporary folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The full name of one of its resources.
    #[must_use]
    pub fn name(&self, name: &str) -> String {
        format!("{}-{name}", Self::PREFIX)
    }

    /// Starts one of its services: `media_worker`, `video_worker` or `job_worker`.
    pub fn service(&self, name: &str, args: &[&str]) -> Result<Process> {
        let log = self.path(&format!("{name}-{}.log", args.join("")));
        Process::spawn(self.command(name).args(["--env-file", text(&self.env_file())]).args(args), &log)
    }

    /// Submits a source the way its web UI does; returns the job id.
    pub fn submit(&self, source: &Path) -> Result<String> {
        Ok(self.output("web_ui", &["--env-file", text(&self.env_file()), text(source)])?.trim().to_owned())
    }

    /// The row of a job in its table.
    pub fn job(&self, job_id: &str) -> Result<Value> {
        let rows = self.emulator.rows(&self.name("jobs"))?;
        rows.into_iter().find(|row| row["job_id"] == job_id).with_context(|| format!("no row of {job_id}"))
    }

    /// Waits until a job has this status. Fails at once if the job fails.
    pub fn wait_for(&self, job_id: &str, status: &str) -> Result<()> {
        until(&format!("job {job_id} to be {status}"), PATIENCE, || {
            let row = self.job(job_id)?;
            ensure!(row["status"] != "failed" || status == "failed", "the job failed: {row}");
            Ok((row["status"] == status).then_some(()))
        })
    }

    /// Waits until a queue holds no messages, including hidden ones.
    pub fn wait_until_empty(&self, queue: &str) -> Result<()> {
        until(&format!("{queue} to be empty"), PATIENCE, || {
            Ok(self.emulator.messages(&self.name(queue))?.is_empty().then_some(()))
        })
    }

    /// Call this after stopping workers. Waits until none of their receive calls is pending on these queues, then makes
    /// the messages visible again that such calls took: as on AWS, a receive call outlives its client and hides what it
    /// received.
    pub fn settle(&self, queues: &[&str]) -> Result<()> {
        for queue in queues {
            let waiting = format!("receiving?queue={}", self.name(queue));
            until(&format!("no receiver on {queue}"), PATIENCE, || {
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
