//! Measures the dashboard with 100,000 jobs against its budgets: a frame, a key press, a change, and memory.
//!
//! Plain timing rather than a statistics library, because the budgets are percentiles of single frames, not means. A frame is the
//! view plus the diff against the previous frame; writing to a terminal is not measured.

use std::time::{Duration, Instant};

use crossterm::event::KeyCode;
use stereospot::dashboard::Harness;
use stereospot_api::view::{Change, Environment, JobView, Snapshot};
use stereospot_domain::{BackendKind, Format, Job, JobId, JobOptions, JobStatus, Timestamp};
use uuid::Uuid;

const JOBS: u32 = 100_000;
const NOW: Timestamp = Timestamp(1_780_000_000_000);

fn main() {
    let before = resident();
    let mut dash = Harness::new(200, 50);
    dash.snapshot(snapshot(0));
    dash.draw();
    let baseline = resident();
    // Fed page by page, as over the network, so that no second copy of all jobs is in memory.
    for first in (0..JOBS).step_by(1000) {
        for number in first..first + 1000 {
            dash.change(Change::Job(Box::new(job(number, 0))));
        }
    }
    dash.pass(Duration::from_secs(1));
    let held = resident().saturating_sub(baseline);
    println!("jobs                                     {JOBS}");
    println!("memory before, with an empty dashboard   {:.1} MB, {:.1} MB", mega(before), mega(baseline));
    verdict_mega("memory of the jobs", held);
    verdict_mega("memory of the process", resident());

    for (name, key) in [("pulse", '1'), ("jobs", '4')] {
        dash.key(key);
        dash.draw();
        let draws = times(1000, |turn| {
            dash.change(Change::Job(Box::new(job(turn % JOBS, turn + 1))));
            timed(|| dash.draw())
        });
        verdict(&format!("draw, {name}"), draws, Duration::from_millis(4));
    }
    let keys = [KeyCode::Down, KeyCode::PageDown, KeyCode::End, KeyCode::Up, KeyCode::Home, KeyCode::PageDown];
    let moved = times(600, |turn| {
        timed(|| {
            dash.code(keys[turn as usize % keys.len()]);
            dash.draw()
        })
    });
    verdict("key to frame, moving", moved, Duration::from_millis(16));
    let letters: Vec<char> = "/video 12".chars().collect();
    let mut typed = Vec::new();
    for _ in 0..40 {
        for letter in &letters {
            typed.push(timed(|| {
                dash.key(*letter);
                dash.draw()
            }));
        }
        typed.push(timed(|| {
            dash.code(KeyCode::Esc);
            dash.draw()
        }));
    }
    verdict("key to frame, filtering", typed, Duration::from_millis(16));
    let sorted = times(60, |_| {
        timed(|| {
            dash.key('S');
            dash.draw()
        })
    });
    report("key to frame, another order", sorted);

    dash.pass(Duration::from_secs(3));
    let busy = times(100, |turn| {
        for number in 0..250 {
            dash.change(Change::Job(Box::new(job((turn * 250 + number) % JOBS, turn + 3))));
        }
        timed(|| {
            dash.pass(Duration::from_millis(250));
            dash.draw()
        })
    });
    verdict("frame after 250 changes, rows free to move", busy, Duration::from_millis(16));
    let changes = 100_000;
    let all = timed(|| {
        for turn in 0..changes {
            dash.change(Change::Job(Box::new(job(turn % JOBS, turn + 7))));
        }
        true
    });
    println!(
        "{:40} {:.2} µs each, {changes} in {:.0} ms",
        "change taken in",
        micros(all) / f64::from(changes),
        micros(all) / 1e3
    );
    println!("{:40} {:.1} MB", "memory of the process at the end", mega(resident()));
}

fn snapshot(jobs: u32) -> Snapshot {
    Snapshot {
        revision: 1,
        boot: Uuid::from_u128(1),
        now: NOW,
        environment: Environment {
            name: "bench".into(),
            backend: BackendKind::Local,
            is_production: false,
            is_read_only: false,
            repairs_by_itself: true,
            version: "0.1.0".into(),
            region: None,
            topology: None,
            prefix: None,
        },
        jobs: (0..jobs).map(|number| job(number, 0)).collect(),
        jobs_total: u64::from(jobs),
        queues: Vec::new(),
        workers: Vec::new(),
        services: Vec::new(),
        attention: Vec::new(),
        collectors: Vec::new(),
    }
}

fn job(number: u32, turn: u32) -> JobView {
    let statuses = [JobStatus::Completed, JobStatus::ChunkingComplete, JobStatus::Completed, JobStatus::Failed];
    let id = JobId(Uuid::from_u128(u128::from(number.wrapping_mul(0x9e37_79b9)) << 96 | u128::from(number)));
    let created = NOW.minus(Duration::from_secs(u64::from(number)));
    let mut job =
        Job::new(id, JobOptions::of(Format::Sbs), Some(format!("video {number} of the collection.mp4")), created);
    job.status = statuses[number as usize % statuses.len()];
    job.total_segments = Some(64);
    let done = turn % 64;
    JobView {
        job,
        observed_at: NOW,
        segments_done: done,
        segments_running: 2,
        segments_dead: Some(0),
        progress: Some(done as f32 / 64.0),
        frames_per_second: Some(20.0),
        eta: Some(NOW.plus(Duration::from_secs(60))),
        last_activity_at: NOW.plus(Duration::from_millis(u64::from(turn))),
        last_event: Some(format!("segment.completed {done}")),
        attempts: 1,
        findings: Vec::new(),
    }
}

fn timed(work: impl FnOnce() -> bool) -> Duration {
    let began = Instant::now();
    let drew = work();
    assert!(drew, "a frame that was not drawn measures nothing");
    began.elapsed()
}

fn times(turns: u32, measure: impl FnMut(u32) -> Duration) -> Vec<Duration> {
    (0..turns).map(measure).collect()
}

fn percentiles(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    (at(0.5), at(0.99))
}

fn report(name: &str, times: Vec<Duration>) -> Duration {
    let (half, most) = percentiles(times);
    print!("{name:40} p50 {:.2} ms  p99 {:.2} ms", micros(half) / 1e3, micros(most) / 1e3);
    println!();
    most
}

fn verdict(name: &str, times: Vec<Duration>, budget: Duration) {
    let most = report(name, times);
    let word = if most <= budget { "within" } else { "OVER" };
    println!("{:40} {word} its budget of {} ms at p99", "", budget.as_millis());
}

fn verdict_mega(name: &str, bytes: u64) {
    let word = if bytes <= 60_000_000 { "within" } else { "OVER" };
    println!("{name:40} {:.1} MB, {word} its budget of 60 MB", mega(bytes));
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// The resident memory of this process in bytes; 0 where the system doesn't report it.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) * 1024
}
