//! Our workers beside those of an existing deployment: its cuts have no manifest, its conversions have other parameters.

use std::path::PathBuf;
use std::process::Command;

use object_store::ObjectStoreExt;
use stereospot_domain::keys::{self, SegmentKey};
use stereospot_domain::{Format, Job, JobId, JobOptions, JobStatus, Mode, QueueName, QueueRole};
use stereospot_media::split::Split;
use stereospot_media::{Cancel, SourceInfo, probe};
use stereospot_ports::job_store::Transition;
use stereospot_ports::memory::{self, ManualClock};
use stereospot_ports::{Backend, Bucket, objects};
use stereospot_runtime::stage::{Context, step};
use stereospot_worker::plan::Plan;
use uuid::Uuid;

use crate::crash_points::Workers;
use crate::fixture::model;

const JOB: JobId = JobId(Uuid::from_u128(7));
const FRAMES: u64 = 50;

struct World {
    workers: Workers,
    context: Context,
    clock: ManualClock,
    folder: tempfile::TempDir,
}

impl World {
    /// A job of an existing service, with an uploaded source of two seconds with sound.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let workers = Workers::new(folder.path(), model());
        let clock = ManualClock::default();
        let context = workers.context(memory::backend(&clock));
        let this = Self { workers, context, clock, folder };
        let options =
            JobOptions { resolution: Some(112), preset: Some("ultrafast".into()), ..JobOptions::of(Format::Sbs) };
        let job = Job::new(JOB, options, None, this.backend().clock.now());
        this.backend().jobs.create(&job).await.unwrap();
        this.ffmpeg(
            "-f lavfi -i testsrc2=size=128x96:rate=25:duration=2 -f lavfi -i sine=duration=2 -c:v libx264 -g 10 \
             -preset veryfast -pix_fmt yuv420p -c:a aac @source.mp4",
        );
        this
    }

    fn backend(&self) -> &Backend {
        &self.context.backend
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `ffmpeg`; `@name` is a file in the folder.
    fn ffmpeg(&self, arguments: &str) {
        let folder = format!("{}/", self.folder.path().display());
        let arguments = arguments.split_whitespace().map(|argument| argument.replace('@', &folder));
        let ran = Command::new("ffmpeg").args(["-v", "error", "-y", "-nostdin"]).args(arguments).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }

    /// Cuts the source as existing services do, every second, all streams; returns the number of segments.
    fn cut(&self) -> u32 {
        self.ffmpeg("-i @source.mp4 -f segment -segment_time 1 -reset_timestamps 1 -c copy -map 0 @cut-%d.mp4");
        (0..).take_while(|index| self.path(&format!("cut-{index}.mp4")).exists()).count().try_into().unwrap()
    }

    async fn put(&self, bucket: &Bucket, key: &str, file: &str) {
        let content = std::fs::read(self.path(file)).unwrap();
        bucket.store.put(&objects::path(key).unwrap(), content.into()).await.unwrap();
    }

    /// Stores another service's cut of `total` segments, sends its notifications, and sets the row.
    async fn put_cut(&self, total: u32) {
        for index in 0..total {
            let key = keys::segment(SegmentKey { job_id: JOB, index, total, mode: Mode::Sbs });
            self.put(&self.backend().input, &key, &format!("cut-{index}.mp4")).await;
        }
        for transition in [
            Transition::to(JobStatus::ChunkingInProgress),
            Transition { total_segments: Some(total), ..Transition::to(JobStatus::ChunkingComplete) },
        ] {
            self.backend().jobs.transition(JOB, &transition).await.unwrap();
        }
    }

    /// Drops the notification of the source, as if another service had taken it.
    async fn take_source(&self) {
        self.put(&self.backend().input, &keys::source(JOB), "source.mp4").await;
        self.backend().queue(QueueRole::Chunking).unwrap().purge().await.unwrap();
    }

    async fn work(&self) {
        self.workers.work(&self.context, || false).await;
    }

    async fn fetch(&self, key: &str) -> SourceInfo {
        let content =
            self.backend().output.store.get(&objects::path(key).unwrap()).await.unwrap().bytes().await.unwrap();
        std::fs::write(self.path("fetched.mp4"), content).unwrap();
        probe(&self.path("fetched.mp4"), Cancel::never()).unwrap()
    }

    async fn expect_result(&self, frames: std::ops::RangeInclusive<u64>) {
        let job = self.backend().jobs.get(JOB).await.unwrap().unwrap();
        assert_eq!(job.status, JobStatus::Completed, "{:?}", job.error);
        let result = self.fetch(&keys::result(JOB)).await;
        assert_eq!((result.width, result.height, result.sound_streams), (256, 96, 1));
        assert!(frames.contains(&result.frames), "{} frames", result.frames);
        assert!((result.duration_secs - 2.0).abs() < 0.2, "{} s", result.duration_secs);
        for role in QueueRole::PIPELINE {
            let dead = self.backend().queue_named(QueueName::dead_letter(*role)).unwrap();
            assert_eq!(dead.stats().await.unwrap().ready, 0, "{role:?}");
        }
    }
}

#[tokio::test]
async fn what_others_cut_is_converted_with_its_sound_and_joined() {
    let world = World::new().await;
    world.take_source().await;
    let total = world.cut();
    assert!(total > 1);
    world.put_cut(total).await;
    world.work().await;
    world.expect_result(FRAMES..=FRAMES).await;
    for index in 0..total {
        let output = world.fetch(&keys::output_segment(JOB, index)).await;
        assert_eq!((output.width, output.sound_streams), (256, 1), "theirs joins the sound of the segments");
        let start_secs = output.time_base.secs(output.start_pts);
        assert!(start_secs < 0.2 && output.duration_secs < 1.5, "its own times: {output:?}");
    }
}

