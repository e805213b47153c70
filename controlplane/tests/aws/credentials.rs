//! Credentials that are missing, expire, or are renewed while the program runs.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use stereospot_domain::plan::Action;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::emulator::{Emulator, Serving, parts, program, run};

/// A fresh deployment's environment file.
fn deploy(emulator: &Emulator, dir: &Path) -> std::path::PathBuf {
    let args = ["provision", "--name-prefix", "keys", "--region", "us-east-1", "--endpoint-url", &emulator.url];
    let (env, said, code) = run(&args);
    assert_eq!(code, 0, "{said}");
    let file = dir.join("deployment.env");
    std::fs::write(&file, env).unwrap();
    file
}

/// The command with these settings instead of the test's keys.
fn with(mut command: Command, settings: &[(&str, &str)]) -> Command {
    for name in
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED"]
    {
        command.env_remove(name);
    }
    command.env("HOME", "/nonexistent").envs(settings.iter().copied());
    command
}

#[tokio::test]
async fn keys_renewed_in_the_shared_file_are_picked_up() {
    let emulator = Emulator::start();
    let dir = tempfile::tempdir().unwrap();
    let env_file = deploy(&emulator, dir.path());
    let keys = dir.path().join("credentials");
    let write = |key: &str| {
        let text = format!("[spot]\naws_access_key_id = {key}\naws_secret_access_key = s\naws_session_token = t\n");
        std::fs::write(&keys, text).unwrap();
    };
    write("old");
    let shown = keys.display().to_string();
    let settings = [("AWS_PROFILE", "spot"), ("AWS_SHARED_CREDENTIALS_FILE", shown.as_str())];
    let serving = Serving::spawn(with(Serving::command(&env_file, dir.path()), &settings));
    emulator.control("fail?api=*&key=old&status=403&code=ExpiredTokenException&message=expired").await;
    let renew = format!("have expired: write new keys of the profile spot to {shown}; it is noticed within seconds");
    serving
        .eventually("what renews them, on the screen", async |client| {
            let attention = client.snapshot().await.unwrap().attention;
            attention.iter().any(|line| line.evidence.contains(&renew)).then_some(())
        })
        .await;
    write("new");
    serving
        .eventually("the deployment, with the new keys", async |client| {
            let attention = client.snapshot().await.unwrap().attention;
            (!attention.iter().any(|line| line.evidence.contains("have expired"))).then_some(())
        })
        .await;
    let scale = Action::Scale { service: "video-worker".into(), desired: 2 };
    assert!(serving.client.plan(scale, None).await.is_ok(), "actions have them too");
}

#[tokio::test]
async fn an_expired_session_names_the_command_that_begins_a_new_one() {
    let emulator = Emulator::start();
    let dir = tempfile::tempdir().unwrap();
    let env_file = deploy(&emulator, dir.path());
    let config = dir.path().join("config");
    let text = "[profile team]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\nregion = us-east-1\n\
                [sso-session s]\nsso_region = us-east-1\nsso_start_url = https://d.awsapps.com/start\n";
    std::fs::write(&config, text).unwrap();
    let config = config.display().to_string();
    let settings = [("AWS_PROFILE", "team"), ("AWS_CONFIG_FILE", config.as_str())];
    let mut doctor = program(&["doctor", "--env-file"]);
    doctor.arg(env_file);
    let (text, _, code) = parts(with(doctor, &settings).output().unwrap());
    assert_eq!(code, 1);
    let says =
        "the AWS session of the profile team has expired, or was never begun: run `aws sso login --profile team`";
    assert!(text.contains(says), "{text}");
}

/// Answers every request with this; `None` accepts and never answers.
async fn metadata_service(answer: Option<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            match answer {
                None => held.push(stream),
                Some(answer) => {
                    let mut request = [0; 4096];
                    drop(stream.read(&mut request).await);
                    drop(stream.write_all(answer.as_bytes()).await);
                }
            }
        }
    });
    address
}

