//! A worker whose log is on a full disk.

use std::fs::OpenOptions;
use std::process::Command;

/// A line that can't be written is lost, but the worker goes on: its exit code still says how it ended.
#[test]
fn what_cannot_be_logged_ends_no_worker() {
    let folder = tempfile::tempdir().unwrap();
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut worker = Command::new(env!("CARGO_BIN_EXE_stereospot-worker"));
    worker.args(["chunking", "--segment-secs", "0", "--data-dir"]).arg(folder.path());
    let ended = worker.stdout(full()).stderr(full()).status().unwrap();
    assert_eq!(ended.code(), Some(1), "it refuses its setting; 101 is a panic");
}
