//! Outputs that are lost before they are joined: all are requested again at once, and events show what the job waits for.

use std::time::Duration;

use object_store::ObjectStoreExt;
use stereospot_domain::{JobStatus, Payload, QueueRole, Topology, keys};
use stereospot_ports::memory::{self, ManualClock};
use stereospot_ports::{Backend, objects};
use stereospot_runtime::stage::{Context, step};

use crate::crash_points::{Workers, submit};
use crate::fixture::{model, source};

/// Brings a job up to reassembly, loses both outputs, and lets reassembly look twice. Returns how many segments were requested
/// and how many counted as done then; healthy workers must complete the job.
async fn check(topology: Topology) -> (u64, u32) {
    let folder = tempfile::tempdir().unwrap();
    let content = std::fs::read(source(folder.path())).unwrap();
    let workers = Workers::new(folder.path(), model());
    let clock = ManualClock::default();
    let backend = memory::backend(&clock);
    let ours = workers.context(backend.clone());
    let job_id = submit(&backend, &content).await;
    let (reassembly, before) = workers.handlers().split_last().unwrap();
    for handler in before {
        while step(&ours, &**handler).await.unwrap() {}
    }
    for index in 0..2 {
        let output = objects::path(&keys::output_segment(job_id, index)).unwrap();
        backend.output.store.delete(&output).await.unwrap();
    }
    let context = Context { topology, ..ours.clone() };
    assert!(step(&context, &**reassembly).await.unwrap());
    let asked = waiting(&backend).await;
    let counted = backend.jobs.count_completions(job_id).await.unwrap();
    clock.advance(Duration::from_secs(31));
    assert!(step(&context, &**reassembly).await.unwrap());
    assert_eq!(waiting(&backend).await, asked, "asked for once");
    assert_eq!(reported(&folder.path().join("spool")), vec![WHY; 2]);

    clock.advance(Duration::from_secs(31));
    workers.work(&ours, || false).await;
    clock.advance(Duration::from_secs(31));
    workers.work(&ours, || false).await;
    let job = backend.jobs.get(job_id).await.unwrap().unwrap();
    assert_eq!((job.status, job.error), (JobStatus::Completed, None));
    assert_eq!(backend.jobs.count_completions(job_id).await.unwrap(), 2);
    (asked, counted)
}

const WHY: &str = "the outputs of segments 0, 1 are gone, so they are converted again";

async fn waiting(backend: &Backend) -> u64 {
    backend.queue(QueueRole::Inference).unwrap().stats().await.unwrap().ready
}

/// The reported reasons for which reassembly failed.
fn reported(spool: &std::path::Path) -> Vec<String> {
    let mut files: Vec<_> = std::fs::read_dir(spool).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let events = files.into_iter().flat_map(|file| {
        let text = std::fs::read_to_string(file).unwrap();
        // A line's checksum stands after a tab.
        let event_of = |line: &str| serde_json::from_str(line.split('\t').next().unwrap()).unwrap();
        text.lines().map(event_of).collect::<Vec<stereospot_domain::Event>>()
    });
    let failed = events.filter_map(|event| match event.payload {
        Payload::ReassemblyFailed(failed) => failed.error,
        _ => None,
    });
    failed.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_lost_outputs_are_made_again_at_once_and_count_as_done_no_more() {
    assert_eq!(check(Topology::VideoWorker).await, (2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_job_worker_counts_its_count_is_left_alone() {
    assert_eq!(check(Topology::JobWorker).await, (2, 2));
}
