use stereospot_domain::{JobOptions, JobStatus};

use super::memory::MemoryLogs;
use super::*;

fn search(job_id: JobId) -> Search {
    Search { job_id: Some(job_id), from: Timestamp(10), until: Timestamp(30), limit: 2 }
}

#[tokio::test]
async fn a_search_keeps_to_its_job_its_window_and_its_limit() {
    let job: JobId = "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f".parse().unwrap();
    let logs = MemoryLogs::default();
    for (time, text) in [(30, "c"), (9, "too early"), (10, "a"), (31, "too late"), (20, "b")] {
        logs.push(Line {
            time: Timestamp(time),
            source: "g".into(),
            stream: String::new(),
            text: format!("x job_id={job} {text}"),
        });
    }
    logs.push(Line { time: Timestamp(15), source: "g".into(), stream: String::new(), text: "no job".into() });
    let progress = watch::Sender::new(Progress::default());
    let found = logs.lines(&search(job), &progress).await.unwrap();
    let times: Vec<i64> = found.lines.iter().map(|line| line.time.as_millis()).collect();
    assert_eq!((times, found.is_whole), (vec![10, 20], false));
    assert!(progress.borrow().is_done);
    let of_all = Search { job_id: None, limit: 9, ..search(job) };
    assert_eq!(logs.lines(&of_all, &progress).await.unwrap().lines.len(), 3, "a line without a job does not match");
    assert!(!search(job).wants("x job_id=7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e50"));
}

#[test]
fn invalid_searches_are_refused() {
    let job: JobId = "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f".parse().unwrap();
    let code = |search: Search| search.check().map_err(|error| error.code());
    assert_eq!(code(search(job)), Ok(()));
    assert_eq!(code(Search { limit: 0, ..search(job) }), Err(ErrorCode::Invalid));
    assert_eq!(code(Search { limit: MAX_LINES + 1, ..search(job) }), Err(ErrorCode::Invalid));
    assert_eq!(code(Search { until: Timestamp(9), ..search(job) }), Err(ErrorCode::Invalid));
}

#[test]
fn a_jobs_window_begins_before_its_creation_and_ends_after_its_end() {
    let job_id: JobId = "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f".parse().unwrap();
    let at = Timestamp::from_secs;
    let mut job = Job::new(job_id, JobOptions::default(), None, at(1_000));
    let window = |job: &Job, now| {
        let search = Search::of(job, at(now));
        search.check().unwrap();
        (search.from.as_secs(), search.until.as_secs())
    };
    assert_eq!(window(&job, 5_000), (400, 5_000), "the job has not ended");
    assert_eq!(window(&job, 900), (400, 1_000), "a clock that is behind makes no negative window");
    (job.status, job.completed_at) = (JobStatus::Completed, Some(at(2_000)));
    assert_eq!(window(&job, 500_000), (400, 2_600));
    (job.status, job.completed_at) = (JobStatus::Failed, None);
    assert_eq!(window(&job, 5_000), (400, 5_000), "the row does not hold when it failed");
}
