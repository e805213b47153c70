//! A running stack, as `stereospot up` starts it, on either backend.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::emulator::{Emulator, KEY, credentials};
use crate::{Process, program, root, until};

/// How long a test waits for what should come.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Where a stack's queues, job store and objects are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// In its data directory.
    Local,
    /// On an emulator of its own, in a deployment that `stereospot provision` made.
    Aws,
}

/// No workers: the control plane alone.
pub const NO_WORKERS: &str = "none";

/// A running stack in a data directory of its own.
#[derive(Debug)]
pub struct Stack {
    folder: tempfile::TempDir,
    up: Process,
    server: String,
    emulator: Option<Emulator>,
}

impl Stack {
    /// Starts a stack with these workers and short segments.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(on: Where, workers: &str) -> Result<Self> {
        let workers = ["--workers", workers, "--segment-secs", "1"];
        match on {
            Where::Local => Self::up(tempfile::tempdir()?, &workers, KEY),
            Where::Aws => {
                let emulator = Emulator::start()?;
                let folder = tempfile::tempdir()?;
                let env_file = folder.path().join("deployment.env");
                emulator.provision("stereo-test", &env_file)?;
                let backend = ["--backend", "aws", "--env-file", text(&env_file)];
                let stack = Self::up(folder, &[&backend[..], &workers].concat(), KEY)?;
                Ok(Self { emulator: Some(emulator), ..stack })
            }
        }
    }

    /// Starts a stack on a deployment that is there already, with an access key.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn on(env_file: &Path, workers: &str, key: &str) -> Result<Self> {
        let args = ["--backend", "aws", "--env-file", text(env_file), "--workers", workers, "--segment-secs", "1"];
        Self::up(tempfile::tempdir()?, &args, key)
    }

    fn up(folder: tempfile::TempDir, args: &[&str], key: &str) -> Result<Self> {
        let (data, log) = (folder.path().join("data"), folder.path().join("up.log"));
        let mut command = Command::new(program("stereospot"));
        command.args(["up", "--headless", "--data-dir", text(&data), "--listen", "127.0.0.1:0"]).args(args);
        let mut up = Process::spawn(credentials(&mut command, key), &log)?;
        let server = until("the stack to be ready", PATIENCE, || {
            let said = std::fs::read_to_string(&log)?;
            ensure!(up.is_running()?, "the stack ended: {said}");
            Ok(said.contains("ready").then(|| server_of(&data)).flatten())
        })?;
        Ok(Self { folder, up, server, emulator: None })
    }

    /// The emulator that it runs on, where it has one of its own.
    #[must_use]
    pub fn emulator(&self) -> Option<&Emulator> {
        self.emulator.as_ref()
    }

    /// A path in a folder of the test's own, which holds the data directory too.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The control plane's address.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// An operator's command.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program("stereospot"));
        command.args(args).args(["--server", &self.server]).current_dir(root()).stdin(Stdio::null());
        command
    }

    /// What an operator's command answers.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn run(&self, args: &[&str]) -> Result<Output> {
        Ok(self.command(args).output()?)
    }

    /// What an operator's command prints as JSON.
    ///
    /// # Errors
    /// When it fails, or prints something else.
    pub fn json(&self, args: &[&str]) -> Result<Value> {
        let done = self.run(args)?;
        ensure!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
        Ok(serde_json::from_slice(&done.stdout)?)
    }

    /// Process ids of the children whose command lines hold all these words.
    ///
    /// # Errors
    /// When the processes of this machine can't be listed.
    pub fn children(&self, words: &[&str]) -> Result<Vec<u32>> {
        let data = self.path("data");
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc")? {
            let entry = entry?;
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let Ok(line) = std::fs::read(entry.path().join("cmdline")) else { continue };
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if pid != self.up.pid() && line.contains(text(&data)) && words.iter().all(|word| line.contains(word)) {
                found.push(pid);
            }
        }
        Ok(found)
    }

    /// What a child wrote to its log so far.
    ///
    /// # Errors
    /// When there is no such log.
    pub fn log(&self, child: &str) -> Result<String> {
        let path = self.path("data").join("logs").join(format!("{child}.log"));
        std::fs::read_to_string(&path).with_context(|| path.display().to_string())
    }

    /// Stops it in order.
    ///
    /// # Errors
    /// When it does not end well, or leaves a process behind.
    pub fn stop(mut self) -> Result<()> {
        let code = self.up.stop(Duration::from_secs(40))?;
        ensure!(code == 0, "the stack ended with {code}");
        let left = self.children(&["stereospot"])?;
        ensure!(left.is_empty(), "left behind: {left:?}");
        Ok(())
    }
}

fn server_of(data: &Path) -> Option<String> {
    let text = std::fs::read(data.join("run/controlplane.json")).ok()?;
    serde_json::from_slice::<Value>(&text).ok()?["server"].as_str().map(str::to_owned)
}

/// A path of a test's own as text.
///
/// # Panics
/// When it is none: temporary paths are.
#[must_use]
pub fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are text")
}
