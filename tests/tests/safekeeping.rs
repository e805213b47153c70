//! Backs up a stack at work, destroys it, restores it elsewhere: every job ends with its frames.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use stereospot_tests::stack::{PATIENCE, Stack, Where, text};
use stereospot_tests::{clip, frame_times, output, program, streams, until};

const WORKERS: &str = "chunking=1,inference=2,reassembly=1";
const JOBS: usize = 3;

fn control_plane(args: &[&str]) -> Command {
    let mut command = Command::new(program("stereospot-controlplane"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn back_up(stack: &Stack, to: &Path) -> Result<Value> {
    let data = stack.path("data");
    let args = ["backup", text(to), "--data-dir", text(&data), "--json"];
    Ok(serde_json::from_str(&output(program("stereospot-controlplane"), &args)?)?)
}

fn status(stack: &Stack, job_id: &str) -> Result<String> {
    let shown = stack.json(&["jobs", "show", job_id, "--json"])?;
    Ok(shown["view"]["job"]["status"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn every_job_under_way_is_completed_by_the_restored_stack() -> Result<()> {
    let mut stack = Stack::start(Where::Local, WORKERS)?;
    let source = stack.path("clip.mp4");
    clip(&source, 320, 180, 75)?;
    let mut jobs = Vec::new();
    for _ in 0..JOBS {
        let summary = stack.json(&["submit", text(&source), "--preset", "ultrafast", "--json"])?;
        jobs.push(summary["job_id"].as_str().context("a job id")?.to_owned());
    }
    until("a segment that is converted while others wait", PATIENCE, || {
        let shown = stack.json(&["jobs", "show", &jobs[0], "--json"])?;
        Ok((shown["view"]["segments_done"].as_u64() > Some(0)).then_some(()))
    })?;
    let (folder, elsewhere) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let to = folder.path().join("backup");
    let made = back_up(&stack, &to)?;
    ensure!(made["unfinished_jobs"].as_u64() > Some(0), "nothing was under way: {made}");
    ensure!(fs::metadata(&to)?.permissions().mode() & 0o77 == 0, "others can read it");
    stack.kill()?;

    let data = elsewhere.path().join("data");
    output(program("stereospot-controlplane"), &["restore", text(&to), "--data-dir", text(&data)])?;
    let restored = Stack::in_folder(elsewhere, &["--workers", WORKERS])?;
    for job_id in &jobs {
        until("a job to be completed", PATIENCE, || {
            let status = status(&restored, job_id)?;
            ensure!(status != "failed", "{job_id} failed");
            Ok((status == "completed").then_some(()))
        })?;
        let result = restored.path("result.mp4");
        let done = restored.run(&["jobs", "download", job_id, text(&result), "--force"])?;
        ensure!(done.status.success(), "{done:?}");
        let probed = stereospot_tests::probe(&result)?;
        assert_eq!(streams(&probed, "video")[0]["nb_read_frames"], "75");
        assert_eq!(frame_times(&result)?, frame_times(&source)?);
        assert_eq!(streams(&probed, "audio").len(), 1);
    }
    restored.stop()
}

/// Starts a program, waits until it has written a part of a large file into `folder`, and kills it. Where it was faster than this
/// test, it is started again.
fn kill_half_way(command: &mut Command, folder: &Path, part: &Path) -> Result<()> {
    let part = folder.join(part);
    until("a copy that is killed half-way", PATIENCE, || {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        let mut child = command.spawn()?;
        while child.try_wait()?.is_none() && fs::metadata(&part).map_or(0, |about| about.len()) == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill()?;
        Ok((!child.wait()?.success()).then_some(()))
    })
}

#[test]
fn a_backup_or_a_restore_that_is_killed_half_way_counts_for_nothing_and_can_be_repeated() -> Result<()> {
    const WHOLE: u64 = 400_000_000;
    let stack = Stack::start(Where::Local, "none")?;
    let source = stack.path("clip.mp4");
    clip(&source, 160, 96, 10)?;
    let summary = stack.json(&["submit", text(&source), "--json"])?;
    let job_id = summary["job_id"].as_str().context("a job id")?;
    // Long to copy, and no room on the disk.
    let large = Path::new("objects/output/jobs").join(job_id).join("large.mp4");
    let full = stack.path("data").join(&large);
    fs::create_dir_all(full.parent().context("a folder")?)?;
    File::create(&full)?.set_len(WHOLE)?;
    let (first, second, target) = (stack.path("first"), stack.path("second"), stack.path("target"));
    let data = stack.path("data");

    kill_half_way(&mut control_plane(&["backup", text(&first), "--data-dir", text(&data)]), &first, &large)?;
    let refused = control_plane(&["restore", text(&first), "--data-dir", text(&target)]).output()?;
    let said = String::from_utf8(refused.stderr)?;
    assert!(!refused.status.success() && said.contains("no complete backup") && said.lines().count() == 1, "{said}");
    assert!(!target.exists());

    back_up(&stack, &second)?;
    let restoring = Path::new("restoring").join(&large);
    kill_half_way(&mut control_plane(&["restore", text(&second), "--data-dir", text(&target)]), &target, &restoring)?;
    let start = control_plane(&["--data-dir", text(&target), "--listen", "127.0.0.1:0"]).output()?;
    let said = String::from_utf8(start.stderr)?;
    assert!(!start.status.success() && said.contains("was cut off"), "{said}");
    output(program("stereospot-controlplane"), &["restore", text(&second), "--data-dir", text(&target)])?;
    assert_eq!(fs::metadata(target.join(&large))?.len(), WHOLE);
    stack.stop()
}

#[test]
fn logs_are_put_aside_while_their_process_runs_and_old_jobs_go_as_asked() -> Result<()> {
    let args = ["--workers", WORKERS, "--keep-log-size", "1k", "--keep-jobs", "0d", "--keep-rows", "0d"];
    let stack = Stack::in_folder(tempfile::tempdir()?, &args)?;
    let source = stack.path("clip.mp4");
    clip(&source, 160, 96, 25)?;
    // Its rows and objects go within a minute of its end, so it is not asked for.
    let summary = stack.json(&["submit", text(&source), "--preset", "ultrafast", "--json"])?;
    let job_id = summary["job_id"].as_str().context("a job id")?.to_owned();
    let folder = stack.path("data/logs");
    for child in ["controlplane", "inference-1"] {
        let pid = stack.children(&[child])?.first().copied().context("it runs")?;
        until("the log to be put aside", PATIENCE, || {
            let is_aside = folder.join(format!("{child}.log.1")).is_file();
            let in_use = fs::read_link(format!("/proc/{pid}/fd/1"))?;
            let is_same = fs::read_link(format!("/proc/{pid}/fd/2"))? == in_use;
            Ok((is_aside && is_same && in_use == folder.join(format!("{child}.log"))).then_some(()))
        })?;
    }
    until("the job to go", PATIENCE, || {
        let log = stack.json(&["actions", "--json"])?;
        let gone =
            log.as_array().into_iter().flatten().any(|applied| {
                applied["applied_by"] == "retention" && applied["results"].to_string().contains(&job_id)
            });
        Ok((gone && !stack.run(&["jobs", "show", &job_id])?.status.success()).then_some(()))
    })?;
    for place in ["input/input", "input/segments", "output/jobs"] {
        let left = stack.path("data/objects").join(place).join(&job_id);
        assert!(!left.exists(), "{}", left.display());
    }
    stack.stop()
}
