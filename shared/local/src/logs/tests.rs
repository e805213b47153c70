use stereospot_domain::{JobId, Timestamp};

use super::*;

const JOB: &str = "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f";

/// 19:49:57 to 19:50:00.
fn search(limit: usize) -> Search {
    let job: JobId = JOB.parse().unwrap();
    let (from, until) = (Timestamp::from_secs(1_795_290_597), Timestamp::from_secs(1_795_290_600));
    Search { job_id: Some(job), from, until, limit }
}

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("logs")).unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join("logs").join(name), text).unwrap();
    }
    folder
}

#[tokio::test]
async fn a_jobs_lines_are_found_in_all_files_in_order() {
    let chunking = format!(
        "2026-11-21T19:49:56.999Z [INFO] chunking-1/x: too early job_id={JOB}\n\
         2026-11-21T19:49:58.5Z [INFO] chunking-1/x: second job_id={JOB}\n  File \"a.py\"\nValueError\n\
         2026-11-21T19:49:58.6Z [INFO] chunking-1/x: without a job\n  not ours\n"
    );
    let inference = format!("2026-11-21T19:49:57Z [INFO] inference-1/x: first job_id={JOB} segment_index=3\r\n");
    let other = format!("2026-11-21T19:49:57Z [INFO] x: not a log file job_id={JOB}\n");
    let folder = folder(&[
        ("chunking.log", chunking.as_bytes()),
        ("inference.log", inference.as_bytes()),
        ("notes.txt", other.as_bytes()),
    ]);
    let logs = LocalLogs::of(folder.path());
    let progress = watch::Sender::new(Progress::default());
    let found = logs.lines(&search(10), &progress).await.unwrap();
    let texts: Vec<&str> = found.lines.iter().map(|line| line.text.split_once("/x: ").unwrap().1).collect();
    let expected =
        [format!("first job_id={JOB} segment_index=3"), format!("second job_id={JOB}\n  File \"a.py\"\nValueError")];
    assert_eq!(texts, expected);
    assert_eq!(found.searched, ["chunking.log", "inference.log"]);
    assert_eq!((found.is_whole, found.bytes_scanned), (true, (chunking.len() + inference.len()) as u64));
    assert!(progress.borrow().is_done);
    let fewer = logs.lines(&search(1), &progress).await.unwrap();
    assert_eq!((fewer.lines.len(), fewer.is_whole, &fewer.lines[0].source[..]), (1, false, "inference.log"));
}

#[tokio::test]
async fn broken_text_and_missing_files_cause_no_panic() {
    let logs = folder(&[("a.log", b"\xff\xfe\x00job_id=\n\n2026")]);
    let progress = watch::Sender::new(Progress::default());
    let found = LocalLogs::of(logs.path()).lines(&search(10), &progress).await.unwrap();
    assert_eq!(found.lines, []);
    for empty in [folder(&[]), tempfile::tempdir().unwrap()] {
        let error = LocalLogs::of(empty.path()).lines(&search(10), &progress).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotFound);
    }
}

#[test]
fn a_cancelled_reading_ends() {
    let mut text = format!("2026-11-21T19:49:58Z [INFO] x: job_id={JOB}\n");
    text.push_str(&"x\n".repeat(50_000));
    let folder = folder(&[("a.log", text.as_bytes())]);
    let reading = Reading {
        folder: folder.path().join("logs"),
        search: search(10),
        progress: watch::Sender::new(Progress::default()),
        is_unwanted: Arc::new(AtomicBool::new(true)),
    };
    let found = reading.run().unwrap();
    assert!(found.bytes_scanned < text.len() as u64 / 2, "{} of {}", found.bytes_scanned, text.len());
}

#[test]
fn the_files_of_a_log_are_known_by_their_names() {
    let check = |name: &str, expected: Option<(&str, u32)>| {
        assert_eq!(log_of(Path::new(name)), expected.map(|(log, number)| (log.to_owned(), number)), "{name}");
    };
    check("logs/inference-1.log", Some(("inference-1.log", 0)));
    check("inference-1.log.2", Some(("inference-1.log", 2)));
    check("inference-1.log.old", None);
    check("inference-1.txt", None);
    check(".log", None);
}
