//! `submit`, from the file to the result.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use stereospot_api::view::{Change, Environment, JobDetail, JobView, SegmentState, SegmentView, Snapshot};
use stereospot_domain::{BackendKind, Format, Job, JobId, JobOptions, JobStatus, Timestamp, Warning};
use uuid::Uuid;

use crate::program::{End, run, stereospot};
use crate::server::{Answer, Request, Server};

const JOB: &str = "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f";

fn view(status: JobStatus) -> JobView {
    let job_id: JobId = JOB.parse().unwrap();
    let mut job = Job::new(job_id, JobOptions::of(Format::HalfSbs), Some("clip.mp4".into()), Timestamp(0));
    job.status = status;
    job.total_segments = Some(1);
    job.error = (status == JobStatus::Failed).then(|| "this is no video: no stream in it can be decoded".into());
    JobView {
        job,
        observed_at: Timestamp(0),
        segments_done: u32::from(status == JobStatus::Completed),
        segments_running: 0,
        segments_dead: Some(0),
        progress: None,
        frames_per_second: None,
        eta: None,
        last_activity_at: Timestamp(0),
        last_event: None,
        attempts: 1,
        findings: Vec::new(),
    }
}

fn detail(status: JobStatus) -> JobDetail {
    JobDetail {
        view: view(status),
        segments: vec![SegmentView {
            index: 0,
            state: SegmentState::Done,
            worker: None,
            attempts: 1,
            frames_done: Some(132),
            frames: Some(132),
            started_at: None,
            completed_at: None,
            last_seen_at: None,
            error: None,
        }],
        timeline: Vec::new(),
        lock: None,
        can_trigger: false,
        trigger_note: String::new(),
        result_bytes: Some(6),
        result_sha256: Some("5891b5b5".into()),
        check: None,
        warnings: vec![Warning::Deinterlaced.into()],
    }
}

fn snapshot() -> Snapshot {
    Snapshot {
        revision: 3,
        boot: Uuid::nil(),
        now: Timestamp(0),
        environment: Environment {
            name: "local".into(),
            backend: BackendKind::Local,
            is_production: false,
            is_read_only: false,
            repairs_by_itself: true,
            version: "0".into(),
            region: None,
            topology: None,
            prefix: None,
        },
        jobs: Vec::new(),
        jobs_total: 0,
        queues: Vec::new(),
        workers: Vec::new(),
        services: Vec::new(),
        attention: Vec::new(),
        collectors: Vec::new(),
    }
}

/// A server whose job ends with `end` after `streams` connections to its stream; it cuts the first `cuts` snapshot requests after
/// the first stream, like a restarting server.
fn pipeline(end: JobStatus, streams: usize, cuts: usize) -> Server {
    let (heard, snapshots) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let source = format!("PUT /v1/jobs/{JOB}/source");
    let (job, result) = (format!("GET /v1/jobs/{JOB}"), format!("GET /v1/jobs/{JOB}/result"));
    Server::start(move |request: &Request| {
        let is_over = heard.load(Ordering::SeqCst) >= streams;
        let status = if is_over { end } else { JobStatus::ChunkingComplete };
        match request.line.as_str() {
            "POST /v1/jobs" => Answer::json(&view(JobStatus::Created).job),
            line if line == source => Answer::json(&view(JobStatus::Created).job),
            "GET /v1/snapshot" => match snapshots.fetch_add(1, Ordering::SeqCst) {
                at if (1..=cuts).contains(&at) => Answer::Cut,
                _ => Answer::json(&snapshot()),
            },
            line if line == job => Answer::json(&detail(status)),
            line if line.starts_with("GET /v1/stream?after=3&") => {
                let is_last = heard.fetch_add(1, Ordering::SeqCst) + 1 >= streams;
                let status = if is_last { end } else { JobStatus::ChunkingComplete };
                Answer::changes(&[Change::Job(Box::new(view(status)))])
            }
            line if line == result => Answer::Whole(200, b"result".into()),
            line => panic!("unexpected {line}"),
        }
    })
}

