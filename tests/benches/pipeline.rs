//! Measures the pipeline against its parts, and the cost of the queues. Each ratio compares times of one run on one
//! machine.
//!
//!     cargo bench -p stereospot-tests --bench pipeline [-- VIDEO]
//!
//! 1. One segment: the wall time of decode → depth → warp → encode against the slowest of decode, depth and encode run
//!    alone.
//! 2. A clip of four segments: chunking, inference (one worker, two workers) and reassembly as processes on the
//!    embedded backend, against one process that does the same without queues.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use object_store::{ObjectStoreExt, PutPayload};
use stereospot_domain::{Job, JobId, JobOptions, JobStatus, keys};
use stereospot_local::{LocalBackend, Options as LocalOptions};
use stereospot_media::Cancel;
use stereospot_media::budget::Settings;
use stereospot_media::decode::SegmentDecoder;
use stereospot_media::encode::{Encoder, EncoderOptions};
use stereospot_media::join::join;
use stereospot_media::split::Split;
use stereospot_ports::objects;
use stereospot_stereo::{
    Converter, DepthModel, DepthStage, Layout, ModelSpec, Options, Provider, find_runtime_library,
};
use stereospot_tests::{Process, clip, program, root};
use stereospot_worker::convert::{Conversion, Progress, convert, stereo_layout};
use stereospot_worker::sandbox::{Limits, Sandbox};
use tokio_util::sync::CancellationToken;

const FRAMES: u32 = 200;

fn main() -> Result<()> {
    // `cargo bench` adds its own flag.
    let video = std::env::args().skip(1).find(|argument| !argument.starts_with("--")).map(PathBuf::from);
    let folder = tempfile::tempdir()?;
    let source = match video {
        Some(video) => video,
        None => {
            let path = folder.path().join("clip.mp4");
            clip(&path, 1280, 720, FRAMES)?;
            path
        }
    };
    let threads = std::thread::available_parallelism()?.get();
    println!("{} on {threads} cores, preset medium, model cues at 392", source.display());
    one_segment(&source, folder.path(), threads)?;
    four_segments(&source, folder.path(), threads)
}

/// Opens the model with the worker's settings.
fn model() -> Result<DepthModel> {
    Ok(DepthModel::open(&ModelSpec {
        path: root().join("workers/stereo/models/cues.onnx"),
        runtime_library: find_runtime_library()?,
        provider: Provider::Cpu,
        threads: 1,
        resolution: Options::default().resolution,
    })?)
}

/// Reads videos as the worker does.
fn sandbox() -> Sandbox {
    Sandbox::of(&program("stereospot-worker"), Limits::default())
}

fn conversion(split: &Split, index: usize, input: PathBuf, output: PathBuf, threads: usize) -> Conversion {
    let manifest = split.manifest().clone();
    let spec = manifest.segments[index].clone();
    Conversion {
        manifest,
        spec,
        input,
        previous: None,
        output,
        layout: Layout::Sbs,
        options: Options::default(),
        crf: 20,
        preset: "medium".into(),
        settings: Settings::most(threads, "medium"),
        is_strict: false,
    }
}

/// Number of rounds. The machine's speed varies, so each ratio is taken within a round; the median of all rounds
/// counts.
const ROUNDS: usize = 5;

/// The time of each part in one round.
struct Round {
    decode: Duration,
    depth: Duration,
    warp: Duration,
    encode: Duration,
    pipeline: Duration,
    /// The same, decoding in this process.
    without_sandbox: Duration,
}

