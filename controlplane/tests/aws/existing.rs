//! A deployment that already runs: topology A, on ECS, with something missing. Nothing of it stops the rest.

use serde_json::json;
use stereospot_api::wire::Apply;
use stereospot_domain::plan::{Action, Outcome};
use stereospot_domain::{QueueName, QueueRole, Topology};

use crate::emulator::{Emulator, Serving, parts, program, run};

const REASSEMBLY_DLQ: QueueName = QueueName { role: QueueRole::Reassembly, is_dead_letter: true };

/// A deployment of topology A whose reassembly queue, table of locks and log groups are gone.
async fn deploy(emulator: &Emulator, prefix: &str) -> String {
    let args = ["provision", "--name-prefix", prefix, "--region", "us-east-1", "--endpoint-url", &emulator.url];
    let (env, said, code) = run(&args);
    assert_eq!(code, 0, "{said}");
    let url = |name: &str| format!("{}/123456789012/{prefix}-{name}", emulator.url);
    emulator.call("sqs", "AmazonSQS.CreateQueue", json!({ "QueueName": format!("{prefix}-job-status-events") })).await;
    emulator.call("sqs", "AmazonSQS.DeleteQueue", json!({ "QueueUrl": url("reassembly") })).await;
    let locks = format!("{prefix}-reassembly-triggered");
    emulator.call("dynamodb", "DynamoDB_20120810.DeleteTable", json!({ "TableName": locks })).await;
    for service in ["media-worker", "video-worker"] {
        let group = json!({ "logGroupName": format!("/ecs/{prefix}/{service}") });
        emulator.call("logs", "Logs_20140328.DeleteLogGroup", group).await;
    }
    let ecs = "AmazonEC2ContainerServiceV20141113";
    emulator.call("ecs", &format!("{ecs}.CreateCluster"), json!({ "clusterName": prefix })).await;
    let container = json!({ "name": "c", "image": "i", "memory": 64, "cpu": 64 });
    let task = json!({ "family": "t", "containerDefinitions": [container] });
    emulator.call("ecs", &format!("{ecs}.RegisterTaskDefinition"), task).await;
    for name in ["media-worker", "video-worker", "job-worker"] {
        let service = json!({ "cluster": prefix, "serviceName": name, "taskDefinition": "t", "desiredCount": 0 });
        emulator.call("ecs", &format!("{ecs}.CreateService"), service).await;
    }
    let target = json!({
        "ServiceNamespace": "ecs", "ResourceId": format!("service/{prefix}/video-worker"),
        "ScalableDimension": "ecs:service:DesiredCount", "MinCapacity": 1, "MaxCapacity": 8,
    });
    emulator.call("application-autoscaling", "AnyScaleFrontendService.RegisterScalableTarget", target).await;
    env.replace(
        "JOB_STATUS_EVENTS_QUEUE_URL=null",
        &format!("JOB_STATUS_EVENTS_QUEUE_URL={}", url("job-status-events")),
    )
    .replace("ECS_CLUSTER_NAME=null", &format!("ECS_CLUSTER_NAME=\"{prefix}\""))
    .replace('\n', "\r\n")
}

