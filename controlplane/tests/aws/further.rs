//! A deployment of topology A with messages on the dead-letter queues that only existing services have.

use serde_json::{Value, json};
use stereospot_api::Client;
use stereospot_api::wire::{Applied, Apply};
use stereospot_domain::attention::Subject;
use stereospot_domain::diagnosis::{Finding, FindingCode, Repair, Severity};
use stereospot_domain::plan::{Action, Outcome, Plan};
use stereospot_domain::{JobId, QueueName, QueueRole, Topology, keys, message};
use uuid::Uuid;

use crate::emulator::{Emulator, Serving, run};

const FURTHER: [QueueRole; 3] = [QueueRole::JobStatusEvents, QueueRole::Deletion, QueueRole::Ingest];

/// Makes a deployment with these queues beside the pipeline's, each with its dead-letter queue; returns its environment file.
async fn deploy(emulator: &Emulator, prefix: &str, further: &[QueueRole]) -> String {
    let args = ["provision", "--name-prefix", prefix, "--region", "us-east-1", "--endpoint-url", &emulator.url];
    let (mut env, said, code) = run(&args);
    assert_eq!(code, 0, "{said}");
    for role in further {
        let name = format!("{prefix}-{}", role.as_str());
        let dead = json!({ "QueueName": format!("{name}-dlq") });
        emulator.call("sqs", "AmazonSQS.CreateQueue", dead).await;
        let policy = json!({
            "deadLetterTargetArn": format!("arn:aws:sqs:us-east-1:123456789012:{name}-dlq"), "maxReceiveCount": 5,
        });
        let main = json!({ "QueueName": name, "Attributes": { "RedrivePolicy": policy.to_string() } });
        emulator.call("sqs", "AmazonSQS.CreateQueue", main).await;
        let key = format!("{}_QUEUE_URL", role.as_str().replace('-', "_").to_uppercase());
        let url = format!("{}/123456789012/{name}", emulator.url);
        assert!(env.contains(&format!("{key}=null")), "{env}");
        env = env.replace(&format!("{key}=null"), &format!("{key}={url}"));
    }
    env
}

/// A job as the deployment's own services write it.
async fn put_job(emulator: &Emulator, prefix: &str, status: &str, total: Option<u32>) -> JobId {
    let job_id = JobId(Uuid::new_v4());
    let mut item = json!({
        "job_id": { "S": job_id.to_string() }, "mode": { "S": "sbs" }, "status": { "S": status },
        "created_at": { "N": "1700000000" },
    });
    if let Some(total) = total {
        item["total_segments"] = json!({ "N": total.to_string() });
    }
    let put = json!({ "TableName": format!("{prefix}-jobs"), "Item": item });
    emulator.call("dynamodb", "DynamoDB_20120810.PutItem", put).await;
    job_id
}

/// What is found with a job.
async fn findings(client: &Client, job_id: JobId) -> Vec<Finding> {
    let snapshot = client.snapshot().await.unwrap();
    snapshot.jobs.into_iter().find(|view| view.job.job_id == job_id).map_or(Vec::new(), |view| view.findings)
}

/// A job's status as its table has it.
async fn status(emulator: &Emulator, prefix: &str, job_id: JobId) -> Value {
    let get = json!({ "TableName": format!("{prefix}-jobs"), "Key": { "job_id": { "S": job_id.to_string() } } });
    emulator.call("dynamodb", "DynamoDB_20120810.GetItem", get).await["Item"]["status"]["S"].clone()
}

async fn act(serving: &Serving, action: Action) -> (Plan, Applied) {
    let plan = serving.client.plan(action, Some("tester".into())).await.unwrap();
    assert_eq!((plan.refused.as_ref().map(|refused| refused.why.as_str()), plan.items.len()), (None, 1), "{plan:#?}");
    let apply = Apply { confirm: plan.confirm.clone(), who: None };
    let applied = serving.client.apply(plan.id, &apply).await.unwrap();
    assert_eq!(applied.results[0].outcome, Outcome::Done, "{applied:#?}");
    (plan, applied)
}

