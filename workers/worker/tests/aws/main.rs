//! The stages on the emulator of AWS, with real media: all three of ours, and inference by every means.
//!
//! Credentials come from the process's environment, so the test below starts the tests themselves in a process of their own. It
//! also plays SageMaker, where the emulator differs from AWS: see `model`.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop there")]

#[path = "../stages/fixture.rs"]
mod fixture;
mod managed;
mod model;
mod objects;
mod pipeline;
mod world;

use std::process::Command;

/// The number of tests: none may be left out silently.
const TESTS: usize = 7;

#[tokio::test(flavor = "multi_thread")]
async fn in_a_process_with_credentials() {
    let endpoint = model::Endpoint::start().await;
    let mut child = Command::new("/proc/self/exe");
    for (key, _) in std::env::vars().filter(|(key, _)| key.starts_with("AWS_")) {
        child.env_remove(key);
    }
    child
        .args(["--ignored", "--nocapture", "--test-threads=2"])
        .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_EC2_METADATA_DISABLED", "true")])
        .env("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", &endpoint.url);
    let ran = tokio::task::spawn_blocking(move || child.output().unwrap()).await.unwrap();
    let (said, errors) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && said.contains(&format!("{TESTS} passed")), "{said}\n{errors}");
}
