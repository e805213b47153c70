//! The binary itself, on the embedded backend: start, kill, start again, stop.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use stereospot_api::Client;
use stereospot_api::view::Attention;
use stereospot_api::wire::NewJob;
use stereospot_domain::{EventKind, JobOptions, Stage, Timestamp};

use crate::harness::Worker;

struct Running {
    child: Child,
    server: String,
}

fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stereospot-controlplane"));
    command.arg("--data-dir").arg(dir).env_remove("STEREOSPOT_LOG");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Starts it and waits for the line that says where it listens.
fn start(dir: &Path, args: &[&str]) -> Running {
    let mut child = command(dir).args(["--listen", "127.0.0.1:0"]).args(args).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.by_ref().map(Result::unwrap).find(|line| line.contains("listens on")).expect("it starts");
    // Somebody must read on, or it stands still when the pipe is full.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    let server = line.rsplit(' ').next().unwrap().to_owned();
    Running { child, server }
}

/// Its exit code, within the time that an end in order may take.
fn exit_code(mut child: Child) -> i32 {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().unwrap();
        }
        assert!(began.elapsed() < Duration::from_secs(60), "it does not end");
        std::thread::yield_now();
    }
}

fn terminate(child: &Child) {
    // The shell's own: a small Debian has no program of this name.
    let done = Command::new("sh").args(["-c", &format!("kill -TERM {}", child.id())]).status().unwrap();
    assert!(done.success());
}

#[tokio::test]
async fn a_kill_loses_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut worker = Worker::new("w", Stage::Inference);
    let mut sent = 0;
    for _ in 0..3 {
        let mut running = start(dir.path(), &[]);
        let client = Client::new(&running.server).unwrap();
        let batch: Vec<_> =
            (0..100).map(|_| worker.event(EventKind::WorkerHeartbeat, Timestamp(1), None, json!({}))).collect();
        let accepted = client.send_events(batch.clone()).await.unwrap();
        sent += accepted.accepted;
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        let running = start(dir.path(), &[]);
        let client = Client::new(&running.server).unwrap();
        assert_eq!(client.send_events(batch).await.unwrap().duplicates, 100);
        assert_eq!(client.workers().await.unwrap()[0].events_lost, 0);
        terminate(&running.child);
        assert_eq!(exit_code(running.child), 0);
    }
    assert_eq!(sent, 300);
}

#[tokio::test]
async fn a_full_disk_under_its_log_does_not_stop_it() {
    let dir = tempfile::tempdir().unwrap();
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut child =
        command(dir.path()).args(["--listen", "127.0.0.1:0"]).stdout(full()).stderr(full()).spawn().unwrap();
    let began = Instant::now();
    let told = loop {
        let file = std::fs::read(dir.path().join("run/controlplane.json")).ok();
        if let Some(told) = file.and_then(|file| serde_json::from_slice::<serde_json::Value>(&file).ok()) {
            break told;
        }
        assert_eq!(child.try_wait().unwrap(), None, "it ended");
        assert!(began.elapsed() < Duration::from_secs(60), "it does not start");
        std::thread::yield_now();
    };
    let client = Client::new(told["server"].as_str().unwrap()).unwrap();
    let event = Worker::new("w", Stage::Inference).event(EventKind::WorkerHeartbeat, Timestamp(1), None, json!({}));
    assert_eq!(client.send_events(vec![event]).await.unwrap().accepted, 1);
    terminate(&child);
    assert_eq!(exit_code(child), 0);
}

#[tokio::test]
async fn it_says_where_it_is_and_cleans_up_at_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(dir.path(), &["--stop-on-stdin-eof"]);
    let file = dir.path().join("run/controlplane.json");
    let told: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(told, json!({"server": running.server, "pid": running.child.id()}));
    let client = Client::new(told["server"].as_str().unwrap()).unwrap();
    client.health().await.unwrap();
    let snapshot = client.snapshot().await.unwrap();
    let stream = client.changes(snapshot.revision, snapshot.boot).await.unwrap();
    let metrics = reqwest::Client::builder().no_proxy().build().unwrap();
    let metrics = metrics.get(format!("{}/metrics", running.server)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("stereospot_jobs{status=\"created\"} 0"), "{metrics}");
    let mut running = running;
    drop(running.child.stdin.take());
    assert_eq!(exit_code(running.child), 0);
    assert!(!file.exists());
    drop(stream);
}

#[test]
fn a_taken_port_and_an_open_address_are_refused_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let check = |listen: &str, expected: &str| {
        let out = command(dir.path()).args(["--listen", listen]).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(out.stderr).unwrap();
        assert_eq!(out.status.code(), Some(1), "{said}");
        assert!(said.contains(expected), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    };
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    check(&taken.to_string(), &format!("port {} is taken", taken.port()));
    check("0.0.0.0:7999", "only this machine itself may connect");
}

#[test]
fn a_second_one_on_the_same_data_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = start(dir.path(), &[]);
    let out = command(dir.path()).args(["--listen", "127.0.0.1:0"]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(out.stderr).unwrap();
    assert_eq!((out.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("another control plane runs on") && said.contains("--data-dir"), "{said}");
    assert!(dir.path().join("run/controlplane.json").exists(), "the first one can still be found");
    terminate(&first.child);
    assert_eq!(exit_code(first.child), 0);
    let next = start(dir.path(), &[]);
    terminate(&next.child);
    assert_eq!(exit_code(next.child), 0);
}

#[tokio::test]
async fn what_it_keeps_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    // As an earlier version left it.
    std::fs::create_dir_all(data_dir.join("objects")).unwrap();
    std::fs::set_permissions(data_dir.join("objects"), PermissionsExt::from_mode(0o755)).unwrap();
    let running = start(&data_dir, &[]);
    let client = Client::new(&running.server).unwrap();
    let job = client.create_job(&NewJob { title: None, options: JobOptions::default() }).await.unwrap();
    let source = futures::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from_static(b"video"))]);
    client.upload_source(job.job_id, 5, source).await.unwrap();
    let (mut folders, mut seen) = (vec![data_dir], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let about = entry.metadata().unwrap();
            let expected = if about.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(about.permissions().mode() & 0o777, expected, "{:?}", entry.path());
            if about.is_dir() {
                folders.push(entry.path());
            }
            seen.push(entry.file_name().into_string().unwrap());
        }
    }
    for name in ["source.mp4", "stereospot.db", "stereospot.db-wal", "controlplane.db", "controlplane.json"] {
        assert!(seen.iter().any(|one| one == name), "{name}: {seen:?}");
    }
    terminate(&running.child);
    assert_eq!(exit_code(running.child), 0);
}

#[tokio::test]
async fn a_data_directory_that_is_removed_is_said_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let running = start(&data_dir, &[]);
    let client = Client::new(&running.server).unwrap();
    let lines = async || client.snapshot().await.unwrap().attention;
    while !lines().await.is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    std::fs::remove_dir_all(&data_dir).unwrap();
    let began = Instant::now();
    let is_said = |line: &Attention| line.evidence.contains("was moved, deleted or replaced while in use");
    while !lines().await.iter().any(is_said) {
        assert!(began.elapsed() < Duration::from_secs(60), "nothing is said");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    terminate(&running.child);
    exit_code(running.child);
}