fn clip(dir: &Path) -> String {
    let path = dir.join("clip.mp4");
    fs::write(&path, vec![7; 300_000]).unwrap();
    path.to_str().unwrap().to_owned()
}

fn submit(server: &Server, args: &[&str]) -> End {
    run(&[&["submit", "--server", &server.url], args].concat())
}

#[test]
fn a_file_goes_up_and_its_result_comes_down() {
    let dir = tempfile::tempdir().unwrap();
    let (clip, out) = (clip(dir.path()), dir.path().join("out.mp4"));
    let server = pipeline(JobStatus::Completed, 1, 0);
    let end =
        submit(&server, &[&clip, "--mode", "half-sbs", "--crf", "18", "--output", out.to_str().unwrap(), "--json"]);
    assert_eq!(end.code, 0, "{}", end.stderr);
    let outcome: Value = serde_json::from_str(&end.stdout).unwrap();
    for (name, expected) in [
        ("job_id", Value::from(JOB)),
        ("status", "completed".into()),
        ("mode", "half-sbs".into()),
        ("output", out.to_str().unwrap().into()),
        ("bytes", 6.into()),
        ("segments", 1.into()),
        ("frames", 132.into()),
        ("error", Value::Null),
    ] {
        assert_eq!(outcome[name], expected, "{name}");
    }
    assert!(outcome["wall_secs"].as_f64().unwrap() > 0.0);
    assert_eq!(fs::read(&out).unwrap(), b"result");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing but the source and the result is left");
    let requests = server.requests();
    let new: Value = serde_json::from_slice(&requests[0].body).unwrap();
    assert_eq!((&new["title"], &new["options"]["crf"]), (&"clip.mp4".into(), &18.into()));
    assert_eq!(requests[1].body, vec![7; 300_000]);
    assert!(end.stderr.contains("uploaded") && end.stderr.contains("completed  segments 1/1"), "{}", end.stderr);
}

#[test]
fn what_is_no_file_is_not_overwritten_and_a_link_is_written_through() {
    let dir = tempfile::tempdir().unwrap();
    let clip = clip(dir.path());
    let here = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    assert!(std::process::Command::new("mkfifo").arg(here("pipe")).status().unwrap().success());
    let none = Server::start(|request: &Request| panic!("unexpected {request:?}"));
    for output in ["/dev/null", &here("pipe")] {
        let end = submit(&none, &[&clip, "--output", output, "--force"]);
        assert_eq!(end.code, 2, "{}", end.stderr);
        assert!(end.stderr.contains("it is a device, a pipe or a socket, not a file"), "{}", end.stderr);
        let end = run(&["jobs", "download", JOB, output, "--force", "--server", &none.url]);
        assert_eq!(end.code, 2, "{}", end.stderr);
    }
    assert!(none.requests().is_empty());
    fs::create_dir(here("results")).unwrap();
    fs::write(here("results/out.mp4"), "before").unwrap();
    std::os::unix::fs::symlink("results/out.mp4", here("link.mp4")).unwrap();
    let server = pipeline(JobStatus::Completed, 1, 0);
    let end = submit(&server, &[&clip, "--output", &here("link.mp4"), "--force"]);
    assert_eq!((end.code, end.stdout), (0, format!("{}\n", here("link.mp4"))), "{}", end.stderr);
    assert!(fs::symlink_metadata(here("link.mp4")).unwrap().is_symlink());
    assert_eq!(fs::read(here("results/out.mp4")).unwrap(), b"result");
}