#[tokio::test]
async fn dead_letters_of_other_services_are_shown_and_sent_again() {
    let emulator = Emulator::start();
    let env = deploy(&emulator, "whole", &FURTHER).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("deployment.env");
    std::fs::write(&file, &env).unwrap();
    let segment_job = put_job(&emulator, "whole", "chunking_complete", Some(2)).await;
    let deleted_job = put_job(&emulator, "whole", "completed", Some(1)).await;
    let ingested_job = put_job(&emulator, "whole", "ingesting", None).await;
    let letters = [
        (segment_job, Some(1), message::object_created("out", &format!("jobs/{segment_job}/segments/1.mp4"))),
        (deleted_job, None, json!({ "job_id": deleted_job }).to_string()),
        (
            ingested_job,
            None,
            json!({ "source_type": "youtube", "job_id": ingested_job, "source_url": "u" }).to_string(),
        ),
    ];
    let dead = |role: QueueRole| format!("whole-{}-dlq", role.as_str());
    for (role, (_, _, body)) in FURTHER.into_iter().zip(&letters) {
        let url = format!("{}/123456789012/{}", emulator.url, dead(role));
        emulator.call("sqs", "AmazonSQS.SendMessage", json!({ "QueueUrl": url, "MessageBody": body })).await;
    }

    let serving = Serving::start(&file, dir.path());
    serving
        .eventually("what is dead for the job", async |client| {
            let found = findings(client, ingested_job).await;
            let is_replay =
                |finding: &Finding| matches!(finding.repair, Some(Repair::ReplayDeadLetters { queue, .. }) if queue.role == QueueRole::Ingest);
            (found.len() == 1 && found[0].code == FindingCode::IngestDeadLettered && is_replay(&found[0])).then_some(())
        })
        .await;
    let snapshot = serving
        .eventually("a line for each dead-letter queue", async |client| {
            let snapshot = client.snapshot().await.unwrap();
            let is_told = |role: &QueueRole| {
                let about = Subject::DeadLetterQueue { queue: QueueName::dead_letter(*role) };
                snapshot.attention.iter().any(|line| line.about == about)
            };
            FURTHER.iter().all(is_told).then_some(snapshot)
        })
        .await;
    assert_eq!(snapshot.environment.topology, Some(Topology::JobWorker));
    assert!(snapshot.queues.iter().all(|queue| queue.name.role != QueueRole::JobEvents), "it is not deployed");
    let physical = serving.client.deployment().await.unwrap().queues;
    for (role, (job_id, segment_index, body)) in FURTHER.into_iter().zip(&letters) {
        let name = QueueName::dead_letter(role);
        let view = snapshot.queues.iter().find(|queue| queue.name == name).unwrap();
        assert_eq!(view.ready.unwrap().value, 1, "{view:?}");
        assert!(physical.iter().any(|found| found.name == name && found.physical == dead(role) && found.exists));
        let peeked = serving.client.peek(name, 10).await.unwrap();
        let found: Vec<_> = peeked.iter().map(|one| (one.job_id, one.segment_index, one.body.as_str())).collect();
        assert_eq!(found, [(Some(*job_id), *segment_index, body.as_str())]);

        let (purge, _) = act(&serving, Action::Purge { queue: name, message_ids: None }).await;
        assert_eq!(emulator.bodies(&dead(role)).await, Vec::<String>::new());
        act(&serving, Action::Restore { plan_id: purge.id }).await;
        assert_eq!(emulator.bodies(&dead(role)).await, [body.as_str()]);

        let (replay, _) = act(&serving, Action::Replay { queue: name, message_ids: None }).await;
        assert_eq!((replay.items[0].job_id, replay.items[0].segment_index), (Some(*job_id), *segment_index));
        assert_eq!(emulator.bodies(&dead(role)).await, Vec::<String>::new());
        assert_eq!(emulator.bodies(&format!("whole-{}", role.as_str())).await, [body.as_str()]);
    }
}

