//! An empty account becomes a deployment, is looked at, watched and repaired, and goes away again: all by the program.

use std::collections::HashMap;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};
use stereospot_api::wire::{Apply, NewJob};
use stereospot_domain::plan::{Action, Outcome};
use stereospot_domain::{BackendKind, JobId, JobOptions, QueueName, QueueRole, Topology, message};
use uuid::Uuid;

use crate::emulator::{Emulator, Serving, parts, program, run};

const INFERENCE: QueueName = QueueName { role: QueueRole::Inference, is_dead_letter: false };
const INFERENCE_DLQ: QueueName = QueueName { role: QueueRole::Inference, is_dead_letter: true };

fn provision(emulator: &Emulator, more: &[&str]) -> (String, String, i32) {
    let args = ["provision", "--name-prefix", "fresh", "--region", "us-east-1", "--endpoint-url", &emulator.url];
    run(&[&args[..], more].concat())
}

fn values(env: &str) -> HashMap<&str, &str> {
    env.lines().map(|line| line.split_once('=').unwrap()).collect()
}

/// A job's rows as an existing deployment's services write them: cut in two, one segment done, the other dead-lettered.
async fn half_done_job(emulator: &Emulator, env: &HashMap<&str, &str>) -> (JobId, String) {
    let job_id = JobId(Uuid::new_v4());
    let text = |value: &str| json!({ "S": value });
    let number = |value: i64| json!({ "N": value.to_string() });
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let put = async |table: &str, item: Value| {
        emulator.call("dynamodb", "DynamoDB_20120810.PutItem", json!({ "TableName": env[table], "Item": item })).await
    };
    let job = json!({
        "job_id": text(&job_id.to_string()), "mode": text("sbs"), "status": text("chunking_complete"),
        "created_at": number(now - 60), "total_segments": number(2), "title": text("clip"),
    });
    put("JOBS_TABLE_NAME", job).await;
    let completion = json!({
        "job_id": text(&job_id.to_string()), "segment_index": number(0), "completed_at": number(now - 10),
        "output_s3_uri": text("s3://out/jobs/0.mp4"),
    });
    put("SEGMENT_COMPLETIONS_TABLE_NAME", completion).await;
    let key = format!("segments/{job_id}/00001_00002_sbs.mp4");
    emulator.put_object(env["INPUT_BUCKET_NAME"], &key).await;
    let body = message::object_created(env["INPUT_BUCKET_NAME"], &key);
    let dead = format!("{}-dlq", env["VIDEO_WORKER_QUEUE_URL"]);
    let send = json!({ "QueueUrl": dead, "MessageBody": body });
    emulator.call("sqs", "AmazonSQS.SendMessage", send).await;
    (job_id, body)
}

async fn log_line(emulator: &Emulator, group: &str, text: &str) {
    let names = json!({ "logGroupName": group, "logStreamName": "task-1" });
    emulator.call("logs", "Logs_20140328.CreateLogStream", names.clone()).await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    let mut events = names;
    events["logEvents"] = json!([{ "timestamp": now, "message": text }]);
    emulator.call("logs", "Logs_20140328.PutLogEvents", events).await;
}

#[tokio::test]
async fn what_the_environment_file_lacks_is_named_and_the_rest_works() {
    let emulator = Emulator::start();
    let (env, said, code) = provision(&emulator, &[]);
    assert_eq!(code, 0, "{said}");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("deployment.env");
    let keys = ["INPUT_BUCKET_NAME", "OUTPUT_BUCKET_NAME", "JOBS_TABLE_NAME", "SEGMENT_COMPLETIONS_TABLE_NAME"];
    let all =
        [&keys[..], &["REASSEMBLY_TRIGGERED_TABLE_NAME", "CHUNKING_QUEUE_URL", "VIDEO_WORKER_QUEUE_URL"]].concat();

    std::fs::write(&file, format!("REGION=us-east-1\nAWS_ENDPOINT_URL={}\n", emulator.url)).unwrap();
    let serving = Serving::start(&file, &dir.path().join("nothing"));
    let missing = serving.client.deployment().await.unwrap().missing;
    for key in all {
        let is_named = |what: &String| what.starts_with(&format!("{key} is missing in the environment file"));
        assert!(missing.iter().any(is_named), "{key}: {missing:#?}");
    }
    assert_eq!(serving.client.snapshot().await.unwrap().queues.len(), 0);
    drop(serving);

    let lacking: Vec<&str> =
        env.lines().filter(|line| !line.starts_with("INPUT_BUCKET") && !line.starts_with("REASSEMBLY_TRIG")).collect();
    std::fs::write(&file, lacking.join("\n")).unwrap();
    let env = values(&env);
    let (job_id, _) = half_done_job(&emulator, &env).await;
    let serving = Serving::start(&file, &dir.path().join("some"));
    serving
        .eventually("the job in the snapshot", async |client| {
            let snapshot = client.snapshot().await.unwrap();
            let view = snapshot.jobs.into_iter().find(|view| view.job.job_id == job_id)?;
            (view.segments_done == 1 && snapshot.queues.len() == 8).then_some(())
        })
        .await;
    let new = NewJob { title: None, options: JobOptions::default() };
    let job = serving.client.create_job(&new).await.unwrap();
    let source = futures::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from_static(b"clip"))]);
    let refused = serving.client.upload_source(job.job_id, 4, source).await.unwrap_err();
    let said =
        "this deployment has no bucket of sources and segments: INPUT_BUCKET_NAME is missing in the environment file";
    assert!(refused.to_string().starts_with(said), "{refused}");

    emulator.control("clock?secs=450").await;
    let (text, _, _) = run(&["doctor", "--env-file", &file.display().to_string()]);
    assert!(text.contains("this machine's clock is 7m"), "{text}");
    emulator.control("heal").await;

    // What was found at the start is not taken for what is there.
    emulator.call("sqs", "AmazonSQS.DeleteQueue", json!({ "QueueUrl": env["CHUNKING_QUEUE_URL"] })).await;
    let gone = serving
        .eventually("that the queue is gone", async |client| {
            let queues = client.deployment().await.unwrap().queues;
            queues.into_iter().find(|queue| queue.name == QueueName::main(QueueRole::Chunking) && !queue.exists)
        })
        .await;
    assert!(gone.note.as_ref().unwrap().starts_with("the queue fresh-chunking does not exist"), "{gone:?}");
}

