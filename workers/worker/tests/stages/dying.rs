//! A video whose decoder dies every time: the worker goes on, and the job fails with that reason.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Mutex;

use stereospot_domain::JobStatus;
use stereospot_ports::memory::{self, MAX_RECEIVES, ManualClock};
use stereospot_runtime::stage::{Handler, step};
use stereospot_worker::chunking::Chunking;
use stereospot_worker::inference::{Inference, Model};
use stereospot_worker::reassembly::Reassembly;
use stereospot_worker::sandbox::{Limits, Sandbox};
use stereospot_worker::scratch::Scratch;

use crate::crash_points::{Workers, submit};
use crate::damaged::try_all;
use crate::fixture::{model, source};

/// A program that dies instead of reading videos.
fn dying(folder: &Path) -> Sandbox {
    let program = folder.join("dying");
    fs::write(&program, "#!/bin/sh\nkill -SEGV $$\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    Sandbox::of(&program, Limits::default())
}

/// Lets the stages before this one finish, and its decoder die until the job has failed. Returns the reason.
async fn check(stage: usize, make: impl FnOnce(Scratch, Sandbox) -> Box<dyn Handler>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let content = fs::read(source(folder.path())).unwrap();
    let workers = Workers::new(folder.path(), model());
    let clock = ManualClock::default();
    let backend = memory::backend(&clock);
    let job_id = submit(&backend, &content).await;
    let context = workers.context(backend.clone());
    for handler in &workers.handlers()[..stage] {
        while step(&context, &**handler).await.unwrap() {}
    }
    let handler = make(Scratch::open(&folder.path().join("own")).unwrap(), dying(folder.path()));
    let mut attempts = 0;
    let failed = loop {
        let job = backend.jobs.get(job_id).await.unwrap().unwrap();
        if job.status == JobStatus::Failed {
            break job;
        }
        assert!(attempts < 2 * MAX_RECEIVES, "it is tried again and again: {job:?}");
        // Two segments each have their attempts.
        while step(&context, &*handler).await.unwrap() {
            attempts += 1;
        }
        clock.advance(std::time::Duration::from_secs(70));
    };
    // The same process, with a decoder that works.
    let other = submit(&backend, &content).await;
    try_all(&workers, &context, &clock).await;
    assert_eq!(backend.jobs.get(other).await.unwrap().unwrap().status, JobStatus::Completed);
    failed.error.unwrap()
}

const DIED: &str = "times: the video decoder was killed by signal 11 (segmentation fault) while";

#[tokio::test]
async fn in_chunking() {
    let reason = check(0, |scratch, sandbox| {
        Box::new(Chunking { scratch, sandbox, segment_secs: 0.4, with_sound: false, terms: Default::default() })
    });
    assert_eq!(reason.await, format!("chunking failed {MAX_RECEIVES} {DIED} splitting the source"));
}

#[tokio::test]
async fn in_inference() {
    let model = Model { model: Mutex::new(Some(model())), provider: "cpu", name: "cues".into() };
    let reason = check(1, |scratch, sandbox| {
        Box::new(Inference { scratch, sandbox, budget: Default::default(), resident: 0, model })
    })
    .await;
    let expected = [0, 1].map(|index| format!("segment {index} failed {MAX_RECEIVES} {DIED} decoding segment {index}"));
    assert!(expected.contains(&reason), "{reason}");
}

#[tokio::test]
async fn in_reassembly() {
    let reason = check(3, |scratch, sandbox| Box::new(Reassembly { scratch, sandbox, owner: "dying".into() }));
    assert_eq!(reason.await, format!("reassembly failed {MAX_RECEIVES} {DIED} joining the segments"));
}