#[tokio::test]
async fn a_fetched_source_without_a_message_is_split() {
    let emulator = Emulator::start();
    let env = deploy(&emulator, "fetched", &[QueueRole::Ingest]).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("deployment.env");
    std::fs::write(&file, &env).unwrap();
    let job_id = put_job(&emulator, "fetched", "ingesting", None).await;
    let bucket = env.lines().find_map(|line| line.strip_prefix("INPUT_BUCKET_NAME=")).unwrap().trim_matches('"');
    emulator.put_object(bucket, &keys::source(job_id)).await;
    // Its service wrote the source and then failed as often as is allowed.
    let url = format!("{}/123456789012/fetched-ingest-dlq", emulator.url);
    let body = json!({ "source_type": "youtube", "job_id": job_id, "source_url": "u" }).to_string();
    emulator.call("sqs", "AmazonSQS.SendMessage", json!({ "QueueUrl": url, "MessageBody": body })).await;

    let serving = Serving::start(&file, dir.path());
    let found = serving
        .eventually("what is wrong with it", async |client| {
            let found = findings(client, job_id).await;
            found.iter().any(|finding| finding.evidence[1].contains("ingest-dlq")).then_some(found)
        })
        .await;
    let told: Vec<_> = found.iter().map(|finding| (finding.code, finding.repair.clone())).collect();
    assert_eq!(told, [(FindingCode::IngestLost, Some(Repair::ResendSource))], "{found:#?}");
    let before = emulator.bodies("fetched-chunking").await;
    act(&serving, Action::Repair { job_id, code: FindingCode::IngestLost }).await;
    assert_eq!(status(&emulator, "fetched", job_id).await, "created");
    let after = emulator.bodies("fetched-chunking").await;
    assert_eq!(after[before.len()..], [message::object_created(bucket, &keys::source(job_id))]);
}

#[tokio::test]
async fn a_source_that_cannot_be_fetched_is_found_and_the_job_can_be_failed() {
    let emulator = Emulator::start();
    let env = deploy(&emulator, "unfetched", &[]).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("deployment.env");
    std::fs::write(&file, &env).unwrap();
    let job_id = put_job(&emulator, "unfetched", "ingesting", None).await;
    let serving = Serving::start(&file, dir.path());
    let found = serving.eventually("what is wrong with it", async |client| findings(client, job_id).await.pop()).await;
    assert_eq!((found.code, found.severity, found.repair), (FindingCode::IngestLost, Severity::Warning, None));
    assert_eq!(found.evidence[..2], ["no source object exists", "this deployment has no ingest queue"]);
    act(&serving, Action::Fail { job_id, reason: None, discard: false }).await;
    assert_eq!(status(&emulator, "unfetched", job_id).await, "failed");
}

#[tokio::test]
async fn what_is_not_deployed_has_no_row() {
    let emulator = Emulator::start();
    let env = deploy(&emulator, "plain", &[]).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("deployment.env");
    std::fs::write(&file, &env).unwrap();
    let serving = Serving::start(&file, dir.path());
    let snapshot = serving
        .eventually("every queue read", async |client| {
            let snapshot = client.snapshot().await.unwrap();
            snapshot.queues.iter().all(|queue| queue.ready.is_some()).then_some(snapshot)
        })
        .await;
    let names: Vec<QueueName> = snapshot.queues.iter().map(|queue| queue.name).collect();
    assert_eq!(names, QueueName::pipeline().collect::<Vec<_>>());
    let queue = QueueName::dead_letter(QueueRole::JobStatusEvents);
    let refused = serving.client.plan(Action::Replay { queue, message_ids: None }, None).await.unwrap_err();
    assert!(refused.to_string().contains("this deployment has no queue job-status-events-dlq"), "{refused}");
    let metrics = reqwest::Client::builder().no_proxy().build().unwrap();
    let metrics = metrics.get(format!("{}/metrics", serving.url)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains(r#"stereospot_queue_messages{queue="output-events-dlq""#), "{metrics}");
    assert!(!metrics.contains("job-status-events"), "what is not deployed has no series");
}
