//! Peaks of real workers against their budget. `cargo test -p stereospot-tests --test memory -- --ignored --nocapture` prints the
//! table for all inputs (`STEREOSPOT_MEMORY_ROWS=gif` for those with that in their names).
//!
//! A peak is the largest of the worker's VmHWM and, sampled, the resident memory of the worker with its children.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use object_store::{ObjectStoreExt, PutPayload};
use stereospot_domain::{Format, Job, JobId, JobOptions, JobStatus, keys};
use stereospot_local::{LocalBackend, Options};
use stereospot_ports::{Backend, objects};
use stereospot_tests::{Process, program, root};

#[path = "memory/fixture.rs"]
mod fixture;

use fixture::{ROWS, Row};

/// A limit that only ends a hang: a picture of 128 megapixels takes a minute to encode here.
const HANG: Duration = Duration::from_secs(3600);
const STAGES: [&str; 3] = ["chunking", "inference", "reassembly"];
/// How much of its budget a worker may take at most, in per cent.
const MOST_PERCENT: u64 = 120;

/// How a row ended.
struct Ended {
    job: Job,
    /// Of each stage's worker, in MiB.
    peaks: [u64; 3],
}

/// The memory that processes take, from their start to their end.
struct Watch {
    peaks: Arc<[AtomicU64; 3]>,
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

impl Watch {
    fn start(pids: [u32; 3]) -> Self {
        let (peaks, stop) = (Arc::new([const { AtomicU64::new(0) }; 3]), Arc::new(AtomicBool::new(false)));
        let (seen, is_over) = (Arc::clone(&peaks), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                for (pid, peak) in pids.iter().zip(&*seen) {
                    let own = kibibytes(*pid, "VmHWM:");
                    let all = kibibytes(*pid, "VmRSS:")
                        + children(*pid).into_iter().map(|pid| kibibytes(pid, "VmRSS:")).sum::<u64>();
                    peak.fetch_max(own.max(all) >> 10, Ordering::Relaxed);
                }
                std::thread::park_timeout(Duration::from_millis(5));
            }
        });
        Self { peaks, stop, thread }
    }

    fn end(self) -> [u64; 3] {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the watch does not panic");
        std::array::from_fn(|stage| self.peaks[stage].load(Ordering::Relaxed))
    }
}

fn kibibytes(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

/// All processes below this one.
fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let own: Vec<u32> =
        lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect();
    own.iter().flat_map(|pid| std::iter::once(*pid).chain(children(*pid))).collect()
}

async fn run(source: &Path, memory: &str, preset: &str) -> Result<Ended> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let backend = LocalBackend::open(&data, Options::default()).await?;
    let options = JobOptions { preset: Some(preset.into()), ..JobOptions::of(Format::Sbs) };
    let job_id = submit(&backend, source, options).await?;
    let data_dir = data.to_str().context("a temporary path is text")?;
    let mut workers = Vec::new();
    for stage in STAGES {
        let args = [stage, "--data-dir", data_dir, "--name", stage, "--memory", memory];
        workers.push(Process::start(
            &program("stereospot-worker"),
            &args,
            &folder.path().join(format!("{stage}.log")),
        )?);
    }
    let watch = Watch::start(std::array::from_fn(|stage| workers[stage].pid()));
    let job = ended(&backend, job_id).await;
    let peaks = watch.end();
    let logs: String =
        STAGES.iter().filter_map(|stage| fs::read_to_string(folder.path().join(format!("{stage}.log"))).ok()).collect();
    Ok(Ended { job: job.with_context(|| logs)?, peaks })
}

async fn submit(backend: &Backend, file: &Path, options: JobOptions) -> Result<JobId> {
    let job_id = JobId(uuid::Uuid::new_v4());
    backend.jobs.create(&Job::new(job_id, options, None, backend.clock.now())).await?;
    let content = PutPayload::from(fs::read(file)?);
    backend.input.store.put(&objects::path(&keys::source(job_id))?, content).await?;
    Ok(job_id)
}

async fn ended(backend: &Backend, job_id: JobId) -> Result<Job> {
    let mut looks = tokio::time::interval(Duration::from_millis(100));
    tokio::time::timeout(HANG, async {
        loop {
            let job = backend.jobs.get(job_id).await?.context("the job's row is there")?;
            if job.status.is_final() {
                return Ok(job);
            }
            looks.tick().await;
        }
    })
    .await
    .context("the job did not end")?
}

fn mebibytes(memory: &str) -> u64 {
    memory.parse::<stereospot_domain::amount::Bytes>().expect("an amount of memory").0 >> 20
}

async fn check(row: &Row) -> Result<Ended> {
    let folder = tempfile::tempdir()?;
    let source = row.make(folder.path())?;
    let bytes = fs::metadata(&source)?.len();
    let ended = run(&source, row.memory, row.preset).await?;
    let [chunking, inference, reassembly] = ended.peaks;
    let Row { name, memory, preset, .. } = row;
    let status = ended.job.status;
    println!(
        "{name:26} {:>9} {memory:>5} {preset:>9} {chunking:>8} {inference:>9} {reassembly:>10}  {status} {}",
        bytes / 1024,
        ended.job.error.as_deref().unwrap_or_default()
    );
    let most = mebibytes(memory) * MOST_PERCENT / 100;
    ensure!(
        ended.peaks.iter().all(|peak| *peak <= most),
        "{name}: {:?} MiB, at most {most} MiB may be taken",
        ended.peaks
    );
    Ok(ended)
}

#[tokio::test]
async fn what_a_small_file_claims_takes_no_memory() -> Result<()> {
    for name in ["80 million samples", "20,000 chapters"] {
        let row = ROWS.iter().find(|row| row.name == name).context("it is one of the rows")?;
        let ended = check(row).await?;
        assert_eq!(ended.job.status, JobStatus::Failed);
        let error = ended.job.error.unwrap_or_default();
        assert!(error.contains(", and the limit is "), "{error}");
    }
    Ok(())
}

#[tokio::test]
#[ignore = "takes half an hour: it converts pictures of 67 megapixels"]
async fn no_worker_takes_more_than_its_budget_and_a_fifth() -> Result<()> {
    let wanted = std::env::var("STEREOSPOT_MEMORY_ROWS").unwrap_or_default();
    println!(
        "{:26} {:>9} {:>5} {:>9} {:>8} {:>9} {:>10}",
        "input", "kB", "may", "preset", "chunking", "inference", "reassembly"
    );
    let mut above = Vec::new();
    for row in ROWS.iter().filter(|row| row.name.contains(&wanted)) {
        if let Err(error) = check(row).await {
            above.push(format!("{}: {error:#}", row.name));
        }
    }
    ensure!(above.is_empty(), "{}", above.join("\n"));
    Ok(())
}
