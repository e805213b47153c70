//! An endpoint changes to another image or other variables.

use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_types::timeout::TimeoutConfig;
use serde_json::{Value, json};
use stereospot_aws::Connections;
use stereospot_aws::sagemaker::endpoint::{Change, EndpointState, Endpoints};
use stereospot_domain::Timestamp;
use stereospot_ports::ErrorCode;
use tokio::sync::watch;

use crate::emulator::Emulator;

const NOW: Timestamp = Timestamp(1_795_290_597_000);

/// Makes pauses on the emulator's clock.
#[derive(Debug)]
struct Pauses {
    http: reqwest::Client,
    url: String,
}

impl AsyncSleep for Pauses {
    fn sleep(&self, duration: Duration) -> Sleep {
        let pass = self.http.get(format!("{}/-/pass?ms={}", self.url, duration.as_millis())).send();
        Sleep::new(async { drop(pass.await.unwrap()) })
    }
}

async fn sagemaker(emulator: &Emulator, action: &str, input: Value) -> Value {
    emulator.call("sagemaker", &format!("SageMaker.{action}"), input).await
}

/// The endpoint `e` in service with two instances of `repo:1`, as an existing deployment's Terraform makes it.
async fn endpoint(emulator: &Emulator) -> Endpoints {
    let container = json!({ "Image": "repo:1", "Environment": { "A": "1", "OLD": "x" } });
    let model = json!({ "ModelName": "m1", "ExecutionRoleArn": "role", "PrimaryContainer": container });
    sagemaker(emulator, "CreateModel", model).await;
    let variant = json!({
        "VariantName": "AllTraffic", "ModelName": "m1", "InstanceType": "ml.g4dn.xlarge", "InitialInstanceCount": 2,
    });
    let output = json!({ "S3OutputPath": "s3://o/r/", "S3FailurePath": "s3://o/f/" });
    let config = json!({
        "EndpointConfigName": "c1", "ProductionVariants": [variant], "AsyncInferenceConfig": { "OutputConfig": output },
    });
    sagemaker(emulator, "CreateEndpointConfig", config).await;
    sagemaker(emulator, "CreateEndpoint", json!({ "EndpointName": "e", "EndpointConfigName": "c1" })).await;
    let Connections { config, calls, .. } = emulator.connect(emulator.nothing()).await;
    // Time limits would pass as fast as the pauses.
    let config = config
        .to_builder()
        .sleep_impl(Pauses { http: emulator.http.clone(), url: emulator.url.clone() })
        .timeout_config(TimeoutConfig::disabled())
        .identity_cache(IdentityCache::no_cache())
        .build();
    let endpoints = Endpoints::new(&config, &calls);
    assert_eq!(endpoints.state("e").await.unwrap().status, "Creating");
    emulator.control("pass?ms=600000").await;
    endpoints
}

fn image(name: &str) -> Change {
    Change { image: Some(name.into()), ..Change::default() }
}

/// Follows a change to its end; the old configuration answers until then.
async fn follow(endpoints: &Endpoints) -> EndpointState {
    let (progress, mut seen) = watch::channel(EndpointState::default());
    let looking = async {
        let mut looks = 0;
        while seen.changed().await.is_ok() {
            let state = seen.borrow_and_update();
            looks += u32::from((state.status.as_str(), state.instances) == ("Updating", (2, 2)));
        }
        looks
    };
    let settled = async {
        let progress = progress;
        endpoints.settled("e", &progress).await.unwrap()
    };
    let (state, looks) = tokio::join!(settled, looking);
    assert!((30..=40).contains(&looks), "four a minute for ten minutes: {looks}");
    state
}