#[test]
fn a_result_that_can_not_be_written_is_not_lost() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.mp4");
    let heard = out.clone();
    let server = Server::start(move |request: &Request| match request.line.as_str() {
        "GET /v1/snapshot" => Answer::json(&snapshot()),
        line if line.ends_with("/result") => {
            // The partial file's path is taken in the meantime.
            fs::create_dir(heard.with_extension("mp4.part")).unwrap();
            Answer::Whole(200, b"result".into())
        }
        line if line.starts_with("GET /v1/jobs/") => Answer::json(&detail(JobStatus::Completed)),
        _ => Answer::json(&view(JobStatus::Created).job),
    });
    let end = submit(&server, &[&clip(dir.path()), "--output", out.to_str().unwrap()]);
    assert_eq!(end.code, 1);
    let says = "job 7f3a2c1e is completed all the same: fetch its result with `stereospot jobs download 7f3a2c1e OUT`";
    assert!(end.stderr.contains("could not write") && end.stderr.contains(says), "{}", end.stderr);
}

#[test]
fn a_silent_control_plane_is_said_to_be_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (answer, answers) = mpsc::channel();
    let answers = Mutex::new(answers);
    let server = Server::start(move |_| {
        answers.lock().unwrap().recv().unwrap();
        Answer::json(&view(JobStatus::Created).job)
    });
    let args = ["submit", "--server", &server.url, &clip(dir.path())];
    let mut child = stereospot(&args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let says = format!("the control plane at {} has given no answer for 4 s: still waiting", server.url);
    assert_eq!(said.next().unwrap(), says, "before the job is made");
    answer.send(()).unwrap();
    assert!(said.any(|line| line == says), "after all of the source is sent");
    answer.send(()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn any_name_that_a_file_may_have_will_do() {
    let dir = tempfile::tempdir().unwrap();
    let server = pipeline(JobStatus::Completed, 1, 0);
    let name = format!("{}\nb\u{1b}[2J.mp4", "ü".repeat(115));
    let path = dir.path().join(&name);
    fs::write(&path, "x").unwrap();
    let end = submit(&server, &[path.to_str().unwrap()]);
    assert_eq!(end.code, 0, "{}", end.stderr);
    assert_eq!(end.stdout.lines().count(), 1, "{:?}", end.stdout);
    assert!(end.stdout.ends_with("ü␊b␛[2J.mp4\n"), "{:?}", end.stdout);
    assert!(end.stderr.starts_with("ü") && !end.stderr.contains('\u{1b}'), "{:?}", end.stderr);
}

#[test]
fn without_wait_it_returns_with_the_jobs_id() {
    let dir = tempfile::tempdir().unwrap();
    let end = submit(&pipeline(JobStatus::Completed, 1, 0), &[&clip(dir.path())]);
    assert_eq!(end.code, 0, "{}", end.stderr);
    assert!(end.stdout.starts_with(JOB), "{}", end.stdout);
}

#[test]
fn a_control_plane_that_restarts_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let server = pipeline(JobStatus::Completed, 2, 2);
    let end = submit(&server, &[&clip(dir.path()), "--wait"]);
    assert_eq!(end.code, 0, "{}", end.stderr);
    assert_eq!(end.stderr.matches("still waiting").count(), 1, "{}", end.stderr);
    assert_eq!(end.stderr.matches("answers again").count(), 1, "{}", end.stderr);
    assert!(end.stdout.contains("stereospot jobs download 7f3a2c1e"), "{}", end.stdout);
}

#[test]
fn a_failed_job_ends_with_1_and_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.mp4");
    let server = pipeline(JobStatus::Failed, 1, 0);
    let end = submit(&server, &[&clip(dir.path()), "--output", out.to_str().unwrap(), "--json"]);
    assert_eq!(end.code, 1);
    assert!(end.stderr.contains("stereospot: job 7f3a2c1e failed: this is no video"), "{}", end.stderr);
    let outcome: Value = serde_json::from_str(&end.stdout).unwrap();
    assert_eq!((&outcome["status"], &outcome["output"]), (&"failed".into(), &Value::Null));
    assert!(!out.exists());
    // What was changed is said once, also of a job that failed.
    assert_eq!(
        end.stderr.matches("clip.mp4: the source is interlaced: it was deinterlaced").count(),
        1,
        "{}",
        end.stderr
    );
    assert_eq!(outcome["warnings"][0]["about"]["kind"], "deinterlaced", "{outcome}");
}

