//! Tests the product as users see it: a stack started by `stereospot up`, videos submitted by `stereospot submit`. The
//! same cases run on the embedded backend and on AWS, there in a deployment created by `stereospot provision`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use stereospot_tests::stack::{PATIENCE, Stack, Where, text};
use stereospot_tests::{clip, frame_times, probe, program, root, signal, streams, until};

/// Makes each case a test on both backends.
macro_rules! on_each_backend {
    ($($case:ident)+) => {
        mod local {
            $(#[test] fn $case() -> anyhow::Result<()> { super::$case(super::Where::Local) })+
        }
        mod aws {
            $(#[test] fn $case() -> anyhow::Result<()> { super::$case(super::Where::Aws) })+
        }
    };
}

on_each_backend! {
    a_killed_worker_and_a_killed_control_plane_cost_time_and_nothing_else
    bad_input_fails_with_one_clear_sentence_and_harms_nothing_else
    sources_of_every_kind_keep_their_frames_their_times_and_their_sound
}

fn check_result(source: &Path, result: &Path, width: u64, height: u64) -> Result<()> {
    let (from, to) = (probe(source)?, probe(result)?);
    let (before, after) = (streams(&from, "video")[0], streams(&to, "video")[0]);
    assert_eq!((after["width"].as_u64(), after["height"].as_u64()), (Some(width), Some(height)));
    assert_eq!(after["nb_read_frames"], before["nb_read_frames"]);
    assert_eq!(after["codec_name"], "h264");
    let (times, wanted) = (frame_times(result)?, frame_times(source)?);
    assert_eq!(times.len(), wanted.len());
    let worst = times.iter().zip(&wanted).map(|(is, should)| (is - should).abs()).fold(0.0, f64::max);
    assert!(worst < 2e-6, "a frame is {worst} s off");
    assert_eq!(streams(&to, "audio").len(), streams(&from, "audio").len());
    Ok(())
}

fn a_killed_worker_and_a_killed_control_plane_cost_time_and_nothing_else(on: Where) -> Result<()> {
    let stack = Stack::start(on, "chunking=1,inference=2,reassembly=1")?;
    let (source, result) = (stack.path("clip.mp4"), stack.path("out.mp4"));
    clip(&source, 640, 360, 100)?;
    let submit = stack
        .command(&["submit", text(&source), "--mode", "half-sbs", "--output", text(&result), "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // Wait until a segment is being converted.
    let (worker, name) = until("a busy inference worker", PATIENCE, || {
        let workers = stack.json(&["workers", "--json"])?;
        let busy = workers.as_array().into_iter().flatten().find(|worker| {
            worker["stage"] == "inference" && worker["state"] == "busy" && !worker["segment_index"].is_null()
        });
        // On AWS the name is followed by `@` and the host.
        let name = busy.and_then(|worker| worker["name"].as_str()?.split('@').next());
        let Some(name) = name else { return Ok(None) };
        Ok(stack.children(&["--name", name])?.first().map(|pid| (*pid, name.to_owned())))
    })?;
    signal(worker, "KILL")?;
    if let Some(emulator) = stack.emulator() {
        // The message reappears when its lease ends: on SQS after the queue's visibility timeout of 40 minutes, which
        // the emulator skips.
        emulator.pass(Duration::from_secs(2400))?;
    }
    let control_plane = stack.children(&["stereospot-controlplane"])?;
    signal(*control_plane.first().context("the control plane runs")?, "KILL")?;

    let done = submit.wait_with_output()?;
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    let summary: Value = serde_json::from_slice(&done.stdout)?;
    assert_eq!((&summary["status"], &summary["frames"]), (&"completed".into(), &100.into()), "{summary}");
    check_result(&source, &result, 640, 360)?;

    // The job completed exactly once, although a segment was started twice.
    let job = summary["job_id"].as_str().context("a job id")?;
    let events = stack.json(&["jobs", "events", job, "--json"])?;
    let count = |kind: &str| events.as_array().into_iter().flatten().filter(|event| event["type"] == kind).count();
    assert_eq!((count("job.completed"), count("reassembly.completed")), (1, 1));
    let restarted = until("the killed worker to be back", PATIENCE, || {
        Ok(stack.children(&["--name", &name])?.into_iter().find(|pid| *pid != worker))
    })?;
    assert_ne!(restarted, worker);
    stack.stop()
}

fn bad_input_fails_with_one_clear_sentence_and_harms_nothing_else(on: Where) -> Result<()> {
    let stack = Stack::start(on, "chunking=1,inference=1,reassembly=1")?;
    let good = stack.path("good.mp4");
    clip(&good, 160, 96, 25)?;
    let ffmpeg = |args: &[&str], to: &Path| {
        let all = [&["-v", "error", "-y"], args, &[text(to)]].concat();
        stereospot_tests::output("ffmpeg", &all)
    };
    let text_file = stack.path("text.mp4");
    std::fs::write(&text_file, "This is no video.\n".repeat(100))?;
    let truncated = stack.path("truncated.mp4");
    let whole = std::fs::read(&good)?;
    std::fs::write(&truncated, &whole[..whole.len() / 2])?;
    let sound_only = stack.path("sound.mp4");
    ffmpeg(&["-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac"], &sound_only)?;
    let tiny = stack.path("tiny.mp4");
    ffmpeg(&["-f", "lavfi", "-i", "color=size=2x2:duration=0.2", "-c:v", "libx264"], &tiny)?;

    // Rejected by the pipeline: the job fails, with a reason.
    for (file, reason) in
        [(&text_file, "not a video"), (&truncated, "cut short"), (&sound_only, "no video"), (&tiny, "too small")]
    {
        let done = stack.run(&["submit", text(file), "--wait", "--json"])?;
        assert_eq!(done.status.code(), Some(1), "{file:?}");
        let summary: Value = serde_json::from_slice(&done.stdout)?;
        assert_eq!(summary["status"], "failed", "{summary}");
        assert!(summary["error"].as_str().is_some_and(|error| error.contains(reason)), "{summary}");
        let job = summary["job_id"].as_str().context("a job id")?;
        let shown = stack.json(&["jobs", "show", job, "--json"])?;
        assert_eq!(shown["view"]["job"]["error"], summary["error"]);
    }
    // Rejected before anything is sent.
    let empty = stack.path("empty.mp4");
    std::fs::write(&empty, "")?;
    let missing = stack.path("missing.mp4");
    for (args, code, reason) in [
        (vec!["submit", text(&empty)], 1, "empty"),
        (vec!["submit", text(&missing)], 1, "missing.mp4"),
        (vec!["submit", text(&good), "--mode", "3d"], 2, "half-sbs"),
    ] {
        let done = stack.run(&args)?;
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(matches!(done.status.code(), Some(found) if found == code || found == 2), "{args:?}: {said}");
        assert!(said.contains(reason), "{args:?}: {said}");
    }
    // Bad jobs leave no messages behind and do not affect the next job.
    let result = stack.path("out.mp4");
    let done = stack.run(&["submit", text(&good), "--mode", "anaglyph", "--output", text(&result)])?;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    check_result(&good, &result, 160, 96)?;
    until("empty queues", PATIENCE, || {
        let queues = stack.json(&["queues", "list", "--json"])?;
        let left: u64 = queues
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|queue| {
                ["ready", "in_flight", "delayed"].map(|state| queue[state]["value"].as_u64().unwrap_or(1))
            })
            .sum();
        Ok((left == 0).then_some(()))
    })?;
    stack.stop()
}

fn sources_of_every_kind_keep_their_frames_their_times_and_their_sound(on: Where) -> Result<()> {
    let stack = Stack::start(on, "chunking=1,inference=2,reassembly=1")?;
    let picture = "testsrc2=duration=1.6:size=160x90:rate=25";
    let x264 = ["-c:v", "libx264", "-preset", "veryfast", "-g", "12"];
    /// Name, inputs, encoder arguments, width and height of one eye.
    type Kind<'a> = (&'a str, Vec<&'a str>, Vec<&'a str>, (u64, u64));
    let kinds: [Kind<'_>; 10] = [
        ("b-frames.mp4", vec![picture], vec!["-bf", "3", "-x264-params", "b-pyramid=normal"], (160, 90)),
        ("open-gop.mp4", vec![picture], vec!["-bf", "2", "-x264-params", "open-gop=1"], (160, 90)),
        (
            "variable-rate.mkv",
            vec![picture],
            vec!["-vf", "select='not(mod(n,3))+not(mod(n,4))'", "-vsync", "vfr"],
            (160, 90),
        ),
        ("ntsc.mkv", vec!["testsrc2=duration=1.6:size=160x90:rate=30000/1001"], vec![], (160, 90)),
        ("odd.mp4", vec!["testsrc=duration=1.6:size=161x91:rate=25"], vec!["-pix_fmt", "yuv444p"], (162, 92)),
        ("ten-bit.mp4", vec![picture], vec!["-pix_fmt", "yuv420p10le"], (160, 90)),
        (
            "two-sounds.mp4",
            vec![picture, "sine=duration=1.6", "sine=frequency=880:duration=1.6"],
            vec!["-map", "0", "-map", "1", "-map", "2"],
            (160, 90),
        ),
        ("one-keyframe.mp4", vec![picture], vec!["-g", "999"], (160, 90)),
        ("one-frame.mp4", vec![picture], vec!["-frames:v", "1"], (160, 90)),
        ("rotated.mp4", vec![picture], vec![], (90, 160)),
    ];
    let mut sources = Vec::new();
    for (name, inputs, encoding, _) in &kinds {
        let path = stack.path(name);
        let inputs: Vec<&str> = inputs.iter().flat_map(|input| ["-f", "lavfi", "-i", input]).collect();
        let args = [&["-v", "error", "-y"], inputs.as_slice(), &x264, encoding.as_slice(), &[text(&path)]].concat();
        stereospot_tests::output("ffmpeg", &args)?;
        if *name == "rotated.mp4" {
            // Like a phone, store the picture as the sensor saw it, with rotation metadata. FFmpeg can only add that
            // while copying.
            let plain = stack.path("plain.mp4");
            std::fs::rename(&path, &plain)?;
            let (plain, path) = (text(&plain), text(&path));
            // FFmpeg 6 has an option for this and ignores the old metadata tag.
            let option = ["-v", "error", "-display_rotation:v:0", "90", "-i", plain, "-c", "copy", path];
            if stereospot_tests::output("ffmpeg", &option).is_err() {
                let tag = ["-v", "error", "-y", "-i", plain, "-c", "copy", "-metadata:s:v:0", "rotate=90", path];
                stereospot_tests::output("ffmpeg", &tag)?;
            }
        }
        sources.push(path);
    }
    let results = stack.path("results");
    std::fs::create_dir(&results)?;
    let mut args = vec!["submit"];
    args.extend(sources.iter().map(|source| text(source)));
    args.extend(["--preset", "ultrafast", "--output", text(&results)]);
    let done = stack.run(&args)?;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    for (source, (name, _, _, (width, height))) in sources.iter().zip(&kinds) {
        let stem = name.split('.').next().context("a name")?;
        check_result(source, &results.join(format!("{stem}_sbs.mp4")), 2 * width, *height).context(*name)?;
    }
    stack.stop()
}

#[test]
fn a_stack_with_a_wrong_model_ends_with_one_sentence() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let model = folder.path().join("model.onnx");
    for content in ["", "not a model"] {
        std::fs::write(&model, content)?;
        let up =
            ["up", "--headless", "--listen", "localhost:0", "--data-dir", text(folder.path()), "--model", text(&model)];
        let done = Command::new(program("stereospot")).args(up).current_dir(root()).stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(1), "{said}");
        assert!(said.contains("did not start") && said.contains("model.onnx is no usable depth model"), "{said}");
        assert!(!String::from_utf8_lossy(&done.stdout).contains("ready"), "it is not ready");
    }
    Ok(())
}

