//! Opens a deployment as an operator does, from an environment file and a profile. The process's environment takes part, so each
//! test runs in its own process.

use std::path::Path;
use std::process::{Command, Output};

use object_store::ObjectStoreExt as _;
use stereospot_aws::{AwsBackend, Deployment};
use stereospot_domain::QueueRole;
use stereospot_ports::work_queue::Outgoing;
use stereospot_ports::{Error, objects};

use crate::emulator::{Emulator, Shape};

/// The environment file that the child opens.
const FILE: &str = "STEREOSPOT_TEST_ENV_FILE";

#[tokio::test]
#[ignore = "run in a process of its own by the tests below"]
async fn child() {
    let file = std::env::var(FILE).unwrap();
    let tried = async {
        let backend = AwsBackend::open(&Deployment::read(Path::new(&file)).unwrap()).await?;
        backend.queue(QueueRole::Inference)?.send(&[Outgoing::now("from the child")]).await?;
        backend.output.store.put(&objects::path("from-the-child")?, "a".into()).await?;
        Ok::<(), Error>(())
    };
    match tried.await {
        Ok(()) => println!("opened"),
        Err(error) => println!("{:?}: {error}", error.code()),
    }
}

/// Runs the child with these AWS settings only.
fn run_child(file: &Path, settings: &[(&str, &str)]) -> String {
    // This program, even if a new build has replaced its file.
    let mut child = Command::new("/proc/self/exe");
    for (key, _) in std::env::vars().filter(|(key, _)| key.starts_with("AWS_")) {
        child.env_remove(key);
    }
    // Don't ask for an instance's role, wherever the test runs.
    child.env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", "/nonexistent").env(FILE, file);
    child.envs(settings.iter().copied());
    let Output { status, stdout, .. } =
        child.args(["opening::child", "--exact", "--ignored", "--nocapture"]).output().unwrap();
    assert!(status.success());
    String::from_utf8(stdout).unwrap()
}

fn environment_file(deployment: &Deployment, endpoint: &str) -> String {
    let name = |name: &Option<String>| name.clone().unwrap();
    let tables = &deployment.tables;
    let mut text = format!(
        "# terraform output\r\nregion = \"{}\"\r\nINPUT_BUCKET_NAME={}\r\nOUTPUT_BUCKET_NAME='{}'\r\nexport JOBS_TABLE_NAME={}\r\n\
         segment_completions_table_name = \"{}\"\r\nREASSEMBLY_TRIGGERED_TABLE_NAME={}\r\nINGEST_QUEUE_URL=null\r\n\
         AWS_ENDPOINT_URL={endpoint}\r\n",
        deployment.region,
        name(&deployment.input_bucket),
        name(&deployment.output_bucket),
        name(&tables.jobs),
        name(&tables.completions),
        name(&tables.locks),
    );
    for (queue, url) in &deployment.queues {
        text += &format!("{}=\"{url}\"\r\n", stereospot_aws::deployment::key(*queue));
    }
    text
}

#[tokio::test]
async fn a_profile_s_credentials_serve_every_service() {
    let emulator = Emulator::start();
    let deployment = emulator.deploy(Shape::Usual).await.deployment;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deployment.env");
    std::fs::write(&file, environment_file(&deployment, &emulator.url)).unwrap();
    let keys = folder.path().join("credentials");
    std::fs::write(&keys, "[spot]\naws_access_key_id = key\naws_secret_access_key = secret\n").unwrap();
    let keys = keys.to_str().unwrap();
    let said = run_child(&file, &[("AWS_PROFILE", "spot"), ("AWS_SHARED_CREDENTIALS_FILE", keys)]);
    assert!(said.contains("opened"), "{said}");
    let name = deployment.queue_name(QueueRole::Inference).unwrap();
    let messages = emulator.control(&format!("messages?queue={name}")).await;
    assert_eq!(messages[0]["body"], "from the child");
    let said = run_child(&file, &[("AWS_PROFILE", "another"), ("AWS_SHARED_CREDENTIALS_FILE", keys)]);
    assert!(said.contains("Denied: ") && !said.contains("opened"), "{said}");
}

#[tokio::test]
async fn without_any_credentials_it_says_so() {
    let emulator = Emulator::start();
    let deployment = emulator.deploy(Shape::Usual).await.deployment;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deployment.env");
    std::fs::write(&file, environment_file(&deployment, &emulator.url)).unwrap();
    let said = run_child(&file, &[]);
    assert!(said.contains("Denied: no AWS credentials were found: set AWS_PROFILE"), "{said}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Deployment::read(Path::new("/nonexistent/.env")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "can't read the environment file /nonexistent/.env: give the path of a deployment's .env"
    );
}