#[test]
fn waiting_ends_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let end = submit(&pipeline(JobStatus::Completed, usize::MAX, 0), &[&clip(dir.path()), "--timeout", "1"]);
    assert_eq!(end.code, 1);
    assert!(end.stderr.contains("not done after 1 seconds: the job goes on"), "{}", end.stderr);
}

#[test]
fn ctrl_c_ends_the_waiting_and_says_that_the_job_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let server = pipeline(JobStatus::Completed, usize::MAX, 0);
    let args = ["submit", "--server", &server.url, &clip(dir.path()), "--wait"];
    let mut child = stereospot(&args).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.contains("chunking_complete")));
    kill_process(Pid::from_raw(child.id() as i32).unwrap(), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(said.any(|line| line.contains("no longer waiting: the job goes on, `stereospot jobs show 7f3a2c1e`")));
}

#[test]
fn a_refused_upload_is_reported_with_the_servers_reason() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(|request: &Request| match request.line.as_str() {
        "POST /v1/jobs" => Answer::json(&view(JobStatus::Created).job),
        _ => Answer::problem(413, "too-large", "the source is larger than this server takes (1 kB): cut it"),
    });
    let end = submit(&server, &[&clip(dir.path())]);
    assert_eq!(end.code, 1);
    assert!(end.stderr.contains("larger than this server takes"), "{}", end.stderr);
}

#[test]
fn nothing_is_sent_when_one_file_or_the_output_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let clip = clip(dir.path());
    let empty = dir.path().join("empty.mp4");
    fs::write(&empty, "").unwrap();
    let server = Server::start(|request: &Request| panic!("unexpected {request:?}"));
    let check = |args: &[&str], says: &str| {
        let end = submit(&server, args);
        assert_eq!(end.code, 2, "{args:?}: {}", end.stderr);
        assert!(end.stderr.contains(says), "{args:?}: {}", end.stderr);
    };
    check(&[&clip, empty.to_str().unwrap()], "is empty (0 bytes)");
    let here = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    fs::write(here("there.mp4"), "x").unwrap();
    check(&[&clip, "--output", &here("there.mp4")], "--force");
    // In turn: the source by name, by another path, by a link; one result in another's place; the partial file.
    std::os::unix::fs::symlink(&clip, here("link.mp4")).unwrap();
    std::os::unix::fs::symlink(dir.path(), here("way")).unwrap();
    fs::write(here("clip_sbs.mp4"), "x").unwrap();
    fs::write(here("new.mp4.part"), "x").unwrap();
    let over = "would be written over the source";
    check(&[&clip, "--output", &clip], over);
    for output in [clip.clone(), here("./clip.mp4"), here("link.mp4"), here("way/clip.mp4")] {
        check(&[&clip, "--output", &output, "--force"], over);
    }
    check(&[&here("link.mp4"), "--output", &clip, "--force"], over);
    check(&[&clip, &here("clip_sbs.mp4"), "--output", dir.path().to_str().unwrap(), "--force"], over);
    check(&[&here("new.mp4.part"), "--output", &here("new.mp4")], over);
    assert_eq!(fs::read(&clip).unwrap().len(), 300_000);
    fs::remove_file(here("clip_sbs.mp4")).unwrap();
    check(&[&clip, "--output", "/nonexistent/out.mp4"], "no folder");
    check(&[&clip, "--output", &here("new.mkv")], "the result is an MP4, not mkv: name it");
    check(&[&clip, "--output", &here("new.MOV")], "-c copy");
    check(&[&clip, &clip, "--output", "/tmp/one.mp4"], "with several files");
    check(&[&clip, &clip, "--output", dir.path().to_str().unwrap()], "two of the files");
    check(&[&clip, &clip, "--title", "x"], "--title names one job");
    assert!(server.requests().is_empty());
}

