//! Replaces each of the deployment's workers by ours, one at a time and all together, in both topologies.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use stereospot_tests::emulator::{KEY, credentials};
use stereospot_tests::existing::Existing;
use stereospot_tests::stack::{PATIENCE, text};
use stereospot_tests::{Process, probe, program, streams, until};

use super::source;

const STAGES: [&str; 3] = ["chunking", "inference", "reassembly"];
/// The queues that any combination of workers receives from.
const QUEUES: [&str; 4] = ["chunking", "video-worker", "reassembly", "output-events"];

/// Starts one of our workers without a control plane, so nothing receives its events.
fn ours(existing: &Existing, stage: &str) -> Result<Process> {
    let data = existing.path(&format!("data-{stage}"));
    let mut command = Command::new(program("stereospot-worker"));
    command.args([stage, "--backend", "aws", "--env-file", text(&existing.env_file()), "--data-dir", text(&data)]);
    command.args(["--segment-secs", "1"]);
    Process::spawn(credentials(&mut command, KEY), &existing.path(&format!("ours-{stage}.log")))
}

/// Starts all workers: ours for these stages, theirs for the others.
fn cast(existing: &Existing, stages: &[&str]) -> Result<Vec<Process>> {
    let mut running = Vec::new();
    for stage in STAGES {
        running.push(match stage {
            stage if stages.contains(&stage) => ours(existing, stage)?,
            "inference" => existing.service("video_worker", &[])?,
            stage => existing.service("media_worker", &["--only", stage])?,
        });
    }
    Ok(running)
}

fn logs(existing: &Existing) -> String {
    let mut said = String::new();
    for entry in std::fs::read_dir(existing.path("")).into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "log") {
            let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
            said.push_str(&format!("--- {}\n{text}", entry.path().display()));
        }
    }
    said
}

/// Checks that the result has all frames and the sound. Our inference makes a side-by-side picture, theirs copies.
fn check_result(existing: &Existing, job_id: &str, source: &Path, width: u64) -> Result<()> {
    let found = existing.emulator.object(&existing.name("output"), &format!("jobs/{job_id}/final.mp4"))?;
    let result = existing.path("final.mp4");
    std::fs::write(&result, found.context("a result")?)?;
    let (from, to) = (probe(source)?, probe(&result)?);
    let (before, after) = (streams(&from, "video")[0], streams(&to, "video")[0]);
    ensure!(after["width"] == width, "the result is {} wide instead of {width}", after["width"]);
    ensure!(
        after["nb_read_frames"] == before["nb_read_frames"],
        "{} of {} frames",
        after["nb_read_frames"],
        before["nb_read_frames"]
    );
    ensure!(streams(&to, "audio").len() == 1, "the sound is gone");
    Ok(())
}

fn every_cast_converts_a_video(topology: &str) -> Result<()> {
    let existing = Existing::deploy(topology)?;
    let source_file = existing.path("source.mp4");
    source(&source_file)?;
    let _job_worker = (topology == "A").then(|| existing.service("job_worker", &[])).transpose()?;
    let mut wrong = Vec::new();
    for stages in [&[][..], &["chunking"], &["inference"], &["reassembly"], &STAGES] {
        let running = cast(&existing, stages)?;
        let job_id = existing.submit(&source_file)?;
        existing.wait_for(&job_id, "completed").with_context(|| format!("ours: {stages:?}\n{}", logs(&existing)))?;
        let width = if stages.contains(&"inference") { 320 } else { 160 };
        if let Err(error) = check_result(&existing, &job_id, &source_file, width) {
            wrong.push(format!("ours {stages:?}: {error}"));
        }
        let completions = existing.emulator.rows(&existing.name("segment-completions"))?;
        let of_job = completions.iter().filter(|row| row["job_id"] == job_id.as_str()).count();
        ensure!(of_job == 3, "ours {stages:?}: {of_job} completions");
        drop(running);
        existing.settle(&QUEUES)?;
    }
    ensure!(wrong.is_empty(), "{wrong:#?}");
    for queue in QUEUES {
        let dead = existing.emulator.messages(&existing.name(&format!("{queue}-dlq")))?;
        ensure!(dead.is_empty(), "{queue} has dead letters: {dead:?}");
    }
    Ok(())
}

#[test]
fn in_topology_a_every_cast_converts_a_video() -> Result<()> {
    every_cast_converts_a_video("A")
}

#[test]
fn in_topology_b_every_cast_converts_a_video() -> Result<()> {
    every_cast_converts_a_video("B")
}

#[test]
fn ours_leave_to_the_job_worker_what_is_its() -> Result<()> {
    let existing = Existing::deploy("A")?;
    let source_file = existing.path("source.mp4");
    source(&source_file)?;
    let _chunking = ours(&existing, "chunking")?;
    let _inference = ours(&existing, "inference")?;
    let job_id = existing.submit(&source_file)?;
    let output = existing.name("output");
    until("all outputs", PATIENCE, || {
        let found = |index| existing.emulator.object(&output, &format!("jobs/{job_id}/segments/{index}.mp4"));
        Ok((0..3).map(found).collect::<Result<Option<Vec<_>>>>()?.map(drop))
    })
    .with_context(|| logs(&existing))?;
    for queue in ["chunking", "video-worker", "output-events"] {
        existing.wait_until_empty(queue)?;
    }
    // Everything is converted, and our workers have processed all notifications about it.
    let row = existing.job(&job_id)?;
    assert_eq!((&row["status"], &row["total_segments"]), (&"chunking_complete".into(), &"3".into()));
    for table in ["segment-completions", "reassembly-triggered"] {
        let written = existing.emulator.rows(&existing.name(table))?;
        assert!(written.is_empty(), "{table}: {written:?}");
    }
    let mut job_worker = existing.service("job_worker", &[])?;
    existing.wait_for(&job_id, "reassembling")?;
    job_worker.kill()?;
    existing.settle(&["job-status-events"])?;
    let _reassembly = ours(&existing, "reassembly")?;
    until("the mark of the end", PATIENCE, || {
        Ok(existing.emulator.object(&output, &format!("jobs/{job_id}/.reassembly-done"))?.map(drop))
    })
    .with_context(|| logs(&existing))?;
    existing.wait_until_empty("reassembly")?;
    assert_eq!(existing.job(&job_id)?["status"], "reassembling", "`completed` is the job-worker's to set");
    let _job_worker = existing.service("job_worker", &[])?;
    existing.wait_for(&job_id, "completed")?;
    check_result(&existing, &job_id, &source_file, 320)
}
