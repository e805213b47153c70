//! ECS services and managed inference, as far as the emulator behaves like AWS. Its tasks run at once, so tests of running tasks
//! use recorded exchanges.

use serde_json::json;
use stereospot_aws::ecs::EcsFleet;
use stereospot_aws::sagemaker::{Sagemaker, Segment};
use stereospot_aws::{Connections, s3};
use stereospot_domain::{Mode, Timestamp};
use stereospot_ports::ErrorCode;
use stereospot_ports::fleet::{Fleet as _, Limits, Scaling};

use crate::emulator::{Emulator, Shape};

async fn cluster(emulator: &Emulator) {
    let ecs = "AmazonEC2ContainerServiceV20141113";
    emulator.call("ecs", &format!("{ecs}.CreateCluster"), json!({ "clusterName": "p" })).await;
    let task = json!({
        "family": "t", "containerDefinitions": [{ "name": "c", "image": "i", "memory": 64, "cpu": 64 }]
    });
    emulator.call("ecs", &format!("{ecs}.RegisterTaskDefinition"), task).await;
    for name in ["media-worker", "video-worker"] {
        let service = json!({ "cluster": "p", "serviceName": name, "taskDefinition": "t", "desiredCount": 0 });
        emulator.call("ecs", &format!("{ecs}.CreateService"), service).await;
    }
    let target = json!({
        "ServiceNamespace": "ecs", "ResourceId": "service/p/video-worker", "ScalableDimension": "ecs:service:DesiredCount",
        "MinCapacity": 1, "MaxCapacity": 8,
    });
    emulator.call("application-autoscaling", "AnyScaleFrontendService.RegisterScalableTarget", target).await;
}

#[tokio::test]
async fn services_are_shown_scaled_and_forced() {
    let emulator = Emulator::start();
    cluster(&emulator).await;
    let Connections { config, calls, .. } = emulator.connect(emulator.nothing()).await;
    let fleet = EcsFleet::new(&config, &calls, "p");
    let services = fleet.services().await.unwrap();
    let names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["media-worker", "video-worker"], "a service that is not deployed is left out");
    assert!(services[0].is_idle());
    assert_eq!(services[0].scaling, Scaling::Off);
    assert_eq!(
        services[1].scaling,
        Scaling::Within(Limits { min: 1, max: 8, is_suspended: false }),
        "{:?}",
        services[1].note
    );
    let scaled = fleet.scale("video-worker", 3).await.unwrap();
    assert_eq!((scaled.before, scaled.desired), (0, 3));
    assert!(scaled.warning.unwrap().starts_with("scaling keeps video-worker between 1 and 8 tasks"));
    assert_eq!(fleet.services().await.unwrap()[1].desired, 3);
    assert_eq!(fleet.force_one("video-worker").await.unwrap().desired, 3);
    assert_eq!(fleet.force_one("media-worker").await.unwrap().desired, 1);
    assert_eq!(fleet.scale("job-worker", 1).await.unwrap_err().code(), ErrorCode::NotFound);
    let elsewhere = EcsFleet::new(&config, &calls, "other");
    assert_eq!(elsewhere.services().await.unwrap_err().code(), ErrorCode::NotFound, "no such cluster");
}

#[tokio::test]
async fn an_invocation_is_found_again_by_its_result() {
    let emulator = Emulator::start();
    let connections = emulator.deploy(Shape::Usual).await;
    let name = format!("{}-inference-invocations", connections.deployment.name_prefix);
    let table = json!({
        "TableName": name, "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{ "AttributeName": "output_location", "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": "output_location", "KeyType": "HASH" }],
    });
    emulator.call("dynamodb", "DynamoDB_20120810.CreateTable", table).await;
    let output = s3::bucket(&connections, connections.deployment.output_bucket.as_deref().unwrap()).unwrap();
    let Connections { config, calls, deployment, .. } = &connections;
    let sagemaker =
        Sagemaker::new(config, calls, output.clone(), "stereo-spot-inference", &name, deployment.invoke_timeout);
    let segment = Segment {
        job_id: "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f".parse().unwrap(),
        index: 3,
        total: 12,
        mode: Mode::Sbs,
        input_uri: "s3://in/a".into(),
        output_uri: output.uri("jobs/x/segments/3.mp4"),
    };
    let now = Timestamp::from_secs(1_795_290_597);
    let invocation = sagemaker.invoke(&segment, now).await.unwrap();
    // The emulator has its own bucket for results, so read the row back under the address that it returned.
    let key = json!({ "output_location": { "S": invocation.success_uri } });
    let row = emulator.call("dynamodb", "DynamoDB_20120810.GetItem", json!({ "TableName": name, "Key": key })).await;
    assert_eq!(row["Item"]["segment_index"]["N"], "3");
    assert_eq!(row["Item"]["ttl"]["N"], (now.as_secs() + 14_400).to_string());
    sagemaker.forget(&invocation.success_uri).await.unwrap();
    sagemaker.forget(&invocation.success_uri).await.unwrap();
    let row = emulator.call("dynamodb", "DynamoDB_20120810.GetItem", json!({ "TableName": name, "Key": key })).await;
    assert_eq!(row.get("Item"), None);
    assert_eq!(sagemaker.matched("sagemaker-async-responses/nobody.out").await.unwrap(), None);
}
