//! A deployment that already runs: topology A, on ECS, with something missing. Nothing of it stops the rest.

use serde_json::json;
use stereospot_api::wire::Apply;
use stereospot_domain::plan::{Action, Outcome};
use stereospot_domain::{QueueName, QueueRole};

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
    assert_eq!(view.topology.as_deref(), Some("A"));
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
    assert!(plan.refused.as_deref().unwrap().starts_with("there is no service web-ui"), "{plan:#?}");

    let replay = Action::Replay { queue: REASSEMBLY_DLQ, message_ids: None };
    let plan = serving.client.plan(replay, None).await;
    let said = plan.map_or_else(|error| error.to_string(), |plan| plan.refused.unwrap_or_default());
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
    assert!(said.contains("the AWS credentials have expired: renew them (`aws sso login`"), "{said}");
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