#[tokio::test]
async fn an_endpoint_moves_over_to_another_image_and_other_variables() {
    let emulator = Emulator::start();
    let endpoints = endpoint(&emulator).await;
    let variables = [("IW3_LOW_VRAM", Some("1")), ("OLD", None)];
    let variables = variables.map(|(key, value)| (key.to_owned(), value.map(str::to_owned)));
    let change = Change { image: Some("repo:2".into()), environment: variables.into() };
    let plan = endpoints.plan("e", &change, NOW).await.unwrap();
    let changes = ["image repo:1 becomes repo:2", "IW3_LOW_VRAM not set becomes `1`", "OLD `x` becomes not set"];
    assert_eq!(plan.changes, changes);
    endpoints.apply(&plan).await.unwrap();
    let state = endpoints.state("e").await.unwrap();
    assert_eq!((state.config.as_str(), state.images), ("c1", vec!["repo:1".to_owned()]), "until the new one answers");
    assert_eq!(endpoints.apply(&plan).await.unwrap_err().code(), ErrorCode::Conflict, "it is under way");

    let state = follow(&endpoints).await;
    let expected = EndpointState {
        status: "InService".into(),
        config: "e-1795290597".into(),
        images: vec!["repo:2".into()],
        instances: (2, 2),
        failure: None,
    };
    assert_eq!(state, expected);
    let model = sagemaker(&emulator, "DescribeModel", json!({ "ModelName": plan.new_model })).await;
    assert_eq!(model["PrimaryContainer"]["Environment"], json!({ "A": "1", "IW3_LOW_VRAM": "1" }));
    assert_eq!(model["ExecutionRoleArn"], "role");
    let name = json!({ "EndpointConfigName": plan.new_config });
    let config = sagemaker(&emulator, "DescribeEndpointConfig", name).await;
    assert_eq!(config["AsyncInferenceConfig"]["OutputConfig"]["S3FailurePath"], "s3://o/f/");
    assert_eq!(config["ProductionVariants"][0]["InstanceType"], "ml.g4dn.xlarge");
    endpoints.apply(&plan).await.unwrap();
    assert_eq!(endpoints.state("e").await.unwrap(), expected, "applied again it changes nothing");
    assert_eq!(endpoints.plan("e", &change, NOW).await.unwrap().changes, Vec::<String>::new());
}

#[tokio::test]
async fn a_change_that_stopped_half_way_goes_on_where_it_stopped() {
    let emulator = Emulator::start();
    let endpoints = endpoint(&emulator).await;
    let plan = endpoints.plan("e", &image("repo:2"), NOW).await.unwrap();
    for action in ["CreateEndpointConfig", "UpdateEndpoint"] {
        let denied = format!("fail?api=sagemaker.{action}&status=400&code=AccessDeniedException");
        emulator.control(&denied).await;
        let error = endpoints.apply(&plan).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Denied);
        assert!(error.to_string().starts_with(&format!("sagemaker:{action} on the endpoint")), "{error}");
        emulator.control("heal").await;
    }
    endpoints.apply(&plan).await.unwrap();
    assert_eq!(follow(&endpoints).await.images, ["repo:2"]);
}

#[tokio::test]
async fn a_change_that_fails_says_why_and_the_old_one_goes_on() {
    let emulator = Emulator::start();
    let endpoints = endpoint(&emulator).await;
    emulator.control("endpoint-fails?status=InService&reason=did+not+pass+the+ping+health+check").await;
    let plan = endpoints.plan("e", &image("repo:broken"), NOW).await.unwrap();
    endpoints.apply(&plan).await.unwrap();
    let state = follow(&endpoints).await;
    assert_eq!((state.status.as_str(), state.config.as_str()), ("InService", "c1"));
    assert_eq!(state.failure.as_deref(), Some("did not pass the ping health check"));
    assert_eq!(state.images, ["repo:1"]);

    emulator.control("endpoint-fails?status=Failed&reason=no+instance+left").await;
    let plan = endpoints.plan("e", &image("repo:2"), Timestamp::from_secs(1_795_290_600)).await.unwrap();
    endpoints.apply(&plan).await.unwrap();
    let state = follow(&endpoints).await;
    assert_eq!((state.status.as_str(), state.failure.as_deref()), ("Failed", Some("no instance left")));
    let plan = endpoints.plan("e", &image("repo:3"), Timestamp::from_secs(1_795_290_700)).await.unwrap();
    let error = endpoints.apply(&plan).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Invalid);
    assert!(error.to_string().contains("Cannot update failed endpoint"), "{error}");
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_said_to_be_missing() {
    let emulator = Emulator::start();
    let endpoints = endpoint(&emulator).await;
    let error = endpoints.state("f").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
    assert!(error.to_string().starts_with("the endpoint f does not exist"), "{error}");
}