#[tokio::test]
async fn without_credentials_the_places_are_named_within_five_seconds() {
    let emulator = Emulator::start();
    let dir = tempfile::tempdir().unwrap();
    let env_file = deploy(&emulator, dir.path());
    let refusal = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    for (answer, says) in [(None, "metadata service (does not answer)"), (Some(refusal), "metadata service (not there")]
    {
        let address = metadata_service(answer).await;
        let settings = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", address.as_str())];
        let mut doctor = program(&["doctor", "--env-file"]);
        doctor.arg(&env_file);
        let began = Instant::now();
        let command = with(doctor, &settings);
        let (text, _, code) = tokio::task::spawn_blocking(|| {
            let mut command = command;
            parts(command.output().unwrap())
        })
        .await
        .unwrap();
        assert_eq!(code, 1);
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
        let problem = text
            .lines()
            .find(|line| line.contains("no AWS credentials were found"))
            .unwrap_or_else(|| panic!("{text}"));
        for place in
            ["AWS_ACCESS_KEY_ID", "the profile default", "AWS_WEB_IDENTITY_TOKEN_FILE", "the container's service", says]
        {
            assert!(problem.contains(place), "{place}: {problem}");
        }
        assert!(!text.contains("expired"), "{text}");
    }
}

#[tokio::test]
async fn the_deployment_s_region_wins_over_the_shell_s() {
    let emulator = Emulator::start();
    let dir = tempfile::tempdir().unwrap();
    let env_file = deploy(&emulator, dir.path());
    let mut doctor = program(&["doctor", "--env-file"]);
    doctor.arg(&env_file).env("AWS_REGION", "eu-west-1");
    let (text, _, _) = parts(doctor.output().unwrap());
    assert!(text.starts_with("deployment keys in us-east-1"), "{text}");
    assert!(!text.contains("MISSING"), "{text}");
    let note = "us-east-1 is used, as the environment file says; AWS_REGION=eu-west-1 of this shell is ignored";
    assert!(text.contains(note), "{text}");
    let env = std::fs::read_to_string(&env_file).unwrap();
    let queue = env.lines().find(|line| line.starts_with("CHUNKING_QUEUE_URL")).unwrap();
    let elsewhere = env.replace(queue, "CHUNKING_QUEUE_URL=https://sqs.eu-west-1.amazonaws.com/1/keys-chunking");
    std::fs::write(&env_file, elsewhere).unwrap();
    let (text, _, code) = run(&["doctor", "--env-file", &env_file.display().to_string()]);
    assert_eq!(code, 1);
    assert!(text.contains("PROBLEM: REGION is us-east-1, but CHUNKING_QUEUE_URL lies in eu-west-1"), "{text}");
}

/// A proxy that notes what it is asked for, and refuses it.
async fn proxy() -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://user:secret@{}", listener.local_addr().unwrap());
    let (asked, requests) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let size = stream.read(&mut request).await.unwrap_or(0);
            let first = String::from_utf8_lossy(&request[..size]).lines().next().unwrap_or_default().to_owned();
            drop(asked.send(first));
            drop(stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await);
        }
    });
    (address, requests)
}

#[tokio::test]
async fn every_service_is_asked_through_the_proxy_and_a_failure_names_it() {
    let (address, mut requests) = proxy().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("deployment.env");
    let text = "REGION=us-east-1\nINPUT_BUCKET_NAME=in\nJOBS_TABLE_NAME=j\n\
                CHUNKING_QUEUE_URL=https://sqs.us-east-1.amazonaws.com/1/p-chunking";
    std::fs::write(&file, text).unwrap();
    let mut doctor = program(&["doctor", "--env-file"]);
    doctor.arg(&file).env("HTTPS_PROXY", &address);
    let out = tokio::task::spawn_blocking(move || doctor.output().unwrap()).await.unwrap();
    let (text, _, code) = parts(out);
    assert_eq!(code, 1);
    let mut asked = std::collections::BTreeSet::new();
    while let Ok(request) = requests.try_recv() {
        asked.insert(request);
    }
    for host in ["sqs.us-east-1.amazonaws.com", "dynamodb.us-east-1.amazonaws.com", "s3.us-east-1.amazonaws.com"] {
        assert!(asked.iter().any(|request| request.starts_with(&format!("CONNECT {host}:443"))), "{host}: {asked:?}");
    }
    assert!(text.contains("is the proxy of HTTPS_PROXY right"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}
