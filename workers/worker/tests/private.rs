//! Whose the files of a worker are.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the failure")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn what_a_worker_keeps_is_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let mut worker = Command::new(env!("CARGO_BIN_EXE_stereospot-worker"));
    worker.args(["chunking", "--metrics-listen", "127.0.0.1:0", "--stop-on-stdin-eof", "--data-dir"]).arg(&data_dir);
    // It stops at once: its standard input has ended.
    assert!(worker.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap().success());
    let mut seen = Vec::new();
    check(&data_dir, &mut seen);
    for name in ["spool", "scratch", "run", "chunking-1.lock", "000000000000.jsonl", "stereospot.db"] {
        assert!(seen.iter().any(|one| one == name), "{name}: {seen:?}");
    }
}

fn check(path: &Path, seen: &mut Vec<String>) {
    let about = path.metadata().unwrap();
    let expected = if about.is_dir() { 0o700 } else { 0o600 };
    assert_eq!(about.permissions().mode() & 0o777, expected, "{}", path.display());
    seen.push(path.file_name().unwrap().to_str().unwrap().to_owned());
    if about.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            check(&entry.unwrap().path(), seen);
        }
    }
}