#[tokio::test]
async fn what_is_missing_is_said_and_stops_nothing() {
    let emulator = Emulator::start();
    let env = deploy(&emulator, "old").await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("deployment.env");
    std::fs::write(&file, env).unwrap();
    let (text, _, code) = run(&["doctor", "--env-file", &file.display().to_string()]);
    assert_eq!(code, 1, "{text}");
    let missing = ["the queue old-reassembly does not exist", "the table old-reassembly-triggered does not exist"];
    for missing in missing {
        assert!(text.contains(missing), "{missing} is not in\n{text}");
    }
    assert!(text.contains("topology  A: a job-worker sets statuses"), "{text}");
    assert!(!text.contains("has no redrive policy"), "of a queue that is gone nothing is known: {text}");

    let serving = Serving::start(&file, dir.path());
    let view = serving.client.deployment().await.unwrap();
    assert_eq!(view.topology, Some(Topology::JobWorker));
    for missing in missing {
        assert!(view.missing.iter().any(|told| told.contains(missing)), "{:#?}", view.missing);
    }
    let gone = view.queues.iter().find(|queue| queue.name == QueueName::main(QueueRole::Reassembly)).unwrap();
    assert!(!gone.exists && gone.note.as_ref().unwrap().contains("does not exist"), "{gone:?}");
    assert!(view.queues.iter().filter(|queue| queue.exists).count() >= 7, "{:#?}", view.queues);

    let snapshot = serving
        .eventually("the services, and the queues that are there", async |client| {
            let snapshot = client.snapshot().await.unwrap();
            let ready = snapshot.queues.iter().filter(|queue| queue.ready.is_some()).count();
            (snapshot.services.len() == 3 && ready >= 7).then_some(snapshot)
        })
        .await;
    let video = snapshot.services.iter().find(|service| service.name == "video-worker").unwrap();
    assert_eq!((video.desired, video.min, video.max), (0, Some(1), Some(8)));

    let scale = Action::Scale { service: "video-worker".into(), desired: 12 };
    let plan = serving.client.plan(scale, None).await.unwrap();
    assert!(plan.assumptions.iter().any(|told| told.contains("between 1 and 8 tasks")), "{plan:#?}");
    let applied = serving.client.apply(plan.id, &Apply::default()).await.unwrap();
    assert_eq!(applied.results[0].outcome, Outcome::Done, "{applied:#?}");
    serving
        .eventually("the new number", async |client| {
            let services = client.snapshot().await.unwrap().services;
            services.iter().any(|service| service.name == "video-worker" && service.desired == 12).then_some(())
        })
        .await;
    let nobody = Action::Scale { service: "web-ui".into(), desired: 1 };
    let plan = serving.client.plan(nobody, None).await.unwrap();
    assert!(plan.refused.as_ref().unwrap().why.starts_with("there is no service web-ui"), "{plan:#?}");

    let replay = Action::Replay { queue: REASSEMBLY_DLQ, message_ids: None };
    let plan = serving.client.plan(replay, None).await;
    let said =
        plan.map_or_else(|error| error.to_string(), |plan| plan.refused.map_or(String::new(), |refused| refused.why));
    assert!(said.contains("old-reassembly does not exist") || said.contains("is empty"), "{said}");
}

#[tokio::test]
async fn expired_credentials_are_said_at_the_start_and_while_it_runs() {
    let emulator = Emulator::start();
    let env = deploy(&emulator, "older").await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("deployment.env");
    std::fs::write(&file, env).unwrap();
    let expire = "fail?api=*&status=403&code=ExpiredTokenException&message=expired";
    emulator.control(expire).await;
    let args = ["--backend", "aws", "--listen", "127.0.0.1:0", "--env-file"];
    let mut command = program(&args);
    command.arg(&file).arg("--data-dir").arg(dir.path());
    let (_, said, code) = parts(command.output().unwrap());
    assert_eq!((code, said.lines().count()), (1, 1), "{said}");
    assert!(said.contains("the AWS credentials have expired: set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"), "{said}");
    let (text, _, code) = run(&["doctor", "--env-file", &file.display().to_string()]);
    assert_eq!(code, 1);
    assert!(text.contains("PROBLEM: the AWS credentials have expired"), "{text}");
    emulator.control("heal").await;

    let serving = Serving::start(&file, dir.path());
    emulator.control(expire).await;
    let plan = serving.client.plan(Action::Scale { service: "video-worker".into(), desired: 2 }, None).await;
    match plan {
        Err(stereospot_api::client::Error::Refused(problem)) => {
            assert_eq!((problem.status, problem.code.as_str()), (403, "denied"));
            assert!(problem.detail.contains("have expired"), "{problem:?}");
        }
        other => panic!("{other:?}"),
    }
    serving
        .eventually("what is wrong, on the screen", async |client| {
            let attention = client.snapshot().await.unwrap().attention;
            attention.iter().any(|line| line.evidence.contains("have expired")).then_some(())
        })
        .await;
    emulator.control("heal").await;
    let scale = Action::Scale { service: "video-worker".into(), desired: 2 };
    assert_eq!(serving.client.plan(scale, None).await.unwrap().refused, None, "it goes on with the new ones");
}

