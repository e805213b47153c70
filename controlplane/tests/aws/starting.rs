//! A start that AWS hinders: it says why, and does not wait long.

use std::time::{Duration, Instant};

use crate::emulator::{Emulator, Serving, run};

#[tokio::test]
async fn a_start_that_dynamodb_throttles_says_so_and_goes_on() {
    let emulator = Emulator::start();
    let args = ["provision", "--name-prefix", "slow", "--region", "us-east-1", "--endpoint-url", &emulator.url];
    let (env, said, code) = run(&args);
    assert_eq!(code, 0, "{said}");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("deployment.env");
    std::fs::write(&file, env).unwrap();
    emulator.control("fail?api=dynamodb.*&status=400&code=ThrottlingException&message=slow").await;
    let began = Instant::now();
    let serving = Serving::start(&file, dir.path());
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    serving
        .eventually("the reason, on the screen", async |client| {
            let attention = client.snapshot().await.unwrap().attention;
            attention.iter().any(|line| line.evidence.contains("AWS throttles dynamodb")).then_some(())
        })
        .await;
    assert!(!dir.path().join("run/starting.json").exists(), "it has started");
}

#[tokio::test]
async fn while_a_start_waits_its_reason_is_where_commands_look() {
    let emulator = Emulator::start();
    let args = ["provision", "--name-prefix", "slower", "--region", "us-east-1", "--endpoint-url", &emulator.url];
    let (env, said, code) = run(&args);
    assert_eq!(code, 0, "{said}");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("deployment.env");
    std::fs::write(&file, env).unwrap();
    emulator.control("fail?api=sqs.*&status=400&code=ThrottlingException&message=slow").await;
    let (env_file, data_dir) = (file.clone(), dir.path().to_owned());
    let starting = tokio::task::spawn_blocking(move || Serving::start(&env_file, &data_dir));
    let reason = dir.path().join("run/starting.json");
    let wait = async {
        loop {
            if let Ok(text) = std::fs::read_to_string(&reason)
                && text.contains("AWS throttles sqs GetQueueAttributes")
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.expect("the reason within seconds");
    emulator.control("heal").await;
    drop(starting.await.expect("it starts once AWS answers"));
}
