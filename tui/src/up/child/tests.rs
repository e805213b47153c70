use std::fs;

use stereospot_telemetry::LogKeep;

use super::*;

const FIRST: Duration = Duration::from_millis(4);

fn shell(dir: &Path, script: &str) -> Spec {
    Spec {
        name: "worker x-1".into(),
        program: "/bin/sh".into(),
        args: vec!["-c".into(), script.into()],
        log: LogFile { path: dir.join("x.log"), keep: LogKeep::default() },
        takes_previous_end: true,
    }
}

fn start(spec: Spec) -> (CancellationToken, mpsc::Receiver<Notice>, tokio::task::JoinHandle<()>) {
    let (stop, (sender, notices)) = (CancellationToken::new(), mpsc::channel(16));
    let task = tokio::spawn(supervise(spec, Backoff::from(FIRST), stop.clone(), sender));
    (stop, notices, task)
}

#[tokio::test]
async fn a_child_that_dies_is_started_again_with_growing_pauses() {
    let dir = tempfile::tempdir().unwrap();
    let (stop, mut notices, task) = start(shell(dir.path(), "echo here $0; echo there >&2; kill -9 $$"));
    let mut pauses = Vec::new();
    for restarts in 0..4 {
        let notice = notices.recv().await.unwrap();
        assert_eq!((notice.restarts, notice.what.as_str()), (restarts, "died (signal 9)"));
        let line = notice.to_string();
        assert!(line.starts_with("worker x-1 died (signal 9), restarting in ") && line.contains("log: "), "{line}");
        pauses.push(notice.restarts_in);
    }
    for (pause, factor) in pauses.iter().zip([1.0, 2.0, 4.0, 8.0]) {
        let middle = FIRST.mul_f64(factor);
        assert!((middle.mul_f64(0.74)..=middle.mul_f64(1.26)).contains(pause), "{pauses:?}");
    }
    stop.cancel();
    task.await.unwrap();
    let log = fs::read_to_string(dir.path().join("x.log")).unwrap();
    assert!(
        log.matches("here --previous-signal=9\n").count() >= 3
            && log.contains("there\n")
            && log.contains("restarting in"),
        "{log}"
    );
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_tried_again_and_reported() {
    let dir = tempfile::tempdir().unwrap();
    let (stop, mut notices, task) = start(Spec { program: dir.path().join("none"), ..shell(dir.path(), "") });
    let notice = notices.recv().await.unwrap();
    assert!(notice.what.starts_with("could not be started"), "{notice}");
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn stopping_asks_first_and_waits_for_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let up = dir.path().join("up");
    assert!(std::process::Command::new("mkfifo").arg(&up).status().unwrap().success());
    let script =
        format!("trap 'echo asked; exit 0' TERM; echo up > {}; while :; do read x || exit; done", up.display());
    let (stop, _notices, task) = start(shell(dir.path(), &script));
    // Returns once the child has set its trap.
    tokio::task::spawn_blocking(move || fs::read_to_string(up).unwrap()).await.unwrap();
    stop.cancel();
    task.await.unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("x.log")).unwrap(), "asked\n");
}

#[test]
fn the_last_line_is_of_this_life() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("x.log");
    assert_eq!(last_line(&log, 0), "");
    fs::write(&log, "starting\nerror: disk full\n\n").unwrap();
    assert_eq!(last_line(&log, 0), ": error: disk full");
    assert_eq!(last_line(&log, 27), "");
    assert_eq!(last_line(&log, 1 << 30), ": error: disk full", "the log is a new one");
}
