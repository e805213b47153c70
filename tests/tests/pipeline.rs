//! Tests the pipeline on the embedded backend without a control plane: a job finishes without events.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use object_store::{ObjectStoreExt, PutPayload};
use stereospot_domain::{Format, Job, JobId, JobOptions, JobStatus, QueueRole, keys};
use stereospot_local::{LocalBackend, Options};
use stereospot_ports::{Backend, objects};
use stereospot_tests::{Process, clip, frame_times, probe, program, streams, until};

const LONG: Duration = Duration::from_secs(180);

async fn submit(backend: &Backend, file: &Path, options: JobOptions) -> Result<JobId> {
    let job_id = JobId(uuid::Uuid::new_v4());
    backend.jobs.create(&Job::new(job_id, options, None, backend.clock.now())).await?;
    let content = PutPayload::from(std::fs::read(file)?);
    backend.input.store.put(&objects::path(&keys::source(job_id))?, content).await?;
    Ok(job_id)
}

async fn ended(backend: &Backend, job_id: JobId) -> Result<Job> {
    let mut looks = tokio::time::interval(Duration::from_millis(100));
    tokio::time::timeout(LONG, async {
        loop {
            let job = backend.jobs.get(job_id).await?.context("the job's row is there")?;
            if job.status.is_final() {
                return Ok(job);
            }
            looks.tick().await;
        }
    })
    .await
    .context("the job did not end in time")?
}

async fn fetch(backend: &Backend, job_id: JobId, to: &Path) -> Result<()> {
    let found = backend.output.store.get(&objects::path(&keys::result(job_id))?).await?;
    Ok(std::fs::write(to, found.bytes().await?)?)
}

#[tokio::test]
async fn a_clip_becomes_stereo_with_every_frame_at_its_time_and_its_sound() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (data, source, result) =
        (folder.path().join("data"), folder.path().join("clip.mp4"), folder.path().join("final.mp4"));
    clip(&source, 320, 180, 100)?;
    let backend = LocalBackend::open(&data, Options::default()).await?;
    let options =
        JobOptions { segment_secs: Some(1.0), preset: Some("ultrafast".into()), ..JobOptions::of(Format::Sbs) };
    let job_id = submit(&backend, &source, options).await?;
    let data_dir = data.to_str().context("text")?;
    let mut worker = Process::start(
        &program("stereospot-worker"),
        &["all", "--data-dir", data_dir, "--name", "test"],
        &folder.path().join("worker.log"),
    )?;
    let job = ended(&backend, job_id).await;
    let log = std::fs::read_to_string(folder.path().join("worker.log"))?;
    let job = job.with_context(|| log.clone())?;
    assert_eq!(job.status, JobStatus::Completed, "{:?}\n{log}", job.error);
    assert!(job.total_segments.is_some_and(|total| total > 1), "{:?}", job.total_segments);
    fetch(&backend, job_id, &result).await?;
    let probed = probe(&result)?;
    let video = streams(&probed, "video")[0];
    assert_eq!((&video["width"], &video["height"]), (&640.into(), &180.into()));
    assert_eq!(video["nb_read_frames"], "100");
    assert_eq!(frame_times(&result)?, frame_times(&source)?);
    assert_eq!(streams(&probed, "audio").len(), 1);
    assert_eq!(worker.stop(Duration::from_secs(10))?, 0);
    Ok(())
}

#[tokio::test]
async fn a_worker_that_is_asked_to_stop_gives_its_message_back_at_once() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (data, source, log) =
        (folder.path().join("data"), folder.path().join("clip.mp4"), folder.path().join("worker.log"));
    clip(&source, 320, 180, 150)?;
    let backend = LocalBackend::open(&data, Options::default()).await?;
    let options = JobOptions { preset: Some("veryslow".into()), ..JobOptions::default() };
    submit(&backend, &source, options).await?;
    let data_dir = data.to_str().context("text")?;
    let mut worker = Process::start(&program("stereospot-worker"), &["all", "--data-dir", data_dir], &log)?;
    until("a segment that is worked on", LONG, || {
        Ok(std::fs::read_to_string(&log)?.contains("segment.started").then_some(()))
    })?;
    assert_eq!(worker.stop(Duration::from_secs(10))?, 0);
    let stats = backend.queue(QueueRole::Inference)?.stats().await?;
    assert_eq!((stats.ready, stats.in_flight), (1, 0), "{}", std::fs::read_to_string(&log)?);
    Ok(())
}