#[tokio::test]
async fn a_queue_that_something_else_made_is_not_made_again_by_provision() {
    let emulator = Emulator::start();
    // As Terraform makes them: without the mark of provision.
    for queue in ["chunking", "video-worker", "output-events"] {
        let name = json!({ "QueueName": format!("terra-{queue}") });
        emulator.call("sqs", "AmazonSQS.CreateQueue", name).await;
    }
    let args = ["provision", "--name-prefix", "terra", "--region", "us-east-1", "--endpoint-url", &emulator.url];
    let (printed, said, code) = run(&[&args[..], &["--dry-run"]].concat());
    assert_eq!((printed.as_str(), code), ("", 0), "{said}");
    let counted = said.lines().find(|line| line.ends_with("would be made or changed; nothing was")).unwrap();
    assert!(counted.starts_with("0 of "), "{said}");
    assert!(said.contains("left as it is, missing: queue terra-chunking-dlq, "), "{said}");
    assert!(
        said.contains("left as it is, not as provision makes it: queue terra-chunking, queue terra-video-worker, "),
        "{said}"
    );
    assert!(said.lines().count() <= 6, "{said}");
    let (printed, said, code) = run(&args);
    assert_eq!((printed.as_str(), code), ("", 0), "its names are not those of provision: {said}");
    assert!(said.contains("what made it (Terraform, CloudFormation) makes and changes them; `--take "), "{said}");
    let (_, said, code) = run(&[&args[..], &["--take", "terra-reassembly-dlq", "--take", "terra-reassembly"]].concat());
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("queue terra-reassembly: done"), "{said}");
    emulator.call("sqs", "AmazonSQS.GetQueueUrl", json!({ "QueueName": "terra-reassembly" })).await;

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("deployment.env");
    let url = |queue: &str| format!("{}/123456789012/terra-{queue}", emulator.url);
    emulator.call("sqs", "AmazonSQS.DeleteQueue", json!({ "QueueUrl": url("reassembly") })).await;
    let env = format!(
        "REGION=us-east-1\nNAME_PREFIX=terra\nAWS_ENDPOINT_URL={}\nCHUNKING_QUEUE_URL={}\nREASSEMBLY_QUEUE_URL={}\n",
        emulator.url,
        url("chunking"),
        url("reassembly")
    );
    std::fs::write(&file, env).unwrap();
    let (text, _, _) = run(&["doctor", "--env-file", &file.display().to_string()]);
    let says =
        "if it was deleted, make it again with what made the deployment (Terraform, CloudFormation): provision did not";
    assert!(text.contains(says), "{text}");
}

/// Everything that a deployment of this prefix holds in its tables, and on the queues of the pipeline.
async fn everything(emulator: &Emulator, prefix: &str) -> Vec<serde_json::Value> {
    let mut found = Vec::new();
    for table in ["jobs", "segment-completions", "reassembly-triggered", "inference-invocations"] {
        let scan = json!({ "TableName": format!("{prefix}-{table}") });
        let mut rows = emulator.call("dynamodb", "DynamoDB_20120810.Scan", scan).await["Items"].take();
        rows.as_array_mut().unwrap().sort_by_key(ToString::to_string);
        found.push(rows);
    }
    for queue in ["chunking", "video-worker", "reassembly", "output-events"] {
        found.push(json!(emulator.bodies(&format!("{prefix}-{queue}")).await));
    }
    found
}