fn one_segment(source: &Path, folder: &Path, threads: usize) -> Result<()> {
    let mut split = Split::plan(source, 3600.0, Cancel::never())?;
    let paths = write(&mut split, folder)?;
    ensure!(paths.len() == 1, "one segment is wanted here, got {}", paths.len());
    let job = conversion(&split, 0, paths[0].clone(), folder.join("one.mp4"), threads);
    let frames = job.spec.frames;
    let rounds = (0..ROUNDS).map(|round| one_round(round, &job, folder)).collect::<Result<Vec<_>>>()?;
    println!("\none segment, {frames} frames, ms a frame, median of {ROUNDS} rounds");
    type Part = fn(&Round) -> Duration;
    let parts: [(&str, Part); 6] = [
        ("decode", |r| r.decode),
        ("depth", |r| r.depth),
        ("warp", |r| r.warp),
        ("encode", |r| r.encode),
        ("pipeline", |r| r.pipeline),
        ("the same without the sandbox", |r| r.without_sandbox),
    ];
    for (part, time) in parts {
        println!("  {part:9} {:6.2}", median(rounds.iter().map(|r| time(r).as_secs_f64() * 1000.0 / frames as f64)));
    }
    let to_slowest = |r: &Round| r.pipeline.as_secs_f64() / r.decode.max(r.depth).max(r.encode).as_secs_f64();
    let to_sum = |r: &Round| r.pipeline.as_secs_f64() / (r.decode + r.depth + r.warp + r.encode).as_secs_f64();
    println!("  pipeline / slowest part   {:.2}   (at most 1.15)", median(rounds.iter().map(to_slowest)));
    let cost = |r: &Round| r.pipeline.as_secs_f64() / r.without_sandbox.as_secs_f64();
    println!("  pipeline / without sandbox {:.3}  (at most 1.03)", median(rounds.iter().map(cost)));
    println!("  pipeline / sum of parts   {:.2}", median(rounds.iter().map(to_sum)));
    Ok(())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn one_round(round: usize, job: &Conversion, folder: &Path) -> Result<Round> {
    let started = Instant::now();
    let decoded: Vec<_> = SegmentDecoder::open(&job.input, &job.manifest, &job.spec, job.settings.decoder_threads)?
        .collect::<Result<_, _>>()?;
    let decode = started.elapsed();

    let mut stage = DepthStage::new(model()?, &job.options, 0);
    let started = Instant::now();
    for frame in &decoded {
        stage.depth(&frame.picture)?;
    }
    let depth = started.elapsed();

    let mut converter = Converter::new(stage.into_model(), &job.options, job.layout, 0);
    let mut rendered = Vec::with_capacity(decoded.len());
    let mut warp = Duration::ZERO;
    for frame in &decoded {
        let near = converter.depth(&frame.picture)?;
        let started = Instant::now();
        rendered.push((frame.pts, converter.render(&frame.picture, &near)));
        warp += started.elapsed();
    }
    let first = &rendered[0].1;
    let options = EncoderOptions {
        crf: job.crf,
        preset: job.preset.clone(),
        threads: job.settings.encoder_threads,
        lookahead: Some(job.settings.lookahead),
        layout: stereo_layout(job.layout),
        ..EncoderOptions::new(first.width(), first.height(), &job.manifest)
    };
    let started = Instant::now();
    let mut encoder = Encoder::create(&folder.join("encoded.mp4"), options)?;
    for (pts, picture) in &rendered {
        encoder.push(*pts, picture)?;
    }
    encoder.finish()?;
    let encode = started.elapsed();
    let frames = decoded.len() as u64;
    drop((decoded, rendered));

    let (model, _) = converter.into_stages();
    let mut model = model.into_model();
    let mut times = [Duration::ZERO; 2];
    // Alternate the order, so that a machine that becomes slower or faster affects both equally.
    for at in if round.is_multiple_of(2) { [0, 1] } else { [1, 0] } {
        let sandbox = if at == 0 { sandbox() } else { Sandbox::none() };
        let started = Instant::now();
        let (back, converted) = convert(model, job, &sandbox, &Progress::default(), &CancellationToken::new());
        times[at] = started.elapsed();
        ensure!(converted?.frames == frames, "the pipeline wrote another number of frames than it read");
        model = back;
    }
    let [pipeline, without_sandbox] = times;
    Ok(Round { decode, depth, warp, encode, pipeline, without_sandbox })
}

fn write(split: &mut Split, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    split.write(
        |index, total| folder.join(format!("segment-{total}-{index}.mp4")),
        |_, path| paths.push(path.to_owned()),
        Cancel::never(),
    )?;
    Ok(paths)
}

/// A quarter of the clip's length, to get four segments regardless of keyframes.
fn quarter(source: &Path) -> Result<f64> {
    Ok(Split::plan(source, 3600.0, Cancel::never())?.manifest().duration_secs() / 4.0)
}

fn four_segments(source: &Path, folder: &Path, threads: usize) -> Result<()> {
    let secs = quarter(source)?;
    let mut walls: [Vec<f64>; 3] = Default::default();
    for round in 0..ROUNDS {
        // Alternate the order, so that a machine that becomes slower or faster affects all variants equally.
        let mut order = [0, 1, 2];
        if round % 2 == 1 {
            order.reverse();
        }
        for workers in order {
            let wall = match workers {
                0 => without_queues(source, folder, secs, threads)?,
                _ => through_queues(source, &folder.join(format!("data-{workers}-{round}")), workers, secs)?,
            };
            walls[workers].push(wall.as_secs_f64());
        }
    }
    let [alone, queued @ ..] = &walls;
    println!("\n4 segments of about {secs:.1} s, s, median of {ROUNDS} rounds (fastest)");
    println!("  one process, no queues    {:6.2} ({:.2})", median(alone.iter().copied()), fastest(alone));
    for (index, walls) in queued.iter().enumerate() {
        let ratio = median(walls.iter().zip(alone).map(|(wall, alone)| wall / alone));
        let (wall, best) = (median(walls.iter().copied()), fastest(walls));
        let best_ratio = best / fastest(alone);
        println!(
            "  {} inference worker(s)     {wall:6.2} ({best:.2})   ratio {ratio:.2} ({best_ratio:.2}; at most 1.10)",
            index + 1
        );
    }
    Ok(())
}

fn fastest(walls: &[f64]) -> f64 {
    walls.iter().copied().fold(f64::INFINITY, f64::min)
}

fn without_queues(source: &Path, folder: &Path, secs: f64, threads: usize) -> Result<Duration> {
    let started = Instant::now();
    let mut split = Split::plan(source, secs, Cancel::never())?;
    let paths = write(&mut split, folder)?;
    ensure!(paths.len() == 4, "four segments are wanted here, got {}", paths.len());
    let mut model = model()?;
    let mut outputs = Vec::new();
    for (index, path) in paths.iter().enumerate() {
        let output = folder.join(format!("output-{index}.mp4"));
        let mut job = conversion(&split, index, path.clone(), output.clone(), threads);
        if index > 0 && !job.spec.starts_at_scene_cut {
            job.previous = Some((job.manifest.segments[index - 1].clone(), paths[index - 1].clone()));
        }
        let (back, converted) = convert(model, &job, &sandbox(), &Progress::default(), &CancellationToken::new());
        converted?;
        model = back;
        outputs.push(output);
    }
    join(source, split.manifest(), &outputs, &folder.join("final.mp4"), stereo_layout(Layout::Sbs), Cancel::never())?;
    Ok(started.elapsed())
}

/// Measures from submission to completion. The processes are started before, as in a running deployment.
fn through_queues(source: &Path, data: &Path, inference: usize, segment_secs: f64) -> Result<Duration> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let backend = runtime.block_on(LocalBackend::open(data, LocalOptions::default()))?;
    let data_dir = data.to_str().context("text")?;
    let mut names = vec![("chunking", "chunking-1".to_owned()), ("reassembly", "reassembly-1".to_owned())];
    names.extend((1..=inference).map(|number| ("inference", format!("inference-{number}"))));
    let mut workers = Vec::new();
    for (stage, name) in &names {
        let log = data.join(format!("{name}.log"));
        let args = [*stage, "--data-dir", data_dir, "--name", name];
        workers.push((Process::start(&program("stereospot-worker"), &args, &log)?, log));
    }
    for (_, log) in &workers {
        stereospot_tests::until("a worker's start", Duration::from_secs(60), || {
            Ok(std::fs::read_to_string(log)?.contains("worker.started").then_some(()))
        })?;
    }
    let job_id = JobId(uuid::Uuid::new_v4());
    let content = std::fs::read(source)?;
    let started = Instant::now();
    runtime.block_on(async {
        let options = JobOptions { segment_secs: Some(segment_secs), ..JobOptions::default() };
        backend.jobs.create(&Job::new(job_id, options, None, backend.clock.now())).await?;
        let path = objects::path(&keys::source(job_id))?;
        backend.input.store.put(&path, PutPayload::from(content)).await?;
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        loop {
            looks.tick().await;
            let job = backend.jobs.get(job_id).await?.context("the row is there")?;
            ensure!(job.status != JobStatus::Failed, "the job failed: {:?}", job.error);
            if job.status == JobStatus::Completed {
                return Ok(());
            }
        }
    })?;
    Ok(started.elapsed())
}
