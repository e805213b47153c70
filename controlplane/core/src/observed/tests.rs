use serde_json::Map;
use stereospot_domain::event::Unread;
use stereospot_domain::{Job, JobOptions, Lock, QueueName};
use uuid::Uuid;

use super::super::world::Truth;
use super::*;

const START: Timestamp = Timestamp(1_780_000_000_000);

fn after(secs: u64) -> Timestamp {
    START.plus(Duration::from_secs(secs))
}

/// A world with one job whose events are loaded: there are none.
fn world(change: impl FnOnce(&mut Job, &mut Truth)) -> (World, JobId) {
    let mut world = World::new(QueueName::all());
    let mut job = Job::new(JobId(Uuid::from_u128(7)), JobOptions::default(), Some("clip".into()), START);
    let mut truth = Truth::default();
    change(&mut job, &mut truth);
    let job_id = job.job_id;
    world.set_job(job, START);
    world.begin_progress(job_id);
    world.set_truth(job_id, |known| *known = truth);
    (world, job_id)
}

fn taken(world: &mut World, now: Timestamp) -> Vec<(String, Timestamp)> {
    let unreported = world.take_unreported(now).into_iter();
    unreported
        .map(|(_, one)| {
            (
                one.segment_index
                    .map_or(one.payload.kind().to_string(), |index| format!("{} {index}", one.payload.kind())),
                one.time,
            )
        })
        .collect()
}

fn check(change: impl FnOnce(&mut Job, &mut Truth), expected: &[(&str, Timestamp)]) {
    let (mut world, job_id) = world(change);
    world.infer(job_id, after(100));
    assert_eq!(taken(&mut world, after(114)), [], "somebody may still tell it");
    let expected: Vec<(String, Timestamp)> = expected.iter().map(|(kind, time)| ((*kind).to_owned(), *time)).collect();
    assert_eq!(taken(&mut world, after(115)), expected);
    assert_eq!(taken(&mut world, after(200)), [], "it is told once");
}

#[test]
fn events_are_inferred_from_a_jobs_state_with_its_times() {
    check(|_, _| {}, &[]);
    check(|job, _| job.uploaded_at = Some(after(3)), &[("job.submitted", after(3))]);
    check(
        |job, _| job.status = JobStatus::ChunkingInProgress,
        &[("job.submitted", START), ("chunking.started", START)],
    );
    check(
        |job, truth| {
            (job.status, job.total_segments) = (JobStatus::ChunkingComplete, Some(3));
            truth.set_completions(&[(0, after(20)), (2, after(10))], after(100));
        },
        &[
            ("job.submitted", START),
            ("chunking.started", after(10)),
            ("chunking.completed", after(10)),
            ("segment.completed 0", after(20)),
            ("segment.completed 2", after(10)),
        ],
    );
    check(
        |job, _| (job.status, job.error) = (JobStatus::Failed, Some("no source came".into())),
        &[("job.failed", START)],
    );
    check(
        |job, _| {
            (job.status, job.error, job.uploaded_at) = (JobStatus::Failed, Some("no video".into()), Some(after(3)));
        },
        &[("job.submitted", after(3)), ("job.failed", START), ("chunking.failed", START)],
    );
    check(
        |job, truth| {
            (job.status, job.total_segments, job.completed_at) = (JobStatus::Completed, Some(1), Some(after(50)));
            let job_id = job.job_id;
            let (triggered_at, started) = (after(30), Some(after(35)));
            let lock = Lock { job_id, triggered_at, reassembly_started_at: started, lease_until: None, owner: None };
            truth.lock = Some(stereospot_domain::diagnosis::Fact::exact(Some(lock), after(100)));
        },
        &[
            ("job.submitted", START),
            ("job.completed", after(50)),
            ("chunking.started", START),
            ("chunking.completed", START),
            ("reassembly.triggered", after(30)),
            ("reassembly.started", after(35)),
            ("reassembly.completed", after(50)),
        ],
    );
}

/// A payload without fields.
fn payload(kind: EventKind) -> Payload {
    Payload::read(kind.as_str(), Map::new()).0
}

/// An event of a worker.
fn event(kind: EventKind, stage: Stage, job_id: JobId, segment_index: Option<u32>) -> stereospot_domain::Event {
    stereospot_domain::Event {
        v: 1,
        id: Uuid::now_v7(),
        source: format!("{stage}-1"),
        boot: Uuid::nil(),
        seq: 1,
        time: after(20),
        job_id: Some(job_id),
        segment_index,
        stage: Some(stage),
        attempt: Some(1),
        traceparent: None,
        payload: payload(kind),
        unread: Unread::default(),
    }
}

#[test]
fn no_event_is_inferred_where_a_worker_reports_or_still_may() {
    let (mut world, job_id) = world(|job, truth| {
        (job.status, job.total_segments) = (JobStatus::ChunkingComplete, Some(2));
        truth.set_completions(&[(0, after(20)), (1, after(21))], after(100));
    });
    world.infer(job_id, after(100));
    world.apply(&event(EventKind::SegmentCompleted, Stage::Inference, job_id, Some(0)), after(105));
    let now: Vec<String> = taken(&mut world, after(130)).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(now, ["chunking.started", "chunking.completed"], "nobody else tells of chunking");
    world.apply(&event(EventKind::JobSubmitted, Stage::Inference, job_id, None), after(131));
    assert_eq!(taken(&mut world, after(699)), [], "segment 1 may wait on its worker's disk");
    assert_eq!(taken(&mut world, after(700)), [("segment.completed 1".to_owned(), after(21))]);
}

#[test]
fn a_log_line_gives_no_event_that_was_or_will_be_reported() {
    let (mut world, job_id) = world(|_, _| {});
    let line = |kind, time| Inferred {
        payload: payload(kind),
        segment_index: Some(0),
        stage: Some(Stage::Inference),
        time,
        which: String::new(),
    };
    let started = line(EventKind::SegmentStarted, after(20));
    assert!(!world.is_log_event_reported(job_id, &started, true, after(30)), "no worker of ours tells");
    world.apply(&event(EventKind::SegmentStarted, Stage::Inference, job_id, Some(0)), after(30));
    assert!(world.is_log_event_reported(job_id, &started, false, after(30)));
    let again = line(EventKind::SegmentStarted, after(500));
    assert!(!world.is_log_event_reported(job_id, &again, false, after(510)), "another attempt");
    assert!(world.is_log_event_reported(job_id, &again, true, after(510)), "our worker tells by itself");
    assert!(
        world.is_log_event_reported(job_id, &line(EventKind::SegmentFailed, after(900)), false, after(510)),
        "a clock that is wrong"
    );
}