#[tokio::test]
async fn what_provisioning_could_not_look_at_or_may_not_make_is_no_success() {
    let emulator = Emulator::start();
    emulator.control("fail?api=sqs.GetQueueUrl&status=403&code=AccessDenied").await;
    let (printed, said, code) = provision(&emulator, &["--dry-run"]);
    assert_eq!((printed.as_str(), code), ("", 1), "{said}");
    assert!(said.contains("queue fresh-chunking: could not be checked: sqs:GetQueueUrl on the queue"), "{said}");
    assert!(said.contains(" could not be checked: what they need is not known"), "{said}");
    assert!(!said.contains("31 of 31 would be made"), "{said}");
    emulator.control("heal").await;
    emulator.control("fail?api=dynamodb.CreateTable&status=403&code=AccessDeniedException").await;
    let (printed, said, code) = provision(&emulator, &[]);
    assert_eq!((printed.as_str(), code), ("", 1), "{said}");
    assert!(said.contains("(the pipeline does not work yet): get the permissions, then run it again"), "{said}");
}

#[tokio::test]
async fn an_empty_account_becomes_a_deployment_that_is_watched_and_repaired() {
    let emulator = Emulator::start();
    let (printed, said, code) = provision(&emulator, &["--dry-run"]);
    assert_eq!((printed.as_str(), code), ("", 0), "{said}");
    assert!(said.contains("queue fresh-video-worker: make") && said.contains("nothing was"), "{said}");
    let (printed, _, code) = provision(&emulator, &["--dry-run", "--json"]);
    let plan: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((code, plan["steps"][0]["state"].as_str()), (0, Some("missing")), "{plan}");
    let (env, said, code) = provision(&emulator, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("queue fresh-video-worker: done"), "{said}");
    let (again, said, code) = provision(&emulator, &[]);
    assert_eq!((again.as_str(), code), (env.as_str(), 0), "{said}");
    assert!(!said.contains(": done"), "{said}");

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("deployment.env");
    std::fs::write(&file, &env).unwrap();
    let path = file.display().to_string();
    let (text, said, code) = run(&["doctor", "--env-file", &path]);
    assert_eq!(said, "");
    assert!(text.contains("topology  B: no job-worker") && text.contains("fresh-video-worker-dlq"), "{text}");
    let (printed, _, code_of_json) = run(&["doctor", "--json", "--env-file", &path]);
    let report: Value = serde_json::from_str(&printed).unwrap();
    let problems = report["problems"].as_array().unwrap();
    assert_eq!((code, code_of_json), (i32::from(!problems.is_empty()), code), "{problems:#?}");
    assert_eq!(report["queues"].as_array().unwrap().len(), 4);

    let env = values(&env);
    let serving = Serving::start(&file, dir.path());
    let said = serving.said.join("\n");
    for found in [
        "deployment fresh in us-east-1",
        "topology  B",
        "fresh-reassembly-dlq",
        "fresh-jobs",
        "/ecs/fresh/media-worker",
    ] {
        assert!(said.contains(found), "{found} is not in\n{said}");
    }
    let (job_id, body) = half_done_job(&emulator, &env).await;
    serving
        .eventually("the job in the snapshot", async |client| {
            let snapshot = client.snapshot().await.unwrap();
            let view = snapshot.jobs.into_iter().find(|view| view.job.job_id == job_id)?;
            (view.segments_done == 1 && view.segments_dead == Some(1)).then_some(())
        })
        .await;
    let environment = serving.client.snapshot().await.unwrap().environment;
    assert_eq!((environment.name.as_str(), environment.backend), ("fresh", BackendKind::Aws));
    assert_eq!(environment.topology, Some(Topology::VideoWorker));

    let main = "fresh-video-worker";
    let before = emulator.bodies(main).await.len();
    let replay = async || {
        let replay = Action::Replay { queue: INFERENCE_DLQ, message_ids: None };
        let plan = serving.client.plan(replay, Some("tester".into())).await.unwrap();
        assert_eq!(
            (plan.refused.as_ref().map(|refused| refused.why.as_str()), plan.items.len()),
            (None, 1),
            "{plan:#?}"
        );
        serving.client.apply(plan.id, &Apply::default()).await.unwrap().results.remove(0)
    };
    emulator.control(&format!("fail?api=sqs.SendMessage*&about={main}&status=500&code=InternalError")).await;
    let failed = replay().await;
    assert_eq!(failed.outcome, Outcome::Failed, "{failed:#?}");
    assert!(failed.note.contains("AWS failed at sqs:SendMessage on the queue fresh-video-worker"), "{failed:#?}");
    emulator.control("heal").await;
    assert_eq!(emulator.bodies("fresh-video-worker-dlq").await.len(), 1, "nothing is lost");
    let sent = replay().await;
    assert_eq!(sent.outcome, Outcome::Done, "{sent:#?}");
    let bodies = emulator.bodies(main).await;
    assert_eq!((bodies.len(), bodies.contains(&body)), (before + 1, true));
    assert_eq!(emulator.bodies("fresh-video-worker-dlq").await.len(), 0);

    let new = NewJob { title: None, options: JobOptions::default() };
    let job = serving.client.create_job(&new).await.unwrap();
    let source = || futures::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from_static(b"clip"))]);
    emulator.control("fail?api=s3.P*&status=503&code=SlowDown").await;
    let refused = serving.client.upload_source(job.job_id, 4, source()).await.unwrap_err();
    assert!(refused.to_string().starts_with("AWS throttles s3:PutObject on the bucket fresh-input-"), "{refused}");
    emulator.control("heal").await;
    let job = serving.client.upload_source(job.job_id, 4, source()).await.unwrap();
    assert_eq!(job.source_file_size_bytes, Some(4));

    let plan = serving.client.plan(Action::Purge { queue: INFERENCE, message_ids: None }, None).await.unwrap();
    assert_eq!((plan.refused.as_ref().map(|refused| refused.why.as_str()), plan.items.len()), (None, 1), "{plan:#?}");
    assert!(plan.effect.contains("can't be undone"), "{plan:#?}");
    let apply = Apply { confirm: plan.confirm, who: None };
    let applied = serving.client.apply(plan.id, &apply).await.unwrap();
    assert_eq!(applied.results[0].outcome, Outcome::Done, "{applied:#?}");
    assert_eq!(emulator.bodies(main).await.len(), 0);

    log_line(&emulator, "/ecs/fresh/video-worker", &format!("2026-11-21 10:00:00,000 [INFO] w: hello job_id={job_id}"))
        .await;
    // The window ends with the last whole second: a line of this very second is found by the next search.
    let page = serving
        .eventually("the log line", async |client| {
            let page = client.logs(job_id, 100).await.unwrap();
            page.lines.iter().any(|line| line.text.contains("hello")).then_some(page)
        })
        .await;
    assert!(page.searched.contains(&"/ecs/fresh/video-worker".to_owned()), "{page:#?}");

    let view = serving.client.deployment().await.unwrap();
    let physical = view.queues.iter().find(|queue| queue.name == INFERENCE_DLQ).unwrap();
    assert_eq!((physical.physical.as_str(), physical.exists), ("fresh-video-worker-dlq", true));
    assert!(view.calls.iter().any(|calls| calls.api == "dynamodb.Query" && calls.attempts > 0), "{:#?}", view.calls);
    drop(serving);

    let (_, said, code) = provision(&emulator, &["--destroy"]);
    assert_eq!(code, 1);
    assert!(said.contains("nothing was removed: type `fresh`"), "{said}");
    let args =
        ["provision", "--name-prefix", "fresh", "--region", "us-east-1", "--endpoint-url", &emulator.url, "--destroy"];
    let mut asked = program(&args);
    asked.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut asked = asked.spawn().unwrap();
    asked.stdin.take().unwrap().write_all(b"fresh\n").unwrap();
    let (printed, said, code) = parts(asked.wait_with_output().unwrap());
    assert_eq!((printed.as_str(), code), ("", 0), "{said}");
    assert!(said.contains("table fresh-jobs: removed"), "{said}");
    let (_, said, code) = provision(&emulator, &["--destroy", "--yes", "fresh"]);
    assert_eq!(code, 0);
    assert!(said.contains("0 would be removed"), "{said}");
}
