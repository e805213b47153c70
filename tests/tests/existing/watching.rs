//! Tests a control plane beside a deployment whose services send no events: it must see and repair everything.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stereospot_tests::emulator::KEY;
use stereospot_tests::existing::Existing;
use stereospot_tests::stack::{NO_WORKERS, PATIENCE, Stack};
use stereospot_tests::until;

use super::source;

fn finding<'a>(view: &'a Value, code: &str) -> Option<&'a Value> {
    view["findings"].as_array()?.iter().find(|finding| finding["code"] == code)
}

fn named<'a>(list: &'a Value, name: &str) -> Option<&'a Value> {
    list.as_array()?.iter().find(|item| item["name"] == name)
}

/// Waits until the list of jobs shows a job in the wanted state, and returns its details.
fn seen(stack: &Stack, job_id: &str, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
    let mut last = Value::Null;
    let found = until(what, PATIENCE, || {
        last = stack.json(&["status", "--json"])?;
        let mut jobs = last["jobs"].as_array().into_iter().flatten();
        Ok(jobs.find(|view| view["job"]["job_id"] == job_id).filter(|view| is(view)).map(drop))
    });
    found.with_context(|| format!("the state is {last:#}"))?;
    stack.json(&["jobs", "show", job_id, "--json"])
}

#[test]
fn a_deployment_that_sends_no_events_is_seen_whole() -> Result<()> {
    let existing = Existing::deploy("B")?;
    let source_file = existing.path("source.mp4");
    source(&source_file)?;
    let stack = Stack::on(&existing.env_file(), NO_WORKERS, KEY)?;
    let _media_worker = existing.service("media_worker", &[])?;
    let video_worker = existing.service("video_worker", &[])?;

    // A job, its progress and its history.
    let job_id = existing.submit(&source_file)?;
    let detail =
        seen(&stack, &job_id, "the job to be shown as completed", |view| view["job"]["status"] == "completed")?;
    assert_eq!((&detail["view"]["segments_done"], &detail["view"]["job"]["total_segments"]), (&3.into(), &3.into()));
    let events = until("the job's course", PATIENCE, || {
        let events = stack.json(&["jobs", "events", &job_id, "--json"])?;
        let has = |kind: &str| events.as_array().into_iter().flatten().any(|event| event["type"] == kind);
        Ok(["chunking.completed", "segment.completed", "job.completed"]
            .iter()
            .all(|kind| has(kind))
            .then(|| events.clone()))
    })?;
    for event in events.as_array().into_iter().flatten() {
        let source = event["source"].as_str().unwrap_or_default();
        assert!(source.starts_with("observed"), "only the control plane can have made {event}");
    }
    let detail = stack.json(&["jobs", "show", &job_id, "--json"])?;
    ensure!(detail["timeline"].as_array().is_some_and(|steps| !steps.is_empty()), "no timeline: {detail:#}");
    assert_eq!(stack.json(&["workers", "--json"])?, json!([]), "a deployment's services are no workers of ours");

    // The deployment's services, logs and settings.
    let services = until("the services", PATIENCE, || {
        let services = stack.json(&["services", "--json"])?;
        Ok(named(&services, "video-worker").is_some().then_some(services))
    })?;
    let video = named(&services, "video-worker").context("a service")?;
    assert_eq!((&video["desired"], &video["running"]), (&1.into(), &1.into()));
    let logs = stack.json(&["logs", &job_id, "--json"])?;
    for service in ["web-ui", "media-worker", "video-worker"] {
        let group = format!("/ecs/{}/{service}", Existing::PREFIX);
        let lines: Vec<&Value> =
            logs["lines"].as_array().into_iter().flatten().filter(|line| line["source"] == group).collect();
        ensure!(!lines.is_empty(), "no line of {service}: {logs:#}");
        ensure!(lines.iter().all(|line| line["text"].as_str().is_some_and(|text| text.contains(&job_id))), "{lines:?}");
    }
    let deployment = stack.json(&["deployment", "--json"])?;
    assert_eq!((&deployment["topology"], &deployment["prefix"]), (&"B".into(), &Existing::PREFIX.into()));
    ensure!(deployment["calls"].as_array().is_some_and(|calls| !calls.is_empty()), "{deployment:#}");

    // Queue depths: without a video-worker, segments wait.
    drop(video_worker);
    existing.settle(&["video-worker", "output-events"])?;
    let waiting = existing.submit(&source_file)?;
    until("the segments to be seen waiting", PATIENCE, || {
        let queues = stack.json(&["queues", "--json"])?;
        Ok((named(&queues, "inference").context("a queue")?["ready"]["value"] == 3).then_some(()))
    })?;
    let detail = stack.json(&["jobs", "show", &waiting, "--json"])?;
    assert_eq!(detail["view"]["segments_done"], 0, "{detail:#}");
    let _video_worker = existing.service("video_worker", &[])?;
    seen(&stack, &waiting, "the waiting job to be done", |view| view["job"]["status"] == "completed")?;

    // A dead letter: received five times without success, as by a service that can't parse it.
    existing.emulator.send(&existing.name("video-worker"), "no JSON at all")?;
    for receives in 1..=5 {
        until("it to be tried again", PATIENCE, || {
            let waiting = existing.emulator.messages(&existing.name("video-worker"))?;
            Ok(waiting.iter().any(|message| message["receive_count"] == receives).then_some(()))
        })?;
        existing.emulator.pass(Duration::from_secs(1800))?;
    }
    let dead_letters = until("a dead letter to be seen", PATIENCE, || {
        let queues = stack.json(&["queues", "--json"])?;
        if named(&queues, "inference-dlq").context("a dead-letter queue")?["ready"]["value"] != 1 {
            return Ok(None);
        }
        // The control plane peeks as well, and for that moment the message is invisible to others.
        let found = stack.json(&["queues", "peek", "inference-dlq", "--json"])?;
        Ok(found[0].is_object().then_some(found))
    })?;
    assert_eq!(dead_letters[0]["body"], "no JSON at all");
    let status = stack.json(&["status", "--json"])?;
    let attention = status["attention"].as_array().context("a list")?;
    assert!(attention.iter().any(|item| item["code"] == "dlq-not-empty"), "{attention:?}");
    stack.stop()
}