#[tokio::test]
async fn what_we_cut_and_convert_holds_its_sound_for_others_to_join() {
    let world = World::new().await;
    world.put(&world.backend().input, &keys::source(JOB), "source.mp4").await;
    world.work().await;
    world.expect_result(FRAMES..=FRAMES).await;
    let total = world.backend().jobs.get(JOB).await.unwrap().unwrap().total_segments.unwrap();
    let mut list = String::new();
    for index in 0..total {
        world.fetch(&keys::output_segment(JOB, index)).await;
        std::fs::rename(world.path("fetched.mp4"), world.path(&format!("ours-{index}.mp4"))).unwrap();
        list.push_str(&format!("file 'ours-{index}.mp4'\n"));
    }
    std::fs::write(world.path("list.txt"), list).unwrap();
    world.ffmpeg("-f concat -safe 0 -i @list.txt -map 0 -c copy @theirs.mp4");
    let joined = probe(&world.path("theirs.mp4"), Cancel::never()).unwrap();
    assert_eq!((joined.frames, joined.sound_streams), (FRAMES, 1));
    // Their sound of each segment ends about a frame before the next picture begins.
    assert!((joined.duration_secs - 2.0).abs() < 0.1 * f64::from(total), "{} s", joined.duration_secs);
}

#[tokio::test]
async fn what_others_convert_is_joined_as_it_is() {
    let world = World::new().await;
    world.put(&world.backend().input, &keys::source(JOB), "source.mp4").await;
    let (chunking, others) = world.workers.handlers().split_first().unwrap();
    while step(&world.context, &**chunking).await.unwrap() {}
    let total = world.backend().jobs.get(JOB).await.unwrap().unwrap().total_segments.unwrap();
    world.backend().queue(QueueRole::Inference).unwrap().purge().await.unwrap();
    for index in 0..total {
        // Their model halves the frame rate, and their encoder has another time base.
        let key = keys::segment(SegmentKey { job_id: JOB, index, total, mode: Mode::Sbs });
        let segment = world.backend().input.store.get(&objects::path(&key).unwrap()).await.unwrap();
        std::fs::write(world.path("segment.mp4"), segment.bytes().await.unwrap()).unwrap();
        world.ffmpeg("-i @segment.mp4 -vf scale=256:96,fps=12.5 -c:v libx264 -video_track_timescale 90000 @theirs.mp4");
        world.put(&world.backend().output, &keys::output_segment(JOB, index), "theirs.mp4").await;
    }
    for handler in others {
        while step(&world.context, &**handler).await.unwrap() {}
    }
    world.expect_result(24..=30).await;
}

#[tokio::test]
async fn of_two_cuts_the_one_that_the_row_names_counts() {
    let world = World::new().await;
    world.take_source().await;
    // Our cut was begun and given up; another service cut the source again.
    let split = Split::plan(&world.path("source.mp4"), 0.4, Cancel::never()).unwrap();
    let plan = Plan {
        target_secs: 0.4,
        has_sound: false,
        written: Vec::new(),
        footage: None,
        source: None,
        manifest: split.manifest().clone(),
    };
    let (ours, total) = (plan.total(), world.cut());
    assert!(ours > total);
    std::fs::write(world.path("manifest.json"), serde_json::to_vec(&plan).unwrap()).unwrap();
    world.put(&world.backend().input, &keys::manifest(JOB), "manifest.json").await;
    let stray = SegmentKey { job_id: JOB, index: ours - 1, total: ours, mode: Mode::Sbs };
    world.put(&world.backend().input, &keys::segment(stray), "cut-0.mp4").await;
    world.put_cut(total).await;
    world.work().await;
    world.expect_result(FRAMES..=FRAMES).await;
    let stray = keys::output_segment(JOB, ours - 1);
    assert!(!objects::exists(&*world.backend().output.store, &stray).await.unwrap(), "left alone");
}

#[tokio::test]
async fn segments_that_do_not_fit_each_other_fail_the_job_in_the_end() {
    let world = World::new().await;
    world.take_source().await;
    let total = world.cut();
    world.put_cut(total).await;
    world.backend().queue(QueueRole::Inference).unwrap().purge().await.unwrap();
    for round in 1..=3 {
        // Segment 1 is converted with other settings, again and again.
        for index in 0..total {
            let codec = if index == 1 { "mpeg4" } else { "libx264" };
            world.ffmpeg(&format!("-i @cut-{index}.mp4 -vf scale=256:96 -c:v {codec} -c:a copy @theirs.mp4"));
            world.put(&world.backend().output, &keys::output_segment(JOB, index), "theirs.mp4").await;
        }
        for handler in &world.workers.handlers()[2..] {
            while step(&world.context, &**handler).await.unwrap() {}
        }
        let has_output = objects::exists(&*world.backend().output.store, &keys::output_segment(JOB, 1)).await.unwrap();
        let job = world.backend().jobs.get(JOB).await.unwrap().unwrap();
        assert_eq!((has_output, job.status == JobStatus::Failed), (round == 3, round == 3), "round {round}");
        world.clock.advance(std::time::Duration::from_secs(70));
    }
    let error = world.backend().jobs.get(JOB).await.unwrap().unwrap().error.unwrap();
    assert!(error.starts_with("segment 1 does not match") && error.contains("let one kind of worker"), "{error}");
}
