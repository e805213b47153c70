//! What the end-to-end tests share: the built programs as processes, clips to convert, and an independent look at the results.
//!
//! The programs must be built first (`make test` does); a test that needs one that isn't there fails and says so.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

pub mod emulator;
pub mod existing;
pub mod stack;

/// A built program, from the folder in which this test's own executable lies.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a running test has an executable");
    let folder = own.parent().and_then(Path::parent).expect("test executables lie in target/*/deps");
    let program = folder.join(name);
    assert!(program.is_file(), "{} is not built: run `cargo build --bins --all-features` first", program.display());
    program
}

/// The project's root.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in a folder of the project")
}

/// A process that is killed when the test is done with it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts a program; its output goes to a file, so that a failed test can show it.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(program: &Path, args: &[&str], log: &Path) -> Result<Self> {
        Self::spawn(Command::new(program).args(args), log)
    }

    /// As [`Process::start`], of a command with more said of it.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn spawn(command: &mut Command, log: &Path) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let out = std::fs::File::create(log)?;
        let command = command.current_dir(root()).stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let child = command.spawn().with_context(|| format!("starting {name}"))?;
        Ok(Self { child, name })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// When it can't be asked.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Asks it to stop (SIGTERM) and waits; returns its exit code.
    ///
    /// # Errors
    /// When it hasn't ended after `patience`, or was ended by a signal.
    pub fn stop(&mut self, patience: Duration) -> Result<i32> {
        signal(self.pid(), "TERM")?;
        self.wait(patience)
    }

    /// Ends it at once (SIGKILL), as a crash would.
    ///
    /// # Errors
    /// When it can't be.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Waits for its end; returns its exit code.
    ///
    /// # Errors
    /// When it hasn't ended after `patience`, or was ended by a signal.
    pub fn wait(&mut self, patience: Duration) -> Result<i32> {
        let child = &mut self.child;
        let status = until(&self.name, patience, || Ok(child.try_wait()?))?;
        status.code().with_context(|| format!("{} was ended by a signal", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already: then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process that a test started.
///
/// # Errors
/// When there is no such process.
pub fn signal(pid: u32, name: &str) -> Result<()> {
    // The shell's own: a small Debian has no program of this name.
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status()?;
    ensure!(status.success(), "process {pid} can't be sent {name}");
    Ok(())
}

/// Asks again and again until there is an answer.
///
/// # Errors
/// When asking fails, or there is none after `patience`.
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
        // What takes long is asked for seldom: asking is work too.
        pause = (pause * 6 / 5).min(Duration::from_millis(500));
    }
}

/// Runs a program to its end and returns its standard output.
///
/// # Errors
/// When it fails; with its standard error.
pub fn output(program: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> Result<String> {
    let program = program.as_ref();
    let done = Command::new(program).args(args).current_dir(root()).stdin(Stdio::null()).output()?;
    let stderr = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "{} {args:?} ended with {}: {stderr}", program.display(), done.status);
    Ok(String::from_utf8(done.stdout)?)
}

/// What an address answers.
///
/// # Errors
/// When there is no answer, or it is a refusal.
pub fn get(url: &str) -> Result<String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async { Ok(reqwest::get(url).await?.error_for_status()?.text().await?) })
}

/// A ray-cast clip with sound, whose frames carry their numbers.
///
/// # Errors
/// When it can't be rendered.
pub fn clip(path: &Path, width: u32, height: u32, frames: u32) -> Result<()> {
    let (width, height, frames) = (width.to_string(), height.to_string(), frames.to_string());
    let path = path.to_str().context("a temporary path is text")?;
    let args = ["clip", path, "--width", &width, "--height", &height, "--frames", &frames];
    output(program("stereospot-worker"), &args).map(drop)
}

/// What ffprobe says of a file: an independent judge.
///
/// # Errors
/// When it can't be read.
pub fn probe(path: &Path) -> Result<Value> {
    let path = path.to_str().context("a temporary path is text")?;
    let args = ["-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json", path];
    Ok(serde_json::from_str(&output("ffprobe", &args)?)?)
}

/// The streams of one kind (`video`, `audio`, …) in what [`probe`] said.
#[must_use]
pub fn streams<'a>(probed: &'a Value, kind: &str) -> Vec<&'a Value> {
    let all = probed["streams"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().filter(|stream| stream["codec_type"] == kind).collect()
}

/// Presentation times of the video frames, in seconds, sorted.
///
/// # Errors
/// When the file can't be read.
pub fn frame_times(path: &Path) -> Result<Vec<f64>> {
    let path = path.to_str().context("a temporary path is text")?;
    let args = ["-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts_time", "-of", "csv=p=0", path];
    let text = output("ffprobe", &args)?;
    let mut times: Vec<f64> = text.lines().filter_map(|line| line.trim_end_matches(',').parse().ok()).collect();
    times.sort_by(f64::total_cmp);
    Ok(times)
}
