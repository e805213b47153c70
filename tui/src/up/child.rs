//! One child process: started, watched, restarted, stopped.

use std::ffi::OsString;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use stereospot_telemetry::LogFile;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;

/// How to run a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spec {
    /// For people: `worker inference-1`.
    pub(super) name: String,
    pub(super) program: PathBuf,
    pub(super) args: Vec<OsString>,
    pub(super) log: LogFile,
    /// Whether its options take how the process before it ended.
    pub(super) takes_previous_end: bool,
}

/// A child's death or failed start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// `worker inference-1`.
    pub name: String,
    /// How it ended, with its last line: `ended (exit code 1): stereospot: no such model`.
    pub what: String,
    /// True if a new start fails the same way until a person has acted.
    pub is_lasting: bool,
    pub restarts_in: Duration,
    /// Restarts before this one.
    pub restarts: u32,
    pub log: PathBuf,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, what, restarts_in, restarts, log, .. } = self;
        let secs = restarts_in.as_secs_f64();
        write!(f, "{name} {what}, restarting in {secs:.1} s (restart {}); log: {}", restarts + 1, log.display())
    }
}

/// How long a child may take to exit when asked.
const GRACE: Duration = Duration::from_secs(20);

/// How much of a log's end is searched for its last line.
const TAIL: u64 = 8192;

/// Keeps a child running until `stop` is cancelled; returns when it has exited.
pub(super) async fn supervise(
    spec: Spec,
    mut backoff: Backoff,
    stop: CancellationToken,
    notices: mpsc::Sender<Notice>,
) {
    let (mut restarts, mut previous) = (0, None);
    while !stop.is_cancelled() {
        let started_at = Instant::now();
        let log_began = spec.log.path.metadata().map_or(0, |facts| facts.len());
        let (what, is_lasting) = match spawn(&spec, previous.take()) {
            Ok(mut child) => {
                // Taken out of the child, because waiting would close it and make the child exit.
                let _held_open = child.stdin.take();
                tokio::select! {
                    ended = child.wait() => match ended {
                        Ok(status) => {
                            previous = Some(status);
                            (in_words(status, || last_line(&spec.log.path, log_began)), is_lasting(status))
                        }
                        Err(error) => (format!("was lost ({error})"), false),
                    },
                    () = stop.cancelled() => {
                        end(&mut child).await;
                        return;
                    }
                }
            }
            Err(error) => (format!("could not be started ({error})"), true),
        };
        let restarts_in = backoff.after_death(started_at.elapsed(), chance());
        let notice =
            Notice { name: spec.name.clone(), what, is_lasting, restarts_in, restarts, log: spec.log.path.clone() };
        note(&spec.log.path, &notice);
        // A slow reader must not delay a restart: the log has the line.
        let _ = notices.try_send(notice);
        tokio::select! {
            () = sleep(restarts_in) => restarts += 1,
            () = stop.cancelled() => return,
        }
    }
}

fn spawn(spec: &Spec, previous: Option<ExitStatus>) -> io::Result<Child> {
    let log = spec.log.open()?;
    Command::new(&spec.program)
        .args(&spec.args)
        .args(previous.filter(|_| spec.takes_previous_end).and_then(previous_end))
        // The child keeps the file small itself.
        .envs(spec.log.environment())
        // Closes when this process ends, whatever the reason.
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        // Ctrl-C at the terminal is for `up`, which then stops its children in order.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// How the process before ended, as an option of the next.
fn previous_end(status: ExitStatus) -> Option<String> {
    let signal = status.signal().map(|signal| format!("--previous-signal={signal}"));
    signal.or_else(|| status.code().map(|code| format!("--previous-exit-code={code}")))
}

/// Appends a notice to the child's log, if it can be written.
fn note(log: &Path, notice: &Notice) {
    if let Ok(mut log) = OpenOptions::new().create(true).append(true).mode(0o600).open(log) {
        let _ = writeln!(log, "stereospot up: {notice}");
    }
}

/// Asks a child to exit, and kills it if it doesn't.
async fn end(child: &mut Child) {
    let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    if let Some(pid) = pid {
        // It has not been reaped, so the id is still its own; it may have exited already.
        let _ = kill_process(pid, Signal::TERM);
    }
    if timeout(GRACE, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

/// True for a worker that says so, and for a program that the system can't run: a shared library is missing.
fn is_lasting(status: ExitStatus) -> bool {
    /// `EX_CONFIG` of sysexits.h.
    const SAYS_SO: i32 = 78;
    matches!(status.code(), Some(SAYS_SO | 126 | 127))
}

/// How a child ended. One that exited usually gave the reason in its last line; one that was killed had no time to.
fn in_words(status: ExitStatus, last_line: impl FnOnce() -> String) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended (exit code {code}){}", last_line()),
        (None, Some(signal)) => format!("died (signal {signal})"),
        (None, None) => "ended".into(),
    }
}

/// The last line the child wrote in this run, ready to append to a sentence.
fn last_line(log: &Path, began: u64) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let (mut log, mut bytes) = (File::open(log)?, Vec::new());
        let length = log.metadata()?.len();
        // If the log was rotated at the start, all of it is this run's.
        let from = if began <= length { began.max(length.saturating_sub(TAIL)) } else { 0 };
        log.seek(SeekFrom::Start(from))?;
        log.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    // For rejected options, the reason stands above the usage text.
    let says_nothing = |line: &str| ["Usage:", "For more information,"].iter().any(|start| line.starts_with(start));
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty() && !says_nothing(line));
    line.map(|line| format!(": {}", line.trim_end_matches('.'))).unwrap_or_default()
}

/// A number from 0 to 1 that differs between children and times: enough for jitter.
fn chance() -> f64 {
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    f64::from(nanos % 1000) / 999.0
}

#[cfg(test)]
mod tests;