#[test]
fn one_files_failure_does_not_stop_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let (clip, uploads) = (clip(dir.path()), AtomicUsize::new(0));
    let server = Server::start(move |request: &Request| match request.line.as_str() {
        "POST /v1/jobs" => Answer::json(&view(JobStatus::Created).job),
        _ if uploads.fetch_add(1, Ordering::SeqCst) == 0 => Answer::problem(507, "full", "no space left: free some"),
        _ if uploads.load(Ordering::SeqCst) == 2 => Answer::problem(413, "too-large", "the source is too large"),
        _ => Answer::json(&view(JobStatus::Created).job),
    });
    let end = submit(&server, &[&clip, &clip, "--json"]);
    assert_eq!(end.code, 1, "{}", end.stderr);
    assert!(end.stderr.contains("clip.mp4: the source is too large"), "{}", end.stderr);
    assert!(end.stderr.contains("stereospot: 1 of the files failed"), "{}", end.stderr);
    let outcomes: Vec<Value> = end.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(outcomes.len(), 2);
    assert!(outcomes[0]["error"].as_str().unwrap().contains("too large"), "{}", outcomes[0]);
    assert_eq!((&outcomes[1]["error"], &outcomes[1]["job_id"]), (&Value::Null, &JOB.into()));
    assert_eq!(server.requests().len(), 5, "two jobs; an upload twice, and the other");
}

/// Answers an address only after a while, as a control plane does that restarts.
fn later(url: &str, after: std::time::Duration) -> std::thread::JoinHandle<Server> {
    let address: std::net::SocketAddr = url.trim_start_matches("http://").parse().unwrap();
    std::thread::spawn(move || {
        std::thread::sleep(after);
        let listener = std::net::TcpListener::bind(address).unwrap();
        Server::on(listener, |request: &Request| match request.line.as_str() {
            "POST /v1/jobs" => Answer::json(&view(JobStatus::Created).job),
            line if line == format!("PUT /v1/jobs/{JOB}/source") => Answer::json(&view(JobStatus::Created).job),
            line => panic!("unexpected {line}"),
        })
    })
}

fn free_address() -> String {
    format!("http://{}", std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}

#[test]
fn a_control_plane_that_restarts_when_a_file_comes_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let clip = clip(dir.path());
    let url = free_address();
    let server = later(&url, std::time::Duration::from_millis(1500));
    let end = run(&["submit", &clip, "--server", &url]);
    assert_eq!(end.code, 0, "{}", end.stderr);
    assert!(end.stdout.starts_with(JOB), "{}", end.stdout);
    assert!(end.stderr.contains("trying again") && end.stderr.contains("answers again"), "{}", end.stderr);
    assert_eq!(server.join().unwrap().requests().len(), 2);
}

#[test]
fn a_job_whose_making_broke_off_is_made_again_and_one_that_is_refused_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let clip = clip(dir.path());
    let times = AtomicUsize::new(0);
    let server = Server::start(move |request: &Request| match request.line.as_str() {
        "POST /v1/jobs" => match times.fetch_add(1, Ordering::SeqCst) {
            0 => Answer::Cut,
            _ => Answer::json(&view(JobStatus::Created).job),
        },
        _ => Answer::json(&view(JobStatus::Created).job),
    });
    let end = submit(&server, &[&clip]);
    assert_eq!(end.code, 0, "{}", end.stderr);
    // Both requests have the same key, so that no second job is made.
    let keys: Vec<Option<String>> =
        server.requests().into_iter().take(2).map(|request| request.idempotency_key).collect();
    assert!(keys[0].is_some() && keys[0] == keys[1], "{keys:?}");
    let refuses = Server::start(|_: &Request| Answer::Whole(403, b"{}".into()));
    assert_eq!(submit(&refuses, &[&clip]).code, 1);
    assert_eq!(refuses.requests().len(), 1);
}
