use serde_json::{Value, json};

use super::*;
use crate::replay::Replay;

fn endpoint(config: &str, status: &str, current: u32) -> Value {
    json!({
        "EndpointName": "e", "EndpointStatus": status, "EndpointConfigName": config,
        "ProductionVariants": [{
            "VariantName": "AllTraffic", "CurrentInstanceCount": current, "DesiredInstanceCount": 2,
            "DeployedImages": [{ "SpecifiedImage": "repo:1" }],
        }],
    })
}

fn described() -> Replay {
    Replay::default()
        .answer("DescribeEndpoint", endpoint("c1", "InService", 2))
        .answer(
            "DescribeEndpointConfig",
            json!({
                "EndpointConfigName": "c1", "EndpointConfigArn": "arn", "CreationTime": 1.0,
                "ProductionVariants": [{ "VariantName": "AllTraffic", "ModelName": "m1", "InstanceType": "ml.g4dn.xlarge" }],
                "AsyncInferenceConfig": { "OutputConfig": { "S3OutputPath": "s3://o/r/", "S3FailurePath": "s3://o/f/" } },
                "KmsKeyId": null,
            }),
        )
        .answer(
            "DescribeModel",
            json!({
                "ModelName": "m1", "ExecutionRoleArn": "role",
                "PrimaryContainer": { "Image": "repo:1", "Mode": "SingleModel", "Environment": { "A": "1", "OLD": "x" } },
            }),
        )
}

fn endpoints(replay: &Replay) -> Endpoints {
    Endpoints::new(&replay.config(), &Calls::default())
}

fn change() -> Change {
    let environment = [("IW3_LOW_VRAM", Some("1")), ("OLD", None), ("A", Some("1"))];
    let environment = environment.into_iter().map(|(key, value)| (key.to_owned(), value.map(str::to_owned))).collect();
    Change { image: Some("repo:2".into()), environment }
}

#[tokio::test]
async fn a_plan_says_what_changes_and_keeps_the_rest() {
    let replay = described()
        .answer("DescribeEndpoint", endpoint("c1", "InService", 2))
        .answer("CreateModel", json!({ "ModelArn": "m" }))
        .answer("CreateEndpointConfig", json!({ "EndpointConfigArn": "c" }))
        .answer("UpdateEndpoint", json!({ "EndpointArn": "e" }));
    let endpoints = endpoints(&replay);
    let plan = endpoints.plan("e", &change(), Timestamp::from_secs(1_795_290_597)).await.unwrap();
    assert_eq!(
        plan.changes,
        ["image repo:1 becomes repo:2", "IW3_LOW_VRAM not set becomes `1`", "OLD `x` becomes not set"]
    );
    assert_eq!((plan.old_config.as_str(), plan.new_config.as_str()), ("c1", "e-1795290597"));
    endpoints.apply(&plan).await.unwrap();
    let container =
        json!({ "Image": "repo:2", "Mode": "SingleModel", "Environment": { "A": "1", "IW3_LOW_VRAM": "1" } });
    let model = json!({ "ModelName": "e-1795290597", "ExecutionRoleArn": "role", "PrimaryContainer": container });
    assert_eq!(replay.sent_to("CreateModel")[0].json(), model);
    let config = json!({
        "EndpointConfigName": "e-1795290597",
        "ProductionVariants": [
            { "VariantName": "AllTraffic", "ModelName": "e-1795290597", "InstanceType": "ml.g4dn.xlarge" },
        ],
        "AsyncInferenceConfig": { "OutputConfig": { "S3OutputPath": "s3://o/r/", "S3FailurePath": "s3://o/f/" } },
    });
    assert_eq!(replay.sent_to("CreateEndpointConfig")[0].json(), config);
    let update = json!({ "EndpointName": "e", "EndpointConfigName": "e-1795290597" });
    assert_eq!(replay.sent_to("UpdateEndpoint")[0].json(), update);
    replay.finish();
}

#[tokio::test]
async fn an_endpoint_that_changed_meanwhile_is_left_alone() {
    let replay = described()
        .answer("DescribeEndpoint", endpoint("c2", "InService", 2))
        .answer("DescribeEndpoint", endpoint("c1", "Updating", 2));
    let endpoints = endpoints(&replay);
    let plan = endpoints.plan("e", &change(), Timestamp::from_secs(5)).await.unwrap();
    assert_eq!(endpoints.apply(&plan).await.unwrap_err().code(), ErrorCode::Conflict);
    assert_eq!(endpoints.apply(&plan).await.unwrap_err().code(), ErrorCode::Conflict, "a change is under way");
    replay.finish();
}

#[test]
fn names_fit_sagemakers_limit() {
    let name = new_name(&"a".repeat(80), Timestamp::from_secs(1_795_290_597));
    assert_eq!((name.len(), name.ends_with("-1795290597")), (63, true));
}
