//! The command that has a deployment's endpoint run something else.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::emulator::{Emulator, program, run};

/// The endpoint `e` in service with `repo:1`, and a deployment's environment file that names it.
async fn endpoint(emulator: &Emulator, dir: &tempfile::TempDir) -> PathBuf {
    let sagemaker = async |action: &str, input: Value| {
        emulator.call("sagemaker", &format!("SageMaker.{action}"), input).await;
    };
    let container = json!({ "Image": "repo:1", "Environment": {} });
    sagemaker("CreateModel", json!({ "ModelName": "m1", "ExecutionRoleArn": "role", "PrimaryContainer": container }))
        .await;
    let variant = json!({
        "VariantName": "AllTraffic", "ModelName": "m1", "InstanceType": "ml.g4dn.xlarge", "InitialInstanceCount": 1,
    });
    sagemaker("CreateEndpointConfig", json!({ "EndpointConfigName": "c1", "ProductionVariants": [variant] })).await;
    sagemaker("CreateEndpoint", json!({ "EndpointName": "e", "EndpointConfigName": "c1" })).await;
    emulator.control("pass?ms=600000").await;
    let file = dir.path().join("deployment.env");
    let env = format!("REGION=us-east-1\nAWS_ENDPOINT_URL={}\nSAGEMAKER_ENDPOINT_NAME=e\n", emulator.url);
    std::fs::write(&file, env).unwrap();
    file
}

/// Runs the command to its end, letting the minutes of the change pass once the command reports it: printed, said, exit code.
async fn change(emulator: &Emulator, file: &PathBuf, what: &[&str]) -> (String, String, i32) {
    let mut asked = program(&["endpoint", "--yes", "--env-file"]);
    asked.arg(file).args(what).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = asked.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("e: Updating, 1 of 1 instances, repo:1, configuration c1\n") {
        assert!(lines.read_line(&mut said).unwrap() > 0, "it never told of the change: {said}");
    }
    emulator.control("pass?ms=600000").await;
    lines.read_to_string(&mut said).unwrap();
    let mut printed = String::new();
    child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    (printed, said, child.wait().unwrap().code().unwrap())
}

#[tokio::test]
async fn an_endpoint_is_moved_over_to_another_image_and_variable() {
    let emulator = Emulator::start();
    let dir = tempfile::tempdir().unwrap();
    let file = endpoint(&emulator, &dir).await;
    let path = file.display().to_string();
    let (printed, said, code) = run(&["endpoint", "--env-file", &path]);
    let stands = "e: InService, 1 of 1 instances, repo:1, configuration c1\n";
    assert_eq!((printed.as_str(), said.as_str(), code), (stands, "", 0));
    let wanted = ["--image", "repo:2", "--set", "IW3_LOW_VRAM=1"];
    let (_, said, code) = run(&[&["endpoint", "--dry-run", "--env-file", &path], &wanted[..]].concat());
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("e: image repo:1 becomes repo:2\ne: IW3_LOW_VRAM not set becomes `1`\n"), "{said}");
    let (printed, ..) = run(&["endpoint", "--env-file", &path]);
    assert_eq!(printed, stands, "a dry run changes nothing");

    let (printed, said, code) = change(&emulator, &file, &wanted).await;
    assert_eq!(code, 0, "{said}");
    assert!(printed.starts_with("e: InService, 1 of 1 instances, repo:2, configuration e-"), "{printed}");
    let (_, said, code) = run(&[&["endpoint", "--yes", "--env-file", &path], &wanted[..]].concat());
    assert_eq!((said.as_str(), code), ("e is so already: nothing to do\n", 0));
}

#[tokio::test]
async fn a_change_that_fails_says_why() {
    let emulator = Emulator::start();
    let dir = tempfile::tempdir().unwrap();
    let file = endpoint(&emulator, &dir).await;
    emulator.control("endpoint-fails?status=InService&reason=did+not+pass+the+ping+health+check").await;
    let (printed, said, code) = change(&emulator, &file, &["--image", "repo:broken"]).await;
    assert_eq!(code, 1, "{said}");
    let stands = "e: InService, 1 of 1 instances, repo:1, configuration c1: did not pass the ping health check\n";
    assert_eq!(printed, stands);
}
