//! Tests AWS faults and misconfigured deployments: the operator gets a clear message, everything else keeps working,
//! and nothing is lost. The emulator produces the faults (`faults.py`), so they affect every request.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stereospot_tests::emulator::{KEY, credentials};
use stereospot_tests::existing::Existing;
use stereospot_tests::stack::{NO_WORKERS, PATIENCE, Stack, Where, text};
use stereospot_tests::{clip, program, root, until};

/// Submits a clip and returns the job's id as soon as the source is uploaded.
fn submit(stack: &Stack, source: &Path) -> Result<String> {
    let summary = stack.json(&["submit", text(source), "--preset", "ultrafast", "--json"])?;
    summary["job_id"].as_str().map(str::to_owned).with_context(|| format!("no job id: {summary}"))
}

fn wait_until_completed(stack: &Stack, job_id: &str) -> Result<()> {
    let mut last = Value::Null;
    let done = until("the job to be completed", PATIENCE, || {
        last = stack.json(&["jobs", "show", job_id, "--json"])?;
        ensure!(last["view"]["job"]["status"] != "failed", "the job failed");
        Ok((last["view"]["job"]["status"] == "completed").then_some(()))
    });
    done.with_context(|| format!("it is shown as {last:#}"))
}

/// Waits until the landing screen shows these words.
fn said(stack: &Stack, words: &str) -> Result<()> {
    let mut last = Value::Null;
    let found = until(&format!("`{words}` to be said"), PATIENCE, || {
        let status = stack.json(&["status", "--json"])?;
        last = json!({ "attention": status["attention"], "collectors": status["collectors"] });
        Ok(last.to_string().contains(words).then_some(()))
    });
    found.with_context(|| format!("said was {last:#}"))
}