#[test]
fn what_is_changed_in_a_video_is_said_once_everywhere() -> Result<()> {
    let stack = Stack::start(Where::Local, "chunking=1,inference=1,reassembly=1")?;
    let source = stack.path("interlaced.mkv");
    let made =
        ["-f", "lavfi", "-i", "testsrc2=size=160x96:rate=25:duration=1", "-vf", "setfield=tff", "-c:v", "libx264"];
    let flags = ["-flags", "+ildct+ilme", "-x264opts", "tff=1", text(&source)];
    stereospot_tests::output("ffmpeg", &[&["-v", "error", "-y"], &made[..], &flags[..]].concat())?;
    let done = stack.run(&["submit", text(&source), "--preset", "ultrafast", "--wait", "--json"])?;
    let (said, summary) = (String::from_utf8_lossy(&done.stderr), serde_json::from_slice::<Value>(&done.stdout)?);
    let sentence = "the source is interlaced: it was deinterlaced";
    assert_eq!(said.matches(&format!("interlaced.mkv: {sentence}")).count(), 1, "{said}");
    let warnings = summary["warnings"].as_array().context("an array")?;
    assert_eq!((warnings.len(), &warnings[0]["about"]["kind"]), (1, &"deinterlaced".into()), "{summary}");
    let shown = stack.run(&["jobs", "show", summary["job_id"].as_str().context("an id")?])?;
    assert_eq!(String::from_utf8_lossy(&shown.stdout).matches(sentence).count(), 1);
    let metrics = stereospot_tests::get(&format!("{}/metrics", stack.server()))?;
    assert!(metrics.contains("stereospot_job_warnings_total{kind=\"deinterlaced\"} 1"), "{metrics}");
    stack.stop()
}

#[test]
fn a_worker_with_a_wrong_model_says_so_and_starts_no_work() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (model, data) = (folder.path().join("model.onnx"), folder.path().join("data"));
    std::fs::write(&model, "not a model")?;
    let done = Command::new(program("stereospot-worker"))
        .args(["inference", "--data-dir", text(&data), "--model", text(&model)])
        .current_dir(root())
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("model.onnx is no usable depth model"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    Ok(())
}
