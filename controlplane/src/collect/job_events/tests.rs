use std::net::SocketAddr;
use std::time::Duration;

use stereospot_core::world::KEEP_PROGRESS;
use stereospot_domain::event::JobSubmitted;
use stereospot_domain::{Collector, Job, JobOptions, JobStatus, Payload, Timestamp};
use stereospot_ports::memory::{self, ManualClock};
use uuid::Uuid;

use super::*;
use crate::collect::details::refresh;
use crate::ingest::Source;
use crate::{Config, Server};

#[tokio::test]
async fn a_load_that_is_dropped_half_way_is_begun_again() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::default();
    let mut config = Config::new(dir.path().to_owned(), SocketAddr::from(([127, 0, 0, 1], 0)));
    (config.poll, config.reconcile) = (Duration::from_secs(3600), Duration::from_secs(3600));
    let server = Server::start(memory::backend(&clock), config, None).await.unwrap();
    let app = &server.app;
    let job_id = JobId(Uuid::new_v4());
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    let has_run = || app.live.with(|world| world.collectors.contains_key(&Collector::SettledJobs));
    // At its start the server loads the events of the jobs that are there.
    while !has_run() {
        tick.tick().await;
    }
    // Ended long ago: from now on nothing else loads its events.
    clock.advance(KEEP_PROGRESS * 2);
    let job = Job { status: JobStatus::Completed, ..Job::new(job_id, JobOptions::default(), None, Timestamp(0)) };
    app.backend.jobs.create(&job).await.unwrap();
    let submitted = JobSubmitted { title: Some("clip".into()), bytes: None };
    app.ingest.emit(Source::Server, Payload::JobSubmitted(submitted), job_id, None).await;
    refresh(app, job_id).await.unwrap();

    let loading = Loading::begin(app, job_id).expect("nothing has loaded them");
    assert!(app.live.with(|world| world.jobs[&job_id].progress.is_some()), "it has begun");
    // What happens to it when the client goes away while the store is asked.
    drop(loading);
    assert!(app.live.with(|world| world.jobs[&job_id].progress.is_none()), "nothing is known yet");
    load(app, job_id).await.unwrap();
    let last = app.live.with(|world| world.jobs[&job_id].progress.as_ref()?.last_event.get().cloned());
    assert_eq!(last.as_deref(), Some("job.submitted"));
    server.stop().await;
}