/// The sum of all series of a control plane metric that have these labels.
fn metric(stack: &Stack, name: &str, labels: &str) -> Result<f64> {
    let text = stereospot_tests::get(&format!("{}/metrics", stack.server()))?;
    let series = text.lines().filter(|line| line.starts_with(&format!("{name}{{")) && line.contains(labels));
    Ok(series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
}

/// A control plane metric without labels.
fn gauge(stack: &Stack, name: &str) -> Result<f64> {
    let text = stereospot_tests::get(&format!("{}/metrics", stack.server()))?;
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    Ok(line.with_context(|| format!("{name} is not exported"))?.parse()?)
}

/// Runs a program that must fail, and returns its output.
fn refused(command: &mut Command) -> Result<String> {
    let done = command.current_dir(root()).stdin(Stdio::null()).output()?;
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    ensure!(!done.status.success(), "it did not fail, and said: {said}");
    Ok(said)
}

fn control_plane(existing: &Existing, env_file: &Path, key: &str) -> Command {
    let mut command = Command::new(program("stereospot-controlplane"));
    let data = existing.path("data");
    command.args(["--backend", "aws", "--env-file", text(env_file), "--data-dir", text(&data)]);
    command.args(["--listen", "127.0.0.1:0"]);
    credentials(&mut command, key);
    command
}

fn worker(existing: &Existing, env_file: &Path, key: &str) -> Command {
    let mut command = Command::new(program("stereospot-worker"));
    let data = existing.path("data");
    command.args(["chunking", "--backend", "aws", "--env-file", text(env_file), "--data-dir", text(&data)]);
    credentials(&mut command, key);
    command
}

fn doctor(env_file: &Path, key: &str) -> Command {
    let mut command = Command::new(program("stereospot"));
    command.args(["doctor", "--env-file", text(env_file)]);
    credentials(&mut command, key);
    command
}

/// Copies the environment file with one replacement.
fn changed(existing: &Existing, name: &str, from: &str, to: &str) -> Result<PathBuf> {
    let before = std::fs::read_to_string(existing.env_file())?;
    ensure!(before.contains(from), "`{from}` is not in the environment file");
    let path = existing.path(name);
    std::fs::write(&path, before.replace(from, to))?;
    Ok(path)
}

#[test]
fn what_is_wrong_at_the_start_is_said_in_a_sentence() -> Result<()> {
    let existing = Existing::deploy("B")?;
    let good = existing.env_file();
    let raw = std::fs::read_to_string(&good)?;
    assert!(raw.contains("\r\n") && raw.contains("=null") && raw.contains('"'), "the file is as in the field: {raw}");

    let unknown = "AWS does not know these credentials: check AWS_PROFILE, the keys";
    let expired = "the AWS credentials have expired: set AWS_ACCESS_KEY_ID";
    for (key, code, sentence) in
        [("stranger", "InvalidClientTokenId", unknown), ("late", "ExpiredTokenException", expired)]
    {
        existing.emulator.control(&format!("fail?key={key}&status=403&code={code}"))?;
        for mut command in [control_plane(&existing, &good, key), worker(&existing, &good, key), doctor(&good, key)] {
            let said = refused(&mut command)?;
            assert!(said.contains(sentence), "{command:?} said {said}");
        }
    }
    for mut command in [control_plane(&existing, &good, KEY), worker(&existing, &good, KEY), doctor(&good, KEY)] {
        let said = refused(command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY"))?;
        assert!(said.contains("no AWS credentials were found: set AWS_PROFILE"), "{command:?} said {said}");
    }

    let no_region = changed(&existing, "no-region.env", "REGION=", "OTHER=")?;
    for (env_file, sentence) in [
        (no_region, "REGION is missing in the environment file: it says which AWS region to ask"),
        (existing.path("nowhere.env"), "nowhere.env: give the path of a deployment's .env"),
    ] {
        for mut command in [control_plane(&existing, &env_file, KEY), worker(&existing, &env_file, KEY)] {
            let said = refused(&mut command)?;
            assert!(said.contains(sentence), "{command:?} said {said}");
        }
    }
    let no_bucket = changed(&existing, "no-bucket.env", "INPUT_BUCKET_NAME=", "OTHER=")?;
    let said = refused(&mut worker(&existing, &no_bucket, KEY))?;
    assert!(said.contains("INPUT_BUCKET_NAME is missing or null in"), "{said}");
    Ok(())
}

#[test]
fn what_the_environment_file_lacks_is_said_and_the_rest_is_seen() -> Result<()> {
    let existing = Existing::deploy("B")?;
    let env_file = changed(&existing, "no-locks.env", "REASSEMBLY_TRIGGERED_TABLE_NAME=", "OTHER=")?;
    let stack = Stack::on(&env_file, NO_WORKERS, KEY)?;
    let source = stack.path("clip.mp4");
    clip(&source, 160, 96, 25)?;
    let job_id = existing.submit(&source)?;
    until("the job to be seen", PATIENCE, || {
        Ok(stack.run(&["jobs", "show", &job_id, "--json"])?.status.success().then_some(()))
    })?;
    let missing = stack.json(&["deployment", "--json"])?["missing"].to_string();
    ensure!(missing.contains("REASSEMBLY_TRIGGERED_TABLE_NAME is missing in the environment file"), "{missing}");
    stack.stop()
}

#[test]
fn a_worker_started_by_hand_on_the_stack_s_data_directory_is_seen() -> Result<()> {
    let existing = Existing::deploy("B")?;
    let env_file = existing.env_file();
    let stack = Stack::on(&env_file, NO_WORKERS, KEY)?;
    let mut by_hand = Command::new(program("stereospot-worker"));
    by_hand.args(["chunking", "--backend", "aws", "--env-file", text(&env_file), "--stop-on-stdin-eof"]);
    by_hand.args(["--data-dir", text(&stack.path("data"))]).current_dir(root());
    credentials(&mut by_hand, KEY);
    let mut by_hand = by_hand.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let seen = until("the worker to be seen", PATIENCE, || {
        let workers = stack.json(&["workers", "--json"])?;
        Ok(workers.as_array().is_some_and(|workers| !workers.is_empty()).then_some(()))
    });
    drop(by_hand.stdin.take());
    by_hand.wait()?;
    seen?;
    stack.stop()
}

#[test]
fn a_missing_table_is_named_and_hides_nothing_else() -> Result<()> {
    let existing = Existing::deploy("B")?;
    let env_file = changed(&existing, "no-table.env", "stereo-spot-reassembly-triggered", "no-such-table")?;
    let said = refused(&mut doctor(&env_file, KEY))?;
    assert!(said.contains("no-such-table") && said.contains("does not exist"), "{said}");
    let stack = Stack::on(&env_file, NO_WORKERS, KEY)?;
    let source = stack.path("clip.mp4");
    clip(&source, 160, 96, 25)?;
    let job_id = existing.submit(&source)?;
    until("the job to be seen all the same", PATIENCE, || {
        let queues = stack.json(&["queues", "--json"])?;
        let is_seen = stack.json(&["jobs", "show", &job_id, "--json"]).is_ok();
        let is_waiting = queues.as_array().into_iter().flatten().any(|queue| {
            queue["name"] == "chunking" && queue["ready"]["value"].as_u64().is_some_and(|ready| ready > 0)
        });
        Ok((is_seen && is_waiting).then_some(()))
    })?;
    stack.stop()
}

#[test]
fn a_bad_day_costs_time_and_nothing_else() -> Result<()> {
    let stack = Stack::start(Where::Aws, "chunking=1,inference=1,reassembly=1")?;
    let emulator = stack.emulator().context("it has one")?;
    let source = stack.path("clip.mp4");
    clip(&source, 160, 96, 50)?;
    // Transient faults are retried and counted, without other effects.
    for (fault, counted) in [
        ("fail?api=dynamodb.*&status=400&code=ThrottlingException&times=6", "throttled"),
        ("fail?api=sqs.GetQueueAttributes&status=500&code=InternalError&times=4", "failed"),
        ("fail?api=sqs.*Message*&status=500&code=InternalError&times=8", ""),
        ("fail?api=s3.PUT&status=503&code=SlowDown&times=4", "throttled"),
    ] {
        let outcome = format!("outcome=\"{counted}\"");
        let before = metric(&stack, "stereospot_backend_calls_total", &outcome)?;
        emulator.control(fault)?;
        let job_id = submit(&stack, &source).context(fault)?;
        wait_until_completed(&stack, &job_id).context(fault)?;
        // Faults that only workers meet are counted in their processes.
        if !counted.is_empty() {
            until("the count", PATIENCE, || {
                Ok((metric(&stack, "stereospot_backend_calls_total", &outcome)? > before).then_some(()))
            })
            .context(fault)?;
        }
        let met = emulator.control("heal")?;
        ensure!(met[0].as_u64().is_some_and(|met| met > 0), "nothing met {fault}");
    }
    // A clock that is six minutes off is corrected with the time in AWS's answers.
    emulator.control("clock?secs=360")?;
    let job_id = submit(&stack, &source)?;
    wait_until_completed(&stack, &job_id).context("a clock that is six minutes off")?;
    said(&stack, "behind AWS's: set it (NTP)")?;
    let ahead = gauge(&stack, "stereospot_clock_ahead_seconds")?;
    ensure!((-362.0..=-355.0).contains(&ahead), "the clock's metric says {ahead} s");
    emulator.control("heal")?;
    // Faults that last until someone repairs them: a sentence names them, and the job continues afterwards.
    for (fault, words, code) in [
        (
            "fail?status=403&code=ExpiredTokenException",
            "the AWS credentials have expired: set AWS_ACCESS_KEY_ID",
            "denied",
        ),
        ("hang?api=dynamodb.*", "no answer in time to dynamodb:", "unavailable"),
        // S3 accepts a clock that is less than 15 minutes off. The other services are retried with their own time.
        ("clock?secs=1000", "this machine's clock is off by five minutes or more; set it", "denied"),
    ] {
        // Keep the worker from reading the source meanwhile: a job that completed would not be polled any more. Its attempts go on,
        // so it meets the fault even if the control plane has read all that it needs.
        emulator.control("fail?api=s3.GET&about=input/&status=503&code=SlowDown")?;
        let job_id = submit(&stack, &source).context(fault)?;
        emulator.control(fault)?;
        said(&stack, words).context(fault)?;
        let errors = metric(&stack, "stereospot_collector_errors_total", &format!("code=\"{code}\""))?;
        ensure!(errors > 0.0, "no failed reading of {code} is counted");
        emulator.control("heal")?;
        wait_until_completed(&stack, &job_id).context(fault)?;
    }
    stack.stop()
}

#[test]
fn messages_that_are_none_reach_the_dead_letter_queue_and_harm_nothing_else() -> Result<()> {
    let stack = Stack::start(Where::Aws, "chunking=1,inference=1,reassembly=1")?;
    let emulator = stack.emulator().context("it has one")?;
    let source = stack.path("clip.mp4");
    clip(&source, 160, 96, 25)?;
    let long = "x".repeat(1024 * 1024);
    let stranger = json!({ "Records": [{ "s3": { "bucket": { "name": "b" }, "object": { "key": "input/some+thing%2Felse.mp4" } } }] });
    let test_event = json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b" });
    let bodies = ["no JSON", &long, &stranger.to_string(), &test_event.to_string()];
    for body in bodies {
        emulator.send("stereo-test-video-worker", body)?;
    }
    let job_id = submit(&stack, &source)?;
    wait_until_completed(&stack, &job_id)?;
    let dead = until("three dead letters", PATIENCE, || {
        // Skip the delay between two attempts.
        emulator.pass(Duration::from_secs(60))?;
        let dead = stack.json(&["queues", "peek", "inference-dlq", "--json"])?;
        Ok((dead.as_array().is_some_and(|dead| dead.len() == 3)).then_some(dead))
    })?;
    let found: Vec<&str> = dead.as_array().into_iter().flatten().filter_map(|letter| letter["body"].as_str()).collect();
    for body in &bodies[..3] {
        assert!(found.contains(body), "not among the dead letters: {}", &body[..body.len().min(80)]);
    }
    assert!(emulator.messages("stereo-test-video-worker")?.is_empty(), "the test notice is dropped");
    said(&stack, "dlq-not-empty")?;
    let log = stack.log("inference-1")?;
    for sentence in [
        "the body is neither an S3 notification nor a job request",
        "the key `input/some thing/else.mp4` is not one of",
    ] {
        assert!(log.contains(&format!("a message of inference can't be read: {sentence}")), "{log}");
    }
    stack.stop()
}

#[test]
fn a_queue_deleted_while_running_is_named_and_a_job_waits_for_it() -> Result<()> {
    let stack = Stack::start(Where::Aws, "chunking=1,inference=1,reassembly=1")?;
    let emulator = stack.emulator().context("it has one")?;
    let source = stack.path("clip.mp4");
    clip(&source, 160, 96, 50)?;
    let url = format!("{}/123456789012/stereo-test-reassembly", emulator.url());
    emulator.call("sqs", "AmazonSQS.DeleteQueue", &json!({ "QueueUrl": url }))?;
    said(&stack, "the queue stereo-test-reassembly does not exist: was it deleted")?;
    let job_id = submit(&stack, &source)?;
    until("every segment to be converted all the same", PATIENCE, || {
        let detail = stack.json(&["jobs", "show", &job_id, "--json"])?;
        let (done, total) = (&detail["view"]["segments_done"], &detail["view"]["job"]["total_segments"]);
        Ok((total.is_u64() && done == total).then_some(()))
    })?;
    // Provisioning again creates what is missing and changes nothing else.
    emulator.provision("stereo-test", &stack.path("again.env"))?;
    // The reconciler would do it once the queue has been empty for a while; the operator need not wait.
    until("the job to be triggered", PATIENCE, || {
        Ok(stack.run(&["jobs", "trigger", &job_id, "--yes"])?.status.success().then_some(()))
    })?;
    wait_until_completed(&stack, &job_id)?;
    stack.stop()
}

#[test]
fn a_table_deleted_while_running_is_named_and_a_job_waits_for_it() -> Result<()> {
    let stack = Stack::start(Where::Aws, "chunking=1,inference=1,reassembly=1")?;
    let emulator = stack.emulator().context("it has one")?;
    let source = stack.path("clip.mp4");
    clip(&source, 160, 96, 50)?;
    for table in ["stereo-test-segment-completions", "stereo-test-reassembly-triggered"] {
        emulator.call("dynamodb", "DynamoDB_20120810.DeleteTable", &json!({ "TableName": table }))?;
        let job_id = submit(&stack, &source)?;
        said(&stack, &format!("the table {table} does not exist"))?;
        emulator.provision("stereo-test", &stack.path("again.env"))?;
        wait_until_completed(&stack, &job_id).context(table)?;
    }
    stack.stop()
}
