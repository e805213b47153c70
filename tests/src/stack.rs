//! A stack started by `stereospot up`, on either backend.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::emulator::{Emulator, KEY, credentials};
use crate::{Process, program, root, until};

/// How long a test waits for an expected state.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Where a stack keeps its queues, job store and objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// In its data directory, with the embedded backend.
    Local,
    /// On its own emulator, in a deployment created by `stereospot provision`.
    Aws,
}

/// For `workers`: start the control plane only.
pub const NO_WORKERS: &str = "none";

/// In place of a key: the credentials of the test's own environment.
const OWN: &str = "";

/// A running stack with its own data directory.
#[derive(Debug)]
pub struct Stack {
    folder: tempfile::TempDir,
    up: Process,
    server: String,
    emulator: Option<Emulator>,
}

impl Stack {
    /// Starts a stack with these workers and segments of one second.
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

    /// Starts a stack on the data directory `data` in a folder.
    pub fn in_folder(folder: tempfile::TempDir, args: &[&str]) -> Result<Self> {
        Self::up(folder, &[&["--segment-secs", "1"], args].concat(), KEY)
    }

    /// Starts a stack on an existing deployment, with an access key.
    pub fn on(env_file: &Path, workers: &str, key: &str) -> Result<Self> {
        let args = ["--backend", "aws", "--env-file", text(env_file), "--workers", workers, "--segment-secs", "1"];
        Self::up(tempfile::tempdir()?, &args, key)
    }

    /// Starts a stack on a deployment in the account whose credentials the test's own environment has.
    pub fn on_own_account(env_file: &Path, workers: &str) -> Result<Self> {
        let args = ["--backend", "aws", "--env-file", text(env_file), "--workers", workers, "--segment-secs", "1"];
        Self::up(tempfile::tempdir()?, &args, OWN)
    }

    fn up(folder: tempfile::TempDir, args: &[&str], key: &str) -> Result<Self> {
        let (data, log) = (folder.path().join("data"), folder.path().join("up.log"));
        let mut command = Command::new(program("stereospot"));
        command.args(["up", "--headless", "--data-dir", text(&data), "--listen", "127.0.0.1:0"]).args(args);
        if key != OWN {
            credentials(&mut command, key);
        }
        let mut up = Process::spawn(&mut command, &log)?;
        let server = until("the stack to be ready", PATIENCE, || {
            let said = std::fs::read_to_string(&log)?;
            ensure!(up.is_running()?, "the stack ended: {said}");
            Ok(said.contains("ready").then(|| server_of(&data)).flatten())
        })?;
        Ok(Self { folder, up, server, emulator: None })
    }

    /// The emulator that the stack started, if any.
    #[must_use]
    pub fn emulator(&self) -> Option<&Emulator> {
        self.emulator.as_ref()
    }

    /// A path in the test's temporary folder, which also holds the data directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The control plane's URL.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// A `stereospot` command against this stack.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program("stereospot"));
        command.args(args).args(["--server", &self.server]).current_dir(root()).stdin(Stdio::null());
        command
    }

    /// Runs a `stereospot` command and returns its output.
    pub fn run(&self, args: &[&str]) -> Result<Output> {
        Ok(self.command(args).output()?)
    }

    /// Runs a `stereospot` command and parses its JSON output.
    pub fn json(&self, args: &[&str]) -> Result<Value> {
        let done = self.run(args)?;
        ensure!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
        Ok(serde_json::from_slice(&done.stdout)?)
    }

    /// Process ids of the stack's children whose command lines contain all these words.
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

    /// The content of a child's log file.
    pub fn log(&self, child: &str) -> Result<String> {
        let path = self.path("data").join("logs").join(format!("{child}.log"));
        std::fs::read_to_string(&path).with_context(|| path.display().to_string())
    }

    /// Kills `up` with SIGKILL, as a crash would. Its children notice and end.
    pub fn kill(&mut self) -> Result<()> {
        self.up.kill()?;
        until("its children to end", PATIENCE, || Ok(self.children(&["stereospot"])?.is_empty().then_some(())))
    }

    /// Stops the stack gracefully; fails if it leaves a process behind.
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

/// A temporary path as text.
///
/// # Panics
/// If the path is not UTF-8, which temporary paths are.
#[must_use]
pub fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are text")
}
