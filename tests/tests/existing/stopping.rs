//! A worker of ours ends while it polls: what arrives afterwards is another's at once, or soon after a kill.
//!
//! The emulator does as SQS does: it carries out a poll whose client has gone, and leases what it finds to no one.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stereospot_tests::emulator::{KEY, credentials};
use stereospot_tests::existing::Existing;
use stereospot_tests::stack::{PATIENCE, text};
use stereospot_tests::{Process, program, signal, until};

/// Each stage of ours with its queue.
const STAGES: [(&str, &str); 3] =
    [("chunking", "chunking"), ("inference", "video-worker"), ("reassembly", "reassembly")];
/// How long a message may be hidden after its receiver was killed. The queues' own timeouts are 15 to 60 minutes.
const LEASE: Duration = Duration::from_secs(15);

fn ours(existing: &Existing, stage: &str) -> Result<Process> {
    let data = existing.path(&format!("data-{stage}"));
    let mut command = Command::new(program("stereospot-worker"));
    command.args([stage, "--backend", "aws", "--env-file", text(&existing.env_file()), "--data-dir", text(&data)]);
    command.args(["--inference", "stub"]);
    Process::spawn(credentials(&mut command, KEY), &existing.path(&format!("ours-{stage}.log")))
}

/// Polls of a queue that are under way.
fn polls(existing: &Existing, queue: &str) -> Result<u64> {
    let found = existing.emulator.control(&format!("receiving?queue={}", existing.name(queue)))?;
    found.as_u64().context("a number")
}

/// Starts a worker, and waits until it polls its queue.
fn polling(existing: &Existing, stage: &str, queue: &str) -> Result<Process> {
    // S3's notices of its configuration are the first messages of a deployment.
    existing.emulator.control(&format!("clear?queue={}", existing.name(queue)))?;
    let worker = ours(existing, stage)?;
    until(&format!("{stage} to poll"), PATIENCE, || Ok((polls(existing, queue)? > 0).then_some(())))?;
    Ok(worker)
}

/// Sends a message, and waits until the poll has taken it, or is over.
fn send(existing: &Existing, queue: &str, body: &str) -> Result<()> {
    existing.emulator.send(&existing.name(queue), body)?;
    until("the poll's end", PATIENCE, || {
        let is_taken = received(existing, queue)?.iter().any(|count| *count > 0);
        Ok((is_taken || polls(existing, queue)? == 0).then_some(()))
    })
}

/// How often each message of the queue was received.
fn received(existing: &Existing, queue: &str) -> Result<Vec<u64>> {
    let messages = existing.emulator.messages(&existing.name(queue))?;
    Ok(messages.iter().filter_map(|message| message["receive_count"].as_u64()).collect())
}

/// What another worker gets from the queue at once.
fn another_gets(existing: &Existing, queue: &str) -> Result<Option<Value>> {
    let url = format!("{}/123456789012/{}", existing.emulator.url(), existing.name(queue));
    let input = json!({ "QueueUrl": url, "WaitTimeSeconds": 0 });
    let answer = existing.emulator.call("sqs", "AmazonSQS.ReceiveMessage", &input)?;
    Ok(answer["Messages"].as_array().and_then(|messages| messages.first().cloned()))
}

#[test]
fn what_arrives_while_an_idle_worker_stops_is_given_back() -> Result<()> {
    let existing = Existing::deploy("B")?;
    for (stage, queue) in STAGES {
        let mut worker = polling(&existing, stage, queue)?;
        signal(worker.pid(), "TERM")?;
        send(&existing, queue, "work")?;
        ensure!(worker.wait(PATIENCE)? == 0, "{stage} ended badly");
        let found = another_gets(&existing, queue)?;
        ensure!(found.is_some_and(|message| message["Body"] == "work"), "{stage}: {:?}", received(&existing, queue)?);
    }
    Ok(())
}

#[test]
fn what_a_killed_worker_s_poll_takes_comes_back_after_a_short_lease() -> Result<()> {
    let existing = Existing::deploy("B")?;
    for (stage, queue) in STAGES {
        let mut worker = polling(&existing, stage, queue)?;
        worker.kill()?;
        send(&existing, queue, "work")?;
        existing.emulator.pass(LEASE)?;
        let found = another_gets(&existing, queue)?;
        ensure!(found.is_some_and(|message| message["Body"] == "work"), "{stage}: {:?}", received(&existing, queue)?);
    }
    Ok(())
}
