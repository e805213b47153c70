//! Holds the control plane's HTTP interface to its OpenAPI document: recorded answers of every operation, refusals, and a fuzzer
//! (`tests/contract`, which `scripts/setup test` equips).

use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::Value;
use stereospot_domain::{QueueName, QueueRole};
use stereospot_local::{LocalBackend, Options};
use stereospot_ports::work_queue::Outgoing;
use stereospot_tests::emulator::python;
use stereospot_tests::stack::{PATIENCE, Stack, Where, text};
use stereospot_tests::{clip, root, until};

#[test]
fn every_answer_is_as_the_openapi_document_says() -> Result<()> {
    let stack = Stack::start(Where::Local, "chunking=1,inference=1,reassembly=1")?;
    // A completed job, a failed one, and dead letters: most operations have something to answer with.
    let (good, bad) = (stack.path("good.mp4"), stack.path("bad.mp4"));
    clip(&good, 160, 96, 30)?;
    std::fs::write(&bad, "no video")?;
    let done = stack.json(&["submit", text(&good), "--preset", "ultrafast", "--wait", "--json"])?;
    assert_eq!(done["status"], "completed");
    let failed = stack.run(&["submit", text(&bad), "--wait", "--json"])?;
    assert_eq!(serde_json::from_slice::<Value>(&failed.stdout)?["status"], "failed");
    dead_letters(&stack, &["no JSON", "{}"])?;

    let script = root().join("tests/contract/contract.py");
    for part in ["recorded", "refusals", "fuzz"] {
        let done = Command::new(python())
            .args([text(&script), stack.server(), part])
            .env("TMPDIR", stack.path(""))
            .output()
            .map_err(|error| anyhow::anyhow!("{}: {error}: run `scripts/setup test` first", python().display()))?;
        let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        ensure!(done.status.success(), "{part}: {said}");
    }
    stack.stop()
}

/// Puts messages on the inference stage's dead-letter queue, and waits until the control plane has seen them.
fn dead_letters(stack: &Stack, bodies: &[&str]) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let backend = LocalBackend::open(&stack.path("data"), Options::default()).await?;
        let messages: Vec<Outgoing> = bodies.iter().map(|body| Outgoing::now(*body)).collect();
        backend.queue_named(QueueName::dead_letter(QueueRole::Inference))?.send(&messages).await?;
        anyhow::Ok(())
    })?;
    until("the dead letters to be seen", PATIENCE, || {
        let queues = stack.json(&["queues", "--json"])?;
        let mut dead = queues.as_array().into_iter().flatten().filter(|queue| queue["name"] == "inference-dlq");
        Ok(dead.any(|queue| queue["ready"]["value"] == bodies.len()).then_some(()))
    })
}