#[tokio::test]
async fn a_deployment_that_is_only_watched_is_left_as_it_is() {
    let emulator = Emulator::start();
    let args = ["provision", "--name-prefix", "theirs", "--region", "us-east-1", "--endpoint-url", &emulator.url];
    let (env, said, code) = run(&args);
    assert_eq!(code, 0, "{said}");
    let bucket = |name: &str| {
        let of = |line: &str| line.strip_prefix(name).map(|rest| rest.trim_matches(['=', '"']).to_owned());
        env.lines().find_map(of).unwrap()
    };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("deployment.env");
    std::fs::write(&file, &env).unwrap();
    let put = async |table: &str, item: serde_json::Value| {
        let put = json!({ "TableName": format!("theirs-{table}"), "Item": item });
        emulator.call("dynamodb", "DynamoDB_20120810.PutItem", put).await;
    };
    // Cases 1, 3, 4 and 9 of those in which such deployments lose jobs; of 5 and 6 also the objects.
    let cases = [
        ("chunking_complete", Some(json!({}))),
        ("chunking_complete", None),
        ("reassembling", Some(json!({ "reassembly_started_at": { "N": "1790000020" } }))),
        ("failed", None),
        ("reassembling", Some(json!({ "reassembly_started_at": { "N": "1790000020" } }))),
    ];
    let mut jobs = Vec::new();
    for (status, lock) in cases {
        let id = uuid::Uuid::new_v4().to_string();
        put(
            "jobs",
            json!({
                "job_id": { "S": id }, "mode": { "S": "sbs" }, "status": { "S": status },
                "created_at": { "N": "1790000000" }, "total_segments": { "N": "1" },
            }),
        )
        .await;
        put(
            "segment-completions",
            json!({
                "job_id": { "S": id }, "segment_index": { "N": "0" }, "completed_at": { "N": "1790000010" },
                "output_s3_uri": { "S": "s3://o/k" },
            }),
        )
        .await;
        if let Some(mut lock) = lock {
            lock["job_id"] = json!({ "S": id });
            lock["triggered_at"] = json!({ "N": "1790000015" });
            put("reassembly-triggered", lock).await;
        }
        jobs.push(id);
    }
    emulator.put_object(&bucket("OUTPUT_BUCKET_NAME"), &format!("jobs/{}/final.mp4", jobs[4])).await;
    let source = uuid::Uuid::new_v4().to_string();
    put(
        "jobs",
        json!({
            "job_id": { "S": source }, "mode": { "S": "sbs" }, "status": { "S": "created" },
            "created_at": { "N": "1790000000" },
        }),
    )
    .await;
    emulator.put_object(&bucket("INPUT_BUCKET_NAME"), &format!("input/{source}/source.mp4")).await;
    let before = everything(&emulator, "theirs").await;

    let watching = Serving::start(&file, &dir.path().join("watching"));
    assert!(watching.said.iter().any(|line| line.contains("(--reconcile off)")), "{:#?}", watching.said);
    let found = async |client: &stereospot_api::Client, id: &str, code: &str| {
        let snapshot = client.snapshot().await.unwrap();
        let view = snapshot.jobs.into_iter().find(|view| view.job.job_id.to_string() == id)?;
        view.findings.iter().any(|finding| finding.code.as_str() == code).then_some(())
    };
    for (id, code) in [(&jobs[1], "trigger-missed"), (&jobs[3], "failed-but-complete")] {
        watching.eventually(code, async |client| found(client, id, code).await).await;
    }
    assert!(!watching.client.snapshot().await.unwrap().environment.repairs_by_itself);
    assert!(watching.client.actions(9).await.unwrap().is_empty());
    drop(watching);
    assert_eq!(everything(&emulator, "theirs").await, before);

    // With the reconciler on, it repairs them, and records that in the action log.
    let repairing = Serving::with(&file, &dir.path().join("repairing"), &["--reconcile", "on"]);
    let kept = repairing
        .eventually("the repairs in the action log", async |client| {
            let kept = client.actions(9).await.unwrap();
            let is_kept =
                |id: &String| kept.iter().any(|one| one.plan.items.iter().any(|item| item.target.to_string() == *id));
            [&jobs[0], &jobs[1], &jobs[4]].into_iter().all(is_kept).then_some(kept)
        })
        .await;
    assert!(kept.iter().all(|one| one.applied_by == "reconciler"), "{kept:#?}");
    let after = everything(&emulator, "theirs").await;
    assert_ne!(after, before);
    let untouched = |rows: &serde_json::Value, id: &str| {
        rows.as_array().unwrap().iter().find(|row| row["job_id"]["S"] == id).cloned().unwrap()
    };
    for id in [&jobs[2], &jobs[3]] {
        assert_eq!(untouched(&after[0], id), untouched(&before[0], id), "these are an operator's to judge");
    }
}
