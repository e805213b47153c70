use serde_json::{Value, json};
use stereospot_domain::Timestamp;

use super::*;
use crate::replay::Replay;

const JOB: &str = "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f";

fn logs(replay: &Replay) -> CloudLogs {
    CloudLogs::new(&replay.config(), &Calls::default(), "stereo-spot", "us-east-1")
}

/// Groups in both naming styles, and one of another deployment.
fn with_groups() -> Replay {
    let ecs = ["/ecs/stereo-spot/media-worker", "/ecs/stereo-spot-two/web-ui", "/ecs/stereo-spot-video-worker"];
    let first = json!({ "logGroups": [{ "logGroupName": ecs[0] }], "nextToken": "t" });
    let second = json!({ "logGroups": [{ "logGroupName": ecs[1] }, { "logGroupName": ecs[2] }] });
    Replay::default()
        .answer("DescribeLogGroups", first)
        .answer("DescribeLogGroups", second)
        .answer("DescribeLogGroups", json!({ "logGroups": [] }))
}

fn row(time: &str, text: &str) -> Value {
    json!([
        { "field": "@timestamp", "value": time },
        { "field": "@logStream", "value": "ecs/media-worker/1" },
        { "field": "@message", "value": text },
        { "field": "@log", "value": "123456789012:/ecs/stereo-spot/media-worker" },
        { "field": "@ptr", "value": "x" },
    ])
}

fn results(status: &str, rows: &[Value], bytes: f64) -> Value {
    json!({ "status": status, "results": rows, "statistics": { "bytesScanned": bytes, "recordsScanned": 9.0 } })
}

/// 19:49:57.500 to 19:50:07.
fn search(limit: usize) -> Search {
    Search {
        job_id: Some(JOB.parse().unwrap()),
        from: Timestamp(1_795_290_597_500),
        until: Timestamp::from_secs(1_795_290_607),
        limit,
    }
}

#[tokio::test]
async fn a_jobs_lines_are_found_with_the_runbooks_query_and_its_bytes_shown() {
    let rows = [
        row("2026-11-21 19:49:57.400", &format!("too early job_id={JOB}")),
        row("2026-11-21 19:49:58.000", &format!("chunking: job_id={JOB} start (key=k)\n")),
        row("2026-11-21 19:49:59.000", "chunking: job_id=7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e50 another id"),
        row("2026-11-21 19:50:00.000", &format!("chunking: job_id={JOB} complete total_segments=2")),
    ];
    let replay = with_groups()
        .answer("StartQuery", json!({ "queryId": "q" }))
        .answer("GetQueryResults", results("Scheduled", &[], 0.0))
        .answer("GetQueryResults", results("Running", &rows[..1], 4096.0))
        .answer("GetQueryResults", results("Complete", &rows, 8192.0));
    let progress = watch::Sender::new(Progress::default());
    let found = logs(&replay).lines(&search(10), &progress).await.unwrap();
    let texts: Vec<&str> = found.lines.iter().map(|line| line.text.split_once(' ').unwrap().1).collect();
    let job = format!("job_id={JOB}");
    assert_eq!(texts, [format!("{job} start (key=k)"), format!("{job} complete total_segments=2")]);
    assert_eq!(found.lines[0].source, "/ecs/stereo-spot/media-worker");
    assert_eq!(found.lines[0].text, format!("chunking: job_id={JOB} start (key=k)"));
    assert_eq!((found.bytes_scanned, found.is_whole), (8192, true));
    assert_eq!(found.searched, ["/ecs/stereo-spot/media-worker", "/ecs/stereo-spot-video-worker"]);
    assert_eq!(found.missing, ["web-ui has no log group"]);
    assert!(progress.borrow().is_done);
    let sent = replay.sent_to("StartQuery")[0].json();
    let expected = format!(
        "fields @timestamp, @logStream, @message, @log | filter @message like /job_id={JOB}/ | sort @timestamp asc"
    );
    assert_eq!(sent["queryString"], expected);
    assert_eq!((&sent["startTime"], &sent["endTime"]), (&json!(1_795_290_597), &json!(1_795_290_607)));
    assert_eq!((&sent["limit"], &sent["logGroupNames"]), (&json!(11), &json!(found.searched)));
    assert!(replay.sent()[0].uri.contains("logs.us-east-1."), "the logs' own region");
    replay.finish();
}

#[tokio::test]
async fn more_lines_than_wanted_are_said_to_be_more() {
    let rows = [
        row("2026-11-21 19:49:58.000", &format!("job_id={JOB} a")),
        row("2026-11-21 19:49:59.000", &format!("job_id={JOB} b")),
    ];
    let replay = with_groups()
        .answer("StartQuery", json!({ "queryId": "q" }))
        .answer("GetQueryResults", results("Complete", &rows, 1.0));
    let found = logs(&replay).lines(&search(1), &watch::Sender::new(Progress::default())).await.unwrap();
    assert_eq!((found.lines.len(), found.is_whole), (1, false));
}

#[tokio::test]
async fn an_abandoned_search_is_stopped_at_aws() {
    let mut replay =
        with_groups().answer("StartQuery", json!({ "queryId": "q-7" })).answer("StopQuery", json!({ "success": true }));
    for _ in 0..100 {
        replay = replay.answer("GetQueryResults", results("Running", &[], 1.0));
    }
    let logs = logs(&replay);
    let progress = watch::Sender::new(Progress::default());
    let search = search(10);
    tokio::select! {
        _ = logs.lines(&search, &progress) => panic!("the query never ends"),
        () = until(|| replay.sent_to("GetQueryResults").len() >= 9) => {}
    }
    until(|| !replay.sent_to("StopQuery").is_empty()).await;
    assert_eq!(replay.sent_to("StopQuery")[0].json(), json!({ "queryId": "q-7" }));
    let pauses = replay.pauses();
    assert!(pauses.is_sorted() && pauses[0] < Duration::from_secs(1), "{pauses:?}");
    assert_eq!(pauses.last(), Some(&Duration::from_secs(5)));
}

/// Runs other tasks until the condition holds.
async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_query_that_never_ends_or_fails_is_an_error_with_advice() {
    let failed = with_groups()
        .answer("StartQuery", json!({ "queryId": "q" }))
        .answer("GetQueryResults", results("Timeout", &[], 0.0));
    let error = logs(&failed).lines(&search(10), &watch::Sender::new(Progress::default())).await.unwrap_err();
    assert!(error.to_string().contains("narrow its time window"), "{error}");
    failed.finish();
    let none = Replay::default().answer("DescribeLogGroups", json!({})).answer("DescribeLogGroups", json!({}));
    let error = logs(&none).lines(&search(10), &watch::Sender::new(Progress::default())).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
    let over = "end date and time is either before the log groups creation time or exceeds the log groups log retention settings";
    let old = with_groups().refuse("StartQuery", "MalformedQueryException", over);
    let error = logs(&old).lines(&search(10), &watch::Sender::new(Progress::default())).await.unwrap_err();
    assert!(error.to_string().contains("no longer kept"), "{error}");
}
