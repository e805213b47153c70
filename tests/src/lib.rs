//! Shared by the end-to-end tests: the built programs as processes, clips to convert, and an independent check of the
//! results.
//!
//! The programs must be built first, as `make test` does; a test that needs a missing one fails with a message that
//! says so.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

pub mod emulator;
pub mod existing;
pub mod stack;

/// The path of a built program, next to this test's own executable.
///
/// # Panics
/// If it was not built.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a running test has an executable");
    let folder = own.parent().and_then(Path::parent).expect("test executables lie in target/*/deps");
    let program = folder.join(name);
    assert!(program.is_file(), "{} is not built: run `cargo build --bins --all-features` first", program.display());
    program
}

/// The project's root folder.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in a folder of the project")
}

/// A child process, killed on drop.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts a program and writes its output to a file, so that a failed test can show it.
    pub fn start(program: &Path, args: &[&str], log: &Path) -> Result<Self> {
        Self::spawn(Command::new(program).args(args), log)
    }

    /// Like [`Process::start`], with a prepared command.
    pub fn spawn(command: &mut Command, log: &Path) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let out = std::fs::File::create(log)?;
        let command = command.current_dir(root()).stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let child = command.spawn().with_context(|| format!("starting {name}"))?;
        Ok(Self { child, name })
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// True if it has not exited yet.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Sends SIGTERM and waits up to `patience`; returns the exit code.
    pub fn stop(&mut self, patience: Duration) -> Result<i32> {
        signal(self.pid(), "TERM")?;
        self.wait(patience)
    }

    /// Kills it with SIGKILL, as a crash would.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Waits up to `patience` for it to exit; returns the exit code.
    pub fn wait(&mut self, patience: Duration) -> Result<i32> {
        let child = &mut self.child;
        let status = until(&self.name, patience, || Ok(child.try_wait()?))?;
        status.code().with_context(|| format!("{} was ended by a signal", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; ignore errors.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process that the test started.
pub fn signal(pid: u32, name: &str) -> Result<()> {
    // Use the shell's built-in `kill`: a minimal Debian has no `kill` program.
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status()?;
    ensure!(status.success(), "process {pid} can't be sent {name}");
    Ok(())
}

/// Calls `ask` until it returns a value, for up to `patience`.
pub fn until<T>(what: &str, patience: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let started = Instant::now();
    let mut pause = Duration::from_millis(50);
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if started.elapsed() > patience {
            bail!("waited {} s in vain for {what}", patience.as_secs());
        }
        std::thread::park_timeout(pause);
        // Poll less and less often, because polling costs CPU time.
        pause = (pause * 6 / 5).min(Duration::from_millis(500));
    }
}

/// Runs a program and returns its standard output, or an error with its standard error.
pub fn output(program: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> Result<String> {
    let program = program.as_ref();
    let done = Command::new(program).args(args).current_dir(root()).stdin(Stdio::null()).output()?;
    let stderr = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "{} {args:?} ended with {}: {stderr}", program.display(), done.status);
    Ok(String::from_utf8(done.stdout)?)
}

/// The body of a successful GET request.
pub fn get(url: &str) -> Result<String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async { Ok(reqwest::get(url).await?.error_for_status()?.text().await?) })
}

/// Renders a ray-cast clip with sound, with the frame number burnt into each frame.
pub fn clip(path: &Path, width: u32, height: u32, frames: u32) -> Result<()> {
    let (width, height, frames) = (width.to_string(), height.to_string(), frames.to_string());
    let path = path.to_str().context("a temporary path is text")?;
    let args = ["clip", path, "--width", &width, "--height", &height, "--frames", &frames];
    output(program("stereospot-worker"), &args).map(drop)
}

/// ffprobe's description of a file, as an independent check.
pub fn probe(path: &Path) -> Result<Value> {
    let path = path.to_str().context("a temporary path is text")?;
    let args = ["-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json", path];
    Ok(serde_json::from_str(&output("ffprobe", &args)?)?)
}

/// The streams of one kind (`video`, `audio`, …) in the result of [`probe`].
#[must_use]
pub fn streams<'a>(probed: &'a Value, kind: &str) -> Vec<&'a Value> {
    let all = probed["streams"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().filter(|stream| stream["codec_type"] == kind).collect()
}

/// Presentation times of the video frames in seconds, sorted.
pub fn frame_times(path: &Path) -> Result<Vec<f64>> {
    let path = path.to_str().context("a temporary path is text")?;
    let args = ["-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts_time", "-of", "csv=p=0", path];
    let text = output("ffprobe", &args)?;
    let mut times: Vec<f64> = text.lines().filter_map(|line| line.trim_end_matches(',').parse().ok()).collect();
    times.sort_by(f64::total_cmp);
    Ok(times)
}