#[test]
fn stuck_jobs_are_found_explained_and_repaired_by_plans() -> Result<()> {
    let existing = Existing::deploy("A")?;
    let source_file = existing.path("source.mp4");
    source(&source_file)?;
    let stack = Stack::on(&existing.env_file(), NO_WORKERS, KEY)?;
    // The first job loses a completion, because the job-worker drops a notification.
    let _job_worker = existing.service("job_worker", &["--drops", "1"])?;
    let _video_worker = existing.service("video_worker", &[])?;
    let mut dying = existing.service("media_worker", &["--dies-after-acquire"])?;
    let incomplete = existing.submit(&source_file)?;
    existing.wait_for(&incomplete, "chunking_complete")?;
    existing.wait_until_empty("video-worker")?;
    existing.wait_until_empty("job-status-events")?;
    // The second job's media-worker dies after it took the lock. The message is received again, the lock is found
    // taken, and the message is deleted.
    let abandoned = existing.submit(&source_file)?;
    dying.wait(PATIENCE)?;
    existing.settle(&["chunking", "reassembly"])?;
    let _media_worker = existing.service("media_worker", &[])?;
    existing.wait_until_empty("reassembly")?;
    assert_eq!(existing.job(&abandoned)?["status"], "reassembling");
    // Change the lock's timestamps instead of waiting until it is old.
    let locks = existing.name("reassembly-triggered");
    let row = existing.emulator.rows(&locks)?.into_iter().next().context("a lock")?;
    let started: i64 = row["reassembly_started_at"].as_str().context("a time")?.parse()?;
    let hours_ago = (started - 3 * 3600).to_string();
    let aged = json!({
        "TableName": locks, "Key": { "job_id": { "S": abandoned } },
        "UpdateExpression": "SET reassembly_started_at = :t, triggered_at = :t",
        "ExpressionAttributeValues": { ":t": { "N": hours_ago } },
    });
    existing.emulator.call("dynamodb", "DynamoDB_20120810.UpdateItem", &aged)?;

    for (job_id, code) in [(&incomplete, "completion-lost"), (&abandoned, "reassembly-died")] {
        // Age alone makes it a warning. It becomes critical once the queue is known to be empty.
        let is_sure = |view: &Value| finding(view, code).is_some_and(|found| found["severity"] == "critical");
        seen(&stack, job_id, code, is_sure)?;
        // First the plan, which changes nothing.
        let before = (existing.emulator.rows(&locks)?, existing.emulator.rows(&existing.name("segment-completions"))?);
        let repair = ["jobs", "repair", job_id, code];
        let plan = stack.json(&[&repair[..], &["--dry-run", "--json"]].concat())?;
        assert!(plan["items"].as_array().is_some_and(|items| !items.is_empty()), "{plan:#}");
        let after = (existing.emulator.rows(&locks)?, existing.emulator.rows(&existing.name("segment-completions"))?);
        assert_eq!(before, after, "a plan changes nothing");
        // Then the repair; the deployment's own services do the rest.
        let applied = stack.json(&[&repair[..], &["--yes", "--json"]].concat())?;
        let results = applied["results"].as_array().context("results")?;
        assert!(results.iter().all(|item| item["outcome"] == "done"), "{applied:#}");
        existing.wait_for(job_id, "completed")?;
        seen(&stack, job_id, "the job to be shown as completed", |view| view["job"]["status"] == "completed")?;
    }
    let actions = stack.json(&["actions", "--json"])?;
    assert_eq!(actions.as_array().map(Vec::len), Some(2), "{actions:#}");
    stack.stop()
}
